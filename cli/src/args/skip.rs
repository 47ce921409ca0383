//! `weir skip`.

use super::value::duration_ms;
use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Skip {
    /// List the records that are skipped.
    #[command(after_help = "Examples:
  weir skip ls
  weir skip ls --json")]
    Ls(SkipList),
    /// Have a record set aside without being decoded, so that its shard goes on.
    #[command(after_help = "Examples:
  weir skip add --shard shardId-000000000000 --next
  weir skip add --shard shardId-000000000000 --sequence-number 49590338271490256608559692538361571095921575989136588898
Only for a record that kills every process that decodes it: bad records are set aside by themselves. It stands in
quarantine as `skipped`, and a function with more memory can count it (weir quarantine replay). Without --yes it shows the
record's coordinates, and asks on a terminal.")]
    Add(SkipAdd),
    /// Take a record off the list, once its shard is past it.
    #[command(after_help = "Example:
  weir skip rm --shard shardId-000000000000 \\
    --sequence-number 49590338271490256608559692538361571095921575989136588898")]
    Rm(SkipRemove),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipList {
    /// The list as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipAdd {
    /// The shard of `<stack>-telemetry`, such as shardId-000000000000.
    #[arg(long)]
    pub(crate) shard: String,
    /// The first record that the shard has not settled: the one that blocks it.
    #[arg(long, required_unless_present = "sequence_number", conflicts_with = "sequence_number")]
    pub(crate) next: bool,
    /// The record's sequence number.
    #[arg(long)]
    pub(crate) sequence_number: Option<String>,
    /// How long nobody touches the record before it is skipped: longer than an invocation that had begun to count it can
    /// still write. The least that is safe is the timeout of kinesis-rollup and two minutes; the default suits any.
    #[arg(long, default_value = "17m", value_parser = duration_ms)]
    pub(crate) hold: i64,
    /// Do it, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// What is or would be done as JSON on standard output; asks nothing.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipRemove {
    /// The shard, as `ls` prints it.
    #[arg(long)]
    pub(crate) shard: String,
    /// The record's sequence number.
    #[arg(long)]
    pub(crate) sequence_number: String,
    /// What was done as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
