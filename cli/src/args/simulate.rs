//! `weir simulate`.

use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Simulate {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// First seed (default: a fresh one, printed).
    #[arg(long)]
    pub(crate) from: Option<u64>,
    /// Describe what happens under this one seed.
    #[arg(long, conflicts_with_all = ["seeds", "from", "state", "threads", "json"])]
    pub(crate) seed: Option<u64>,
    /// Save progress in FILE and resume from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Seeds to run in parallel (default: the number of cores).
    #[arg(long, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=1_024).contains(threads)).ok_or_else(|| "expected 1 to 1024".to_owned())
}
