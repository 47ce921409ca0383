//! A batch of messages from delivery to outcome: settle the identity and time each counts under, plan, commit.

use super::claim::{Claim, claim};
use super::{LedgerOutcome, LedgerSettings, Message, Planner, commit};
use crate::layout::Layout;
use crate::ports::{ContributionPut, QuarantinePut, StoreError};
use crate::quarantine::QuarantineObject;
use crate::retention::RETURN_MS_MAX;
use futures::stream::{self, StreamExt};
use std::collections::BTreeSet;
use weir_telemetry::{EpochView, Millis, Reason, Rejected};

/// A message as delivered.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// Ready to be counted: its identity has one arrival for all deliveries.
    Message(Message<'a>),
    /// Under the producer's own id, which may have been sent before, at another time or with another body.
    Claiming {
        /// The message.
        message: Message<'a>,
        /// When it was sent this time.
        sent_at: Millis,
    },
    /// Has no place in the lane: it is not decoded.
    SetAside(QuarantineObject),
}

/// Outcome of a batch.
#[derive(Debug, Default)]
pub struct Intake {
    /// What was written and what failed; messages by their place in the batch.
    pub outcome: LedgerOutcome,
    /// Messages delivered.
    pub messages: u64,
    /// Of these, messages without events.
    pub empty: u64,
    /// Messages whose identity was already in the batch.
    pub twice: u64,
    /// Windows touched.
    pub windows: u64,
}

impl Intake {
    /// Adds another part of the same batch.
    pub fn add(&mut self, other: Self) {
        self.outcome.merge(other.outcome);
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

/// Handles messages of a batch, each with its place, ascending. `out_of_time` is asked before each write is begun.
pub async fn intake<S: ContributionPut + QuarantinePut>(
    store: &S,
    layout: &Layout,
    epochs: &EpochView,
    settings: LedgerSettings,
    incoming: Vec<(usize, Incoming<'_>)>,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Intake {
    let mut intake = Intake { messages: incoming.len() as u64, ..Intake::default() };
    let mut settled = settle_all(store, layout, &settings, incoming, &mut intake, out_of_time).await;

    let mut planner = Planner::new(layout, epochs, &settings);
    let (mut waiting, mut windows) = (&mut settled[..], BTreeSet::new());
    while !waiting.is_empty() {
        if out_of_time() {
            let places: Vec<usize> = waiting.iter().map(|(place, _)| *place).collect();
            intake.outcome.fail(&places, StoreError::out_of_time());
            break;
        }
        let plan = planner.round(&mut waiting);
        intake.empty += plan.empty();
        windows.extend(plan.windows());
        intake.outcome.merge(commit(store, layout, settings, plan, out_of_time).await);
    }
    for (place, first) in planner.twice() {
        if intake.outcome.failed.contains(first) {
            intake.outcome.failed.insert(*place);
        }
    }
    intake.twice = planner.twice().len() as u64;
    intake.windows = windows.len() as u64;
    intake
}

/// What every message is counted under, in the batch's order, except for those where it cannot be known now: they fail.
async fn settle_all<'i, S: ContributionPut>(
    store: &S,
    layout: &Layout,
    settings: &LedgerSettings,
    mut incoming: Vec<(usize, Incoming<'i>)>,
    intake: &mut Intake,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Vec<(usize, Incoming<'i>)> {
    // The others stay where they are.
    let settling: Vec<_> = incoming
        .extract_if(.., |(_, incoming)| matches!(incoming, Incoming::Claiming { .. }))
        .map(|(place, incoming)| async move { (place, settle(store, layout, incoming, out_of_time).await) })
        .collect();
    let mut settling = stream::iter(settling).buffer_unordered(settings.writes_in_flight_max);
    while let Some((place, result)) = settling.next().await {
        match result {
            Ok(settled) => incoming.push((place, settled)),
            Err(error) => intake.outcome.fail(&[place], error),
        }
    }
    incoming.sort_unstable_by_key(|(place, _)| *place);
    incoming
}

/// A message that claims its id gets the time in the claim in force. It is quarantined if the id belongs to another
/// body, or was first sent so long ago that the contributions counted under it may have expired.
///
/// # Errors
/// If time is out or the store fails: the message must be delivered again.
pub async fn settle<'i, S: ContributionPut>(
    store: &S,
    layout: &Layout,
    incoming: Incoming<'i>,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> Result<Incoming<'i>, StoreError> {
    let Incoming::Claiming { message, sent_at } = incoming else { return Ok(incoming) };
    if out_of_time() {
        return Err(StoreError::out_of_time());
    }
    let own = Claim::new(message.arrived_at, &message.data.bytes());
    let stands = claim(store, layout, &message.identity, own.clone()).await?;
    if stands.digest != own.digest {
        return another_body(store, layout, message, own).await;
    }
    if sent_at.0.saturating_sub(stands.at_ms) > RETURN_MS_MAX {
        // Under its first arrival: a replay of it is refused for its age.
        let message = Message { arrived_at: stands.at(), ..message };
        return Ok(set_aside(message, Reason::MessageTooOld, TOO_OLD));
    }
    Ok(Incoming::Message(Message { arrived_at: stands.at(), rules_at: stands.at(), ..message }))
}

/// Quarantines a body whose id belongs to another. It is identified by the id and its own digest, and claimed for one
/// arrival: sent again it is the same object, and replaying it counts it once.
async fn another_body<'i, S: ContributionPut>(
    store: &S,
    layout: &Layout,
    mut message: Message<'_>,
    own: Claim,
) -> Result<Incoming<'i>, StoreError> {
    let identity = message.identity.other_body(&own.digest);
    let mut coordinates = message.origin.coordinates();
    coordinates.path.push(("body", own.digest.as_str().into()));
    message.origin = coordinates.into();
    message.arrived_at = claim(store, layout, &identity, own).await?.at();
    Ok(set_aside(message, Reason::IdReused, REUSED))
}

fn set_aside<'i>(message: Message<'_>, reason: Reason, detail: &str) -> Incoming<'i> {
    let Message { origin, arrived_at, data, .. } = message;
    let rejected = Rejected { reason, detail: detail.to_owned(), event_index: None, payload: data.into_bytes() };
    Incoming::SetAside(QuarantineObject { coordinates: origin.coordinates(), arrived_at, rejected })
}

const REUSED: &str = "weir-id: was used before for another body, which counts under it";
const TOO_OLD: &str = "weir-id: was first sent more than 14 days before this sending";
