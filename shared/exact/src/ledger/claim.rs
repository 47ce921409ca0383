//! What the first delivery of an identity decided, for all that follow.
//!
//! A producer's own id (`weir-id`) arrives as often as it is sent, at different times. If each were counted at its own
//! time, an event without a timestamp could fall into two windows, where per-window deduplication does not catch the
//! copies; and an id used for two bodies would count parts of both. So the first delivery puts a *claim*, if absent,
//! and every other follows it.

use super::{Identity, digest_of};
use crate::json_item;
use crate::layout::{Layout, expires_at};
use crate::ports::{ContributionPut, Expected, Item, PutOutcome, StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};
use weir_telemetry::Millis;

const FORMAT: u8 = 1;

/// The claim stored for an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Number of this format.
    format: u8,
    /// The time that counts: arrival of the first delivery, or for a replay the request that was first accepted.
    pub at_ms: i64,
    /// SHA-256 of the payload, 128 bits as hexadecimal digits.
    pub digest: String,
}

impl Claim {
    /// The claim of a payload that arrived, or whose replay was requested, at `at`.
    pub fn new(at: Millis, payload: &[u8]) -> Self {
        Self { format: FORMAT, at_ms: at.0, digest: digest_of(payload) }
    }

    /// The time that counts.
    pub fn at(&self) -> Millis {
        Millis(self.at_ms)
    }

    /// The item for it.
    pub fn to_item(&self, layout: &Layout, identity: &Identity<'_>) -> Item {
        // Numbers and digits only: serialising cannot fail.
        let body = serde_json::to_vec(self).unwrap_or_default();
        let expires_at = Some(expires_at(self.at()));
        Item { key: layout.claim(&identity.to_string()), fence: None, body, expires_at }
    }

    /// Reads a stored claim.
    ///
    /// # Errors
    /// Unreadable if it is malformed or of a format that this version does not know.
    pub fn from_item(item: &Item) -> Result<Self, StoreError> {
        json_item::read(item, |claim: &Self| claim.format, FORMAT, || format!("the claim of {}", item.key.sk))
    }
}

/// Claims `identity`: returns the claim in force from now on, which is `claim` itself if there was none.
///
/// # Errors
/// If the store fails: the message must be delivered again.
pub async fn claim<S: ContributionPut>(
    store: &S,
    layout: &Layout,
    identity: &Identity<'_>,
    claim: Claim,
) -> Result<Claim, StoreError> {
    let item = claim.to_item(layout, identity);
    match store.put(&item, &Expected::Absent).await? {
        PutOutcome::Written => Ok(claim),
        PutOutcome::Conflict(Some(stands)) => Claim::from_item(&stands),
        // Deleted between the condition and its response: the next delivery finds it absent.
        PutOutcome::Conflict(None) => {
            Err(StoreError::new(StoreErrorKind::Unavailable, format!("the claim of {identity} was deleted just now")))
        }
    }
}
