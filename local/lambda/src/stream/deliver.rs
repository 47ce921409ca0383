//! Processing one shard: batch after batch, each until it is settled.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::{AfterFailure, Segment, Segments};
use super::event::payload;
use super::shard::{Encoded, Gathered, ShardReader};
use super::source::Shard;
use crate::mapping::checkpoint::{Progress, StreamCheckpoints};
use crate::mapping::delivery::{Delivered, Delivery};
use crate::mapping::faults::{BatchInfo, Fault};
use crate::mapping::pace::{Backoff, Clock, Stop};
use crate::mapping::response::{Verdict, verdict};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Unsettled, add, bump};
use crate::mapping::{DiscardReason, DiscardedBatch, FailureDestination, StreamSettings};

/// How often an on-failure destination is asked to take one batch.
const DESTINATION_ATTEMPTS_MAX: u32 = 3;

/// How a shard's worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerEnd {
    /// The shard is read to its end, and all of it is settled.
    Finished,
    /// The source did not know the shard; whether it still exists, the next listing tells.
    Vanished,
    Stopped,
}

pub(crate) struct ShardWorker {
    pub(crate) reader: ShardReader,
    pub(crate) shard: Shard,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) settings: StreamSettings,
    pub(crate) checkpoints: StreamCheckpoints,
    pub(crate) on_failure: Option<Arc<dyn FailureDestination>>,
    pub(crate) timing: Timing,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

impl ShardWorker {
    /// Returns its flag still up when the shard is finished: until its children are looked for, there may be more.
    pub(crate) async fn run(mut self, mut unsettled: Unsettled) -> (WorkerEnd, Unsettled) {
        loop {
            match self.reader.gather(&mut unsettled).await {
                Gathered::Batch(batch) => {
                    if !self.settle(&batch).await {
                        return (WorkerEnd::Stopped, unsettled);
                    }
                }
                Gathered::EndOfShard => {
                    unsettled.raise();
                    self.commit(Progress::Finished);
                    return (WorkerEnd::Finished, unsettled);
                }
                Gathered::Vanished => return (WorkerEnd::Vanished, unsettled),
                Gathered::Stopped => return (WorkerEnd::Stopped, unsettled),
            }
        }
    }

    /// Delivers until every record is processed or given up. `false` when stopped before.
    async fn settle(&self, batch: &[Encoded]) -> bool {
        let settings = &self.settings;
        let mut segments =
            Segments::new(batch.len(), settings.bisect_on_function_error, settings.maximum_retry_attempts);
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let mut last_error = Bytes::new();
        while let Some(front) = segments.front().cloned() {
            if self.stop.is_set() {
                return false;
            }
            let expired = self.expired(&batch[front.records.clone()]);
            if expired > 0 {
                if let Some(gone) = segments.discard(expired) {
                    self.give_up(batch, &gone, DiscardReason::RecordAgeExceeded, &last_error).await;
                }
                continue;
            }
            let fault = self.fault(&batch[front.records.clone()], front.attempts);
            if let Fault::Truncate(records) = fault {
                segments.truncate(records);
            }
            let Some(front) = segments.front().cloned() else { break };
            let records = &batch[front.records.clone()];
            let counters = &self.delivery.counters;
            if let Some(last) = records.last() {
                counters.iterator_age(self.clock.now_ms() - last.arrived_at_ms);
            }
            let event = payload(records.iter().map(|record| &record.event));
            let failed_from = match self.delivery.deliver(event, fault).await {
                Delivered::Response(response) => match self.first_failed(&response, records) {
                    None => {
                        segments.succeeded();
                        self.processed(records);
                        backoff.reset();
                        continue;
                    }
                    Some(first) => {
                        last_error = response;
                        first
                    }
                },
                Delivered::Failed(error) => {
                    last_error = error;
                    bump(&counters.failures);
                    0
                }
                Delivered::NotReached(_) => {
                    if !self.stop.sleep(backoff.next()).await {
                        return false;
                    }
                    continue;
                }
            };
            if failed_from > 0 {
                self.processed(&records[..failed_from]);
                backoff.reset();
            }
            match segments.failed_from(failed_from) {
                AfterFailure::Retry => bump(&counters.retries),
                AfterFailure::Bisected => {
                    bump(&counters.bisects);
                    bump(&counters.retries);
                }
                AfterFailure::Discarded(gone) => {
                    self.give_up(batch, &gone, DiscardReason::RetryAttemptsExhausted, &last_error).await;
                    continue;
                }
            }
            if !self.stop.sleep(backoff.next()).await {
                return false;
            }
        }
        true
    }

