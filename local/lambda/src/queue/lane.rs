//! One of the places where a queue's batches are gathered and delivered, one after the other.
//!
//! What is in hand stays invisible in the queue for its visibility timeout. So the outcome needs no memory here: what
//! was processed is deleted, and everything else comes back by itself when its time is over, as it does on AWS ("Handling
//! errors for an SQS event source in Lambda"). Lambda does not shorten that time for failed messages, and neither does
//! this; only messages in hand at an orderly stop are made visible at once.
//!
//! On a FIFO queue, SQS gives out no message of a group while another of it is in flight, so a group's order needs
//! one thing more: what is still in hand of a group that has just failed is let go undelivered.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::event::{encode, filter_view};
use super::scale::Scale;
use super::source::{QueueMessage, QueueProperties, QueueSource};
use crate::host::PAYLOAD_BYTES_MAX;
use crate::mapping::RECEIVE_MAX;
use crate::mapping::delivery::{Delivered, Delivery};
use crate::mapping::faults::{BatchInfo, Fault};
use crate::mapping::pace::{Backoff, Stop};
use crate::mapping::response::{Verdict, verdict};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Unsettled, add, bump};
use crate::stream::event::{payload, payload_len};

/// Entries of one batch request to SQS ("Amazon SQS message quotas").
const ENTRIES_MAX: usize = 10;
/// Batch requests of one lane at once.
const REQUESTS_MAX: usize = 8;
/// How often a deletion is tried before the messages are left to come back.
const DELETE_ATTEMPTS_MAX: u32 = 4;

/// A message in hand.
#[derive(Debug)]
struct Held {
    id: String,
    receipt: String,
    group: Option<String>,
    event: Bytes,
    /// When it becomes visible to others again.
    visible_at: Instant,
}

pub(crate) struct Lane {
    number: u32,
    source: Arc<dyn QueueSource>,
    delivery: Arc<Delivery>,
    scale: Arc<Scale>,
    properties: QueueProperties,
    timing: Timing,
    stop: Stop,
    backoff: Backoff,
    /// Received, but more than the last batch could take. At most one receive's worth, or one cut batch's rest.
    carried: VecDeque<Held>,
    unsettled: Unsettled,
}

impl Lane {
    pub(crate) fn new(
        number: u32,
        source: Arc<dyn QueueSource>,
        delivery: Arc<Delivery>,
        scale: Arc<Scale>,
        properties: QueueProperties,
        timing: Timing,
        stop: Stop,
    ) -> Lane {
        let backoff = Backoff::new(timing.retry_backoff_min, timing.retry_backoff_max);
        let unsettled = delivery.counters.unsettled();
        let carried = VecDeque::new();
        Lane { number, source, delivery, scale, properties, timing, stop, backoff, carried, unsettled }
    }

    pub(crate) async fn run(mut self) {
        while !self.stop.is_set() {
            if self.carried.is_empty() && !self.wanted().await {
                continue;
            }
            let batch = self.gather().await;
            if !batch.is_empty() {
                self.settle(batch).await;
            }
        }
        let rest: Vec<Held> = self.carried.drain(..).collect();
        self.release(&rest).await;
    }

    /// Waits while the mapping needs fewer lanes. `false` to look again.
    async fn wanted(&mut self) -> bool {
        let mut target = self.scale.target();
        if self.number < *target.borrow_and_update() {
            return true;
        }
        self.unsettled.lower();
        tokio::select! {
            () = self.stop.wait() => {}
            _ = target.changed() => {}
        }
        false
    }

