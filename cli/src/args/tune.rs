//! `weir tune`.

use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Tune {
    /// What `weir bench memory` kept; target/bench/bench.json unless said.
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
