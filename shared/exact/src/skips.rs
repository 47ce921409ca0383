//! Records that nobody is to decode, since they kill whoever does: an operator's list, one item that all functions read.
//!
//! A record on the list is set aside whole, as [`weir_telemetry::Reason::Skipped`], and counts as rejected in its shard's
//! progress. That it is on the list decides over a record, so it must decide alike for all: an invocation that had read
//! the list before the entry stood might still be counting the record. Therefore an entry *holds* its record first: until
//! [`Entry::from_ms`] everybody who knows it leaves the record and all that follow it for another delivery. Whoever does
//! not know it read the list at most [`READ_MS`] before the batch began, and a batch ends with its invocation; so when the
//! hold is over, nobody counts the record any more (ARCHITECTURE.md says what is not covered).

mod edit;

pub use edit::{EditError, FORGET_MS, add, remove};

use crate::json_item;
use crate::layout::Layout;
use crate::ports::{ContributionGet, Item, StoreError};
use crate::sequence::{SequenceNumber, Shard};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weir_telemetry::Millis;

/// A list is read again before a batch when it is older than this, milliseconds. A batch whose list cannot be read is
/// delivered again.
pub const READ_MS: i64 = 30_000;
/// Most entries: a record that kills is a rarity, and the list is looked through for every batch.
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
    /// From then on it is skipped, and until then held; epoch milliseconds.
    pub from_ms: i64,
}

/// The list as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipList {
    /// Number of this format.
    format: u8,
    /// Every entry, in the order they were added.
    pub entries: Vec<Entry>,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is on no list: decode it.
    No,
    /// Leave it, and what follows it, until then.
    HeldUntil(Millis),
    /// Set it aside whole.
    Yes,
}

impl Default for SkipList {
    fn default() -> Self {
        Self { format: FORMAT, entries: vec![] }
    }
}

impl SkipList {
    /// Reads the list that an item holds; an empty one where there is none.
    ///
    /// # Errors
    /// Unreadable when it is malformed or of a format that this version does not know.
    pub fn from_item(item: Option<&Item>) -> Result<Self, StoreError> {
        let Some(item) = item else { return Ok(Self::default()) };
        json_item::read(item, |list: &Self| list.format, FORMAT, || "the skip list".to_owned())
    }

    /// The item that keeps it; `edition` counts how often the list was written.
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

    /// What is to be done with a record.
    pub fn decide(&self, shard: &Shard, sequence: &SequenceNumber) -> Skip {
        // The list is empty but for rare days.
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

/// Reads and remembers the list.
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

    /// The list for a batch that begins at `now`, never older than [`READ_MS`]. An environment that starts reads it, so
    /// whatever a record killed honours what was said of the record since.
    ///
    /// # Errors
    /// When it is to be read and cannot be: without the list no record may be decoded.
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
