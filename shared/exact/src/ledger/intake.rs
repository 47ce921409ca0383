//! A batch of messages from delivery to outcome: settle what identity and time each counts under, plan, commit.

use super::claim::{Claim, claim};
use super::{LedgerOutcome, LedgerSettings, Message, commit, plan};
use crate::layout::Layout;
use crate::ports::{ContributionPut, QuarantinePut, StoreError};
use crate::quarantine::{Coordinates, QuarantineObject};
use futures::stream::{self, StreamExt};
use std::collections::BTreeSet;
use weir_telemetry::{EpochView, Reason, Rejected};

/// A message as delivered.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// Ready to be counted: its identity has one arrival for all deliveries.
    Message(Message),
    /// Under an id of the producer's own, which may have been sent before, at another time or with another body.
    Claiming {
        /// The message.
        message: Message,
        /// This very sending: what quarantine calls it when the id belongs to another body.
        sent_as: Coordinates,
    },
    /// Has no place in the lane: it is not decoded.
    SetAside(QuarantineObject),
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Intake {
    /// What was written and what failed; messages by their place in the batch.
    pub outcome: LedgerOutcome,
    /// Messages delivered.
    pub messages: u64,
    /// Of these, messages without any event.
    pub empty: u64,
    /// Messages whose identity stood in the batch before.
    pub twice: u64,
    /// Windows touched.
    pub windows: u64,
}

impl Intake {
    /// Adds another part of the same batch; `places` are where its messages stand in the whole.
    pub fn add(&mut self, other: Self, places: &[usize]) {
        let mut outcome = other.outcome;
        outcome.failed = outcome.failed.iter().filter_map(|place| places.get(*place).copied()).collect();
        self.outcome.merge(outcome);
        self.messages += other.messages;
        self.empty += other.empty;
        self.twice += other.twice;
        self.windows += other.windows;
    }

    /// Leaves a message for another delivery.
    pub fn fail(&mut self, place: usize, error: StoreError) {
        self.messages += 1;
        self.outcome.fail(&[place], error);
    }
}

/// Handles a batch. `out_of_time` is asked before each write that is not begun yet.
pub async fn intake<S: ContributionPut + QuarantinePut>(
    store: &S,
    layout: &Layout,
    epochs: &EpochView,
    settings: LedgerSettings,
    incoming: Vec<Incoming>,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Intake {
    let mut batch = Batch::default();
    let delivered = incoming.len() as u64;
    let mut settled = stream::iter(
        incoming
            .into_iter()
            .enumerate()
            .map(|(place, incoming)| async move { (place, settle(store, layout, incoming, out_of_time).await) }),
    )
    .buffered(settings.writes_in_flight_max);
    while let Some((place, result)) = settled.next().await {
        batch.add(place, result);
    }
    drop(settled);

    let mut plan = plan(layout, &batch.messages, epochs, &settings);
    for (place, object) in batch.set_aside {
        plan.set_aside(place, object);
    }
    let mut intake = Intake {
        messages: delivered,
        empty: plan.empty(),
        twice: plan.twice(),
        windows: plan.windows() as u64,
        ..Intake::default()
    };
    intake.outcome = commit(store, layout, settings, plan, out_of_time).await;
    intake.outcome.failed.extend(batch.failed);
    intake.outcome.errors.extend(batch.errors);
    intake
}

/// A message that claims its id gets the time that stands for it, or is set aside when the id is another body's.
///
/// # Errors
/// When time is out or the store fails: the message must be delivered again.
pub async fn settle<S: ContributionPut>(
    store: &S,
    layout: &Layout,
    incoming: Incoming,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Result<Incoming, StoreError> {
    let Incoming::Claiming { message, sent_as } = incoming else { return Ok(incoming) };
    if out_of_time() {
        return Err(StoreError::out_of_time());
    }
    let own = Claim::new(message.arrived_at, &message.data);
    let stands = claim(store, layout, &message.identity, own.clone()).await?;
    if stands.digest == own.digest {
        return Ok(Incoming::Message(Message { arrived_at: stands.at(), rules_at: stands.at(), ..message }));
    }
    let rejected = Rejected {
        reason: Reason::IdReused,
        detail: "weir-id: was used before for another body, which counts under it".to_owned(),
        event_index: None,
        payload: message.data,
    };
    Ok(Incoming::SetAside(QuarantineObject { coordinates: sent_as, arrived_at: message.arrived_at, rejected }))
}

/// A batch, sorted by what is to be done with each message.
#[derive(Default)]
struct Batch {
    messages: Vec<(usize, Message)>,
    set_aside: Vec<(usize, QuarantineObject)>,
    failed: BTreeSet<usize>,
    errors: Vec<StoreError>,
}

impl Batch {
    fn add(&mut self, place: usize, settled: Result<Incoming, StoreError>) {
        match settled {
            Ok(Incoming::Message(message) | Incoming::Claiming { message, .. }) => self.messages.push((place, message)),
            Ok(Incoming::SetAside(object)) => self.set_aside.push((place, object)),
            Err(error) => {
                self.failed.insert(place);
                self.errors.push(error);
            }
        }
    }
}
