//! How many batches of a queue are processed at once ("Configuring scaling behavior for SQS event source mappings").

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// "Lambda starts processing five batches at a time."
const LANES_START: u32 = 5;
/// "Up to 300 more concurrent invokes per minute": five a second.
const LANES_STEP: u32 = 5;
pub(crate) const SCALE_INTERVAL: Duration = Duration::from_secs(1);
/// Failing functions are given fewer batches, but never so few that one poison batch stands for the queue.
const LANES_MIN: u32 = 2;
/// "The maximum number of invokes that an event source mapping can process simultaneously is 1,250."
pub(crate) const LANES_MAX: u32 = 1_250;

/// What the lanes have seen since the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Signs {
    throttled: bool,
    failed: bool,
    /// A receive came back empty.
    starved: bool,
}

/// Shared by a mapping's lanes. Lane `n` works while `n < target`.
#[derive(Debug)]
pub(crate) struct Scale {
    limit: u32,
    target: watch::Sender<u32>,
    throttled: AtomicBool,
    failed: AtomicBool,
    starved: AtomicBool,
}

impl Scale {
    pub(crate) fn new(limit: u32) -> Scale {
        let limit = limit.clamp(1, LANES_MAX);
        Scale {
            limit,
            target: watch::Sender::new(LANES_START.min(limit)),
            throttled: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            starved: AtomicBool::new(false),
        }
    }

    pub(crate) fn target(&self) -> watch::Receiver<u32> {
        self.target.subscribe()
    }

    pub(crate) fn throttled(&self) {
        self.throttled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn starved(&self) {
        self.starved.store(true, Ordering::Relaxed);
    }

    /// Once per [`SCALE_INTERVAL`]; returns the new target.
    pub(crate) fn step(&self) -> u32 {
        let signs = Signs {
            throttled: self.throttled.swap(false, Ordering::Relaxed),
            failed: self.failed.swap(false, Ordering::Relaxed),
            starved: self.starved.swap(false, Ordering::Relaxed),
        };
        let next = next_target(*self.target.borrow(), self.limit, signs);
        self.target.send_if_modified(|target| std::mem::replace(target, next) != next);
        next
    }
}

fn next_target(target: u32, limit: u32, signs: Signs) -> u32 {
    let (start, min) = (LANES_START.min(limit), LANES_MIN.min(limit));
    let next = match signs {
        Signs { throttled: true, .. } => target / 2,
        Signs { failed: true, .. } => target.saturating_sub(1),
        Signs { starved: true, .. } if target > start => target.saturating_sub(LANES_STEP).max(start),
        Signs { starved: true, .. } => target.saturating_add(LANES_STEP).min(start),
        Signs { .. } => target.saturating_add(LANES_STEP),
    };
    next.clamp(min, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_there_is_more_and_backs_off() {
        let busy = Signs::default();
        assert_eq!(next_target(5, 1_000, busy), 10);
        assert_eq!(next_target(998, 1_000, busy), 1_000);
        assert_eq!(next_target(40, 1_000, Signs { throttled: true, ..busy }), 20);
        assert_eq!(next_target(2, 1_000, Signs { throttled: true, ..busy }), 2);
        assert_eq!(next_target(5, 1_000, Signs { failed: true, ..busy }), 4);
        assert_eq!(next_target(2, 1_000, Signs { failed: true, ..busy }), 2);
        assert_eq!(next_target(7, 1_000, Signs { starved: true, ..busy }), 5);
        assert_eq!(next_target(2, 1_000, Signs { starved: true, ..busy }), 5);
        assert_eq!(next_target(1, 1, busy), 1);
    }
}
