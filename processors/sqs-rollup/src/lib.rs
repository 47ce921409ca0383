//! `sqs-rollup`: SQS messages to ledger contributions.
//!
//! - **Trigger**: the telemetry queue, with `ReportBatchItemFailures`.
//! - **Input**: message bodies that hold one event, an array or one event a line. A producer that retries
//!   sets the attribute `weir-id` (and `weir-arrived-at`): the message counts once under that id.
//! - **Output**: per (window, lane) one immutable item of all the batch's messages in it, and one quarantine
//!   object per rejected event or message.
//! - **Failure**: a message is reported if any of its writes failed; it comes back in other company, and the
//!   finalizer counts its identity once. After the queue's `maxReceiveCount` it lies in the dead-letter
//!   queue; `weir redrive` puts it back under the same identity.

mod message;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent};
use std::collections::BTreeSet;
use std::time::SystemTime;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::IntakeStores;
use weir_envelope::{Arenas, sqs};
use weir_exact::epochs::Epochs;
use weir_exact::ledger::{self, Incoming, Intake, LedgerSettings};

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    stores: IntakeStores,
    epochs: Epochs<ContributionsTable>,
    settings: LedgerSettings,
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
        let epochs = Epochs::new(stores.contributions().clone(), generation(environment)?);
        Ok(Self { stores, epochs, settings: LedgerSettings::default(), arenas: Arenas::default() })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// When nothing of the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<SqsBatchResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);

        let mut arena = self.arenas.take();
        let delivered = sqs::read(&event.payload, &mut arena)?;
        let received = delivered.into_iter().map(message::read).collect::<Result<Vec<_>, _>>()?;
        self.arenas.give_back(arena);
        let (ids, incoming): (Vec<String>, Vec<Incoming>) = received.into_iter().unzip();
        let intake = ledger::intake(&self.stores, &layout, &epochs, self.settings, incoming, &out_of_time).await;
        log(&event.context.request_id, begun, &intake);
        Ok(response(&ids, &intake.outcome.failed))
    }
}

fn response(ids: &[String], failed: &BTreeSet<usize>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for id in failed.iter().filter_map(|place| ids.get(*place)) {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier.clone_from(id);
        response.batch_item_failures.push(failure);
    }
    response
}

fn log(request_id: &str, begun: SystemTime, intake: &Intake) {
    let outcome = &intake.outcome;
    for error in &outcome.errors {
        tracing::error!(request_id, %error, retryable = error.is_retryable(), "not settled");
    }
    for (reason, count) in &intake.rejected {
        tracing::info!(request_id, %reason, count, "quarantined");
    }
    tracing::info!(
        request_id,
        messages = intake.messages,
        empty = intake.empty,
        twice = intake.twice,
        windows = intake.windows,
        put = outcome.put,
        duplicate = outcome.duplicate,
        quarantined = outcome.quarantined,
        failed = outcome.failed.len(),
        ms = begun.elapsed().map_or(0, |elapsed| elapsed.as_millis() as u64),
        "batch"
    );
}
