//! `weir produce`.

use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Produce {
    /// Where to send the events.
    #[arg(long, value_enum)]
    pub(crate) to: Target,
    /// Number of events to generate.
    #[arg(long, default_value_t = 1_000, conflicts_with = "file")]
    pub(crate) events: u64,
    /// Maximum events per second (default: unlimited).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// Send this file's lines unchanged, one event each; `-` is standard input.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Events per record, message or object (default: 1 for Kinesis, 20 for SQS, 10,000 for S3).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: Option<u32>,
    /// Seed of the generated events (default: random).
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Print what was sent as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The stream `<stack>-telemetry`.
    Kinesis,
    /// The queue `<stack>-telemetry`.
    Sqs,
    /// The bucket `<stack>-landing-<account>`, below `in/`.
    S3,
}
