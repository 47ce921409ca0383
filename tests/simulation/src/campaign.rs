//! Many seeds on all cores, with progress, to be interrupted and taken up again.

use crate::{Tally, Violation, run};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seeds that a thread takes at a time.
const CHUNK: u64 = 50;
/// Violations kept: one would do, a few more show whether they are of one kind.
const VIOLATIONS_MAX: usize = 5;

/// A run of consecutive seeds, and how far it has come.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many seeds there are to run.
    pub seeds: u64,
    /// How many have been run, from the first on, without a gap.
    pub done: u64,
    /// What was seen in them.
    pub tally: Tally,
}

struct Shared {
    next: u64,
    /// Chunks that are done beyond the first that is not, by their first place, with what was seen.
    ahead: Vec<(u64, Tally)>,
    campaign: Campaign,
    violations: Vec<Violation>,
    running: BTreeSet<u64>,
}

impl Campaign {
    /// A campaign that has not begun.
    pub fn new(first: u64, seeds: u64) -> Self {
        Self { first, seeds, ..Self::default() }
    }

    /// Runs what is left on `threads` threads until everything is done, `stop` is set, or something is violated.
    /// `progress` hears of each step forward, from any thread.
    pub fn go_on(&mut self, threads: usize, stop: &AtomicBool, progress: &(dyn Fn(&Self) + Sync)) -> Vec<Violation> {
        let shared = Mutex::new(Shared {
            next: self.done,
            ahead: vec![],
            campaign: self.clone(),
            violations: vec![],
            running: BTreeSet::new(),
        });
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| work(&shared, stop, progress));
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self = shared.campaign;
        shared.violations
    }
}

fn work(shared: &Mutex<Shared>, stop: &AtomicBool, progress: &(dyn Fn(&Campaign) + Sync)) {
    let first = lock(shared).campaign.first;
    while !stop.load(Ordering::Relaxed) {
        let taken = take(&mut lock(shared));
        let Some((begin, end)) = taken else { return };
        let mut tally = Tally::default();
        let mut violations = vec![];
        for place in begin..end {
            match run(first.wrapping_add(place)) {
                Ok(seen) => tally.merge(&seen),
                Err(violation) => violations.push(violation),
            }
        }
        let mut shared = lock(shared);
        shared.settle(begin, tally, violations);
        progress(&shared.campaign);
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next chunk; none when all are taken or something is wrong.
fn take(shared: &mut Shared) -> Option<(u64, u64)> {
    let begin = shared.next;
    if begin >= shared.campaign.seeds || !shared.violations.is_empty() {
        return None;
    }
    let end = (begin + CHUNK).min(shared.campaign.seeds);
    shared.next = end;
    shared.running.insert(begin);
    Some((begin, end))
}

impl Shared {
    fn settle(&mut self, begin: u64, tally: Tally, violations: Vec<Violation>) {
        self.running.remove(&begin);
        let failed = !violations.is_empty();
        self.violations.extend(violations);
        self.violations.truncate(VIOLATIONS_MAX);
        if failed {
            return;
        }
        self.ahead.push((begin, tally));
        // What is done is what lies before the first chunk that is not: those are taken up again.
        let first_open = self.running.first().copied().unwrap_or(self.next);
        let (before, ahead) = std::mem::take(&mut self.ahead).into_iter().partition(|(begin, _)| *begin < first_open);
        self.ahead = ahead;
        let before: Vec<(u64, Tally)> = before;
        before.iter().for_each(|(_, tally)| self.campaign.tally.merge(tally));
        if self.violations.is_empty() {
            self.campaign.done = first_open.max(self.campaign.done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_campaign_goes_on_where_it_stopped() {
        let whole = |threads| {
            let mut campaign = Campaign::new(7, 260);
            let violations = campaign.go_on(threads, &AtomicBool::new(false), &|_| {});
            assert_eq!((violations, campaign.done), (vec![], 260));
            campaign.tally
        };
        let mut parts = Campaign::new(7, 260);
        let stop = AtomicBool::new(false);
        parts.go_on(2, &stop, &|campaign| stop.store(campaign.done >= 100, Ordering::Relaxed));
        assert!((100..260).contains(&parts.done), "{}", parts.done);
        parts.go_on(2, &AtomicBool::new(false), &|_| {});
        assert_eq!(parts.tally, whole(1));
    }
}
