//! `weir bench`: whole processes behind the Lambda Runtime API, beside the same work in Go and Python; and readers of
//! S3 against the endpoint that the environment names (`s3`).

mod build;
mod chart;
mod contender;
mod figures;
mod measure;
mod page;
mod price;
mod quota;
mod results;
mod s3;
mod stand;
mod tables;
mod turns;
mod work;

#[cfg(test)]
pub(crate) use figures::Figures;
pub(crate) use results::{FILE, Memory, Results};
pub(crate) use stand::CONCURRENCY_MAX;
pub(crate) use work::Work;

use crate::args::{Bench, BenchFleet, BenchPayload, Benchmark};
use crate::failure::{Failure, say};
use crate::plane::{interrupted, spinner};
use crate::terminal::print_json;
use price::Price;
use results::Machine;
use stand::Stand;
use std::process::ExitCode;
use turns::Runs;

/// Of `--quick`: enough to see that it runs.
const QUICK: Counts =
    Counts { starts: 5, payloads: Runs { cold: 3, warm: 15 }, memory: Runs { cold: 2, warm: 10 }, rounds_max: 20 };
const FULL: Counts = Counts {
    starts: 40,
    payloads: Runs { cold: 15, warm: 200 },
    memory: Runs { cold: 5, warm: 50 },
    rounds_max: usize::MAX,
};

/// How often each thing is done.
struct Counts {
    starts: usize,
    payloads: Runs,
    memory: Runs,
    rounds_max: usize,
}

/// Which of the four.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Topic {
    Init,
    Payloads,
    Memory,
    Cannon,
    All,
}

impl Topic {
    fn asks_for(self, topic: Self) -> bool {
        self == topic || self == Self::All
    }
}

pub(crate) async fn run(bench: Bench, stack: &str) -> Result<ExitCode, Failure> {
    let (topic, fleet) = match bench.benchmark {
        Benchmark::S3(bench) => return s3::run(bench, stack).await,
        Benchmark::Payload(one) => return print_payload(&one),
        Benchmark::Init(fleet) => (Topic::Init, fleet),
        Benchmark::Payloads(fleet) => (Topic::Payloads, fleet),
        Benchmark::Memory(fleet) => (Topic::Memory, fleet),
        Benchmark::Cannon(fleet) => (Topic::Cannon, fleet),
        Benchmark::All(fleet) => (Topic::All, fleet),
    };
    // Dropping the host ends its processes.
    tokio::select! {
        done = measure(topic, fleet, stack) => done,
        () = interrupted() => Ok(ExitCode::from(130)),
    }
}

fn print_payload(BenchPayload { work, events }: &BenchPayload) -> Result<ExitCode, Failure> {
    let payload = work.payload(&mut weir_bench::Workload::arriving_at(weir_aws::clock::now().0), *events);
    if payload.len() > weir_local_lambda::PAYLOAD_BYTES_MAX {
        let what = format!("{events} events exceed the 6 MB that Lambda accepts: use fewer --events");
        return Err(Failure::Usage(what));
    }
    println!("{}", String::from_utf8_lossy(&payload));
    Ok(ExitCode::SUCCESS)
}

async fn measure(topic: Topic, mut fleet: BenchFleet, stack: &str) -> Result<ExitCode, Failure> {
    let counts = if fleet.quick { QUICK } else { FULL };
    fleet.volley.rounds = fleet.volley.rounds.min(counts.rounds_max);
    let only = match topic {
        Topic::Init | Topic::All => None,
        Topic::Payloads | Topic::Memory => Some(fleet.work.as_slice()),
        Topic::Cannon => Some(&[Work::Burst][..]),
    };
    let stand = Stand::open(&fleet, stack, only).await?;
    let bar = spinner("measuring");
    let results = rows(topic, &fleet, &counts, &stand, &bar).await;
    bar.finish_and_clear();
    stand.close().await;
    let results = results?;
    results.write(&fleet.out, &page::page(&results))?;
    match fleet.json {
        true => print_json(&results)?,
        false => tables::print(&results),
    }
    say(&format!("results in {0}/{FILE} and {0}/bench.html", fleet.out.display()));
    Ok(ExitCode::SUCCESS)
}

async fn rows(
    topic: Topic,
    fleet: &BenchFleet,
    counts: &Counts,
    stand: &Stand,
    bar: &indicatif::ProgressBar,
) -> Result<Results, Failure> {
    let price = Price { gb_second: fleet.price_gb_second, million_requests: fleet.price_million_requests };
    let mut results = Results {
        taken_at: weir_aws::clock::now().to_string(),
        machine: Machine::this(),
        price,
        notes: stand.notes.clone(),
        init: vec![],
        payloads: vec![],
        memory: vec![],
        cannon: vec![],
    };
    if fleet.quick {
        results.notes.push("--quick: a few invocations of each".to_owned());
    }
    if topic.asks_for(Topic::Init) {
        results.init = measure::init(stand, counts.starts, bar).await?;
    }
    if topic.asks_for(Topic::Payloads) {
        results.payloads = measure::payloads(stand, &fleet.work, counts.payloads, price, bar).await?;
    }
    if topic.asks_for(Topic::Memory) {
        let notes = &mut results.notes;
        results.memory = measure::memory(stand, &fleet.work, counts.memory, price, bar, notes).await?;
    }
    if topic.asks_for(Topic::Cannon) {
        results.cannon = measure::cannon(stand, &fleet.volley, bar).await?;
    }
    Ok(results)
}
