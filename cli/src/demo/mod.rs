//! `weir demo`: the fleet, telemetry with every kind of trouble in it, and the account of every event.

mod faults;
mod oracle;
mod poison;
mod traffic;
mod verify;

use crate::args::{Demo, Target};
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::plane::{self, Setup};
use crate::produce::{Sender, Sink};
use crate::rate::Rate;
use crate::rows::Row;
use crate::{query, rows};
use faults::SeededFaults;
use indicatif::{ProgressBar, ProgressStyle};
use oracle::Oracle;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use traffic::{Mix, Traffic};
use verify::Account;
use weir_local::Plane;

/// The demo's stack: it runs on a port of its own, so the name is never another stack's.
const STACK: &str = "weir";
/// After everything is sent, how long the fleet may take to settle.
const SETTLE_MAX: Duration = Duration::from_secs(300);
/// Quiet for this long is settled: longer than the demo's batching windows.
const QUIET: Duration = Duration::from_millis(2_500);

pub(crate) async fn run(mut demo: Demo) -> Result<ExitCode, Failure> {
    let seed = demo.seed.unwrap_or_else(rand::random);
    // Short windows: the demo is watched. A failed batch of the queue comes back at once, not after minutes.
    for (name, value) in [("FinalizeSeconds", "1"), ("QueueTimeoutSeconds", "4"), ("QueueVisibilitySeconds", "4")] {
        if !demo.fleet.parameters.iter().any(|(given, _)| given == name) {
            demo.fleet.parameters.push((name.to_owned(), value.to_owned()));
        }
    }
    let setup =
        Setup { stack: STACK.to_owned(), port: 0, data_dir: None, faults: Some(Arc::new(SeededFaults::new(seed))) };
    let plane = tokio::select! {
        started = plane::start(&demo.fleet, setup) => started?,
        () = plane::interrupted() => return Ok(ExitCode::from(130)),
    };
    say(&format!("the fleet runs on {}; seed {seed}", plane.endpoint_url()));
    let result = tokio::select! {
        result = drive(&demo, seed, &plane) => result,
        () = plane::interrupted() => {
            plane.shutdown().await;
            return Ok(ExitCode::from(130));
        }
    };
    plane.shutdown().await;
    let account = result?;
    if demo.json {
        print_json(&account)?;
    }
    Ok(ExitCode::from(u8::from(!account.is_exact())))
}

async fn drive(demo: &Demo, seed: u64, plane: &Plane) -> Result<Account, Failure> {
    let aws = Aws::local(plane.endpoint_url(), STACK).await;
    let begun = Instant::now();
    let mut oracle = Oracle::default();
    let killed = send(demo, seed, plane, &aws, &mut oracle).await?;
    let sending = begun.elapsed();

    let bar = plane::spinner("settling");
    let settled = plane.quiesce(QUIET, SETTLE_MAX).await;
    bar.finish_and_clear();
    if !settled {
        say(&format!("the fleet did not settle within {} s", SETTLE_MAX.as_secs()));
    }
    let mut account = verify::account(&aws, &oracle).await?;
    account.seed = seed;
    account.settled = settled;
    account.bootstraps_killed = killed;
    account.sending_seconds = sending.as_secs_f64();
    account.seconds = begun.elapsed().as_secs_f64();
    account.add_stats(plane);
    if !demo.json {
        show(&aws).await?;
        account.show();
    }
    Ok(account)
}

/// Sends everything, kills processors on the way, shows progress; how many were killed.
async fn send(demo: &Demo, seed: u64, plane: &Plane, aws: &Aws, oracle: &mut Oracle) -> Result<u64, Failure> {
    let mix = Mix { events: demo.events, only: demo.only, batch: demo.batch };
    let mut traffic = Traffic::new(seed, mix, weir_aws::clock::now());
    let mut kinesis = Sender::new(Sink::open(aws, Target::Kinesis).await?);
    let mut sqs = Sender::new(Sink::open(aws, Target::Sqs).await?);
    let bar = progress(demo.events);
    let mut rate = Rate::new(demo.rate);
    let kill_every = demo.events / u64::from(demo.kill + 1);
    let (mut kills, mut killer) = (0, Killer::new(plane));
    let mut items: u64 = 0;
    while let Some(item) = traffic.next(oracle) {
        rate.wait(item.payload.events as usize).await;
        let sender = if item.to_queue { &mut sqs } else { &mut kinesis };
        sender.add(item.payload, false).await?;
        let sent = kinesis.sent.events + sqs.sent.events;
        bar.set_position(sent.min(demo.events));
        if kills < demo.kill && sent >= kill_every * u64::from(kills + 1) {
            kills += 1;
            killer.once_more();
        }
        items += 1;
        if items.is_multiple_of(200) {
            killer.strike(plane);
        }
    }
    kinesis.finish().await?;
    sqs.finish().await?;
    bar.finish_and_clear();
    Ok(killer.killed)
}

/// Kills processors while they work: each function as often as it is due, whenever it has a process.
struct Killer {
    due: BTreeMap<String, u32>,
    killed: u64,
}

impl Killer {
    fn new(plane: &Plane) -> Self {
        Self { due: plane.plan().functions.iter().map(|function| (function.name.clone(), 0)).collect(), killed: 0 }
    }

    /// Every function is to be killed once more.
    fn once_more(&mut self) {
        self.due.values_mut().for_each(|due| *due += 1);
    }

    /// SIGKILL to one process of each function that is due and has one.
    fn strike(&mut self, plane: &Plane) {
        if self.due.values().all(|due| *due == 0) {
            return;
        }
        let mut struck = BTreeSet::new();
        for instance in plane.host().instances() {
            let Some(due) = self.due.get_mut(&instance.function).filter(|due| **due > 0) else { continue };
            let pid = i32::try_from(instance.pid).ok().and_then(rustix::process::Pid::from_raw);
            // One that has just ended by itself does not count.
            if struck.insert(instance.function)
                && pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok())
            {
                *due -= 1;
                self.killed += 1;
            }
        }
    }
}

fn progress(events: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("sending {bar:30} {pos}/{len} events, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The services' summaries of the latest windows, as `weir query` shows them.
#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn show(aws: &Aws) -> Result<(), Failure> {
    const ROWS_SHOWN: usize = 12;
    let mut rows: Vec<Row> = rows::all(aws, true).await?.iter().filter_map(|row| Row::read(row).ok()).collect();
    rows.sort_by(|a, b| (&a.start, &a.service).cmp(&(&b.start, &b.service)));
    let older = rows.len().saturating_sub(ROWS_SHOWN);
    println!("{}", query::table(&rows[older..]));
    if older > 0 {
        println!("and {older} older summary rows");
    }
    println!();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print_json(account: &Account) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(account).map_err(|error| failed("the account", &error))?);
    Ok(())
}
