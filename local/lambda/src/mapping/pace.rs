//! Waiting: how long, and never past a stop.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Doubling delays between two bounds.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min, max: max.max(min), next: min }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.max);
        delay
    }
}

/// Told to every task of a runner; one way only.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn channel() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Also when the sender is gone: nobody is left who could want more.
    pub(crate) async fn wait(&self) {
        let mut receiver = self.0.clone();
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }

    /// `false` when stopped meanwhile.
    pub(crate) async fn sleep(&self, delay: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.wait() => false,
            () = sleep(delay) => true,
        }
    }
}

/// Wall-clock time read once and carried on by Tokio's clock, so that a test that pauses time pauses ages with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    base_ms: i64,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { base_ms: jiff::Timestamp::now().as_millisecond(), started: Instant::now() }
    }

    /// The instant of a time of the wall clock; now, of one that is past.
    pub(crate) fn at(&self, at_ms: i64) -> Instant {
        let ahead = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        Instant::now() + Duration::from_millis(ahead)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.base_ms + i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }
}