    /// Where the retry starts, counted in the batch; `None` when all was processed.
    fn first_failed(&self, response: &[u8], records: &[Encoded]) -> Option<usize> {
        if !self.delivery.mapping.report_batch_item_failures {
            return None;
        }
        let index = |sequence: &str| records.iter().position(|record| record.sequence == sequence);
        match verdict(response, index) {
            Verdict::Success => None,
            Verdict::Partial(failed) => {
                bump(&self.delivery.counters.partial_failures);
                failed.first().copied()
            }
            Verdict::Failure => {
                bump(&self.delivery.counters.failures);
                Some(0)
            }
        }
    }

    fn fault(&self, records: &[Encoded], attempt: u32) -> Fault {
        let mapping = &self.delivery.mapping;
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Fault::None };
        self.delivery.fault(&BatchInfo {
            mapping: &mapping.id,
            function: &mapping.function,
            shard: Some(&self.shard.id),
            records: records.len(),
            attempt,
            first: &first.sequence,
            last: &last.sequence,
        })
    }

    /// How many records from the front are too old to be delivered.
    fn expired(&self, records: &[Encoded]) -> usize {
        let Some(age) = self.settings.maximum_record_age else { return 0 };
        let oldest_ms = self.clock.now_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2);
        records.iter().take_while(|record| record.arrived_at_ms < oldest_ms).count()
    }

    fn processed(&self, records: &[Encoded]) {
        add(&self.delivery.counters.records, records.len());
        if let Some(last) = records.last() {
            self.commit(Progress::After(last.sequence.clone()));
        }
    }

    /// Tells the destination first and moves the checkpoint second: a stop in between tells it twice.
    async fn give_up(&self, batch: &[Encoded], gone: &Segment, reason: DiscardReason, last_error: &Bytes) {
        let records = &batch[gone.records.clone()];
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        add(&self.delivery.counters.discarded, records.len());
        let mapping = &self.delivery.mapping;
        tracing::warn!(
            mapping = mapping.id,
            shard = self.shard.id,
            ?reason,
            records = records.len(),
            "records discarded"
        );
        if let Some(destination) = &self.on_failure {
            let discarded = DiscardedBatch {
                mapping: mapping.id.clone(),
                function: mapping.function.clone(),
                stream_arn: self.reader.context.arn.clone(),
                shard: self.shard.id.clone(),
                reason,
                attempts: gone.attempts,
                first_sequence: first.sequence.clone(),
                last_sequence: last.sequence.clone(),
                first_arrived_at_ms: first.arrived_at_ms,
                last_arrived_at_ms: last.arrived_at_ms,
                records: records.len(),
                last_error: last_error.clone(),
            };
            self.tell(destination.as_ref(), &discarded).await;
        }
        self.commit(Progress::After(last.sequence.clone()));
    }

    async fn tell(&self, destination: &dyn FailureDestination, discarded: &DiscardedBatch) {
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        for _ in 0..DESTINATION_ATTEMPTS_MAX {
            match destination.discarded(discarded).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(mapping = discarded.mapping, %error, "the on-failure destination failed");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
        bump(&self.delivery.counters.destination_errors);
    }

    fn commit(&self, progress: Progress) {
        self.checkpoints.commit(&self.shard.id, self.shard.starting_sequence.as_deref(), progress);
    }
}
