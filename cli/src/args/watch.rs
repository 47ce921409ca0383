//! `weir watch`.

use super::value::duration_ms;
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    /// Service; repeatable (default: the services of the latest minutes).
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Time range to show: 15m, 1h, at most 6h.
    #[arg(long, default_value = "1h", value_parser = range)]
    pub(crate) since: i64,
    /// Interval between updates: 2s, 1m.
    #[arg(long, default_value = "2s", value_parser = duration_ms)]
    pub(crate) interval: i64,
    /// Print one JSON object per update, each on its own line; needs no terminal.
    #[arg(long)]
    pub(crate) json: bool,
    /// Stop after N updates.
    #[arg(long, value_name = "N", requires = "json")]
    pub(crate) count: Option<u64>,
}

/// Rows are minutes, and more of them than this are wider than any terminal.
const RANGE_MAX_MS: i64 = 6 * 3_600_000;

fn range(text: &str) -> Result<i64, String> {
    let range_ms = duration_ms(text)?;
    if (60_000..=RANGE_MAX_MS).contains(&range_ms) { Ok(range_ms) } else { Err("expected 1m to 6h".to_owned()) }
}
