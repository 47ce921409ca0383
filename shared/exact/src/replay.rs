//! Counts what was quarantined, under rules that have since changed.
//!
//! A replay is a message of the ledger lane under its own identity, made of the quarantined object's coordinates: never
//! the identity of the message it came from, under which the rest of that message is counted, and never including the
//! reason, which may change. It is decoded under the rules in force when it was *requested*, since those of its arrival
//! rejected it. The first request that is accepted claims the identity, and every later one is decoded under that
//! request's rules: another epoch might put the same event into another window or series, or reject it after the first
//! request died halfway (ARCHITECTURE.md has the schedule).

mod request;

pub use request::{Request, RequestError};

use crate::layout::Layout;
use crate::ledger::{Claim, Held, Identity, Message, claim};
use crate::ports::{ContributionGet, ContributionPut, QuarantineGet, StoreError, StoreErrorKind};
use crate::quarantine::QuarantineObject;
use crate::retention::RETURN_MS_MAX;
use weir_telemetry::{Batch, Decoded, Epoch, EpochView, MessageBody, Millis, Reason};

/// One object to replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What was quarantined.
    pub object: QuarantineObject,
    /// When it was requested; the same on every delivery of the request, also after a redrive.
    pub requested_at: Millis,
    /// When the request was sent to its queue; a redrive changes it.
    pub sent_at: Millis,
}

/// What to do with a replay.
#[derive(Clone, Debug)]
pub enum Settled {
    /// A message of the ledger lane. If it is quarantined again, it overwrites its object.
    Message(Message<'static>),
    /// Requested or sent later than [`RETURN_MS_MAX`] after arrival: it stays in quarantine.
    TooOld,
    /// Its document does not hold what is to be counted, and why: it stays in quarantine.
    NotHeld(&'static str),
}

impl QuarantineObject {
    /// Why the document alone does not suffice, if it does not. Then nothing of it was counted under the identity of a
    /// replay, nor will be.
    pub fn not_held(&self) -> Option<&'static str> {
        self.payload().err()
    }

    /// Decodes it as a replay under these rules would.
    ///
    /// # Errors
    /// As [`Self::not_held`].
    pub fn decode_again(&self, epoch: &Epoch) -> Result<Decoded, &'static str> {
        self.payload().map(|(data, held)| held.decode(&data, self.arrived_at, epoch))
    }

    /// What to decode, and as what.
    fn payload(&self) -> Result<(Vec<u8>, Held), &'static str> {
        let payload = &self.rejected.payload;
        if self.rejected.is_cut() {
            return Err("only its beginning is kept");
        }
        match (self.rejected.event_index, self.coordinates.source) {
            (Some(index), _) => Ok((payload.clone(), Held::Event(index))),
            (None, "kinesis") => Ok((payload.clone(), Held::Record)),
            // Counted from here it would count again when the object is read under its own identity.
            (None, "s3") => Err("it is an object, which is still where it was put"),
            // Text that its queue does not accept: telemetry on the notifications' queue, say. Compressed, it may be a
            // form that a later decoder accepts.
            (None, _) if self.rejected.reason == Reason::UnsupportedForm && std::str::from_utf8(payload).is_ok() => {
                Err("its queue takes no message of that form")
            }
            (None, _) => Ok((in_message(payload)?, Held::Payload)),
        }
    }
}

/// A message is quarantined as its body, or as the bytes that the body encodes in base64; those begin like gzip or zstd
/// and are not text. A pointer or notification taken for JSON would count as an event.
fn in_message(payload: &[u8]) -> Result<Vec<u8>, &'static str> {
    let Ok(body) = std::str::from_utf8(payload) else { return Ok(payload.to_vec()) };
    match MessageBody::of(body) {
        MessageBody::Payload(payload) => Ok(payload.into_bytes()),
        MessageBody::TestEvent => Ok(vec![]),
        MessageBody::Pointer { .. } => Err("it is a pointer to an object"),
        MessageBody::Notice(_) => Err("it is a notice of objects"),
        MessageBody::Malformed { .. } => Err("it is a pointer or notice that does not say where the object is"),
        MessageBody::Unsupported(_) => Err("it holds no telemetry"),
    }
}

impl Identity<'static> {
    /// What a quarantined event or record is counted under.
    pub fn replay(object: &QuarantineObject) -> Self {
        Self::of(format!("replay:{}/{}", object.coordinates.source, object.id()))
    }
}

/// Takes up a request: reads its object and settles what to do with it; `None` if the object is gone. `sent_at` is when
/// the request was sent to its queue.
///
/// # Errors
/// As [`settle`], and if the document cannot be read or claims to belong under another key: it would be counted under
/// an identity that nobody requested.
pub async fn take_up<S: QuarantineGet + ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    epochs: &EpochView,
    request: &Request,
    sent_at: Millis,
) -> Result<Option<Settled>, StoreError> {
    let Some(object) = store.set_aside(&request.key).await? else { return Ok(None) };
    let own_key = object.key();
    if own_key != request.key {
        let what = format!("the document under {} says that it belongs under {own_key}; replay that", request.key);
        return Err(StoreError::new(StoreErrorKind::Refused, what));
    }
    let replay = Replay { object, requested_at: request.requested_at, sent_at };
    settle(store, layout, epochs, replay).await.map(Some)
}

/// Settles the rules under which a replay is decoded.
///
/// # Errors
/// If the rules are not known at present, or the store fails: the request must be delivered again.
pub async fn settle<S: ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    epochs: &EpochView,
    replay: Replay,
) -> Result<Settled, StoreError> {
    let Replay { object, requested_at, sent_at } = replay;
    if requested_at.max(sent_at).0.saturating_sub(object.arrived_at.0) > RETURN_MS_MAX {
        return Ok(Settled::TooOld);
    }
    let (data, held) = match object.payload() {
        Ok(payload) => payload,
        Err(why) => return Ok(Settled::NotHeld(why)),
    };
    let message = Message {
        identity: Identity::replay(&object),
        arrived_at: object.arrived_at,
        rules_at: requested_at,
        origin: object.coordinates.into(),
        held,
        data: data.into(),
    };
    let mut batch = Batch::default();
    let rejected = message.add_to(&mut batch, epochs)?;
    // Split, its events have their own documents, and each counts under its own identity; if the whole were then
    // decoded under rules that accept them, they would count again with it.
    let taken_apart = !matches!(held, Held::Event(_)) && rejected.iter().any(|rejected| rejected.event_index.is_some());
    let claims = !batch.events().is_empty() || (taken_apart && !left_out!(TakenApartNotClaimed));
    let stands = if !claims {
        store.get(&layout.claim(&message.identity.to_string())).await?.as_ref().map(Claim::from_item).transpose()?
    } else {
        Some(claim(store, layout, &message.identity, Claim::new(requested_at, &message.data.bytes())).await?)
    };
    let rules_at = stands.map_or(requested_at, |claim| claim.at());
    Ok(Settled::Message(Message { rules_at, ..message }))
}

#[cfg(test)]
mod tests;
