//! This environment's last known state of its fenced items: acknowledged or returned by the store, never guessed.
//! Bounded by bytes; evicting costs a read.

use crate::fenced::OpenPart;
use crate::layout::FencedKey;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// Entries are evicted in the order in which they were last put.
#[derive(Debug)]
pub(crate) struct ItemCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<FencedKey, (u64, OpenPart)>,
    by_age: BTreeMap<u64, FencedKey>,
    clock: u64,
    bytes: usize,
}

impl ItemCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// Takes the entry out: the caller is about to change it, and puts it back only when the store has acknowledged.
    pub(crate) fn take(&self, key: &FencedKey) -> Option<OpenPart> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (age, part) = inner.entries.remove(key)?;
        inner.by_age.remove(&age);
        inner.bytes -= part.bytes;
        Some(part)
    }

    pub(crate) fn put(&self, key: FencedKey, part: OpenPart) {
        drop(self.take(&key));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let age = inner.clock;
        inner.bytes += part.bytes;
        inner.by_age.insert(age, key.clone());
        inner.entries.insert(key, (age, part));
        while inner.bytes > self.bytes_max {
            let Some((_, oldest)) = inner.by_age.pop_first() else { return };
            if let Some((_, part)) = inner.entries.remove(&oldest) {
                inner.bytes -= part.bytes;
            }
        }
    }
}
