//! `weir reconcile`.

use super::value::{duration_ms, instant};
use clap::Args as ClapArgs;
use weir_telemetry::Millis;

#[derive(Debug, ClapArgs)]
pub(crate) struct Reconcile {
    /// Everything whose contributions still stand: reads both tables' keys, and compares each shard's progress with its
    /// items. Without a range this is done while the contributions table is small, and else the last three hours.
    #[arg(long, conflicts_with_all = ["since", "from", "to"])]
    pub(crate) all: bool,
    /// Windows that begin at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// First window, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<Millis>,
    /// First window no longer checked, RFC 3339; ten minutes ahead otherwise.
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<Millis>,
    /// How long to look again at a row that is behind before it is called wrong: longer than FinalizeSeconds.
    #[arg(long, default_value = "30s", value_parser = duration_ms)]
    pub(crate) patience: i64,
    /// The verdict as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
