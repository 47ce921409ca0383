//! The four measurements, each to its rows.

use super::contender::{Contender, Expected, Taken};
use super::figures::Figures;
use super::price::{Price, WHOLE_CPU_MB};
use super::quota::{Quotas, cpus};
use super::results::{self, Cannon, Memory, Payload, Start};
use super::stand::Stand;
use super::turns::{self, Runs, ratio};
use super::work::Work;
use crate::args::Volley;
use crate::failure::Failure;
use bytes::Bytes;
use futures::future::join_all;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};
use weir_bench::{Workload, process};

/// The sizes that the benchmarks of our field use, MB.
const MEMORY_MB: [u32; 10] = [128, 256, 511, 1_023, 3_008, 3_071, 6_143, 7_167, 9_215, 10_240];
/// Events of an invocation where the size is not what is varied.
pub(crate) const EVENTS: usize = 1_000;

/// Starts of every function, of a bare hello, and of the peers' hello.
///
/// # Errors
/// When a sandbox cannot be started.
pub(crate) async fn init(stand: &Stand, runs: usize, bar: &ProgressBar) -> Result<Vec<Start>, Failure> {
    let (starters, nothing) = (stand.starters(), Bytes::from_static(br#"{"Records":[]}"#));
    let mut all: Vec<(Vec<f64>, u64)> = vec![Default::default(); starters.len()];
    for turn in 1..=runs {
        bar.set_message(format!("init: turn {turn} of {runs}"));
        for (starter, (times, resident)) in starters.iter().zip(&mut all) {
            let taken = starter.cold(&stand.host, &nothing, Expected::Anything).await?;
            let init = taken.init.ok_or_else(|| Failure::Failed(format!("{} did not start", starter.name)))?;
            times.push(init);
            let of_it = |instance: &&weir_local_lambda::InstanceInfo| instance.function == starter.spec.name;
            if let Some(instance) = stand.host.instances().iter().find(of_it) {
                *resident = process::memory_bytes(&instance.pid.to_string(), process::RESIDENT).max(*resident);
            }
        }
    }
    let hello = starters.iter().position(|starter| starter.spec.handler == "hello" && starter.name == "hello (Rust)");
    let hello = hello.map(|at| all[at].0.clone());
    let rows = starters.into_iter().zip(all).map(|(Contender { name, bytes, .. }, (times, resident_bytes))| Start {
        name,
        bytes,
        resident_bytes,
        to_hello: hello.as_ref().map(|hello| ratio(&times, hello)),
        init: Figures::of(times),
    });
    Ok(rows.collect())
}

/// Every size of every work, cold and warm, with the whole machine.
///
/// # Errors
/// When a contender does not do its work.
pub(crate) async fn payloads(
    stand: &Stand,
    works: &[Work],
    runs: Runs,
    price: Price,
    bar: &ProgressBar,
) -> Result<Vec<Payload>, Failure> {
    let mut rows = vec![];
    let mut workload = Workload::arriving_at(weir_aws::clock::now().0);
    for work in works {
        let contenders = stand.contenders(*work);
        for events in work.sizes() {
            bar.set_message(format!("payloads: {} of {events} events", work.name()));
            let bytes = work.payload(&mut workload, *events).len();
            let all = turns::run(&stand.host, &contenders, &mut workload, (*work, *events), runs).await?;
            let Some(weir) = all.first().cloned() else { continue };
            for (contender, taking) in contenders.iter().zip(all) {
                let warm_to_weir = ratio(&taking.warm, &weir.warm);
                let cold_to_weir = ratio(&taking.cold, &weir.cold);
                let warm = Figures::of(taking.warm);
                rows.push(Payload {
                    work: *work,
                    name: contender.name.clone(),
                    events: *events,
                    bytes,
                    cold: Figures::of(taking.cold),
                    cold_to_weir,
                    warm_to_weir,
                    usd_per_million_invocations: price.of_million_invocations(warm.billed, WHOLE_CPU_MB),
                    usd_per_million_events: price.of_million_events(warm.billed, WHOLE_CPU_MB, *events),
                    warm,
                });
            }
        }
    }
    Ok(rows)
}

/// Every memory size by its share of the CPU; of burst-summary beside the peers, of the intake functions alone.
///
/// # Errors
/// When a contender does not do its work.
pub(crate) async fn memory(
    stand: &Stand,
    works: &[Work],
    runs: Runs,
    price: Price,
    bar: &ProgressBar,
    notes: &mut Vec<String>,
) -> Result<Vec<Memory>, Failure> {
    let quotas = match Quotas::find() {
        Ok(quotas) => quotas,
        Err(why) => {
            notes.push(format!("memory sizes are not measured, since CPU shares cannot be set: {why}"));
            return Ok(vec![]);
        }
    };
    let had = results::cpus() as f64;
    let short: Vec<_> = MEMORY_MB.into_iter().filter(|mb| cpus(*mb) > had).map(|mb| mb.to_string()).collect();
    if !short.is_empty() {
        notes.push(format!(
            "{} MB would have more CPUs than this machine's {had}: measured with {had}",
            short.join(", ")
        ));
    }
    let mut rows = vec![];
    let mut workload = Workload::arriving_at(weir_aws::clock::now().0);
    for work in works {
        let mut whole = stand.contenders(*work);
        if *work != Work::Burst {
            // Beside a function that also stores, the peers' times would say nothing about memory.
            whole.truncate(1);
        }
        for memory_mb in MEMORY_MB {
            bar.set_message(format!("memory: {} in {memory_mb} MB", work.name()));
            let (wanted, given) = (cpus(memory_mb), cpus(memory_mb).min(had));
            let mut groups = vec![];
            let mut contenders = vec![];
            for (number, contender) in whole.iter().enumerate() {
                let group = quotas.group(&format!("{memory_mb}-{number}"), given);
                let group = group.map_err(|error| Failure::Failed(format!("a control group: {error}")))?;
                let mut confined = contender.within(&group, stand.scripts())?;
                // Functions take their budgets from it.
                confined.spec.memory_mb = memory_mb;
                contenders.push(confined);
                groups.push(group);
            }
            let all = turns::run(&stand.host, &contenders, &mut workload, (*work, EVENTS), runs).await?;
            for (contender, taking) in contenders.iter().zip(all) {
                stand.retire(contender);
                let warm = Figures::of(taking.warm);
                rows.push(Memory {
                    work: *work,
                    name: contender.name.clone(),
                    events: EVENTS,
                    memory_mb,
                    cpus: wanted,
                    cpus_had: given,
                    cold: Figures::of(taking.cold),
                    peak_bytes: taking.peak_bytes,
                    usd_per_million_invocations: price.of_million_invocations(warm.billed, memory_mb),
                    usd_per_million_events: price.of_million_events(warm.billed, memory_mb, EVENTS),
                    template_mb: if contender.name == "weir" { stand.memory_mb(*work) } else { 0 },
                    warm,
                });
            }
        }
    }
    Ok(rows)
}

/// Volleys at once, a pause, and again, for as long as asked.
///
/// # Errors
/// When a contender does not do its work.
pub(crate) async fn cannon(stand: &Stand, volley: &Volley, bar: &ProgressBar) -> Result<Vec<Cannon>, Failure> {
    let (work, contenders) = (Work::Burst, stand.contenders(Work::Burst));
    let (mut workload, expected) = (Workload::new(), Expected::Events(work, volley.events));
    let mut all: Vec<(Vec<f64>, u64)> = vec![Default::default(); contenders.len()];
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < volley.rounds && volley.seconds.is_none_or(|seconds| begun.elapsed().as_secs() < seconds) {
        bar.set_message(format!("cannon: round {} of {}", rounds + 1, volley.rounds));
        let payload = work.payload(&mut workload, volley.events);
        for (contender, (times, peak)) in contenders.iter().zip(&mut all) {
            if rounds == 0 {
                // The first round starts the sandboxes, and does not count.
                stand.host.add_function(contender.spec.clone());
            }
            let shots = (0..volley.concurrency).map(|_| contender.invoke(&stand.host, &payload, expected));
            for taken in join_all(shots).await {
                let Taken { total, peak_bytes, .. } = taken?;
                *peak = peak_bytes.max(*peak);
                if rounds > 0 {
                    times.push(total);
                }
            }
        }
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(volley.pause_ms)).await;
    }
    let row = |(contender, (times, peak_bytes)): (Contender, (Vec<f64>, u64))| Cannon {
        name: contender.name,
        events: volley.events,
        concurrency: volley.concurrency,
        rounds,
        pause_ms: volley.pause_ms,
        drift: drift(&times),
        times: Figures::of(times),
        peak_bytes,
    };
    Ok(contenders.into_iter().zip(all).map(row).collect())
}

/// Median of the second half ÷ median of the first.
fn drift(times: &[f64]) -> f64 {
    let (first, second) = times.split_at(times.len() / 2);
    Figures::of(second.to_vec()).p50 / Figures::of(first.to_vec()).p50.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::drift;

    #[test]
    fn what_grows_slower_drifts() {
        assert_eq!(drift(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), 2.0);
        assert_eq!(drift(&[3.0, 3.0]), 1.0);
    }
}
