//! `weir demo`: the fleet, telemetry with every kind of trouble in it, and the account of every event.

mod chaos;
mod explain;
mod faults;
mod killer;
mod landing;
mod oracle;
mod poison;
mod tally;
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
use chaos::{EndpointTrouble, Steps};
use faults::SeededFaults;
use indicatif::{ProgressBar, ProgressStyle};
use killer::Killer;
use landing::Landing;
use oracle::Oracle;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;
use traffic::{Mix, To, Traffic};
use verify::Account;
use weir_local::{EndpointFaults, Plane};

/// The demo's stack: it runs on a port of its own, so the name is never another stack's.
const STACK: &str = "weir";
/// Events sent by default.
const EVENTS: u64 = 200_000;
/// Short windows: the demo is watched. A failed batch of the queue comes back at once, not after minutes.
const PARAMETERS: [(&str, &str); 6] = [
    ("CompactSeconds", "1"),
    ("FinalizeSeconds", "1"),
    ("QueueTimeoutSeconds", "4"),
    ("QueueVisibilitySeconds", "4"),
    ("LandingTimeoutSeconds", "8"),
    ("LandingVisibilitySeconds", "8"),
];
/// After everything is sent, how long the fleet may take to settle.
const SETTLE_MAX: Duration = Duration::from_secs(300);
/// Quiet for this long is settled: longer than the demo's batching windows.
const QUIET: Duration = Duration::from_millis(2_500);

/// The trouble of one run.
struct Trouble {
    tally: Arc<Tally>,
    /// Only with `--chaos`.
    endpoint: Option<EndpointTrouble>,
}

pub(crate) async fn run(mut demo: Demo) -> Result<ExitCode, Failure> {
    let seed = demo.seed.unwrap_or_else(rand::random);
    let more: &[_] = if demo.chaos { &chaos::PARAMETERS } else { &[] };
    for (name, value) in PARAMETERS.iter().chain(more) {
        if !demo.fleet.parameters.iter().any(|(given, _)| given == name) {
            demo.fleet.parameters.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    let tally = Arc::new(Tally::default());
    let endpoint = demo.chaos.then(|| EndpointTrouble::new(seed, tally.clone()));
    let percent_each = if demo.chaos { faults::PERCENT_EACH_CHAOS } else { faults::PERCENT_EACH };
    let setup = Setup {
        faults: Some(Arc::new(SeededFaults::new(seed, percent_each, tally.clone()))),
        endpoint_faults: endpoint.clone().map(|trouble| Arc::new(trouble) as Arc<dyn EndpointFaults>),
        timeout_linger: if demo.chaos { chaos::TIMEOUT_LINGER } else { Duration::ZERO },
        ..Setup::new(STACK, 0)
    };
    let plane = tokio::select! {
        started = plane::start(&demo.fleet, setup) => started?,
        () = plane::interrupted() => return Ok(ExitCode::from(130)),
    };
    say(&format!("the fleet runs on {}; seed {seed}", plane.endpoint_url()));
    let trouble = Trouble { tally, endpoint };
    let result = tokio::select! {
        result = drive(&demo, seed, &plane, &trouble) => result,
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
    Ok(ExitCode::from(u8::from(!account.is_good())))
}

async fn drive(demo: &Demo, seed: u64, plane: &Plane, trouble: &Trouble) -> Result<Account, Failure> {
    let aws = Aws::local(plane.endpoint_url(), STACK).await;
    let begun = Instant::now();
    let mut oracle = Oracle::default();
    let killed = send(demo, seed, plane, &aws, &mut oracle, trouble).await?;
    let sending = begun.elapsed();

    let bar = plane::spinner("settling");
    if let Some(endpoint) = &trouble.endpoint
        && !endpoint.calm().await
    {
        say("a delayed request did not complete in time");
    }
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
    if demo.chaos {
        let again = plane.duplicate_stats().iter().map(|(_, stats)| stats.batches).sum();
        trouble.tally.add(tally::Trouble::PolledTwice, again);
        account.chaos = Some(trouble.tally.all());
    }
    if !demo.json {
        show(&aws).await?;
        account.show();
    }
    Ok(account)
}

/// Sends everything, makes trouble on the way, shows progress; how many processors `--kill` has killed.
async fn send(
    demo: &Demo,
    seed: u64,
    plane: &Plane,
    aws: &Aws,
    oracle: &mut Oracle,
    trouble: &Trouble,
) -> Result<u64, Failure> {
    let events = demo.events.unwrap_or(if demo.chaos { chaos::EVENTS } else { EVENTS });
    let mix = Mix { events, only: demo.only, batch: demo.batch };
    let mut traffic = Traffic::new(seed, mix, weir_aws::clock::now());
    let mut kinesis = Sender::new(Sink::open(aws, Target::Kinesis).await?);
    let mut sqs = Sender::new(Sink::open(aws, Target::Sqs).await?);
    let mut landing = Landing::open(aws, seed).await?;
    let mut steps = trouble.endpoint.clone().map(|endpoint| {
        endpoint.meet(plane);
        Steps::new(endpoint, trouble.tally.clone(), demo.bootstraps_next.clone())
    });
    let bar = progress(events);
    let spread = demo.chaos.then(|| (events / chaos::SENDING.as_secs()).max(1));
    let mut rate = Rate::new(demo.rate.or(spread));
    let kill_every = events / u64::from(demo.kill + 1);
    let (mut kills, mut killer) = (0, Killer::new(plane));
    let mut items: u64 = 0;
    while let Some(item) = traffic.next(oracle) {
        rate.wait(item.payload.events as usize).await;
        match item.to {
            To::Stream => kinesis.add(item.payload, false).await?,
            To::Queue => sqs.add(item.payload, false).await?,
            To::Bucket { noticed_again } => landing.put(item.payload, noticed_again).await?,
        }
        let sent = kinesis.sent.events + sqs.sent.events + landing.events;
        bar.set_position(sent.min(events));
        if kills < demo.kill && sent >= kill_every * u64::from(kills + 1) {
            kills += 1;
            killer.once_more();
        }
        items += 1;
        if items.is_multiple_of(200) {
            killer.strike(plane);
        }
        if let Some(steps) = &mut steps {
            steps.at(sent, events, plane, aws).await?;
        }
    }
    kinesis.finish().await?;
    sqs.finish().await?;
    bar.finish_and_clear();
    Ok(killer.killed)
}

fn progress(events: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("sending {bar:30} {pos}/{len} events, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The services' summaries of the latest windows, as `weir query` shows them.
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

fn print_json(account: &Account) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(account).map_err(|error| failed("the account", &error))?);
    Ok(())
}
