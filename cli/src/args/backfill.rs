//! `weir backfill`.

use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Backfill {
    /// Prefix to read: the latest version of every object below it is enqueued.
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub(crate) uri: String,
    /// Save progress in FILE and resume from it; removed once everything is done.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Print what was enqueued as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
