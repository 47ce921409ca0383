//! `weir demo`.

use super::Fleet;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Valid events to send (default: 200,000, or 60,000 with --chaos).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) events: Option<u64>,
    /// Use only this source.
    #[arg(long)]
    pub(crate) only: Option<DemoSource>,
    /// Events per Kinesis record (default: one in half of the records, twenty in the others).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: Option<u32>,
    /// SIGKILL every processor N times.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) kill: u32,
    /// Inject every fault at once: processors killed, or paused past their timeout, in the middle of a write; a throttling
    /// endpoint that drops connections; repeated deliveries; two pollers; a shard split and a merge; a weighted version shift.
    #[arg(long, conflicts_with = "only")]
    pub(crate) chaos: bool,
    /// With --chaos: run version 2 of each function from this directory, by its binary's name (default: the same build with
    /// one environment variable changed).
    #[arg(long, value_name = "DIR", requires = "chaos")]
    pub(crate) bootstraps_next: Option<PathBuf>,
    /// Seed of everything random (default: a fresh one, printed).
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Maximum events per second (default: unlimited; with --chaos, spread over 40 s).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoSource {
    Kinesis,
    Sqs,
    S3,
}
