//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Exact telemetry rollups in DynamoDB from Kinesis, SQS and S3.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, propagate_version = true)]
pub(crate) struct Args {
    /// Stack whose resources are meant: `<stack>-telemetry`, `<stack>-rollups` and so on.
    #[arg(long, global = true, default_value = "weir", env = "WEIR_STACK", value_parser = stack)]
    pub(crate) stack: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole fleet of template.yaml on this machine: no Docker, no account.
    #[command(after_help = "Examples:
  weir up
  weir up --port 5000 --data-dir .weir
  weir up --parameter ShardCount=4 --parameter FinalizeSeconds=1
Then, in another terminal:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws kinesis list-streams")]
    Up(Up),
    /// Run the fleet, send it telemetry with every kind of trouble in it, and check that every row is exact.
    #[command(after_help = "Examples:
  weir demo
  weir demo --only kinesis --batch 1 --kill 5
  weir demo --chaos
  weir demo --events 1000000 --seed 7")]
    Demo(Demo),
    /// Send telemetry: generated, or the lines of a file.
    #[command(after_help = "Examples:
  weir produce --to kinesis --events 10000 --rate 500
  weir produce --to sqs --file access.ndjson
  tail -f access.ndjson | weir produce --to kinesis --file -")]
    Produce(Produce),
    /// Show the rollups of a series and time range.
    #[command(after_help = "Examples:
  weir query
  weir query --service checkout --endpoint /pay --since 2h
  weir query --service checkout --from 2026-11-21T00:00:00Z --to 2026-11-21T06:00:00Z --format csv")]
    Query(Query),
    /// Notice what is already in S3, so that the fleet counts it: safe to run twice, and beside S3's own notices.
    #[command(after_help = "Examples:
  weir backfill s3://weir-landing-000000000000/in/2026/11/
  weir backfill s3://weir-landing-000000000000/in/ --state backfill.json
The second can be interrupted and taken up again.")]
    Backfill(Backfill),
    /// Measure, against the endpoint that the environment names.
    #[command(after_help = "Examples:
  weir bench s3
  weir bench s3 --objects 5000 --object-bytes 100000 --rounds 5 --json")]
    Bench(Bench),
    /// Run the protocol against simulated stores and sources that fail in every way, one schedule a seed.
    #[command(after_help = "Examples:
  weir simulate
  weir simulate --seeds 1000000 --state million.json
  weir simulate --seed 42
The second can be interrupted and taken up again. The third tells what happens under one seed, and makes a failing
schedule as short as it still fails.")]
    Simulate(Simulate),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Port of the AWS endpoint on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = weir_local::PORT_DEFAULT)]
    pub(crate) port: u16,
    /// Keep streams, queues, objects, tables and checkpoints here; without it all is in memory.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

/// Which fleet to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Fleet {
    /// The SAM template.
    #[arg(long, default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// A template parameter, NAME=VALUE. May stand several times.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Run the bootstraps in this directory, named as the template's binaries, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) bootstraps: Option<PathBuf>,
    /// Write each function's log to DIR/<function>.log.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
}

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoSource {
    Kinesis,
    Sqs,
    S3,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Backfill {
    /// What to notice: the latest version of every object below this prefix.
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub(crate) uri: String,
    /// Keep how far it came in FILE, and go on from there. Removed when all is done.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// What was noticed as JSON on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// List a prefix and read every object: weir's reader beside one task an object, over the same SDK.
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

#[derive(Debug, ClapArgs)]
pub(crate) struct Query {
    /// The service; all services' summaries otherwise.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// The endpoint; the service's summary (`*`) otherwise.
    #[arg(long, requires = "service")]
    pub(crate) endpoint: Option<String>,
    /// Windows that begin at most this long ago: 90s, 15m, 2h, 3d.
    #[arg(long, default_value = "1h", value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: i64,
    /// First window, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<weir_telemetry::Millis>,
    /// First window no longer shown, RFC 3339; now otherwise.
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<weir_telemetry::Millis>,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Same as --format json.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}

fn stack(text: &str) -> Result<String, String> {
    let sound = (1..=100).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if sound { Ok(text.to_owned()) } else { Err("expected letters, digits and -, beginning with a letter".to_owned()) }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn instant(text: &str) -> Result<weir_telemetry::Millis, String> {
    weir_telemetry::Millis::parse_rfc3339(text).map_err(|error| error.to_string())
}

fn duration_ms(text: &str) -> Result<i64, String> {
    let expected = || "expected a number and s, m, h or d, such as 90s or 2h".to_owned();
    let unit_ms = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(expected()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration_ms("90s"), Ok(90_000));
        assert_eq!(duration_ms("2h"), Ok(7_200_000));
        for bad in ["", "h", "2", "-1h", "2 h", "9999999999999999d", "２h"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }
}
