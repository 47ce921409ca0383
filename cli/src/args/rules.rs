//! `weir rules`.

use super::value::instant;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use weir_telemetry::Millis;

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Show the epochs: the rules in force and those announced, with their start times.
    #[command(after_help = "Examples:
  weir rules show
  weir rules show --json | jq '.epochs[-1].limits'")]
    Show(RulesShow),
    /// Show which series endpoints map to, under the rules in force or a file of new ones.
    #[command(after_help = "Examples:
  weir rules test /users/17 '/files/a/b?page=2'
  weir rules test --file new-rules.json --service shop < endpoints.txt
  weir rules test --file new-rules.json --quarantine")]
    Test(RulesTest),
    /// Announce new rules: an epoch that starts at least 20 minutes ahead, so that every function learns of it in time.
    #[command(after_help = "Example:
  weir rules show --json | jq '.epochs[-1] | {rules, limits}' > new-rules.json
  weir rules test --file new-rules.json /users/17/orders/4
  weir rules push new-rules.json
Without --yes it shows what it would do and, on a terminal, asks first. An announced epoch is never edited.")]
    Push(RulesPush),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesShow {
    /// Print the epochs as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesTest {
    /// Endpoints as events name them (default: the lines of standard input).
    pub(crate) endpoints: Vec<String>,
    /// Service of the endpoints.
    #[arg(long, default_value = "default")]
    pub(crate) service: String,
    /// Use the rules in this file instead of those in force.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Instead of endpoints, decode what is in quarantine and count what would be accepted now.
    #[arg(long, conflicts_with_all = ["endpoints", "service"])]
    pub(crate) quarantine: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RulesPush {
    /// Rules and limits in the form that `weir rules show --json` prints; what is omitted stays unchanged.
    pub(crate) file: PathBuf,
    /// When the rules take effect, by arrival time, RFC 3339 (default: half an hour from now, on a whole minute).
    #[arg(long, value_parser = instant)]
    pub(crate) at: Option<Millis>,
    /// Skip the confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what is or would be announced as JSON; never asks.
    #[arg(long)]
    pub(crate) json: bool,
}
