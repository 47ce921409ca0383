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
    /// Quarantine a record without decoding it, so that its shard can proceed.
    #[command(after_help = "Examples:
  weir skip add --shard shardId-000000000000 --next
  weir skip add --shard shardId-000000000000 --sequence-number 49590338271490256608559692538361571095921575989136588898
Only for a record that crashes every process that decodes it: bad records are quarantined automatically. It is quarantined as `skipped`, from where a function with more memory can count it (weir quarantine replay). Without --yes it shows the record's coordinates and, on a terminal, asks first.")]
    Add(SkipAdd),
    /// Remove a record from the list once its shard is past it.
    #[command(after_help = "Example:
  weir skip rm --shard shardId-000000000000 \\
    --sequence-number 49590338271490256608559692538361571095921575989136588898")]
    Rm(SkipRemove),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipList {
    /// Print the list as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipAdd {
    /// Shard of `<stack>-telemetry`, such as shardId-000000000000.
    #[arg(long)]
    pub(crate) shard: String,
    /// Take the first record the shard has not settled: the one that blocks it.
    #[arg(long, required_unless_present = "sequence_number", conflicts_with = "sequence_number")]
    pub(crate) next: bool,
    /// Sequence number of the record.
    #[arg(long)]
    pub(crate) sequence_number: Option<String>,
    /// Hold before skipping; at least the function timeout + 2 min. Not checked: a shorter hold risks counting the record
    /// and quarantining it as well. The default suits every timeout.
    #[arg(long, default_value = "17m", value_parser = duration_ms)]
    pub(crate) hold: i64,
    /// Skip the confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what is or would be done as JSON; never asks.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SkipRemove {
    /// Shard, as printed by `ls`.
    #[arg(long)]
    pub(crate) shard: String,
    /// Sequence number of the record.
    #[arg(long)]
    pub(crate) sequence_number: String,
    /// Print what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
