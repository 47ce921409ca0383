//! `weir worker`.

use super::Fleet;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// Logical id of a function to run, such as KinesisRollup; repeatable (default: every function in the template).
    #[arg(long = "function", value_name = "ID")]
    pub(crate) functions: Vec<String>,
    /// Save shard positions in FILE. Without it a starting worker reads each shard from its beginning; what was already
    /// counted is recognised and dropped.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Concurrent processes per function, unless the template reserves concurrency.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) concurrency: u32,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}
