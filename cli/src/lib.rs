//! The `weir` command: what it can do (`args`), and a module for each thing it does.
//!
//! Exit status: 0 only when it did what was asked, 1 when the answer is no, 2 for bad usage or a
//! configuration that cannot work. Results go to standard output, everything else to standard error; progress
//! is shown on a terminal and nowhere else.
//!
//! Not here: the local plane (`weir-local`), the protocol (`weir-exact`).

/// As the standard library's, but for a reader that has seen enough and a device that is full ([`terminal::print`]): those
/// panic there.
macro_rules! println {
    () => { $crate::terminal::print(format_args!("\n")) };
    ($($arguments:tt)*) => { $crate::terminal::print(format_args!("{}\n", format_args!($($arguments)*))) };
}
macro_rules! print {
    ($($arguments:tt)*) => { $crate::terminal::print(format_args!($($arguments)*)) };
}

mod args;
mod aws;
mod backfill;
mod bench;
mod check;
mod demo;
mod failure;
mod logs;
mod manual;
mod notices;
mod plane;
mod produce;
mod quarantine;
mod query;
mod rate;
mod reconcile;
mod redrive;
mod report;
mod rows;
mod rules;
mod simulate;
mod skip;
mod state_file;
mod terminal;
mod tune;
mod up;
mod watch;
mod worker;
mod workload;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            failure::say(&format!("cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(async {
        match args.command {
            Command::Up(up) => up::run(up, &args.stack).await,
            Command::Worker(worker) => worker::run(worker, &args.stack).await,
            Command::Demo(demo) => demo::run(demo).await,
            Command::Produce(produce) => produce::run(produce, &args.stack).await,
            Command::Logs(logs) => logs::run(logs, &args.stack).await,
            Command::Check(check) => check::run(check),
            Command::Query(query) => query::run(query, &args.stack).await,
            Command::Watch(watch) => watch::run(watch, &args.stack).await,
            Command::Report(report) => report::run(report, &args.stack).await,
            Command::Reconcile(asked) => reconcile::run(asked, &args.stack).await,
            Command::Backfill(backfill) => backfill::run(backfill, &args.stack).await,
            Command::Bench(bench) => bench::run(bench, &args.stack).await,
            Command::Tune(tune) => tune::run(&tune),
            Command::Simulate(simulate) => simulate::run(simulate).await,
            Command::Quarantine(quarantine) => quarantine::run(quarantine, &args.stack).await,
            Command::Redrive(redrive) => redrive::run(redrive, &args.stack).await,
            Command::Rules(rules) => rules::run(rules, &args.stack).await,
            Command::Skip(skip) => skip::run(skip, &args.stack).await,
            Command::Completions(completions) => manual::completions(&completions),
            Command::Man(man) => manual::man(&man),
        }
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure::say(&failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}
