//! The series of a batch, each named once: an event then carries a number instead of two texts.

use crate::epoch::Epoch;
use crate::hash::stable_hash;
use crate::series::{Series, SeriesRoom};
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// A series of a [`super::Batch`]. Meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub(super) u32);

impl SeriesId {
    /// Its place among the batch's series, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A table's order of names never shows, so neither does its seed; fixed, so that a run is reproducible.
const SEED: u64 = 0x7765_6972;

#[derive(Debug)]
pub(super) struct Names {
    series: Vec<Series>,
    /// [`Series::hash`] of each.
    hashes: Vec<u64>,
    by_series: HashMap<Series, SeriesId, FixedState>,
    /// By service and endpoint as events of the epoch `raw_of` write them.
    by_raw: HashMap<Box<[u8]>, SeriesId, FixedState>,
    raw_of: Option<u32>,
    key: Vec<u8>,
}

impl Default for Names {
    fn default() -> Self {
        let hasher = FixedState::with_seed(SEED);
        Self {
            series: vec![],
            hashes: vec![],
            by_series: HashMap::with_hasher(hasher.clone()),
            by_raw: HashMap::with_hasher(hasher),
            raw_of: None,
            key: vec![],
        }
    }
}

/// Cannot occur in UTF-8.
const SEPARATOR: u8 = 0xff;

impl Names {
    pub(super) fn series(&self, id: SeriesId) -> &Series {
        &self.series[id.index()]
    }

    pub(super) fn all(&self) -> &[Series] {
        &self.series
    }

    pub(super) fn hash(&self, id: SeriesId) -> u64 {
        self.hashes[id.index()]
    }

    /// The series of an event with these names (UTF-8) under the rules of `epoch`.
    #[inline]
    pub(super) fn of_event(&mut self, epoch: &Epoch, service: Option<&[u8]>, endpoint: Option<&[u8]>) -> SeriesId {
        if self.raw_of != Some(epoch.number) {
            self.by_raw.clear();
            self.raw_of = Some(epoch.number);
        }
        self.key.clear();
        self.key.extend_from_slice(service.unwrap_or_default());
        self.key.push(SEPARATOR);
        self.key.extend_from_slice(endpoint.unwrap_or_default());
        match self.by_raw.get(&self.key[..]) {
            Some(id) => *id,
            None => self.first_of_its_text(epoch, service, endpoint),
        }
    }

    #[cold]
    fn first_of_its_text(&mut self, epoch: &Epoch, service: Option<&[u8]>, endpoint: Option<&[u8]>) -> SeriesId {
        // UTF-8 by contract; anything else would be misnamed, not lost.
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let series = Series::under(&epoch.rules, text(service).as_deref(), text(endpoint).as_deref());
        let id = self.of_series(series);
        self.by_raw.insert(self.key.as_slice().into(), id);
        id
    }

    pub(super) fn of_series(&mut self, series: Series) -> SeriesId {
        if let Some(id) = self.by_series.get(&series) {
            return *id;
        }
        // At most as many as events, which a batch counts in 32 bits.
        let id = SeriesId(self.series.len() as u32);
        self.hashes.push(stable_hash(&series.hashed()));
        self.by_series.insert(series.clone(), id);
        self.series.push(series);
        id
    }
}

/// [`SeriesRoom`] of one record, by numbers. Its answer for a series can be reused: a series that was admitted stays,
/// and one is refused only once there is no room for any new one.
#[derive(Debug)]
pub(super) struct Room {
    room: SeriesRoom,
    taken: HashMap<SeriesId, SeriesId, FixedState>,
}

impl Room {
    pub(super) fn new(series_max: usize) -> Self {
        Self { room: SeriesRoom::new(series_max), taken: HashMap::with_hasher(FixedState::with_seed(SEED)) }
    }

    pub(super) fn take(&mut self, names: &mut Names, id: SeriesId) -> SeriesId {
        if let Some(taken) = self.taken.get(&id) {
            return *taken;
        }
        let mut series = names.series(id).clone();
        self.room.take(&mut series);
        let taken = names.of_series(series);
        self.taken.insert(id, taken);
        taken
    }
}
