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
pub(crate) use bench::{Bench, BenchFleet, BenchPayload, BenchS3, Benchmark, ReaderKind, S3Reader, Volley};
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
  weir demo                                   everything once, on this machine
  weir up                                     the fleet on this machine, until Ctrl-C
  weir query --service checkout --since 2h    rollups as a table; weir watch: live; weir report: as a page
  weir quarantine ls --since 1d               what was set aside, and why
weir COMMAND --help shows examples of each. A stack in AWS or on `weir up` is found by AWS_REGION, AWS_PROFILE and
AWS_ENDPOINT_URL, as by any other tool of AWS."
)]
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
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws kinesis list-streams")]
    Up(Up),
    /// Run the fleet's functions on this machine against the streams, queues and tables of an account: on a server or Fargate
    /// instead of Lambda, or beside it.
    #[command(after_help = "Examples:
  weir worker --bootstraps /opt/weir
  weir worker --function KinesisRollup --state /var/lib/weir/checkpoints.json
As many as you like may run at once, and Lambda beside them: what is delivered twice counts once. The stack's own mappings are
turned off with `aws lambda update-event-source-mapping --no-enabled`, where Lambda is not to be paid besides.
docs/constant-traffic.md says when it is the cheaper one.")]
    Worker(Worker),
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
  weir query --resolution 1h --service checkout
  weir query --service checkout --from 2026-11-21T00:00:00Z --to 2026-11-21T06:00:00Z --format csv
  weir query --service checkout --service web --since 90m --merge all
The last is one row: exact counts, p99 and unique users of both services over 90 minutes.")]
    Query(Query),
    /// Show rates, errors, durations and lag as they change, in the terminal.
    #[command(after_help = "Examples:
  weir watch
  weir watch --service checkout --since 15m
  weir watch --json --count 1 | jq .series
Keys: arrows choose a series, Enter shows a service's endpoints, Esc goes back, p stands still, q ends.")]
    Watch(Watch),
    /// Write the rollups of a series and time range as one HTML file with charts, which needs no network.
    #[command(after_help = "Examples:
  weir report
  weir report --service checkout --service web --since 6h --output checkout.html
  weir report --service checkout --endpoint /pay --resolution 1h --since 7d --output - > pay.html")]
    Report(Report),
    /// Check that what arrived is counted or set aside, and that every row equals what it is made of.
    #[command(after_help = "Examples:
  weir reconcile
  weir reconcile --since 2h --json
  weir reconcile --all
It works while traffic flows: what still moves is settling, and no mismatch. Exit status 0 equal, 1 mismatch, 2 bad usage.
Each mismatch comes with both numbers and what to do next.")]
    Reconcile(Reconcile),
    /// Show what the functions have logged.
    #[command(after_help = "Examples:
  weir logs
  weir logs -n kinesis-rollup --since 1h --filter ERROR
  weir logs --tail
It reads CloudWatch Logs: of `weir up` where AWS_ENDPOINT_URL names it, else of the account.")]
    Logs(Logs),
    /// Notice what is already in S3, so that the fleet counts it: safe to run twice, and beside S3's own notices.
    #[command(after_help = "Examples:
  weir backfill s3://weir-landing-000000000000/in/2026/11/
  weir backfill s3://weir-landing-000000000000/in/ --state backfill.json
The second can be interrupted and taken up again.")]
    Backfill(Backfill),
    /// Measure the fleet's functions as whole processes, beside the same work in Go and Python.
    #[command(after_help = "Examples:
  weir bench all --quick --profile dev
  weir bench payloads --work burst --json
  weir bench memory && weir tune
  weir bench cannon --concurrency 10 --rounds 50000 --pause-ms 5000
  weir bench s3
  weir bench s3 --objects 5000 --object-bytes 100000 --rounds 5 --json
All but s3 need no endpoint; s3 reads from the one that AWS_ENDPOINT_URL names.")]
    Bench(Bench),
    /// Recommend a memory size for each function, from what `weir bench memory` measured.
    #[command(after_help = "Examples:
  weir bench memory && weir tune
  weir tune --results target/bench/bench.json --json")]
    Tune(Tune),
    /// Check a template against the rules that no linter knows: settings that AWS takes, and that lose records, count
    /// them twice, or leave nobody told.
    #[command(after_help = crate::check::AFTER_HELP)]
    Check(crate::check::Check),
    /// Run the protocol against simulated stores and sources that fail in every way, one schedule a seed.
    #[command(after_help = "Examples:
  weir simulate
  weir simulate --seeds 1000000 --state million.json
  weir simulate --seed 42
The second can be interrupted and taken up again. The third tells what happens under one seed, and makes a failing
schedule as short as it still fails.")]
    Simulate(Simulate),
    /// What was set aside: list it, look at it, put it back.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Put what lies in a dead-letter queue back into its queue, under the same identities.
    #[command(after_help = "Examples:
  weir redrive
  weir redrive --queue replay --yes
Without --yes it says what it would do, and asks on a terminal. Use it and not the console's redrive for telemetry: that
gives every message a new id and time, and what was half counted would count again.")]
    Redrive(Redrive),
    /// The rules by which endpoints become series, and the limits: look at them, try them, announce others.
    #[command(subcommand)]
    Rules(Rules),
    /// Records that nobody is to decode, since they kill whoever does.
    #[command(subcommand)]
    Skip(Skip),
    /// Print what makes a shell complete weir's commands and options.
    #[command(after_help = "Examples:
  weir completions bash > ~/.local/share/bash-completion/completions/weir
  weir completions zsh > ~/.zfunc/_weir          # with fpath+=~/.zfunc before compinit in ~/.zshrc
  weir completions fish > ~/.config/fish/completions/weir.fish")]
    Completions(Completions),
    /// Write the manual: a page of weir, and one of each command.
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
