//! Not faster than so many events a second.

use std::time::Duration;
use tokio::time::Instant;

/// Spreads events evenly; a sender that falls behind does not catch up in a burst of more than a second.
pub(crate) struct Rate {
    per_event: Option<Duration>,
    next: Instant,
}

impl Rate {
    pub(crate) fn new(events_per_second: Option<u64>) -> Self {
        let per_event = events_per_second.map(|rate| Duration::from_secs_f64(1.0 / rate as f64));
        Self { per_event, next: Instant::now() }
    }

    /// Waits until `events` more may be sent.
    pub(crate) async fn wait(&mut self, events: usize) {
        let Some(per_event) = self.per_event else { return };
        let earliest = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(self.next);
        let begin = self.next.max(earliest);
        tokio::time::sleep_until(begin).await;
        self.next = begin + per_event.mul_f64(events as f64);
    }
}
