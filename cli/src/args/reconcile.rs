//! `weir reconcile`.

use super::value::{duration_ms, instant};
use clap::Args as ClapArgs;
use std::path::PathBuf;
use weir_telemetry::Millis;

#[derive(Debug, ClapArgs)]
pub(crate) struct Reconcile {
    /// Check everything whose contributions still exist: reads the keys of both tables, and compares each shard's progress
    /// with its items (default without a range: this if the contributions table is small, otherwise the last three hours).
    #[arg(long, conflicts_with_all = ["since", "from", "to"])]
    pub(crate) all: bool,
    /// Windows that start at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// Start of the range, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<Millis>,
    /// End of the range (exclusive), RFC 3339 (default: ten minutes from now).
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<Millis>,
    /// Check only what can have changed since the last run with this file that found no mismatch: windows from 6 days before
    /// it on, since sources keep what they hold for 4 days, and events may be 2 days late. The first run checks everything.
    /// What a redrive, replay or backfill adds to older windows, and the sums of shards, only --all checks.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "since", "from", "to"])]
    pub(crate) state: Option<PathBuf>,
    /// How long a row may lag before it counts as wrong; longer than FinalizeSeconds.
    #[arg(long, default_value = "30s", value_parser = duration_ms)]
    pub(crate) patience: i64,
    /// Print the verdict as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
