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

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use message::Incoming;
use std::collections::BTreeSet;
use std::time::SystemTime;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation};
use weir_aws::epochs::Epochs;
use weir_aws::intake::IntakeStores;
use weir_exact::layout::Layout;
use weir_exact::ledger::{self, LedgerOutcome, LedgerPlan, LedgerSettings, Message};
use weir_exact::ports::StoreError;

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    stores: IntakeStores,
    epochs: Epochs,
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
    /// When nothing of the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);

        let received = event.payload.records.into_iter().map(message::read).collect::<Result<Vec<_>, _>>()?;
        let (ids, incoming): (Vec<String>, Vec<Incoming>) = received.into_iter().unzip();
        let mut batch = Batch::default();
        let mut settled = stream::iter(incoming.into_iter().enumerate().map(|(place, incoming)| {
            let layout = &layout;
            async move { (place, self.settle_arrival(layout, incoming).await) }
        }))
        .buffered(self.settings.writes_in_flight_max);
        while let Some((place, result)) = settled.next().await {
            batch.add(place, result);
        }
        drop(settled);

        let mut plan = ledger::plan(&layout, &batch.messages, &epochs, &self.settings);
        for (place, object) in batch.set_aside {
            plan.set_aside(place, object);
        }
        let summary = Summary::of(ids.len(), &plan);
        let mut outcome = ledger::commit(&self.stores, &layout, self.settings, plan, &out_of_time).await;
        outcome.failed.extend(batch.failed);
        outcome.errors.extend(batch.errors);
        summary.log(&event.context.request_id, begun, &outcome);
        Ok(response(&ids, &outcome.failed))
    }

    /// A message under a producer's own id is given the arrival that was first recorded for that id.
    async fn settle_arrival(&self, layout: &Layout, incoming: Incoming) -> Result<Incoming, StoreError> {
        match incoming {
            Incoming::OfFirstArrival(message) => {
                let arrived_at =
                    ledger::first_arrival(&self.stores, layout, &message.identity, message.arrived_at).await?;
                Ok(Incoming::Message(Message { arrived_at, ..message }))
            }
            settled => Ok(settled),
        }
    }
}

/// A batch, sorted by what is to be done with each message.
#[derive(Default)]
struct Batch {
    messages: Vec<(usize, Message)>,
    set_aside: Vec<(usize, weir_exact::quarantine::QuarantineObject)>,
    failed: BTreeSet<usize>,
    errors: Vec<StoreError>,
}

impl Batch {
    fn add(&mut self, place: usize, settled: Result<Incoming, StoreError>) {
        match settled {
            Ok(Incoming::Message(message) | Incoming::OfFirstArrival(message)) => self.messages.push((place, message)),
            Ok(Incoming::SetAside(object)) => self.set_aside.push((place, object)),
            Err(error) => {
                self.failed.insert(place);
                self.errors.push(error);
            }
        }
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

/// What the plan knows and the outcome does not.
struct Summary {
    messages: usize,
    empty: u64,
    twice: u64,
    windows: usize,
    rejected: Vec<(String, u64)>,
}

impl Summary {
    fn of(messages: usize, plan: &LedgerPlan) -> Self {
        let rejected = plan.rejected().into_iter().map(|(reason, count)| (reason.to_string(), count)).collect();
        Self { messages, empty: plan.empty(), twice: plan.twice(), windows: plan.windows(), rejected }
    }

    fn log(self, request_id: &str, begun: SystemTime, outcome: &LedgerOutcome) {
        for error in &outcome.errors {
            tracing::error!(request_id, %error, retryable = error.is_retryable(), "not settled");
        }
        for (reason, count) in self.rejected {
            tracing::info!(request_id, reason, count, "quarantined");
        }
        tracing::info!(
            request_id,
            messages = self.messages,
            empty = self.empty,
            twice = self.twice,
            windows = self.windows,
            put = outcome.put,
            duplicate = outcome.duplicate,
            quarantined = outcome.quarantined,
            failed = outcome.failed.len(),
            ms = begun.elapsed().map_or(0, |elapsed| elapsed.as_millis() as u64),
            "batch"
        );
    }
}
