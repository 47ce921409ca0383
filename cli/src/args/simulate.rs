//! `weir simulate`.

use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Simulate {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The first seed; a fresh one is drawn and printed otherwise.
    #[arg(long)]
    pub(crate) from: Option<u64>,
    /// Tell what happens under this one seed.
    #[arg(long, conflicts_with_all = ["seeds", "from", "state", "threads", "json"])]
    pub(crate) seed: Option<u64>,
    /// Keep how far it came in FILE, and go on from there.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Seeds to run at a time; as many as there are cores otherwise.
    #[arg(long, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=1_024).contains(threads)).ok_or_else(|| "expected 1 to 1024".to_owned())
}