    /// Until the batch is full, or its window has passed since the first message. Empty when stopped.
    async fn gather(&mut self) -> Vec<Held> {
        let window = self.delivery.mapping.batching_window;
        let mut batch = Vec::new();
        let mut due: Option<Instant> = None;
        loop {
            if self.fill(&mut batch) {
                return batch;
            }
            if !batch.is_empty() {
                let due = *due.get_or_insert_with(|| Instant::now() + window);
                if Instant::now() >= due {
                    return batch;
                }
            }
            let missing = (self.delivery.mapping.batch_size as usize - batch.len()).min(RECEIVE_MAX as usize);
            let wait = self.wait(due);
            let received = tokio::select! {
                biased;
                () = self.stop.wait() => {
                    self.release(&batch).await;
                    return Vec::new();
                }
                received = self.source.receive(missing as u32, wait) => received,
            };
            let pause = match received {
                Ok(messages) if messages.is_empty() => {
                    self.scale.starved();
                    if batch.is_empty() {
                        self.unsettled.lower();
                    }
                    // A long poll has waited already.
                    if batch.is_empty() || !wait.is_zero() { continue } else { self.timing.poll_interval }
                }
                Ok(messages) => {
                    self.unsettled.raise();
                    let visible_at = Instant::now() + self.properties.visibility_timeout;
                    let held = messages.iter().map(|message| held(message, self.source.arn(), visible_at)).collect();
                    let wanted = self.wanted_of(held).await;
                    self.carried.extend(wanted);
                    continue;
                }
                Err(error) => {
                    self.unsettled.raise();
                    bump(&self.delivery.counters.source_errors);
                    tracing::warn!(mapping = self.delivery.mapping.id, %error, "the queue could not be read");
                    self.backoff.next()
                }
            };
            let pause = due.map_or(pause, |due| pause.min(due.saturating_duration_since(Instant::now())));
            self.stop.sleep(pause).await;
        }
    }

