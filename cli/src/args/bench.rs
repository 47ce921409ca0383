//! `weir bench`.

use crate::bench::{CONCURRENCY_MAX, Work};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Starts: size of each bootstrap, init, memory, beside a bare hello in Rust, Go and Python.
    #[command(after_help = "Examples:
  weir bench init
  weir bench init --quick --profile dev")]
    Init(BenchFleet),
    /// Invocations of 100 to 20,000 events, cold and warm, beside the same work in Go and Python.
    #[command(after_help = "Examples:
  weir bench payloads
  weir bench payloads --work kinesis,burst --go /usr/local/go/bin/go")]
    Payloads(BenchFleet),
    /// Memory sizes from 128 MB to 10 GB by their share of the CPU; what `weir tune` reads.
    #[command(after_help = "Example:
  weir bench memory && weir tune")]
    Memory(BenchFleet),
    /// Volleys of burst-summary at once, with pauses, for long.
    #[command(after_help = "Example:
  weir bench cannon --concurrency 8 --rounds 1000 --pause-ms 0")]
    Cannon(BenchFleet),
    /// All of the four.
    #[command(after_help = "Examples:
  weir bench all
  weir bench all --quick --profile dev --json")]
    All(BenchFleet),
    /// Print one invocation of a work: for AWS Lambda Power Tuning, or `aws lambda invoke`.
    #[command(after_help = "Example:
  weir bench payload burst --events 1000 > payload.json")]
    Payload(BenchPayload),
    /// List a prefix and read every object: weir's reader beside one task an object, over the same SDK.
    #[command(after_help = "Examples:
  weir bench s3
  weir bench s3 --objects 10000 --json")]
    S3(BenchS3),
    /// One of the readers, in a process of its own.
    #[command(hide = true)]
    S3Reader(S3Reader),
}

/// What is measured, and how it is told.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchFleet {
    /// The SAM template; the peers are in bench/peers beside it.
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Run the bootstraps in this directory, named as the template's binaries, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstraps: Option<PathBuf>,
    /// Cargo profile of the bootstraps. `release` is what ships, and takes minutes a binary the first time.
    #[arg(long, default_value = "release")]
    pub(crate) profile: String,
    /// Go's command, for the peer in Go.
    #[arg(long, default_value = "go", env = "WEIR_BENCH_GO")]
    pub(crate) go: PathBuf,
    /// Python's, for the peer in Python.
    #[arg(long, default_value = "python3", env = "WEIR_BENCH_PYTHON")]
    pub(crate) python: PathBuf,
    /// Which work, for payloads and memory.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Work::ALL)]
    pub(crate) work: Vec<Work>,
    /// A few invocations of each: to see that it runs, not to quote.
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) volley: Volley,
    /// US dollars for a GB-second: arm64, us-east-1, first tier.
    #[arg(long, default_value_t = 0.000_013_333_4)]
    pub(crate) price_gb_second: f64,
    /// US dollars for a million requests.
    #[arg(long, default_value_t = 0.20)]
    pub(crate) price_million_requests: f64,
    /// Where bench.json and bench.html go.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub(crate) out: PathBuf,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The cannon's.
#[derive(Debug, ClapArgs)]
pub(crate) struct Volley {
    /// Cannon: invocations at once.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(CONCURRENCY_MAX)))]
    pub(crate) concurrency: u32,
    /// Cannon: rounds; the first one does not count.
    #[arg(long, default_value_t = 300, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
    pub(crate) rounds: usize,
    /// Cannon: stop after so long, whatever is left.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Cannon: milliseconds between rounds.
    #[arg(long, default_value_t = 50)]
    pub(crate) pause_ms: u64,
    /// Cannon: events of an invocation.
    #[arg(long, default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=20_000))]
    pub(crate) events: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchPayload {
    /// Which work.
    #[arg(value_enum, default_value_t = Work::Burst)]
    pub(crate) work: Work,
    /// Events in it.
    #[arg(long, default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=20_000))]
    pub(crate) events: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchS3 {
    /// Objects, put below `bench/` of the landing bucket, where nothing notices them.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) objects: u32,
    /// Bytes of each.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) object_bytes: usize,
    /// How often each reader reads all of them; the median counts.
    #[arg(long, default_value_t = 3, value_parser = rounds)]
    pub(crate) rounds: usize,
    /// Memory that weir's reader takes its budget from, MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) memory_mib: usize,
    /// The result as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct S3Reader {
    #[arg(long, value_enum)]
    pub(crate) reader: ReaderKind,
    #[arg(long)]
    pub(crate) memory_mib: usize,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReaderKind {
    Weir,
    Naive,
}

impl ReaderKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Naive => "naive",
        }
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rounds| (1..=100).contains(rounds)).ok_or_else(|| "expected 1 to 100".to_owned())
}
