//! Records that must not be decoded because they kill the process: an operator's list, one item that all functions
//! read.
//!
//! A record on the list is quarantined whole, as [`weir_telemetry::Reason::Skipped`], and counts as rejected in its
//! shard's progress. The list decides what happens to a record, so it must decide alike everywhere: an invocation that
//! read the list before the entry existed might still be counting the record. Therefore an entry first *holds* its
//! record: until [`Entry::from_ms`] every reader of the entry leaves the record and all that follow it for another
//! delivery. An invocation without the entry read the list at most [`READ_MS`] before its batch began, and a batch ends
//! with its invocation; so when the hold is over, nobody is counting the record any more (ARCHITECTURE.md says what is
//! not covered).

mod edit;

pub use edit::{EditError, FORGET_MS, add, remove};

use crate::json_item;
use crate::layout::Layout;
use crate::ports::{ContributionGet, Item, StoreError};
use crate::sequence::{SequenceNumber, Shard};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weir_telemetry::Millis;

/// The list is reread before a batch if older than this, milliseconds. A batch whose list cannot be read is delivered
/// again.
pub const READ_MS: i64 = 30_000;
/// Most entries: a record that kills is rare, and the list is scanned for every batch.
pub const ENTRIES_MAX: usize = 100;
const FORMAT: u8 = 1;

/// One record that is skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its shard, as [`Shard`] displays.
    pub shard: String,
    /// Its sequence number.
    pub sequence_number: String,
    /// Its arrival, epoch milliseconds.
    pub arrived_at_ms: i64,
    /// From then on it is skipped, until then held; epoch milliseconds.
    pub from_ms: i64,
}

/// The list as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipList {
    /// Number of this format.
    format: u8,
    /// Every entry, in the order added.
    pub entries: Vec<Entry>,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is not listed: decode it.
    No,
    /// Leave it, and what follows it, until then.
    HeldUntil(Millis),
    /// Quarantine it whole.
    Yes,
}

impl Default for SkipList {
    fn default() -> Self {
        Self { format: FORMAT, entries: vec![] }
    }
}

impl SkipList {
    /// Reads the list from an item; an empty one if there is none.
    ///
    /// # Errors
    /// Unreadable if it is malformed or of a format that this version does not know.
    pub fn from_item(item: Option<&Item>) -> Result<Self, StoreError> {
        let Some(item) = item else { return Ok(Self::default()) };
        json_item::read(item, |list: &Self| list.format, FORMAT, || "the skip list".to_owned())
    }

    /// The item for it; `edition` counts how often the list was written.
    pub fn to_item(&self, edition: u64) -> Item {
        // Numbers and strings only: serialising cannot fail.
        let body = serde_json::to_vec(self).unwrap_or_default();
        Item { key: Layout::skips(), fence: Some(edition.to_string()), body, expires_at: None }
    }

    /// The entry of a record.
    pub fn entry(&self, shard: &str, sequence: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.shard == shard && entry.sequence_number == sequence)
    }
}

/// The list as a batch sees it.
#[derive(Clone, Debug, Default)]
pub struct SkipView {
    list: Arc<SkipList>,
    /// When the batch began, epoch milliseconds.
    now_ms: i64,
}

impl SkipView {
    /// The list at the time a batch begins.
    pub fn new(list: Arc<SkipList>, now: Millis) -> Self {
        Self { list, now_ms: now.0 }
    }

    /// What to do with a record.
    pub fn decide(&self, shard: &Shard, sequence: &SequenceNumber) -> Skip {
        // The list is almost always empty.
        if self.list.entries.is_empty() {
            return Skip::No;
        }
        match self.list.entry(&shard.to_string(), sequence.as_str()) {
            None => Skip::No,
            Some(entry) if entry.from_ms <= self.now_ms => Skip::Yes,
            Some(entry) => Skip::HeldUntil(Millis(entry.from_ms)),
        }
    }
}

/// Reads and caches the list.
#[derive(Debug)]
pub struct Skips<S> {
    store: S,
    read: Mutex<Option<(Arc<SkipList>, Millis)>>,
}

impl<S: ContributionGet> Skips<S> {
    /// From that table.
    pub fn new(store: S) -> Self {
        Self { store, read: Mutex::default() }
    }

    /// The list for a batch that begins at `now`, never older than [`READ_MS`]. A new environment reads it, so after a
    /// record has killed a process the next one honours any entry added since.
    ///
    /// # Errors
    /// If it must be read and cannot be: without the list no record may be decoded.
    pub async fn view(&self, now: Millis) -> Result<SkipView, StoreError> {
        let known = self.known().clone();
        if let Some((list, read_at)) = known
            && read_at <= now
            && now < read_at.plus(READ_MS)
        {
            return Ok(SkipView::new(list, now));
        }
        let list = Arc::new(SkipList::from_item(self.store.get(&Layout::skips()).await?.as_ref())?);
        *self.known() = Some((list.clone(), now));
        Ok(SkipView::new(list, now))
    }

    fn known(&self) -> MutexGuard<'_, Option<(Arc<SkipList>, Millis)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
