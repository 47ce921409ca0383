//! Processing one shard: batch after batch, each until it is settled.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::batch::{AfterFailure, Segments};
use super::event::{payload, windowed_payload};
use super::round::{Round, lanes};
use super::shard::{Encoded, Gathered, ShardReader};
use super::source::Shard;
use super::window::Open;
use crate::mapping::checkpoint::{Progress, StreamCheckpoints};
use crate::mapping::delivery::{Answered, Delivered, Delivery};
use crate::mapping::faults::{BatchInfo, Fault};
use crate::mapping::pace::{Backoff, Clock, Stop};
use crate::mapping::response::{Verdict, verdict};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Unsettled, add, bump};
use crate::mapping::{DiscardReason, FailureDestination, StreamSettings};

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

/// What the batches of one round share.
pub(super) struct Settling<'a> {
    round: &'a Mutex<Round>,
    /// The tumbling window they belong to, where the mapping has such.
    window: Option<&'a Mutex<Open>>,
}

impl ShardWorker {
    /// Returns its flag still up when the shard is finished: until its children are looked for, there may be more.
    pub(crate) async fn run(mut self, mut unsettled: Unsettled) -> (WorkerEnd, Unsettled) {
        let mut open: Option<Mutex<Open>> = None;
        let end = loop {
            let close_at = open.as_ref().map(|window| self.clock.at(locked(window).end_ms()));
            let ended = match self.reader.gather(&mut unsettled, close_at).await {
                Gathered::Batch(records) => {
                    self.round(records, &mut open).await.then_some(()).ok_or(WorkerEnd::Stopped)
                }
                Gathered::Quiet => self.close(&mut open, false).await,
                Gathered::EndOfShard => {
                    unsettled.raise();
                    // What is missing of the window's time, this shard will not have.
                    match self.close(&mut open, true).await {
                        Ok(()) => Err(WorkerEnd::Finished),
                        stopped => stopped,
                    }
                }
                Gathered::Vanished => Err(WorkerEnd::Vanished),
                Gathered::Stopped => Err(WorkerEnd::Stopped),
            };
            if let Err(end) = ended {
                break end;
            }
        };
        if end == WorkerEnd::Finished {
            self.commit(Progress::Finished);
        }
        (end, unsettled)
    }

    /// Settles what was read at once, lane beside lane. `false` when stopped before.
    async fn round(&self, mut records: Vec<Encoded>, open: &mut Option<Mutex<Open>>) -> bool {
        if let (Some(length_ms), Some(first)) = (self.reader.cut.tumbling_ms, records.first()) {
            let at_ms = first.arrived_at_ms;
            if open.as_ref().is_some_and(|window| !locked(window).holds(at_ms))
                && self.close(open, false).await.is_err()
            {
                return false;
            }
            open.get_or_insert_with(|| Mutex::new(Open::at(at_ms, length_ms)));
        }
        let round = Mutex::new(Round::begin(&mut records));
        let settling = Settling { round: &round, window: open.as_ref() };
        let cut = &self.reader.cut;
        let lanes = lanes(records, cut.lanes, cut.batch_size, cut.bytes_max).into_iter().map(|batches| {
            let settling = &settling;
            async move {
                for batch in batches {
                    if !self.settle(&batch, settling).await {
                        return false;
                    }
                }
                true
            }
        });
        futures::future::join_all(lanes).await.into_iter().all(|settled| settled)
    }

    /// Delivers until every record is processed or given up. `false` when stopped before.
    async fn settle(&self, batch: &[Encoded], settling: &Settling<'_>) -> bool {
        let settings = &self.settings;
        let mut segments =
            Segments::new(batch.len(), settings.bisect_on_function_error, settings.maximum_retry_attempts);
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let mut last = Answered::default();
        while let Some(front) = segments.front().cloned() {
            if self.stop.is_set() {
                return false;
            }
            let expired = self.expired(&batch[front.records.clone()]);
            if expired > 0 {
                if let Some(gone) = segments.discard(expired) {
                    let reason = DiscardReason::RecordAgeExceeded;
                    self.give_up(&batch[gone.records], gone.attempts, reason, &last, settling).await;
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
            let failed_from = match self.delivery.deliver(self.event(records, settling), fault).await {
                Delivered::Response(response) => match self.first_failed(&response.payload, records, settling) {
                    None => {
                        segments.succeeded();
                        self.settled(records, settling);
                        add(&counters.records, records.len());
                        backoff.reset();
                        if let Some(window) = settling.window
                            && !self.end_if_too_large(window).await
                        {
                            return false;
                        }
                        continue;
                    }
                    Some(first) => {
                        last = response;
                        first
                    }
                },
                Delivered::Failed(error) => {
                    last = error;
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
                self.settled(&records[..failed_from], settling);
                add(&counters.records, failed_from);
                backoff.reset();
            }
            match segments.failed_from(failed_from) {
                AfterFailure::Retry => bump(&counters.retries),
                AfterFailure::Bisected => {
                    bump(&counters.bisects);
                    bump(&counters.retries);
                }
                AfterFailure::Discarded(gone) => {
                    let reason = DiscardReason::RetryAttemptsExhausted;
                    self.give_up(&batch[gone.records], gone.attempts, reason, &last, settling).await;
                    continue;
                }
            }
            if !self.stop.sleep(backoff.next()).await {
                return false;
            }
        }
        true
    }

    pub(super) fn event(&self, records: &[Encoded], settling: &Settling<'_>) -> Bytes {
        let records = records.iter().map(|record| &record.event);
        match settling.window {
            Some(window) => {
                let arn = &self.reader.context.arn;
                windowed_payload(records, &locked(window).fields(&self.shard.id, arn, false, false))
            }
            None => payload(records),
        }
    }

    /// Where the retry starts, counted in the batch; `None` when all was processed. Of a window the state is taken over,
    /// unless nothing was processed.
    fn first_failed(&self, response: &[u8], records: &[Encoded], settling: &Settling<'_>) -> Option<usize> {
        let counters = &self.delivery.counters;
        let index = |sequence: &str| records.iter().position(|record| record.sequence == sequence);
        let verdict = match self.delivery.mapping.report_batch_item_failures {
            true => verdict(response, index),
            false => Verdict::Success,
        };
        let first = match &verdict {
            Verdict::Success => None,
            Verdict::Partial(failed) => failed.first().copied(),
            Verdict::Failure => Some(0),
        };
        if let Some(window) = settling.window
            && first != Some(0)
            && !locked(window).take_state(response)
        {
            bump(&counters.failures);
            return Some(0);
        }
        match verdict {
            Verdict::Success => {}
            Verdict::Partial(_) => bump(&counters.partial_failures),
            Verdict::Failure => bump(&counters.failures),
        }
        first
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

    /// Notes what was processed or given up, and moves the checkpoint as far as nothing is left behind. The records of a
    /// tumbling window move it when the window is over.
    pub(super) fn settled(&self, records: &[Encoded], settling: &Settling<'_>) {
        let mut round = settling.round.lock().expect("no panic while the lock is held");
        let Some(sequence) = round.settle(records) else { return };
        match settling.window {
            Some(window) => locked(window).settled = Some(sequence.to_owned()),
            None => self.commit(Progress::After(sequence.to_owned())),
        }
    }

    pub(super) fn commit(&self, progress: Progress) {
        self.checkpoints.commit(&self.shard.id, self.shard.starting_sequence.as_deref(), progress);
    }
}

pub(super) fn locked(window: &Mutex<Open>) -> MutexGuard<'_, Open> {
    window.lock().expect("no panic while the lock is held")
}
