//! `kinesis-rollup`: Kinesis batches to fenced contributions.
//!
//! - **Trigger**: the telemetry stream; one batch of one shard at a time (`ParallelizationFactor` 1, without which the
//!   fence would lose events), `ReportBatchItemFailures`, bisect, never discarding.
//! - **Input**: records that hold one event, an array or one event per line, plain, gzip or zstd; or a KPL aggregate.
//! - **Output**: one conditional write per (window, split) of the batch, the shard's progress, and one quarantine
//!   object per rejected event or record. A scratch invocation ([`weir_envelope::scratch`]) writes to its own
//!   generation instead.
//! - **Failure**: the lowest record that is not durable is reported; delivery restarts there, however it is cut, and
//!   what was applied is dropped by its fence. A record whose rules are not known (epochs) is reported like one that is
//!   not durable. A record on the skip list is quarantined without being decoded; without the list nothing is decoded.
//!   If the stream cannot be identified the whole batch fails.

use aws_lambda_events::event::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent};
use std::time::SystemTime;
use weir_aws::batch_line::{BatchLine, tell_errors};
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::IntakeStores;
use weir_aws::scratch::InScratch;
use weir_aws::streams::Streams;
use weir_envelope::{Arenas, kinesis, scratch};
use weir_exact::epochs::Epochs;
use weir_exact::fenced::{FencedLane, FencedOutcome, FencedSettings};
use weir_exact::sequence::Shard;
use weir_exact::skips::Skips;

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    lane: FencedLane<IntakeStores>,
    epochs: Epochs<ContributionsTable>,
    skips: Skips<ContributionsTable>,
    streams: Streams,
    arenas: Arenas,
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
            skips: Skips::new(stores.contributions().clone()),
            streams: Streams::new(connection.kinesis()),
            arenas: Arenas::default(),
            lane: FencedLane::new(stores, FencedSettings::default()),
        })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// If nothing in the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<KinesisEventResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let mut line = Some(BatchLine::begin(&event.context, "kinesis"));
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let skips = self.skips.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);
        let mut response = KinesisEventResponse::default();
        let mut arena = self.arenas.take();
        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        // Its own lane: cached items must not be another generation's.
        let apart = scratch
            .as_ref()
            .map(|generation| self.lane.elsewhere(|stores| stores.in_scratch(InScratch::from_now(generation.clone()))));
        let lane = apart.as_ref().unwrap_or(&self.lane);
        for ((stream_arn, shard_id), records) in kinesis::read(payload, &mut arena)? {
            // One: a batch is of one shard.
            let mut line = line.take().unwrap_or_else(|| BatchLine::begin(&event.context, "kinesis"));
            line.scratch(scratch.as_ref()).stage("read").put("batch_size", records.len());
            let shard = self.streams.shard(&stream_arn, &shard_id).await?;
            let outcome = lane.process_past(&layout, &shard, records, &epochs, &skips, &out_of_time).await;
            line.stage("count");
            tell_errors(&event.context.request_id, &outcome.errors);
            log(line, &shard, &outcome);
            if let Some(failed) = outcome.failed_from {
                let mut failure = KinesisBatchItemFailure::default();
                failure.item_identifier = Some(failed.to_string());
                response.batch_item_failures.push(failure);
            }
        }
        self.arenas.give_back(arena);
        Ok(response)
    }
}

fn log(mut line: BatchLine, shard: &Shard, outcome: &FencedOutcome) {
    line.put("shard", shard.to_string());
    line.put("records", outcome.records).put("empty", outcome.empty).put("not_attempted", outcome.left);
    line.put("groups", outcome.groups).put("windows", outcome.windows.len());
    line.count("received", outcome.received).count("applied", outcome.applied).count("duplicate", outcome.duplicate);
    line.quarantined(&outcome.quarantined).count("returned", outcome.returned).count("conflicts", outcome.conflicts);
    line.put("errors", outcome.errors.len());
    line.put("failed_from", outcome.failed_from.as_ref().map(ToString::to_string));
    line.write();
}