    /// What passes the filters. The rest is deleted: "Lambda automatically deletes messages that don't meet the filter
    /// criteria".
    async fn wanted_of(&self, held: Vec<Held>) -> Vec<Held> {
        let filters = &self.delivery.mapping.filters;
        if filters.is_empty() {
            return held;
        }
        let (wanted, rest): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| filters.pass(&filter_view(&held.event, filters)));
        let deleted = self.delete(&rest.iter().collect::<Vec<_>>()).await;
        add(&self.delivery.counters.filtered, deleted);
        wanted
    }

    /// How long the next receive may wait. While it is not known whether the queue is empty, not at all: the mapping
    /// would not know for 20 seconds that it is idle.
    fn wait(&self, due: Option<Instant>) -> Duration {
        match due {
            None if self.unsettled.is_raised() => Duration::ZERO,
            None => self.timing.receive_wait,
            // Whole seconds are all SQS knows; the last part of a window is polled without waiting.
            Some(due) => {
                let rest = due.saturating_duration_since(Instant::now()).min(self.timing.receive_wait);
                Duration::from_secs(rest.as_secs())
            }
        }
    }

    /// Moves what is carried into the batch; `true` when no more fits.
    fn fill(&mut self, batch: &mut Vec<Held>) -> bool {
        let now = Instant::now();
        let mut bytes: usize = batch.iter().map(|held| held.event.len()).sum();
        while batch.len() < self.delivery.mapping.batch_size as usize {
            let Some(next) = self.carried.front() else { return false };
            if next.visible_at <= now {
                // It is no longer ours: someone else may have it.
                bump(&self.delivery.counters.dropped);
                self.carried.pop_front();
                continue;
            }
            let fits = payload_len(batch.len() + 1, bytes + next.event.len()) <= PAYLOAD_BYTES_MAX;
            if !fits && !batch.is_empty() {
                return true;
            }
            bytes += next.event.len();
            batch.extend(self.carried.pop_front());
        }
        true
    }

    /// Delivers one batch and does with its messages what the outcome asks for.
    async fn settle(&mut self, mut batch: Vec<Held>) {
        let fault = self.fault(&batch);
        if let Fault::Truncate(messages) = fault {
            for rest in batch.drain(messages.clamp(1, batch.len())..).rev() {
                self.carried.push_front(rest);
            }
        }
        let event = payload(batch.iter().map(|held| &held.event));
        let ours_until = batch.iter().map(|held| held.visible_at).min().unwrap_or_else(Instant::now);
        let response = loop {
            match self.delivery.deliver(event.clone(), fault).await {
                Delivered::Response(response) => break Some(response),
                Delivered::Failed(_) => break None,
                Delivered::NotReached(_) => {
                    self.scale.throttled();
                    let delay = self.backoff.next();
                    if Instant::now() + delay >= ours_until {
                        // "Lambda continues to retry the message until the message's timestamp exceeds your queue's
                        // visibility timeout, at which point Lambda drops the message."
                        add(&self.delivery.counters.dropped, batch.len());
                        return self.let_go(&batch);
                    }
                    if !self.stop.sleep(delay).await {
                        return self.release(&batch).await;
                    }
                }
            }
        };
        match response.map(|response| self.verdict(&response.payload, &batch)) {
            Some(Verdict::Success) => {
                self.backoff.reset();
                let deleted = self.delete(&batch.iter().collect::<Vec<_>>()).await;
                add(&self.delivery.counters.records, deleted);
            }
            Some(Verdict::Partial(failed)) => {
                bump(&self.delivery.counters.partial_failures);
                self.backoff.reset();
                let failed: HashSet<usize> = failed.into_iter().collect();
                let (failed, processed): (Vec<_>, Vec<_>) =
                    batch.iter().enumerate().partition(|(index, _)| failed.contains(index));
                let deleted = self.delete(&processed.into_iter().map(|(_, held)| held).collect::<Vec<_>>()).await;
                add(&self.delivery.counters.records, deleted);
                self.let_go(failed.into_iter().map(|(_, held)| held));
            }
            Some(Verdict::Failure) | None => {
                bump(&self.delivery.counters.failures);
                self.scale.failed();
                self.let_go(&batch);
                let delay = self.backoff.next();
                self.stop.sleep(delay).await;
            }
        }
    }

    fn verdict(&self, response: &[u8], batch: &[Held]) -> Verdict {
        if !self.delivery.mapping.report_batch_item_failures {
            return Verdict::Success;
        }
        match verdict(response, |id| batch.iter().position(|held| held.id == id)) {
            // A message may stand in a batch twice: received again while the batch gathered. It has failed wherever it
            // stands: deleting it by one of its receipts would lose it.
            Verdict::Partial(failed) => {
                let ids: HashSet<&str> = failed.iter().map(|index| batch[*index].id.as_str()).collect();
                let failed = batch.iter().enumerate().filter(|(_, held)| ids.contains(held.id.as_str()));
                Verdict::Partial(failed.map(|(index, _)| index).collect())
            }
            all => all,
        }
    }

    fn fault(&self, batch: &[Held]) -> Fault {
        let mapping = &self.delivery.mapping;
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Fault::None };
        self.delivery.fault(&BatchInfo {
            mapping: &mapping.id,
            function: &mapping.function,
            shard: None,
            records: batch.len(),
            attempt: 0,
            first: &first.id,
            last: &last.id,
        })
    }

    /// Leaves messages to come back by themselves, and with them what is in hand of their groups.
    fn let_go<'a>(&mut self, batch: impl IntoIterator<Item = &'a Held>) {
        let groups: HashSet<&str> = batch.into_iter().filter_map(|held| held.group.as_deref()).collect();
        self.carried.retain(|held| held.group.as_deref().is_none_or(|group| !groups.contains(group)));
    }

    /// How many are gone.
    async fn delete(&self, messages: &[&Held]) -> usize {
        let receipts = |chunk: &[&Held]| chunk.iter().map(|held| held.receipt.clone()).collect();
        let chunks: Vec<Vec<String>> = messages.chunks(ENTRIES_MAX).map(receipts).collect();
        futures::stream::iter(chunks)
            .map(|receipts| self.delete_chunk(receipts))
            .buffer_unordered(REQUESTS_MAX)
            .fold(0, |all, deleted| async move { all + deleted })
            .await
    }

    async fn delete_chunk(&self, mut receipts: Vec<String>) -> usize {
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let asked = receipts.len();
        for _ in 0..DELETE_ATTEMPTS_MAX {
            match self.source.delete(receipts.clone()).await {
                Ok(left) if left.is_empty() => return asked,
                Ok(left) => receipts = left,
                Err(error) => tracing::warn!(mapping = self.delivery.mapping.id, %error, "messages were not deleted"),
            }
            bump(&self.delivery.counters.source_errors);
            tokio::time::sleep(backoff.next()).await;
        }
        asked - receipts.len()
    }

    async fn release(&self, messages: &[Held]) {
        for chunk in messages.chunks(ENTRIES_MAX) {
            let receipts = chunk.iter().map(|held| held.receipt.clone()).collect();
            // Should it fail, they come back when their time is over.
            let _ = self.source.change_visibility(receipts, Duration::ZERO).await;
        }
    }
}

fn held(message: &QueueMessage, arn: &str, visible_at: Instant) -> Held {
    // Standard queues carry group ids too (fair queues), where they say nothing about order.
    let fifo = arn.ends_with(".fifo");
    Held {
        id: message.message_id.clone(),
        receipt: message.receipt_handle.clone(),
        group: message.attributes.get("MessageGroupId").filter(|_| fifo).cloned(),
        event: encode(message, arn),
        visible_at,
    }
}
