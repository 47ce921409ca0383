//! A few thousand schedules that nobody has seen before, in every test run.

#![expect(clippy::print_stdout, reason = "the seed, for whoever has to run it again")]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use weir_simulation::Campaign;

/// Schedules of a test run.
const SEEDS: u64 = 4_000;
/// On a slow or busy machine fewer will do: the test is not to be what one waits for.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn no_schedule_makes_a_count_wrong() {
    // From the clock: a run that always takes the same seeds learns nothing new.
    let first = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let mut campaign = Campaign::new(first, SEEDS);
    let (begun, stop) = (Instant::now(), AtomicBool::new(false));
    let progress = |_: &Campaign| stop.store(begun.elapsed() > PATIENCE, std::sync::atomic::Ordering::Relaxed);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let violations = campaign.go_on(threads, &stop, &progress);
    println!("{} seeds from {first} in {:.1} s", campaign.done, begun.elapsed().as_secs_f64());
    if let Some(violation) = violations.first() {
        println!("seed {}: {}; looking for the shortest schedule that fails", violation.seed, violation.what);
        panic!(
            "seed {}: {}\n\ncargo weir simulate --seed {} shows all of it; the shortest that fails alike:\n\n{}",
            violation.seed,
            violation.what,
            violation.seed,
            violation.shrink()
        );
    }
    for (what, count) in campaign.tally.counts() {
        println!("{count:>10} {what}");
    }
    let never: Vec<&str> = campaign.tally.counts().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect();
    assert!(never.is_empty() || campaign.done < 1_000, "the simulation never throws: {never:?}");
}

/// The same seed is the same run, to the last line.
#[test]
fn a_seed_is_a_schedule() {
    let told = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let story = weir_simulation::tell(42);
                told.lock().expect("no other panics").push(story);
            });
        }
    });
    let told = told.into_inner().expect("no other panics");
    assert_eq!(told[0], told[1]);
    assert!(told[0].ends_with("=> as it should be"), "{}", told[0]);
}
