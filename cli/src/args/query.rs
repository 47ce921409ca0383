//! `weir query`.

use super::value::{duration_ms, instant};
use clap::{Args as ClapArgs, ValueEnum};
use weir_exact::row::Resolution;

#[derive(Debug, ClapArgs)]
pub(crate) struct Query {
    /// The service; all services' summaries otherwise.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// The endpoint; the service's summary (`*`) otherwise.
    #[arg(long, requires = "service")]
    pub(crate) endpoint: Option<String>,
    /// Length of the windows: 1m, 1h or 1d.
    #[arg(long, default_value = "1m", value_parser = resolution)]
    pub(crate) resolution: Resolution,
    /// Windows that begin at most this long ago: 90s, 15m, 2h, 3d; otherwise the last hour of minutes, two days of hours,
    /// two months of days.
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// First window, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<weir_telemetry::Millis>,
    /// First window no longer shown, RFC 3339; now otherwise.
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<weir_telemetry::Millis>,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Same as --format json.
    #[arg(long)]
    pub(crate) json: bool,
}

fn resolution(text: &str) -> Result<Resolution, String> {
    Resolution::by_name(text).ok_or_else(|| "expected 1m, 1h or 1d".to_owned())
}

impl Query {
    /// How long ago the first window begins, milliseconds.
    pub(crate) fn since_ms(&self) -> i64 {
        self.since.unwrap_or(match self.resolution {
            Resolution::Minute => 3_600_000,
            Resolution::Hour => 2 * 86_400_000,
            Resolution::Day => 60 * 86_400_000,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}
