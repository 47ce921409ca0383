//! `weir produce`.

use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Produce {
    /// Where to send.
    #[arg(long, value_enum)]
    pub(crate) to: Target,
    /// Generated events to send.
    #[arg(long, default_value_t = 1_000, conflicts_with = "file")]
    pub(crate) events: u64,
    /// Events a second at most; as fast as it goes otherwise.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: Option<u64>,
    /// Send the lines of this file, one event each, as they stand; `-` is standard input.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Events in one record, message or object; 1 for Kinesis, 20 for SQS, 10,000 for S3 unless said.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: Option<u32>,
    /// Seed of the generated events.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// What was sent as JSON on standard output.
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
