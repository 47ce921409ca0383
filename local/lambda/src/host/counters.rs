//! What the invocations of one version came to, counted as it happens.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the function was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Invocations that reached a sandbox, or tried to start one.
    pub invocations: u64,
    /// Those that ended in a function error, of whatever kind.
    pub errors: u64,
    /// Refused because all sandboxes were busy.
    pub throttles: u64,
    /// Sandboxes started.
    pub cold_starts: u64,
    /// Errors because the time was over.
    pub timeouts: u64,
    /// Errors because the process ended under an invocation.
    pub crashes: u64,
    /// Errors because a sandbox did not initialise.
    pub init_failures: u64,
    /// Invocations after which the sandbox's peak memory was above its limit.
    pub memory_exceeded: u64,
    /// Most sandboxes busy at once.
    pub concurrency_peak: u64,
}

impl FunctionStats {
    /// Both versions' counts together; the peaks, which may have been at different times, as the larger one.
    pub(crate) fn and(self, other: FunctionStats) -> FunctionStats {
        FunctionStats {
            invocations: self.invocations + other.invocations,
            errors: self.errors + other.errors,
            throttles: self.throttles + other.throttles,
            cold_starts: self.cold_starts + other.cold_starts,
            timeouts: self.timeouts + other.timeouts,
            crashes: self.crashes + other.crashes,
            init_failures: self.init_failures + other.init_failures,
            memory_exceeded: self.memory_exceeded + other.memory_exceeded,
            concurrency_peak: self.concurrency_peak.max(other.concurrency_peak),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) invocations: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) throttles: AtomicU64,
    pub(crate) cold_starts: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) crashes: AtomicU64,
    pub(crate) init_failures: AtomicU64,
    pub(crate) memory_exceeded: AtomicU64,
    pub(crate) concurrency_peak: AtomicU64,
}

pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> FunctionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FunctionStats {
            invocations: read(&self.invocations),
            errors: read(&self.errors),
            throttles: read(&self.throttles),
            cold_starts: read(&self.cold_starts),
            timeouts: read(&self.timeouts),
            crashes: read(&self.crashes),
            init_failures: read(&self.init_failures),
            memory_exceeded: read(&self.memory_exceeded),
            concurrency_peak: read(&self.concurrency_peak),
        }
    }
}
