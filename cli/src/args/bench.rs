//! `weir bench`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// List a prefix and read every object: weir's reader beside one task an object, over the same SDK.
    #[command(after_help = "Examples:
  weir bench s3
  weir bench s3 --objects 10000 --json")]
    S3(BenchS3),
    /// One of the readers, in a process of its own.
    #[command(hide = true)]
    S3Reader(S3Reader),
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
