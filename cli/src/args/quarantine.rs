//! `weir quarantine`.

use super::value::{duration_ms, instant};
use clap::{Args as ClapArgs, Subcommand};
use weir_telemetry::{Millis, Reason};

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List what was set aside, with counts by reason.
    #[command(after_help = "Examples:
  weir quarantine ls
  weir quarantine ls --reason invalid_status --since 2h
  weir quarantine ls --source sqs --from 2026-11-21T00:00:00Z --json")]
    Ls(QuarantineList),
    /// Show one object: why it was set aside and where it came from.
    #[command(after_help = "Examples:
  weir quarantine show not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json
  weir quarantine show --payload --json not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json")]
    Show(QuarantineShow),
    /// Have objects counted after all, under the rules in force now. Asking twice counts once.
    #[command(after_help = "Examples:
  weir quarantine replay --reason exceeds_events_per_record_max --since 7d
  weir quarantine replay --source kinesis --from 2026-11-21T00:00:00Z --yes
  weir quarantine replay not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json
Without --yes it says what it would do, and asks on a terminal. What arrived more than 14 days ago may have been counted
and forgotten: what nobody has counted is put anew below in/ of the landing bucket; weir backfill names what else is as old.")]
    Replay(QuarantineReplay),
}

/// Which objects are meant.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Selection {
    /// Set aside for this reason, such as invalid_status or too_late.
    #[arg(long, value_parser = reason)]
    pub(crate) reason: Option<Reason>,
    /// Came from this source: kinesis, sqs or s3.
    #[arg(long, value_parser = ["kinesis", "sqs", "s3"])]
    pub(crate) source: Option<String>,
    /// Arrived at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// Arrived then or later, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<Millis>,
    /// Arrived before then, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<Millis>,
}

impl Selection {
    /// Whether it names no bound at all.
    pub(crate) fn is_everything(&self) -> bool {
        let Self { reason, source, since, from, to } = self;
        reason.is_none() && source.is_none() && since.is_none() && from.is_none() && to.is_none()
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineList {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The list and the counts as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineShow {
    /// The object's key, as `ls` prints it.
    pub(crate) key: String,
    /// Show what was set aside, too. It is as it was sent and may hold ids of users.
    #[arg(long)]
    pub(crate) payload: bool,
    /// The document as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineReplay {
    /// Keys of the objects, as `ls` prints them; otherwise those that the options select.
    #[arg(conflicts_with_all = ["reason", "source", "since", "from", "to"])]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Do it, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// What is or would be done as JSON on standard output; asks nothing.
    #[arg(long)]
    pub(crate) json: bool,
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::by_name(text).ok_or_else(|| {
        let names: Vec<String> = Reason::all().map(|reason| reason.to_string()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
