//! The command line: every command and its arguments, a module for each.

mod backfill;
mod bench;
mod demo;
mod logs;
mod manual;
mod produce;
mod quarantine;
mod query;
mod reconcile;
mod redrive;
mod report;
mod rows;
mod rules;
mod simulate;
mod skip;
mod tune;
mod up;
mod value;
mod watch;
mod worker;

pub(crate) use backfill::Backfill;
pub(crate) use bench::{Bench, BenchBuild, BenchFleet, BenchPayload, BenchS3, Benchmark, Volley};
pub(crate) use demo::{Demo, DemoSource};
pub(crate) use logs::Logs;
pub(crate) use manual::{Completions, Man, Shell};
pub(crate) use produce::{Produce, Target};
pub(crate) use quarantine::{Quarantine, QuarantineList, QuarantineReplay, QuarantineShow, Selection};
pub(crate) use query::{Format, Query};
pub(crate) use reconcile::Reconcile;
pub(crate) use redrive::{DeadQueue, Redrive};
pub(crate) use report::Report;
pub(crate) use rows::{AHEAD_MS, RowSelection};
pub(crate) use rules::{Rules, RulesPush, RulesShow, RulesTest};
pub(crate) use simulate::Simulate;
pub(crate) use skip::{Skip, SkipAdd, SkipList, SkipRemove};
pub(crate) use tune::Tune;
pub(crate) use up::{Fleet, Up};

use clap::{Parser, Subcommand};
pub(crate) use value::parameter;
use value::stack;
pub(crate) use watch::Watch;
pub(crate) use worker::Worker;

/// Exact telemetry rollups in DynamoDB from Kinesis, SQS and S3.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    about,
    propagate_version = true,
    after_help = "Examples:
  weir demo                                   run everything once on this machine, and verify every count
  weir up                                     run the fleet on this machine until Ctrl-C
  weir query --service checkout --since 2h    print rollups (live: weir watch; as a page: weir report)
  weir quarantine ls --since 1d               list rejected telemetry and the reasons
