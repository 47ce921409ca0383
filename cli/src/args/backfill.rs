//! `weir backfill`.

use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Backfill {
    /// What to notice: the latest version of every object below this prefix.
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub(crate) uri: String,
    /// Keep how far it came in FILE, and go on from there. Removed when all is done.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// What was noticed as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
