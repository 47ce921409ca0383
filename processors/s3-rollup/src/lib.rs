//! `s3-rollup`: S3 objects to ledger contributions.
//!
//! - **Trigger**: the landing queue, with `ReportBatchItemFailures`.
//! - **Input**: S3 event notifications, plain or wrapped by SNS, and `s3:TestEvent`. The objects hold one event, an
//!   array or one event per line, plain, gzip or zstd. They are read concurrently, within a budget of bytes in flight
//!   that follows from the function's memory, and decoded as they are read: none is ever held whole. Long ones are read
//!   one at a time.
//! - **Output**: per (window, lane) one immutable item of all the batch's objects in it, each under its version (without
//!   versions its ETag) and the number of its chunk; one quarantine object per rejected event or object.
//! - **Failure**: a message is reported if any of its objects could not be read or written; it is redelivered, and an
//!   object counts once. One that takes all the available time fails its own message and not its neighbours'. Missing,
//!   changed, archived and damaged objects are quarantined, and so is a body that is not a notification. What the
//!   function may not read (403) ends in the dead-letter queue, with an error line that says what to grant.

mod message;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent};
use std::time::SystemTime;
use weir_aws::batch_line::{BatchLine, tell_errors};
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::IntakeStores;
use weir_aws::objects::{Objects, memory_mib};
use weir_aws::scratch::InScratch;
use weir_aws::trace::{Link, Links};
use weir_envelope::{scratch, sqs};
use weir_exact::epochs::Epochs;
use weir_exact::ledger::LedgerSettings;
use weir_exact::objects::{self, Delivery, ObjectIntake, ObjectSettings};

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    stores: IntakeStores,
    objects: Objects,
    epochs: Epochs<ContributionsTable>,
    settings: ObjectSettings,
}

impl Handler {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment) -> Result<Self, ConfigError> {
        let connection = Connection::from_environment(environment)?;
        let stores = IntakeStores::from_environment(environment, &connection)?;
        let epochs = Epochs::new(stores.contributions().clone(), generation(environment)?);
        let memory_mib = memory_mib(environment)?;
        let objects = Objects::new(&connection, memory_mib);
        let settings = settings(memory_mib, objects.reader().settings().stream_bytes_max());
        Ok(Self { stores, objects, epochs, settings })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// If nothing in the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<SqsBatchResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let mut line = BatchLine::begin(&event.context, "s3");
        let time = clock::ReadingTime::new(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);

        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        line.scratch(scratch.as_ref()).stage("rules");
        let delivered: SqsEvent = serde_json::from_slice(payload)?;
        let mut links = Links::default();
        let header =
            |message: &SqsMessage| Link::of(None, message.attributes.get("AWSTraceHeader").map(String::as_str));
        links.extend(delivered.records.iter().map(header));
        let received = delivered.records.into_iter().map(message::read).collect::<Result<Vec<_>, _>>()?;
        let (ids, deliveries): (Vec<String>, Vec<Delivery>) = received.into_iter().unzip();
        let apart = scratch.map(|generation| self.stores.in_scratch(InScratch::from_now(generation)));
        let (stores, settings) = (apart.as_ref().unwrap_or(&self.stores), &self.settings);
        let intake = objects::intake(stores, &self.objects, &layout, &epochs, settings, deliveries, &time).await;
        line.stage("count").links(&links);
        tell_errors(&event.context.request_id, &intake.outcome.errors);
        log(line, &intake);
        Ok(sqs::answer(&ids, &intake.outcome.failed))
    }
}

/// An eighth of the memory for what is read and not yet written, and a sixteenth of that for each object in flight; a
/// quarter is the reader's. The rest is for the process and for one object read alone: its zstd window (at most 128
/// MiB, which its writer explicitly asked for) and a chunk of 100,000 events (some 60 MB, if no two share a series and
/// minute).
fn settings(memory_mib: usize, object_beside_bytes_max: u64) -> ObjectSettings {
    const OBJECTS_IN_FLIGHT_MAX: usize = 16;
    let round_bytes_max = (memory_mib << 20) / 8;
    ObjectSettings {
        ledger: LedgerSettings::default(),
        objects_in_flight_max: OBJECTS_IN_FLIGHT_MAX,
        // Longer ones are fetched in ranges, several at once, and gain nothing from running concurrently.
        object_beside_bytes_max,
        object_held_bytes_max: round_bytes_max / OBJECTS_IN_FLIGHT_MAX,
        round_bytes_max,
    }
}

fn log(mut line: BatchLine, intake: &ObjectIntake) {
    let outcome = &intake.outcome;
    line.put("batch_size", intake.messages).put("objects", intake.objects).put("repeated", intake.twice);
    line.put("windows", intake.windows.len())
        .put("valid", intake.sound)
        .put("empty", intake.empty)
        .put("large", intake.large);
    line.put("alone", intake.alone).put("bytes", intake.bytes);
    line.put("failed", outcome.failed.len()).put("errors", outcome.errors.len());
    line.count("received", outcome.received).count("applied", outcome.put).count("duplicate", outcome.duplicate);
    line.quarantined(&outcome.quarantined).count("returned", outcome.returned);
    line.write();
}
