//! How many invocations of a function may run at once, over all of its versions ("Configuring reserved concurrency for
//! a function": it applies to the function as a whole, including versions and aliases).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug)]
pub(crate) struct Concurrency {
    max: AtomicU32,
    running: AtomicU32,
    peak: AtomicU32,
}

/// A place among the concurrent invocations, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Concurrency>);

impl Concurrency {
    pub(crate) fn new(max: u32) -> Arc<Concurrency> {
        Arc::new(Concurrency { max: max.into(), running: AtomicU32::new(0), peak: AtomicU32::new(0) })
    }

    pub(crate) fn max(&self) -> u32 {
        self.max.load(Ordering::Acquire)
    }

    pub(crate) fn set_max(&self, max: u32) {
        self.max.store(max, Ordering::Release);
    }

    pub(crate) fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }

    /// A place for one more invocation, where there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Place> {
        let admit = |running: u32| (running < self.max()).then_some(running + 1);
        let before = self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).ok()?;
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
