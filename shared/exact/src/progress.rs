//! A shard's progress: how far its records are settled, and totals of what they held. One item per shard, advanced
//! before every return under the same condition as the contributions.

use crate::json_item;
use crate::layout::Layout;
use crate::ports::{ContributionGet, ContributionPut, Expected, Item, PutOutcome, StoreError, StoreErrorKind};
use crate::sequence::{SequenceNumber, Shard};
use serde::{Deserialize, Serialize};
use weir_telemetry::Millis;

/// What one record amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The record.
    pub sequence: SequenceNumber,
    /// Its arrival.
    pub arrived_at: Millis,
    /// Events accepted.
    pub accepted: u64,
    /// Objects in quarantine: rejected events, or the whole record as one.
    pub rejected: u64,
}

/// Totals over all settled records of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Number of this format.
    pub format: u8,
    /// Records settled.
    pub records: u64,
    /// Of these, records without events: empty or white space.
    pub empty: u64,
    /// Events in contributions.
    pub accepted: u64,
    /// Objects in quarantine.
    pub rejected: u64,
    /// Arrival of the last settled record, epoch milliseconds: how far the shard has got in time.
    pub arrived_at_ms: i64,
}

const FORMAT: u8 = 1;

/// A shard's progress as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Highest settled record.
    pub fence: SequenceNumber,
    /// Totals up to it.
    pub totals: Totals,
}

impl Progress {
    /// Reads a stored progress item.
    ///
    /// # Errors
    /// Unreadable if it has no fence or a body that this version does not know.
    pub fn from_item(item: &Item) -> Result<Self, StoreError> {
        let name = || format!("progress item {}", item.key.sk);
        let fence = item.fence.as_deref().ok_or_else(|| json_item::unreadable(&name(), "it has no fence"))?;
        let fence = SequenceNumber::parse(fence).map_err(|error| json_item::unreadable(&name(), &error.to_string()))?;
        let totals = json_item::read(item, |totals: &Totals| totals.format, FORMAT, name)?;
        Ok(Self { fence, totals })
    }

    /// This progress plus the records of `tallies` above its fence; `None` if there are none.
    fn advanced(observed: Option<&Self>, tallies: &[Tally]) -> Option<Self> {
        let fresh = tallies.iter().filter(|tally| observed.is_none_or(|observed| tally.sequence > observed.fence));
        let mut totals = observed.map_or(Totals { format: FORMAT, ..Totals::default() }, |observed| observed.totals);
        let mut fence = None;
        for tally in fresh {
            totals.records += 1;
            totals.empty += u64::from(tally.accepted + tally.rejected == 0);
            totals.accepted += tally.accepted;
            totals.rejected += tally.rejected;
            totals.arrived_at_ms = totals.arrived_at_ms.max(tally.arrived_at.0);
            fence = Some(&tally.sequence);
        }
        fence.map(|fence| Self { fence: fence.clone(), totals })
    }
}

/// How often a conflict is retried before the batch is reported as failed.
const CONFLICTS_MAX: u32 = 16;

/// Advances the shard's progress over `settled`, ascending: a prefix of a batch, all of it durable.
///
/// # Errors
/// If the store fails, or others keep advancing the same item.
pub async fn advance<S: ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    shard: &Shard,
    settled: &[Tally],
) -> Result<(), StoreError> {
    if settled.is_empty() {
        return Ok(());
    }
    let key = layout.progress(shard);
    let mut observed = store.get(&key).await?;
    for _ in 0..CONFLICTS_MAX {
        let known = observed.as_ref().map(Progress::from_item).transpose()?;
        let Some(next) = Progress::advanced(known.as_ref(), settled) else { return Ok(()) };
        // Numbers only: serialising cannot fail.
        let body = serde_json::to_vec(&next.totals).unwrap_or_default();
        let item = Item { key: key.clone(), fence: Some(next.fence.to_string()), body, expires_at: None };
        let expected = known.map_or(Expected::Absent, |known| Expected::Fence(known.fence.to_string()));
        match store.put(&item, &expected).await? {
            PutOutcome::Written => return Ok(()),
            PutOutcome::Conflict(stands) => observed = stands,
        }
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        format!("progress of {shard}: {CONFLICTS_MAX} conflicts in a row"),
    ))
}
