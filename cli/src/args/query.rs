//! `weir query`.

use super::value::{duration_ms, instant};
use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct Query {
    /// The service; all services' summaries otherwise.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// The endpoint; the service's summary (`*`) otherwise.
    #[arg(long, requires = "service")]
    pub(crate) endpoint: Option<String>,
    /// Windows that begin at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, default_value = "1h", value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: i64,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}
