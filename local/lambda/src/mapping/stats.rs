//! What a mapping has done, counted as it happens.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// A mapping's counts since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingStats {
    /// Batches handed to the function, retries and injected failures included; throttled ones not.
    pub batches: u64,
    /// Records or messages settled: processed and checkpointed, or processed and deleted.
    pub records: u64,
    /// Deliveries of records again because the delivery before failed, wholly or in part. Streams only: an SQS
    /// queue redelivers by itself.
    pub retries: u64,
    /// Failed batches cut in two.
    pub bisects: u64,
    /// Batches that failed wholly.
    pub failures: u64,
    /// Batches that failed in part.
    pub partial_failures: u64,
    /// Stream records given up by `MaximumRetryAttempts` or `MaximumRecordAgeInSeconds`.
    pub discarded: u64,
    /// Records or messages that passed none of the mapping's filters, and so never reached its function.
    pub filtered: u64,
    /// Queue messages let go undelivered, since the function was throttled until they became visible again.
    pub dropped: u64,
    /// Invocations refused because of the function's concurrency.
    pub throttles: u64,
    /// Failed reads, deletions and listings of the source.
    pub source_errors: u64,
    /// Discarded batches the on-failure destination did not take.
    pub destination_errors: u64,
    /// Faults injected.
    pub faults: u64,
    /// Age of the last record of the batch last delivered on any shard, at its delivery, in milliseconds (Lambda's
    /// `IteratorAge`). 0 once all is delivered.
    pub iterator_age_ms: u64,
    /// Invocations running now.
    pub in_flight: u64,
    /// Most invocations running at once.
    pub in_flight_peak: u64,
    /// Since when the source has been read to its end and everything read is settled; `None` while there is
    /// something to do, or while that is not known. For a queue: nothing to receive, which leaves out messages that
    /// are invisible.
    pub idle_since: Option<std::time::Instant>,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) bisects: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) partial_failures: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) filtered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) throttles: AtomicU64,
    pub(crate) source_errors: AtomicU64,
    pub(crate) destination_errors: AtomicU64,
    pub(crate) faults: AtomicU64,
    in_flight: AtomicU64,
    in_flight_peak: AtomicU64,
    iterator_age_ms: AtomicI64,
    unsettled: AtomicUsize,
    idle_since: Mutex<Option<Instant>>,
}

pub(crate) fn bump(counter: &AtomicU64) {
    add(counter, 1);
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> MappingStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let idle_since = *self.idle_since.lock().expect("no panic while the lock is held");
        let idle_since = idle_since.map(Instant::into_std);
        let age = self.iterator_age_ms.load(Ordering::Relaxed);
        MappingStats {
            batches: read(&self.batches),
            records: read(&self.records),
            retries: read(&self.retries),
            bisects: read(&self.bisects),
            failures: read(&self.failures),
            partial_failures: read(&self.partial_failures),
            discarded: read(&self.discarded),
            filtered: read(&self.filtered),
            dropped: read(&self.dropped),
            throttles: read(&self.throttles),
            source_errors: read(&self.source_errors),
            destination_errors: read(&self.destination_errors),
            faults: read(&self.faults),
            iterator_age_ms: if idle_since.is_some() { 0 } else { u64::try_from(age).unwrap_or(0) },
            in_flight: read(&self.in_flight),
            in_flight_peak: read(&self.in_flight_peak),
            idle_since,
        }
    }

    pub(crate) fn iterator_age(&self, age_ms: i64) {
        self.iterator_age_ms.store(age_ms.max(0), Ordering::Relaxed);
    }

    /// Held while an invocation runs.
    pub(crate) fn flight(self: &Arc<Self>) -> Flight {
        let running = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.in_flight_peak.fetch_max(running, Ordering::Relaxed);
        Flight(self.clone())
    }

    /// A part of the mapping that has not yet, or not any more, settled all it knows of.
    pub(crate) fn unsettled(self: &Arc<Self>) -> Unsettled {
        let mut part = Unsettled { counters: self.clone(), raised: false };
        part.raise();
        part
    }
}

pub(crate) struct Flight(Arc<Counters>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One part's flag: up while it has something to do. The mapping is idle while all are down.
pub(crate) struct Unsettled {
    counters: Arc<Counters>,
    raised: bool,
}

impl Unsettled {
    pub(crate) fn is_raised(&self) -> bool {
        self.raised
    }

    pub(crate) fn raise(&mut self) {
        if !std::mem::replace(&mut self.raised, true) {
            let mut idle_since = self.counters.idle_since.lock().expect("no panic while the lock is held");
            self.counters.unsettled.fetch_add(1, Ordering::AcqRel);
            *idle_since = None;
        }
    }

    pub(crate) fn lower(&mut self) {
        if std::mem::replace(&mut self.raised, false) {
            let mut idle_since = self.counters.idle_since.lock().expect("no panic while the lock is held");
            if self.counters.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
                *idle_since = Some(Instant::now());
            }
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.lower();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_only_while_every_part_is() {
        let counters = Arc::new(Counters::default());
        assert_eq!(counters.read().idle_since, None, "nothing has started");
        let mut first = counters.unsettled();
        let second = counters.unsettled();
        first.lower();
        assert_eq!(counters.read().idle_since, None);
        drop(second);
        assert!(counters.read().idle_since.is_some());
        first.raise();
        assert_eq!(counters.read().idle_since, None);
    }
}
