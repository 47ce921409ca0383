//! Giving records up: the on-failure destination is told.

use super::deliver::{Settling, ShardWorker};
use super::shard::Encoded;
use crate::mapping::delivery::Answered;
use crate::mapping::pace::Backoff;
use crate::mapping::stats::{add, bump};
use crate::mapping::{DiscardReason, DiscardedBatch, FailureDestination};

/// How often an on-failure destination is asked to take one batch.
const DESTINATION_ATTEMPTS_MAX: u32 = 3;

impl ShardWorker {
    /// Tells the destination first and moves the checkpoint second: a stop in between tells it twice.
    pub(super) async fn give_up(
        &self,
        records: &[Encoded],
        attempts: u32,
        reason: DiscardReason,
        last_answer: &Answered,
        settling: &Settling<'_>,
    ) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        add(&self.delivery.counters.discarded, records.len());
        let (mapping, context) = (&self.delivery.mapping, &self.reader.context);
        tracing::warn!(
            mapping = mapping.id,
            shard = self.shard.id,
            ?reason,
            records = records.len(),
            "records discarded"
        );
        if let Some(destination) = &self.on_failure {
            let delivered = attempts > 0;
            let discarded = DiscardedBatch {
                mapping: mapping.id.clone(),
                function: mapping.function.clone(),
                function_arn: context.function_arn.clone(),
                stream_arn: context.arn.clone(),
                kind: self.reader.source.kind(),
                shard: self.shard.id.clone(),
                reason,
                attempts,
                first_sequence: first.sequence.clone(),
                last_sequence: last.sequence.clone(),
                first_arrived_at_ms: first.arrived_at_ms,
                last_arrived_at_ms: last.arrived_at_ms,
                discarded_at_ms: self.clock.now_ms(),
                records: records.len(),
                request_id: if delivered { last_answer.request_id.clone() } else { String::new() },
                executed_version: last_answer.executed_version.clone().filter(|_| delivered),
                last_error: last_answer.payload.clone(),
                payload: self.event(records, settling),
            };
            self.tell(destination.as_ref(), &discarded).await;
        }
        self.settled(records, settling);
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
}