`weir COMMAND --help` shows examples for each command. Like other AWS tools, weir finds a stack, in AWS or on `weir up`, through AWS_REGION, AWS_PROFILE and AWS_ENDPOINT_URL."
)]
pub(crate) struct Args {
    /// Stack to operate on: its resources are named `<stack>-telemetry`, `<stack>-rollups` and so on.
    #[arg(long, global = true, default_value = "weir", env = "WEIR_STACK", value_parser = stack)]
    pub(crate) stack: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole fleet from template.yaml on this machine, without Docker or an AWS account.
    #[command(after_help = "Examples:
  weir up
  weir up --port 5000 --data-dir .weir
  weir up --parameter ShardCount=4 --parameter FinalizeSeconds=1
Then, in another terminal:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws kinesis list-streams")]
    Up(Up),
    /// Run the fleet's functions on a server or on Fargate, against an account's streams, queues and tables, instead of or
    /// alongside Lambda.
    #[command(after_help = "Examples:
  weir worker --bootstraps /opt/weir
  weir worker --function KinesisRollup --state /var/lib/weir/checkpoints.json
Any number of workers may run at once, also alongside Lambda: what is delivered twice counts once. To avoid also paying for Lambda, disable the stack's own mappings with `aws lambda update-event-source-mapping --no-enabled`. docs/constant-traffic.md says when a worker is cheaper.")]
    Worker(Worker),
    /// Run the fleet, send it telemetry with duplicates, bad records and faults, and check that every row is exact.
    #[command(after_help = "Examples:
  weir demo
  weir demo --only kinesis --batch 1 --kill 5
  weir demo --chaos
  weir demo --events 1000000 --seed 7")]
    Demo(Demo),
    /// Send telemetry, generated or read from a file.
    #[command(after_help = "Examples:
  weir produce --to kinesis --events 10000 --rate 500
  weir produce --to sqs --file access.ndjson
  tail -f access.ndjson | weir produce --to kinesis --file -")]
    Produce(Produce),
    /// Show the rollups of a series and time range.
    #[command(after_help = "Examples:
  weir query
  weir query --service checkout --endpoint /pay --since 2h
  weir query --resolution 1h --service checkout
  weir query --service checkout --from 2026-11-21T00:00:00Z --to 2026-11-21T06:00:00Z --format csv
  weir query --service checkout --service web --since 90m --merge all
The last example prints one row: exact counts, p99 and unique users of both services over 90 minutes.")]
    Query(Query),
    /// Show rates, errors, durations and lag live in the terminal.
    #[command(after_help = "Examples:
  weir watch
  weir watch --service checkout --since 15m
  weir watch --json --count 1 | jq .series
Keys: arrows select a series, Enter shows a service's endpoints, Esc goes back, p pauses, q quits.")]
    Watch(Watch),
    /// Write the rollups of a series and time range as one self-contained HTML file with charts.
    #[command(after_help = "Examples:
  weir report
  weir report --service checkout --service web --since 6h --output checkout.html
  weir report --service checkout --endpoint /pay --resolution 1h --since 7d --output - > pay.html")]
    Report(Report),
    /// Check that everything that arrived is counted or quarantined, and that every row equals its contributions.
    #[command(after_help = "Examples:
  weir reconcile
  weir reconcile --since 2h --json
  weir reconcile --all
It can run while traffic flows: changes still under way are reported as settling, not as mismatches. Each mismatch comes with both numbers and the next step.
Exit status: 0 equal, 1 mismatch, 2 bad usage.")]
    Reconcile(Reconcile),
    /// Show the functions' logs.
    #[command(after_help = "Examples:
  weir logs
  weir logs -n kinesis-rollup --since 1h --filter ERROR
  weir logs --tail
Reads CloudWatch Logs: from `weir up` if AWS_ENDPOINT_URL points to it, otherwise from the account.")]
    Logs(Logs),
    /// Enqueue objects already in S3 so that the fleet counts them. Safe to repeat, and alongside S3's own notifications.
    #[command(after_help = "Examples:
  weir backfill s3://weir-landing-000000000000/in/2026/11/
  weir backfill s3://weir-landing-000000000000/in/ --state backfill.json
The second example can be interrupted and resumed.")]
    Backfill(Backfill),
    /// Benchmark the fleet's functions as whole processes, next to the same work in Go and Python.
    #[command(after_help = "Examples:
  weir bench all --quick --profile dev
  weir bench payloads --work burst --json
  weir bench memory && weir tune
  weir bench cannon --concurrency 10 --rounds 50000 --pause-ms 5000
  weir bench s3
  weir bench s3 --objects 5000 --object-bytes 100000 --rounds 5 --json
Only s3 needs an endpoint: it reads from the one in AWS_ENDPOINT_URL.")]
    Bench(Bench),
    /// Recommend a memory size for each function from the results of `weir bench memory`.
    #[command(after_help = "Examples:
  weir bench memory && weir tune
  weir tune --results target/bench/bench.json --json")]
    Tune(Tune),
    /// Check a template for settings AWS accepts but that lose records, count them twice, or raise no alarm.
    #[command(after_help = crate::check::AFTER_HELP)]
    Check(crate::check::Check),
    /// Run the protocol against simulated stores and sources under random faults, one schedule per seed.
    #[command(after_help = "Examples:
  weir simulate
  weir simulate --seeds 1000000 --state million.json
  weir simulate --seed 42
The second example can be interrupted and resumed. The third describes one seed's schedule and, if it fails, shrinks it to a short one that still fails.")]
    Simulate(Simulate),
    /// List, inspect and replay quarantined telemetry.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Move a dead-letter queue's messages back to their source queue under the same identities.
    #[command(after_help = "Examples:
  weir redrive
  weir redrive --queue replay --yes
Without --yes it shows what it would do and, on a terminal, asks first. For telemetry use this instead of the console's redrive, which gives every message a new id and time: a message that was partly counted would be counted again.")]
    Redrive(Redrive),
    /// Show, test and announce the rules that map endpoints to series, and the limits.
    #[command(subcommand)]
    Rules(Rules),
    /// Manage records to skip because decoding them crashes the processor.
    #[command(subcommand)]
    Skip(Skip),
    /// Print shell completions.
    #[command(after_help = "Examples:
  weir completions bash > ~/.local/share/bash-completion/completions/weir
  weir completions zsh > ~/.zfunc/_weir          # with fpath+=~/.zfunc before compinit in ~/.zshrc
  weir completions fish > ~/.config/fish/completions/weir.fish")]
    Completions(Completions),
    /// Write man pages, for weir and for each command.
    #[command(after_help = "Examples:
  weir man | man -l -
  weir man --dir ~/.local/share/man/man1 && man weir-query")]
    Man(Man),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
