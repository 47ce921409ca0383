//! `weir rules`.

use super::value::instant;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use weir_telemetry::Millis;

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Show the epochs: which rules are in force, and which are announced from when.
    #[command(after_help = "Examples:
  weir rules show
  weir rules show --json | jq '.epochs[-1].limits'")]
    Show(RulesShow),
    /// Show which series endpoints become under the rules in force, or under a file of new ones.
    #[command(after_help = "Examples:
  weir rules test /users/17 '/files/a/b?page=2'
  weir rules test --file new-rules.json --service shop < endpoints.txt
  weir rules test --file new-rules.json --quarantine")]
    Test(RulesTest),
    /// Announce new rules: an epoch that begins at least 20 minutes ahead, so that every function learns of it in time.
    #[command(after_help = "Example:
  weir rules show --json | jq '.epochs[-1] | {rules, limits}' > new-rules.json
  weir rules test --file new-rules.json /users/17/orders/4
  weir rules push new-rules.json
Without --yes it says what it would do, and asks on a terminal. An epoch that was announced is never edited.")]
    Push(RulesPush),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesShow {
    /// The epochs as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesTest {
    /// Endpoints as events name them; lines of standard input where there are none.
    pub(crate) endpoints: Vec<String>,
    /// The service that they are of.
    #[arg(long, default_value = "default")]
    pub(crate) service: String,
    /// Under the rules of this file instead of those in force.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Instead of endpoints: decode what is in quarantine, and count what would be accepted now.
    #[arg(long, conflicts_with_all = ["endpoints", "service"])]
    pub(crate) quarantine: bool,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesPush {
    /// Rules and limits as `weir rules show --json` prints those of an epoch; what is left out stays as it is.
    pub(crate) file: PathBuf,
    /// First arrival under them, RFC 3339; half an hour from now otherwise, on a whole minute.
    #[arg(long, value_parser = instant)]
    pub(crate) at: Option<Millis>,
    /// Do it, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// What is or would be announced as JSON on standard output; asks nothing.
    #[arg(long)]
    pub(crate) json: bool,
}
