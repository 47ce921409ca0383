//! `kinesis-rollup`: Kinesis batches to fenced contributions.
//!
//! - **Trigger**: the telemetry stream; one batch of one shard at a time (`ParallelizationFactor` 1, without
//!   which the fence would lose events), `ReportBatchItemFailures`, bisect, never discarding.
//! - **Input**: records that hold one event, an array or one event a line, plain, gzip or zstd.
//! - **Output**: one conditional write per (window, split) of the batch, the shard's progress, and one
//!   quarantine object per rejected event or record.
//! - **Failure**: the lowest record that is not durable is reported; delivery begins again there, in
//!   whatever cut, and what was applied is dropped by its fence. When the rules of a record are not known
//!   (epochs), or the stream cannot be identified, the whole batch fails and nothing is written.

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::event::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use lambda_runtime::{Error, LambdaEvent};
use std::collections::BTreeMap;
use std::time::SystemTime;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::epochs::Epochs;
use weir_aws::intake::IntakeStores;
use weir_aws::streams::Streams;
use weir_exact::fenced::{self, FencedLane, FencedOutcome, FencedSettings, Record};
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_telemetry::Millis;

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    lane: FencedLane<IntakeStores>,
    epochs: Epochs,
    streams: Streams,
}

impl Handler {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment) -> Result<Self, ConfigError> {
        let connection = Connection::from_environment(environment)?;
        let stores = IntakeStores::from_environment(environment, &connection)?;
        Ok(Self {
            epochs: Epochs::new(stores.contributions().clone(), generation(environment)?),
            streams: Streams::new(connection.kinesis()),
            lane: FencedLane::new(stores, FencedSettings::default()),
        })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// When nothing of the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<KinesisEvent>) -> Result<KinesisEventResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);
        let mut response = KinesisEventResponse::default();
        for ((stream_arn, shard_id), records) in by_shard(event.payload.records)? {
            let shard = self.streams.shard(&stream_arn, &shard_id).await?;
            let plan = fenced::plan(&shard, records, &epochs)?;
            let (records, empty, groups, rejected) = (plan.records(), plan.empty(), plan.groups(), plan.rejected());
            let outcome = self.lane.commit(&layout, plan, &out_of_time).await;
            log(&event.context.request_id, &shard, begun, &outcome, [records, empty, groups]);
            for (reason, count) in rejected {
                tracing::info!(%reason, count, "quarantined");
            }
            if let Some(failed) = outcome.failed_from {
                let mut failure = KinesisBatchItemFailure::default();
                failure.item_identifier = Some(failed.to_string());
                response.batch_item_failures.push(failure);
            }
        }
        Ok(response)
    }
}

/// Records by stream ARN and shard id. A batch is of one shard; nothing here depends on it.
fn by_shard(records: Vec<KinesisEventRecord>) -> Result<BTreeMap<(String, String), Vec<Record>>, Error> {
    let mut shards: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for record in records {
        let event_id = record.event_id.unwrap_or_default();
        let shard_id = event_id.split_once(':').map(|(shard, _)| shard.to_owned());
        let key = record.event_source_arn.zip(shard_id).ok_or("a record without eventSourceARN or eventID")?;
        let arrived_at = record.kinesis.approximate_arrival_timestamp.0;
        shards.entry(key).or_default().push(Record {
            sequence: SequenceNumber::parse(&record.kinesis.sequence_number)?,
            // Lambda sends seconds as a decimal fraction: what the parser makes of it is rounded, not cut.
            arrived_at: Millis((arrived_at.timestamp_micros() + 500).div_euclid(1_000)),
            data: record.kinesis.data.0,
        });
    }
    Ok(shards)
}

fn log(
    request_id: &str,
    shard: &Shard,
    begun: SystemTime,
    outcome: &FencedOutcome,
    [records, empty, groups]: [usize; 3],
) {
    for error in &outcome.errors {
        tracing::error!(request_id, %shard, %error, retryable = error.is_retryable(), "not settled");
    }
    tracing::info!(
        request_id,
        %shard,
        records,
        empty,
        groups,
        applied = outcome.applied,
        duplicate = outcome.duplicate,
        quarantined = outcome.quarantined,
        conflicts = outcome.conflicts,
        failed_from = outcome.failed_from.as_ref().map(tracing::field::display),
        ms = begun.elapsed().map_or(0, |elapsed| elapsed.as_millis() as u64),
        "batch"
    );
}
