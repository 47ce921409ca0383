//! `quarantine-replay`: quarantined objects to ledger contributions, on request.
//!
//! - **Trigger**: the replay queue, with `ReportBatchItemFailures`.
//! - **Input**: requests that name an object of the quarantine bucket and when they were made (`weir quarantine replay`
//!   sends them). The object is decoded under the rules that were in force then.
//! - **Output**: as `sqs-rollup`, under identities made of the objects' own coordinates, so that requesting twice
//!   counts once. What cannot be counted overwrites its object, or is stored under its new reason. Objects stay in the
//!   bucket.
//! - **Failure**: a request is reported if any of its reads or writes failed. A malformed request is not telemetry: it
//!   is reported too, with an error line, and ends in the dead-letter queue. Requests for what is gone, too old, or not
//!   held whole by its document (`weir backfill`) are acknowledged with a warning.

mod message;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use message::Received;
use std::collections::BTreeSet;
use std::time::SystemTime;
use weir_aws::batch_line::{BatchLine, tell_errors};
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::IntakeStores;
use weir_aws::scratch::InScratch;
use weir_envelope::{scratch, sqs};
use weir_exact::epochs::Epochs;
use weir_exact::layout::Layout;
use weir_exact::ledger::{self, Incoming, Intake, LedgerSettings, Message};
use weir_exact::ports::StoreError;
use weir_exact::replay::{self, Settled};
use weir_telemetry::EpochView;

/// Objects read at once: each may hold a record of 10 MiB, and its base64.
const OBJECTS_IN_FLIGHT_MAX: usize = 4;

/// What to do when a document does not suffice.
const BACKFILL: &str = "weir backfill reads it again from its source";

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    stores: IntakeStores,
    epochs: Epochs<ContributionsTable>,
    settings: LedgerSettings,
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
        Ok(Self { stores, epochs, settings: LedgerSettings::default() })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// If nothing in the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<SqsBatchResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let mut line = BatchLine::begin(&event.context, "replay");
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);

        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        line.scratch(scratch.as_ref()).stage("rules");
        let apart = scratch.map(|generation| self.stores.in_scratch(InScratch::from_now(generation)));
        let stores = apart.as_ref().unwrap_or(&self.stores);
        let delivered: SqsEvent = serde_json::from_slice(payload)?;
        let received = delivered.records.into_iter().map(message::read).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<String> = received.iter().map(|received| received.id.clone()).collect();
        let mut batch = Batch::new(&event.context.request_id, ids);
        let mut settled = stream::iter(received.iter().enumerate().map(|(place, received)| {
            let (layout, epochs) = (&layout, &epochs);
            async move { (place, take_up(stores, layout, epochs, received, &out_of_time).await) }
        }))
        .buffered(OBJECTS_IN_FLIGHT_MAX);
        while let Some((place, taken)) = settled.next().await {
            batch.add(place, taken);
        }
        drop(settled);
        line.stage("read");
        let incoming = std::mem::take(&mut batch.messages);
        let intake = ledger::intake(stores, &layout, &epochs, self.settings, incoming, &out_of_time).await;
        line.stage("count");
        batch.settle(&intake);
        batch.log(line, &intake);
        Ok(batch.answer())
    }
}

