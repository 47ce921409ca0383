//! Whatever faults hit a stream's mapping, what AWS promises holds: every record is processed at least once, no record
//! is first seen before its predecessors on the shard are settled, and children never precede their parents.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use support::{Answer, Function, failures, sequence, until};
use weir_local_lambda::{
    BatchInfo, Checkpoints, Fault, Filters, MappingKind, MappingSpec, MemoryStream, Runner, RunnerOptions, Source,
    SourceError, StreamSettings,
};

/// Numbers from a seed (SplitMix64): the same seed is the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// What the function has made durable: the highest record per run of the shard's order, and all records.
#[derive(Default)]
struct Seen {
    settled: BTreeSet<u64>,
    violations: Vec<String>,
}

async fn run(seed: u64) {
    let dice = Arc::new(Mutex::new(Dice(seed)));
    let roll = {
        let dice = dice.clone();
        move |sides| dice.lock().expect("no panic").roll(sides)
    };
    let stream = Arc::new(MemoryStream::kinesis("arn:aws:kinesis:us-east-1:000000000000:stream/s", 2));
    // Which records must be settled before a record may be.
    let before: Arc<Mutex<BTreeMap<u64, Vec<u64>>>> = Arc::default();
    let mut history: BTreeMap<usize, Vec<u64>> = BTreeMap::from([(0, vec![]), (1, vec![])]);
    let mut next = 0;
    let mut put = |shard: usize, history: &mut BTreeMap<usize, Vec<u64>>| {
        stream.put_bytes(shard, "k", "x");
        next += 1;
        let own = history.get_mut(&shard).expect("open");
        before.lock().expect("no panic").insert(next, own.clone());
        own.push(next);
    };

    let seen: Arc<Mutex<Seen>> = Arc::default();
    let function = {
        let (seen, before, roll) = (seen.clone(), before.clone(), roll.clone());
        Function::new(move |_, ids| {
            let ids: Vec<u64> = ids.iter().map(|id| id.parse().expect("a number")).collect();
            let outcome = roll(10);
            if outcome == 0 {
                return Answer::Throttle;
            }
            // A failing function may have processed any prefix.
            let processed = if outcome < 5 { roll(ids.len() as u64 + 1) as usize } else { ids.len() };
            let mut seen = seen.lock().expect("no panic");
            for id in &ids[..processed] {
                let missing =
                    before.lock().expect("no panic")[id].iter().find(|id| !seen.settled.contains(id)).copied();
                if let Some(missing) = missing {
                    seen.violations.push(format!("{id} before {missing}"));
                }
                seen.settled.insert(*id);
            }
            match outcome {
                1 | 2 => Answer::Error,
                3 | 4 if processed < ids.len() => failures(ids[processed..].iter().rev().map(sequence)),
                3 => Answer::Json("malformed".into()),
                _ => Answer::Ok,
            }
        })
        .start()
    };
    let faults = {
        let roll = roll.clone();
        move |batch: &BatchInfo<'_>| match roll(8) {
            0 => Fault::FailBeforeInvoke,
            1 => Fault::FailAfterInvoke,
            2 => Fault::DuplicateDelivery,
            3 | 4 => Fault::Truncate(1 + roll(batch.records as u64) as usize),
            _ => Fault::None,
        }
    };
    let checkpoints = Checkpoints::in_memory();
    let spec = MappingSpec {
        id: "m".into(),
        function: "f".into(),
        batch_size: 1 + roll(9) as u32,
        batching_window: Duration::from_millis(roll(3) * 500),
        kind: MappingKind::Stream(StreamSettings {
            bisect_on_function_error: roll(2) == 0,
            ..StreamSettings::default()
        }),
        report_batch_item_failures: true,
        filters: Filters::default(),
        enabled: true,
    };
    let start = || {
        let faults = Arc::new(faults.clone());
        let options =
            RunnerOptions { faults: Some(faults), checkpoints: checkpoints.clone(), ..RunnerOptions::default() };
        Runner::start(function.clone(), spec.clone(), Source::Shards(stream.clone()), options).expect("valid")
    };
    let mut runner = start();
    let mut open = vec![0, 1];
    for _ in 0..40 {
        match roll(12) {
            0 => stream.expire_iterators(),
            1 => stream.fail_next(SourceError::Throttled("as rolled".into())),
            2 => stream.fail_next(SourceError::Other("as rolled".into())),
            // In order, or in the middle of whatever it does.
            3 => {
                runner.stop().await;
                runner = start();
            }
            4 => {
                drop(runner);
                runner = start();
            }
            5 if open.len() < 4 => {
                let parent = open.remove(roll(open.len() as u64) as usize);
                for child in stream.reshard(&[parent], 2) {
                    history.insert(child, history[&parent].clone());
                    open.push(child);
                }
            }
            6 if open.len() > 1 => {
                let parents = [open.remove(0), open.remove(0)];
                let child = stream.reshard(&parents, 1)[0];
                history.insert(child, parents.iter().flat_map(|parent| history[parent].clone()).collect());
                open.push(child);
            }
            _ => {
                for _ in 0..roll(12) {
                    put(open[roll(open.len() as u64) as usize], &mut history);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(roll(1500))).await;
    }
    until("everything is settled", || seen.lock().expect("no panic").settled.len() as u64 == next).await;
    until("idle", || runner.stats().idle_since.is_some()).await;
    runner.stop().await;
    let seen = seen.lock().expect("no panic");
    assert!(seen.violations.is_empty(), "seed {seed}: {:?}", seen.violations);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_least_once_and_in_order(seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(seed));
    }
}
