//! `weir bench`.

use crate::bench::{CONCURRENCY_MAX, Work};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Measure cold starts: each bootstrap's size, init time and memory, next to a bare hello in Rust, Go and Python.
    #[command(after_help = "Examples:
  weir bench init
  weir bench init --quick --profile dev")]
    Init(BenchFleet),
    /// Measure invocations of 100 to 20,000 events, cold and warm, next to the same work in Go and Python.
    #[command(after_help = "Examples:
  weir bench payloads
  weir bench payloads --work kinesis,burst --go /usr/local/go/bin/go")]
    Payloads(BenchFleet),
    /// Measure memory sizes from 128 MB to 10 GB by their CPU share; input for `weir tune`.
    #[command(after_help = "Example:
  weir bench memory && weir tune")]
    Memory(BenchFleet),
    /// Invoke burst-summary concurrently in many rounds, with pauses.
    #[command(after_help = "Example:
  weir bench cannon --concurrency 8 --rounds 1000 --pause-ms 0")]
    Cannon(BenchFleet),
    /// Run init, payloads, memory and cannon.
    #[command(after_help = "Examples:
  weir bench all
  weir bench all --quick --profile dev --json")]
    All(BenchFleet),
    /// Print the payload of one invocation, for AWS Lambda Power Tuning or `aws lambda invoke`.
    #[command(after_help = "Example:
  weir bench payload burst --events 1000 > payload.json")]
    Payload(BenchPayload),
    /// List a prefix and read every object: weir's reader next to one task per object, on the same SDK.
    #[command(after_help = "Examples:
  weir bench s3
  weir bench s3 --objects 10000 --json")]
    S3(BenchS3),
}

/// What is measured, and how it is reported.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchFleet {
    #[command(flatten)]
    pub(crate) build: BenchBuild,
    /// Go command, for the Go peer.
    #[arg(long, default_value = "go", env = "WEIR_BENCH_GO")]
    pub(crate) go: PathBuf,
    /// Python command, for the Python peer.
    #[arg(long, default_value = "python3", env = "WEIR_BENCH_PYTHON")]
    pub(crate) python: PathBuf,
    /// Work to measure, for payloads and memory.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Work::ALL)]
    pub(crate) work: Vec<Work>,
    /// Run only a few invocations of each: a smoke test, not figures to quote.
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) volley: Volley,
    /// US dollars per GB-second (arm64, us-east-1, first tier).
    #[arg(long, default_value_t = 0.000_013_333_4)]
    pub(crate) price_gb_second: f64,
    /// US dollars per million requests.
    #[arg(long, default_value_t = 0.20)]
    pub(crate) price_million_requests: f64,
    /// Directory for bench.json and bench.html.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub(crate) out: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the measured executables come from.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchBuild {
    /// SAM template; the peers are in bench/peers next to it.
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Run the bootstraps in this directory, named after the template's binaries, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstraps: Option<PathBuf>,
    /// Cargo profile for the bootstraps. `release` is what ships; its first build takes minutes per binary.
    #[arg(long, default_value = "release")]
    pub(crate) profile: String,
}

/// Options of the cannon.
#[derive(Debug, ClapArgs)]
pub(crate) struct Volley {
    /// Cannon: concurrent invocations.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(CONCURRENCY_MAX)))]
    pub(crate) concurrency: u32,
    /// Cannon: rounds; the first is a warm-up and not counted.
    #[arg(long, default_value_t = 300, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
    pub(crate) rounds: usize,
    /// Cannon: stop after N seconds, even if rounds are left.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Cannon: milliseconds between rounds.
    #[arg(long, default_value_t = 50)]
    pub(crate) pause_ms: u64,
    /// Cannon: events per invocation.
    #[arg(long, default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=20_000))]
    pub(crate) events: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchPayload {
    /// Work to print a payload for.
    #[arg(value_enum, default_value_t = Work::Burst)]
    pub(crate) work: Work,
    /// Events in the payload.
    #[arg(long, default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=20_000))]
    pub(crate) events: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchS3 {
    #[command(flatten)]
    pub(crate) build: BenchBuild,
    /// Number of objects, put below `bench/` in the landing bucket, which sends no notifications.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) objects: u32,
    /// Bytes per object.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) object_bytes: usize,
    /// Times each reader reads all objects; the median is reported.
    #[arg(long, default_value_t = 3, value_parser = rounds)]
    pub(crate) rounds: usize,
    /// Memory from which weir's reader derives its byte budget, MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) memory_mib: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn rounds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rounds| (1..=100).contains(rounds)).ok_or_else(|| "expected 1 to 100".to_owned())
}