async fn take_up(
    stores: &IntakeStores,
    layout: &Layout,
    epochs: &EpochView,
    received: &Received,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Taken {
    let request = match &received.request {
        Ok(request) => request,
        Err(error) => return Taken::NoRequest(error.to_string()),
    };
    if out_of_time() {
        return Taken::Failed(StoreError::out_of_time());
    }
    let key = request.key.clone();
    match replay::take_up(stores, layout, epochs, request, received.sent_at).await {
        Ok(Some(Settled::Message(message))) => Taken::Message(message),
        Ok(Some(Settled::TooOld)) => Taken::Left(key, format!("it arrived more than 14 days ago; {BACKFILL}")),
        Ok(Some(Settled::NotHeld(why))) => Taken::Left(key, format!("{why}; {BACKFILL}")),
        Ok(None) => Taken::Left(key, "the object is gone".to_owned()),
        Err(error) => Taken::Failed(error),
    }
}

/// What became of a message before it is counted.
enum Taken {
    Message(Message<'static>),
    /// Acknowledged, and the object stays as it is: its key, and why.
    Left(String, String),
    NoRequest(String),
    Failed(StoreError),
}

/// A batch in progress.
struct Batch<'r> {
    request_id: &'r str,
    ids: Vec<String>,
    /// Each with its place in the batch.
    messages: Vec<(usize, Incoming<'static>)>,
    failed: BTreeSet<usize>,
    left: u64,
}

impl<'r> Batch<'r> {
    fn new(request_id: &'r str, ids: Vec<String>) -> Self {
        Self { request_id, ids, messages: vec![], failed: BTreeSet::new(), left: 0 }
    }

    fn add(&mut self, place: usize, taken: Taken) {
        let request_id = self.request_id;
        match taken {
            Taken::Message(message) => self.messages.push((place, Incoming::Message(message))),
            Taken::Left(key, why) => {
                tracing::warn!(request_id, key, why, "not replayed");
                self.left += 1;
            }
            Taken::NoRequest(error) => {
                tracing::error!(
                    request_id,
                    message_id = self.ids[place],
                    error,
                    "no request: left to the dead-letter queue"
                );
                self.failed.insert(place);
            }
            Taken::Failed(error) => {
                tracing::error!(request_id, %error, retryable = error.is_retryable(), "not settled");
                self.failed.insert(place);
            }
        }
    }

    /// Adds what the ledger could not write.
    fn settle(&mut self, intake: &Intake) {
        tell_errors(self.request_id, &intake.outcome.errors);
        self.failed.extend(&intake.outcome.failed);
    }

    fn log(&self, mut line: BatchLine, intake: &Intake) {
        let outcome = &intake.outcome;
        line.put("batch_size", self.ids.len()).put("not_replayed", self.left).put("repeated", intake.twice);
        line.put("windows", intake.windows).put("failed", self.failed.len()).put("errors", outcome.errors.len());
        line.count("received", outcome.received).count("applied", outcome.put).count("duplicate", outcome.duplicate);
        line.quarantined(&outcome.quarantined).count("returned", outcome.returned);
        line.write();
    }

    /// Reports what failed.
    fn answer(&self) -> SqsBatchResponse {
        sqs::answer(&self.ids, &self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::ledger::{Held, Identity};
    use weir_exact::ports::StoreErrorKind;
    use weir_exact::quarantine::Origin;
    use weir_telemetry::Millis;

    fn message() -> Message<'static> {
        Message {
            identity: Identity::sqs("arn:aws:sqs:us-east-1:000000000000:q", "m"),
            arrived_at: Millis(0),
            rules_at: Millis(0),
            origin: Origin::Queue { queue: "q", message_id: "m" },
            data: vec![].into(),
            held: Held::Payload,
        }
    }

    /// The response to a batch of messages with these outcomes, of which these of the ledger's messages failed.
    fn answer(taken: Vec<Taken>, failed: &[usize]) -> String {
        let mut batch = Batch::new("r", (0..taken.len()).map(|place| format!("m{place}")).collect());
        taken.into_iter().enumerate().for_each(|(place, taken)| batch.add(place, taken));
        let mut intake = Intake::default();
        intake.outcome.failed.extend(failed);
        batch.settle(&intake);
        serde_json::to_string(&batch.answer()).unwrap()
    }

    #[test]
    fn what_is_not_settled_is_reported_under_its_message_s_id() {
        assert_eq!(answer(vec![], &[]), r#"{"batchItemFailures":[]}"#);
        let taken = || {
            vec![
                Taken::NoRequest("no request".to_owned()),
                Taken::Message(message()),
                Taken::Left("a key".to_owned(), "the object is gone".to_owned()),
                Taken::Failed(StoreError::new(StoreErrorKind::Throttled, "later")),
                Taken::Message(message()),
            ]
        };
        assert_eq!(answer(taken(), &[]), r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m3"}]}"#);
        assert_eq!(
            answer(taken(), &[4]),
            r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m3"},{"itemIdentifier":"m4"}]}"#
        );
    }
}
