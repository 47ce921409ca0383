//! `weir quarantine`.

use super::value::{duration_ms, instant};
use clap::{Args as ClapArgs, Subcommand};
use weir_telemetry::{Millis, Reason};

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List quarantined objects, with counts by reason.
    #[command(after_help = "Examples:
  weir quarantine ls
  weir quarantine ls --reason invalid_status --since 2h
  weir quarantine ls --source sqs --from 2026-11-21T00:00:00Z --json")]
    Ls(QuarantineList),
    /// Show one object: why it was quarantined and where it came from.
    #[command(after_help = "Examples:
  weir quarantine show not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json
  weir quarantine show --payload --json not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json")]
    Show(QuarantineShow),
    /// Request that quarantined objects be counted, under the rules in force now. Repeating it never double-counts.
    #[command(after_help = "Examples:
  weir quarantine replay --reason exceeds_events_per_record_max --since 7d
  weir quarantine replay --source kinesis --from 2026-11-21T00:00:00Z --yes
  weir quarantine replay not_json/2026/11/21/sqs/weir-telemetry!5f0c!record.json
Without --yes it shows what it would do and, on a terminal, asks first. What arrived more than 14 days ago cannot be replayed without risk of double counting: if you know that it was never counted, upload it again below in/ in the landing bucket.")]
    Replay(QuarantineReplay),
}

/// Which objects to select.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Selection {
    /// Quarantined for this reason, such as invalid_status or too_late.
    #[arg(long, value_parser = reason)]
    pub(crate) reason: Option<Reason>,
    /// Came from this source: kinesis, sqs or s3.
    #[arg(long, value_parser = ["kinesis", "sqs", "s3"])]
    pub(crate) source: Option<String>,
    /// Arrived at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// Arrived at or after this time, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<Millis>,
    /// Arrived before this time, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<Millis>,
}

impl Selection {
    /// Whether nothing narrows the selection.
    pub(crate) fn is_everything(&self) -> bool {
        let Self { reason, source, since, from, to } = self;
        reason.is_none() && source.is_none() && since.is_none() && from.is_none() && to.is_none()
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineList {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Print the list and the counts as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineShow {
    /// Key of the object, as printed by `ls`.
    pub(crate) key: String,
    /// Also show the payload. It is stored as sent and may contain user ids.
    #[arg(long)]
    pub(crate) payload: bool,
    /// Print the document as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct QuarantineReplay {
    /// Keys of the objects, as printed by `ls` (default: the objects that the options select).
    #[arg(conflicts_with_all = ["reason", "source", "since", "from", "to"])]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Skip the confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what is or would be done as JSON; never asks.
    #[arg(long)]
    pub(crate) json: bool,
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::by_name(text).ok_or_else(|| {
        let names: Vec<String> = Reason::all().map(|reason| reason.to_string()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
