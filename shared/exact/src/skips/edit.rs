//! Changing the list, each change under one condition: of two concurrent changes one wins, and the other must look
//! again.

use super::{ENTRIES_MAX, Entry, READ_MS, SkipList};
use crate::layout::Layout;
use crate::ports::{ContributionGet, ContributionPut, Expected, PutOutcome, StoreError};
use weir_telemetry::Millis;

/// This long after its arrival a record may be delivered again: 4 days in its stream, and a day for whatever is still
/// processing it. Until then its entry must stay: otherwise a record that was quarantined would also be counted.
/// Milliseconds.
pub const FORGET_MS: i64 = 5 * 86_400_000;

/// Why the list was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The record is already listed.
    #[error("record {sequence_number} of {shard} is already on the list")]
    Stands {
        /// The shard.
        shard: String,
        /// The record.
        sequence_number: String,
    },
    /// No room.
    #[error("the list is full at {ENTRIES_MAX} entries (entries_max); remove those that no stream holds any more")]
    Full,
    /// The record is not listed.
    #[error("record {sequence_number} of {shard} is not on the list")]
    Absent {
        /// The shard.
        shard: String,
        /// The record.
        sequence_number: String,
    },
    /// It may have been skipped already, and may be delivered again.
    #[error(
        "the record may be delivered again until {until}, and would then be counted though it was set aside; take it off after that"
    )]
    MayComeBack {
        /// Until then.
        until: Millis,
    },
    /// The list was changed concurrently.
    #[error("the list was changed concurrently; look at it and try again")]
    Overtaken,
    /// The store failed. The list may have been changed anyway: look before trying again.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Puts a record on the list.
///
/// # Errors
/// [`EditError`]; the list is unchanged, unless the store failed.
pub async fn add<S: ContributionGet + ContributionPut>(store: &S, entry: Entry) -> Result<SkipList, EditError> {
    edit(store, |list| {
        if list.entry(&entry.shard, &entry.sequence_number).is_some() {
            let Entry { shard, sequence_number, .. } = entry;
            return Err(EditError::Stands { shard, sequence_number });
        }
        if list.entries.len() >= ENTRIES_MAX {
            return Err(EditError::Full);
        }
        list.entries.push(entry);
        Ok(())
    })
    .await
}

/// Removes a record from the list: while it is held, some time before anybody skips it; later only when no stream holds
/// it any more.
///
/// # Errors
/// [`EditError`]; the list is unchanged, unless the store failed.
pub async fn remove<S: ContributionGet + ContributionPut>(
    store: &S,
    shard: &str,
    sequence_number: &str,
    now: Millis,
) -> Result<SkipList, EditError> {
    edit(store, |list| {
        let Some(entry) = list.entry(shard, sequence_number) else {
            let (shard, sequence_number) = (shard.to_owned(), sequence_number.to_owned());
            return Err(EditError::Absent { shard, sequence_number });
        };
        // Whoever read the list before this write knows the entry for this long.
        let nobody_skips_it = now.plus(2 * READ_MS) < Millis(entry.from_ms);
        let until = Millis(entry.arrived_at_ms).plus(FORGET_MS);
        if !nobody_skips_it && now <= until {
            return Err(EditError::MayComeBack { until });
        }
        list.entries.retain(|entry| entry.shard != shard || entry.sequence_number != sequence_number);
        Ok(())
    })
    .await
}

async fn edit<S: ContributionGet + ContributionPut>(
    store: &S,
    change: impl FnOnce(&mut SkipList) -> Result<(), EditError>,
) -> Result<SkipList, EditError> {
    let stands = store.get(&Layout::skips()).await?;
    let mut list = SkipList::from_item(stands.as_ref())?;
    change(&mut list)?;
    let (edition, expected) = match stands.and_then(|item| item.fence) {
        None => (1, Expected::Absent),
        Some(fence) => (fence.parse::<u64>().unwrap_or(0).saturating_add(1), Expected::Fence(fence)),
    };
    match store.put(&list.to_item(edition), &expected).await? {
        PutOutcome::Written => Ok(list),
        PutOutcome::Conflict(_) => Err(EditError::Overtaken),
    }
}
