//! `weir worker`.

use super::Fleet;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// Logical id of a function to run, such as KinesisRollup. May stand several times; all of the template otherwise.
    #[arg(long = "function", value_name = "ID")]
    pub(crate) functions: Vec<String>,
    /// Keep in FILE where shards stand. Without it a worker that begins reads each shard from its beginning; what was counted
    /// is dropped.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Processes of one function at a time, where the template reserves none.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) concurrency: u32,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}
