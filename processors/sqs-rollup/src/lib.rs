//! `sqs-rollup`: SQS messages to ledger contributions.
//!
//! - **Trigger**: the telemetry queue, with `ReportBatchItemFailures`.
//! - **Input**: message bodies that hold one event, an array or one event per line. A producer that retries sets the
//!   attribute `weir-id` (and `weir-arrived-at`): the message counts once under that id. An Amazon SQS Extended Client
//!   pointer is followed into the landing bucket: the object is the payload, the message is what counts.
//! - **Output**: per (window, lane) one immutable item of all the batch's messages in it, and one quarantine
//!   object per rejected event or message.
//! - **Failure**: a message is reported if any of its writes failed; it is redelivered in a different batch, and the
//!   finalizer counts its identity once. After the queue's `maxReceiveCount` it goes to the dead-letter queue;
//!   `weir redrive` returns it under the same identity.

mod message;
mod pointer;

use aws_lambda_events::event::sqs::SqsBatchResponse;
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
use weir_envelope::{Arenas, scratch, sqs};
use weir_exact::epochs::Epochs;
use weir_exact::layout::Layout;
use weir_exact::ledger::{self, Incoming, Intake, LedgerSettings};
use weir_telemetry::EpochView;

use message::{Placed, Pointer, Queues};
use pointer::{Follow, POINTERS_IN_FLIGHT_MAX};

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    stores: IntakeStores,
    objects: Objects,
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
        let objects = Objects::new(&connection, memory_mib(environment)?);
        Ok(Self { stores, objects, epochs, settings: LedgerSettings::default(), arenas: Arenas::default() })
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// If nothing in the batch can be decided: it is then delivered again, whole.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<SqsBatchResponse, Error> {
        let mut arena = self.arenas.take();
        let answered = self.answer(&event, &mut arena).await;
        self.arenas.give_back(arena);
        answered
    }

    /// The same; what is read from the event, and in the arena, stays there until it is counted.
    async fn answer(&self, event: &LambdaEvent<Bytes>, arena: &mut Vec<u8>) -> Result<SqsBatchResponse, Error> {
        let (begun, deadline) = (SystemTime::now(), event.context.deadline());
        let mut line = BatchLine::begin(&event.context, "sqs");
        let out_of_time = || clock::out_of_time(begun, deadline);
        let epochs = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&epochs);

        line.stage("rules");
        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        line.scratch(scratch.as_ref());
        let delivered = sqs::read(payload, arena)?;
        let mut links = Links::default();
        links.extend(delivered.iter().map(link));
        let queues = Queues::of(&delivered);
        let (here, elsewhere) = message::read_all(&delivered, &queues)?;
        line.stage("read");
        let apart = scratch.map(|generation| self.stores.in_scratch(InScratch::from_now(generation)));
        let stores = apart.as_ref().unwrap_or(&self.stores);
        let batch = Batch { handler: self, stores, layout: &layout, epochs: &epochs, out_of_time: &out_of_time };
        let mut intake = Intake::default();
        batch.count(here, &mut intake).await;
        line.stage("count");
        // A few at a time: their payloads are held whole.
        let mut pointers = elsewhere.into_iter();
        while pointers.len() > 0 {
            let some: Vec<_> = pointers.by_ref().take(POINTERS_IN_FLIGHT_MAX).collect();
            batch.follow(some, &mut intake).await;
            line.stage("follow");
        }
        tell_errors(&event.context.request_id, &intake.outcome.errors);
        line.links(&links);
        log(line, &intake);
        let ids: Vec<&str> = delivered.iter().map(|message| message.id.as_deref().unwrap_or_default()).collect();
        Ok(sqs::answer(&ids, &intake.outcome.failed))
    }
}

/// What every part of a batch needs.
struct Batch<'a> {
    handler: &'a Handler,
    stores: &'a IntakeStores,
    layout: &'a Layout,
    epochs: &'a EpochView,
    out_of_time: &'a (dyn Fn() -> bool + Sync),
}

impl Batch<'_> {
    /// Counts messages.
    async fn count(&self, incoming: Placed<Incoming<'_>>, intake: &mut Intake) {
        if incoming.is_empty() {
            return;
        }
        let settings = self.handler.settings;
        intake.add(ledger::intake(self.stores, self.layout, self.epochs, settings, incoming, self.out_of_time).await);
    }

    /// Fetches payloads and counts their messages.
    async fn follow(&self, pointers: Placed<Pointer<'_>>, intake: &mut Intake) {
        let objects = &self.handler.objects;
        let Self { stores, layout, epochs, out_of_time, .. } = *self;
        let follow = &Follow { stores, objects, layout, epochs, out_of_time };
        let fetching = pointers.into_iter().map(|(place, pointer)| async move { (place, follow.fetch(pointer).await) });
        let mut fetched = vec![];
        for (place, result) in futures::future::join_all(fetching).await {
            match result {
                Ok(incoming) => fetched.push((place, incoming)),
                Err(error) => intake.fail(place, error),
            }
        }
        self.count(fetched, intake).await;
    }
}

/// The trace in which a message was sent.
fn link(message: &sqs::Message<'_>) -> Option<Link> {
    Link::of(message.attribute("traceparent").flatten(), message.trace_header.as_deref())
}

fn log(mut line: BatchLine, intake: &Intake) {
    let outcome = &intake.outcome;
    line.put("batch_size", intake.messages).put("empty", intake.empty).put("repeated", intake.twice);
    line.put("windows", intake.windows).put("failed", outcome.failed.len()).put("errors", outcome.errors.len());
    line.count("received", outcome.received).count("applied", outcome.put).count("duplicate", outcome.duplicate);
    line.quarantined(&outcome.quarantined).count("returned", outcome.returned);
    line.write();
}
