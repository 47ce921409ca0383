//! Putting back what was set aside, under rules that have since changed.
//!
//! A replay is a message of the ledger lane under an identity of its own, made of the quarantined object's
//! coordinates: never the identity of the message it came from, under which the rest of that message is counted, and
//! never with the reason, which may change. It is decoded under the rules in force when it was *asked for*, since those
//! of its arrival set it aside. The first request that is accepted claims the identity, and every later one is decoded
//! under that request's rules: another epoch might put the same event into another window or series, or refuse it where
//! the first request got halfway before it died (ARCHITECTURE.md has the schedule).

use crate::layout::Layout;
use crate::ledger::{Claim, Held, Identity, Message, claim};
use crate::ports::{ContributionGet, ContributionPut, StoreError};
use crate::quarantine::QuarantineObject;
use weir_telemetry::{Batch, EpochView, Millis};

/// How long after its arrival a replay may be asked for. Its events lie up to 48 h before that, and the request up to
/// 4 days in its queue: 20 days together, after which a window is sealed. What is older is read again from where it
/// came (`weir backfill`). Milliseconds.
pub const REPLAY_AGE_MS_MAX: i64 = 14 * 86_400_000;

/// One object that is to be put back.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What was set aside.
    pub object: QuarantineObject,
    /// When it was asked for: the request's own arrival, the same on every delivery of it.
    pub requested_at: Millis,
}

/// What is to be done with a replay.
#[derive(Clone, Debug)]
pub enum Settled {
    /// A message of the ledger lane. Where it is set aside again, it overwrites its object.
    Message(Message),
    /// Asked for later than [`REPLAY_AGE_MS_MAX`] after arrival: it stays where it is.
    TooOld,
}

impl Identity {
    /// What a quarantined event or record is counted under.
    pub fn replay(object: &QuarantineObject) -> Self {
        Self::of(format!("replay:{}/{}", object.coordinates.source, object.id()))
    }
}

/// Settles under which rules a replay is decoded.
///
/// # Errors
/// When the rules are not known here and now, or the store fails: the request must be delivered again.
pub async fn settle<S: ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    epochs: &EpochView,
    replay: Replay,
) -> Result<Settled, StoreError> {
    let Replay { object, requested_at } = replay;
    if requested_at.0 - object.arrived_at.0 > REPLAY_AGE_MS_MAX {
        return Ok(Settled::TooOld);
    }
    let held = match object.rejected.event_index {
        Some(index) => Held::Event(index),
        None if object.coordinates.source == "kinesis" => Held::Record,
        None => Held::Payload,
    };
    let message = Message {
        identity: Identity::replay(&object),
        arrived_at: object.arrived_at,
        rules_at: requested_at,
        coordinates: object.coordinates,
        held,
        data: object.rejected.payload,
    };
    let mut batch = Batch::default();
    message.add_to(&mut batch, epochs)?;
    let stands = if batch.events().is_empty() {
        store.get(&layout.claim(message.identity.as_str())).await?.as_ref().map(Claim::from_item).transpose()?
    } else {
        Some(claim(store, layout, &message.identity, Claim::new(requested_at, &message.data)).await?)
    };
    let rules_at = stands.map_or(requested_at, |claim| claim.at());
    Ok(Settled::Message(Message { rules_at, ..message }))
}
