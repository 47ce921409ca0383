//! The last invocation of a tumbling window.

use std::sync::Mutex;

use bytes::Bytes;

use super::deliver::{ShardWorker, WorkerEnd, locked};
use super::event::windowed_payload;
use super::window::Open;
use crate::mapping::checkpoint::Progress;
use crate::mapping::delivery::Delivered;
use crate::mapping::faults::Fault;
use crate::mapping::pace::Backoff;
use crate::mapping::stats::bump;

impl ShardWorker {
    /// Tells the function that the window is over, and moves the checkpoint behind it. Without a window, nothing.
    pub(super) async fn close(&self, open: &mut Option<Mutex<Open>>, early: bool) -> Result<(), WorkerEnd> {
        let Some(window) = open.as_ref() else { return Ok(()) };
        // Early is a matter of the window's own time.
        let early = early && self.clock.now_ms() < locked(window).end_ms();
        if !self.invoke_last(window, early).await {
            return Err(WorkerEnd::Stopped);
        }
        let settled = open.take().and_then(|window| locked(&window).settled.take());
        if let Some(sequence) = settled {
            self.commit(Progress::After(sequence));
        }
        Ok(())
    }

    /// "If it exceeds that size, Lambda terminates the window early"; what still arrives in it begins with an empty state.
    /// `false` when stopped before.
    pub(super) async fn end_if_too_large(&self, window: &Mutex<Open>) -> bool {
        if !locked(window).is_too_large() {
            return true;
        }
        if !self.invoke_last(window, true).await {
            return false;
        }
        let settled = locked(window).settled.clone();
        locked(window).restart();
        if let Some(sequence) = settled {
            self.commit(Progress::After(sequence));
        }
        true
    }

    /// Until the function has taken it, or its retries are used up. `false` when stopped before.
    async fn invoke_last(&self, window: &Mutex<Open>, early: bool) -> bool {
        let fields = locked(window).fields(&self.shard.id, &self.reader.context.arn, true, early);
        let event = windowed_payload(std::iter::empty::<&Bytes>(), &fields);
        let counters = &self.delivery.counters;
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let mut attempts = 0;
        loop {
            match self.delivery.deliver(event.clone(), Fault::None).await {
                Delivered::Response(_) => return true,
                Delivered::Failed(_) => {
                    bump(&counters.failures);
                    attempts += 1;
                    if self.settings.maximum_retry_attempts.is_some_and(|max| attempts > max) {
                        tracing::warn!(mapping = self.delivery.mapping.id, "the end of a window is given up");
                        return true;
                    }
                    bump(&counters.retries);
                }
                Delivered::NotReached(_) => {}
            }
            if !self.stop.sleep(backoff.next()).await {
                return false;
            }
        }
    }
}
