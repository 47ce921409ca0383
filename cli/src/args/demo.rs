//! `weir demo`.

use super::Fleet;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Events to send, bad ones not counted; 200,000, or 60,000 with --chaos, unless said.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) events: Option<u64>,
    /// Send through one source alone.
    #[arg(long)]
    pub(crate) only: Option<DemoSource>,
    /// Events in one Kinesis record; otherwise half the records hold one event and half twenty.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: Option<u32>,
    /// Kill every processor (SIGKILL) this often on the way.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) kill: u32,
    /// All trouble at once: processors killed and paused past their timeout while they write, a throttling endpoint that
    /// drops connections, repeated deliveries, two pollers, a shard split and merged, a version switched by weight.
    #[arg(long, conflicts_with = "only")]
    pub(crate) chaos: bool,
    /// With --chaos: version 2 of each function runs the executable of its binary's name in this directory, another build;
    /// otherwise the same with a variable changed.
    #[arg(long, value_name = "DIR", requires = "chaos")]
    pub(crate) bootstraps_next: Option<PathBuf>,
    /// Seed of everything random; a fresh one is drawn and printed otherwise.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Events a second to send at most; with --chaos they are spread over 40 s unless this is given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// The account as JSON on standard output.
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
