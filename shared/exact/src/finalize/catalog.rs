//! Which series of a window get their own rows, decided once for all computations.
//!
//! Each record names few series, yet a flood of distinct endpoints over many records would write a row for each. So a
//! window has a *catalog*: the series that were admitted, up to a limit. It only ever grows, and no row is put before
//! the catalog that admits its series is durable. When a series is refused the catalog is closed, and what it does not
//! contain is counted under `~other`, by service if the service was admitted.
//!
//! It must be stored, because no function of the contributions alone would do: for a growing set, every choice of at
//! most n series drops some that it once had, and their rows remain. Two computations that chose for themselves would
//! count one series both in its own row and in `~other`. For the same reason it stays closed: admitting more later
//! would take back what `~other` counts, at a revision that does not change.

use super::Totals;
use crate::json_item;
use crate::layout::{Layout, expires_after};
use crate::ports::{ContributionGet, ContributionPut, Expected, Item, PutOutcome, StoreError, StoreErrorKind};
use crate::retention::CONTRIBUTION_LIFE_MS;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::SeriesKey;
use weir_telemetry::{OTHER, Window};

const FORMAT: u8 = 1;
/// Bytes of names beyond which nothing more is admitted: an item holds 400 KB.
const NAMES_BYTES_MAX: usize = 350_000;
/// How many other computations may admit series between reading the catalog and writing it, before giving up.
const ATTEMPTS_MAX: u32 = 16;

/// The series of one window that have their own rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Number of this format.
    format: u8,
    /// A series was refused: from then on every other is too, whoever asks and whatever its limits.
    closed: bool,
    /// Endpoints by service.
    services: BTreeMap<String, BTreeSet<String>>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { format: FORMAT, closed: false, services: BTreeMap::new() }
    }
}

impl Catalog {
    /// How many series it has admitted.
    pub fn len(&self) -> usize {
        self.services.values().map(BTreeSet::len).sum()
    }

    /// Whether it has admitted none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether a series was refused, and is counted under `~other`.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Every series that it has admitted, ascending.
    pub fn series(&self) -> impl Iterator<Item = (&str, &str)> {
        self.services.iter().flat_map(|(service, endpoints)| {
            endpoints.iter().map(move |endpoint| (service.as_str(), endpoint.as_str()))
        })
    }

    fn has(&self, key: &SeriesKey) -> bool {
        self.services.get(&key.service).is_some_and(|endpoints| endpoints.contains(&key.endpoint))
    }

    /// Bytes of the names as stored.
    fn names_bytes(&self) -> usize {
        let endpoints = |endpoints: &BTreeSet<String>| endpoints.iter().map(|name| stored_bytes(name)).sum::<usize>();
        self.services.iter().map(|(service, names)| stored_bytes(service) + endpoints(names)).sum()
    }

    /// Admits the series of `totals` that the catalog lacks, the largest first, up to `series_max` in all. Returns
    /// whether it changed.
    pub fn admit(&mut self, totals: &Totals, series_max: u32) -> bool {
        if self.closed {
            return false;
        }
        let new = totals.series.iter().filter(|(key, _)| !self.has(key));
        let mut new: Vec<(&SeriesKey, u64)> = new.map(|(key, (rollup, _))| (key, rollup.events())).collect();
        if new.is_empty() {
            return false;
        }
        new.sort_by_key(|(key, events)| (Reverse(*events), *key));
        let (mut series, mut bytes) = (self.len(), self.names_bytes());
        for (key, _) in new {
            bytes += stored_bytes(&key.service) + stored_bytes(&key.endpoint);
            if series >= series_max as usize || bytes > NAMES_BYTES_MAX {
                self.closed = true;
                break;
            }
            series += 1;
            self.services.entry(key.service.clone()).or_default().insert(key.endpoint.clone());
        }
        true
    }

    /// Where a series is counted: in its own row, or (`Err`) under `~other`.
    ///
    /// # Errors
    /// The series that counts it instead. Never, if it was offered to [`Self::admit`] and the catalog is not closed.
    pub fn place(&self, key: SeriesKey) -> Result<SeriesKey, SeriesKey> {
        if self.has(&key) {
            return Ok(key);
        }
        let service = if self.services.contains_key(&key.service) { key.service } else { OTHER.to_owned() };
        Err(SeriesKey { service, endpoint: OTHER.to_owned() })
    }

    /// As stored. The fence is the number of series, with `+` if closed: every rewrite has a different fence from the
    /// one it replaces, and none recurs.
    pub fn to_item(&self, layout: &Layout, window: Window) -> Item {
        let fence = format!("{}{}", self.len(), if self.closed { "+" } else { "" });
        // Names and a number: serialising cannot fail.
        let body = serde_json::to_vec(self).unwrap_or_default();
        // Longer than any contribution may live: what is computed from the last of them still finds it.
        let expires_at = expires_after(window.end(), 2 * CONTRIBUTION_LIFE_MS);
        Item { key: layout.catalog(window), fence: Some(fence), body, expires_at: Some(expires_at) }
    }

    /// Reads a stored catalog.
    ///
    /// # Errors
    /// Unreadable if it is malformed or of a format that this version does not know.
    pub fn from_item(item: &Item) -> Result<Self, StoreError> {
        let name = || format!("the series of {}", item.key.pk);
        json_item::read(item, |catalog: &Self| catalog.format, FORMAT, name)
    }
}

/// A name in quotes with its escapes, and a comma.
fn stored_bytes(name: &str) -> usize {
    serde_json::to_string(name).map_or(0, |text| text.len() + 1)
}

/// The window's catalog with every series of `totals` admitted that fits: durable when this returns.
///
/// # Errors
/// If the store fails, or the catalog cannot be read: then no row may be put.
pub async fn admit<S: ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    window: Window,
    totals: &Totals,
    series_max: u32,
) -> Result<Catalog, StoreError> {
    let mut stands = store.get(&layout.catalog(window)).await?;
    for _ in 0..ATTEMPTS_MAX {
        let mut catalog = stands.as_ref().map_or_else(|| Ok(Catalog::default()), Catalog::from_item)?;
        if !catalog.admit(totals, series_max) || left_out!(EachComputationAdmits) {
            return Ok(catalog);
        }
        let expected = match stands {
            None => Expected::Absent,
            Some(Item { fence, .. }) => Expected::Fence(fence.unwrap_or_default()),
        };
        match store.put(&catalog.to_item(layout, window), &expected).await? {
            PutOutcome::Written => return Ok(catalog),
            PutOutcome::Conflict(stood) => stands = stood,
        }
    }
    let what = format!("the series of window {window} moved {ATTEMPTS_MAX} times while they were written");
    Err(StoreError::new(StoreErrorKind::Unavailable, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finalize::{Computed, rows};
    use crate::memory::MemoryStore;
    use futures::executor::block_on;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use weir_rollup::{Rollup, Status};
    use weir_telemetry::{Generation, Millis};

    fn window() -> Window {
        Window::containing(Millis(1_795_224_605_000))
    }

    fn totals(series: &BTreeMap<(u8, u8), u64>) -> Totals {
        let one = |(&(service, endpoint), &events): (&(u8, u8), &u64)| {
            let mut rollup = Rollup::default();
            (0..events).for_each(|_| rollup.add(Status::UNKNOWN, None, None));
            let key = SeriesKey { service: format!("s{service}"), endpoint: format!("/{endpoint}") };
            (key, (rollup, events))
        };
        Totals { series: series.iter().map(one).collect(), duplicate_copies: 0 }
    }

    proptest! {
        /// Computations that each read more than the one before, in any interleaving of admission and rows, with
        /// different limits: the stored rows count each event once, and are as many as allowed.
        #[test]
        fn what_stands_counts_each_event_once(
            arrivals in prop::collection::vec((0u8..3, 0u8..6), 1..60),
            reads in prop::collection::vec((0usize..60, 1u32..6), 1..8),
        ) {
            let store = MemoryStore::default();
            let layout = Layout::new("live", Generation { lanes: 1, partitions: 1 });
            let mut stand: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
            let all = [(arrivals.len(), 1)];
            for (read, series_max) in reads.iter().chain(&all) {
                let mut seen = BTreeMap::new();
                for arrival in arrivals.iter().take(*read) {
                    *seen.entry(*arrival).or_default() += 1;
                }
                let totals = totals(&seen);
                let catalog = block_on(admit(&store, &layout, window(), &totals, *series_max)).unwrap();
                for Computed { key, rollup, revision, .. } in rows(window(), totals.under(&catalog).0) {
                    let row = stand.entry((key.service, key.endpoint)).or_default();
                    if row.0 < revision {
                        *row = (revision, rollup.events());
                    }
                }
            }
            let sum = |summary| {
                let of = stand.iter().filter(|((_, endpoint), _)| (endpoint == "*") == summary);
                of.map(|(_, (_, events))| events).sum::<u64>()
            };
            prop_assert_eq!(sum(false), arrivals.len() as u64);
            prop_assert_eq!(sum(true), arrivals.len() as u64);
            let catalog = Catalog::from_item(&store.items()[0]).unwrap();
            let own = stand.keys().filter(|(_, endpoint)| endpoint != "*" && endpoint != OTHER).count();
            prop_assert_eq!(own, catalog.len());
            prop_assert!(own <= 5, "the highest bound");
        }

        #[test]
        fn a_stored_catalog_is_read_as_it_was(
            series_max in 0u32..100, arrivals in prop::collection::vec((0u8..9, 0u8..9), 0..60)
        ) {
            let mut catalog = Catalog::default();
            let totals = totals(&arrivals.into_iter().map(|arrival| (arrival, 1)).collect());
            catalog.admit(&totals, series_max);
            prop_assert_eq!(catalog.is_closed(), totals.series.len() > series_max as usize);
            let item = catalog.to_item(&Layout::new("live", Generation { lanes: 1, partitions: 1 }), window());
            prop_assert_eq!(Catalog::from_item(&item), Ok(catalog));
        }
    }

    /// The longest possible names, in the longest form that JSON has for them.
    #[test]
    fn a_catalog_fits_an_item() {
        let mut totals = totals(&BTreeMap::from([((0, 0), 1)]));
        let (rollup, _) = totals.series.values().next().cloned().unwrap_or_default();
        for n in 0..1_000 {
            let name = |bytes: usize| format!("{n:04}{}", "\u{1}".repeat(bytes - 4));
            totals.series.insert(SeriesKey { service: name(128), endpoint: name(256) }, (rollup.clone(), 1));
        }
        let mut catalog = Catalog::default();
        catalog.admit(&totals, 10_000);
        assert!(catalog.is_closed() && catalog.len() > 100);
        let item = catalog.to_item(&Layout::new("live", Generation { lanes: 1, partitions: 1 }), window());
        assert!((300_000..380_000).contains(&item.body.len()), "{}", item.body.len());
    }

    #[test]
    fn the_largest_are_admitted_first() {
        let mut catalog = Catalog::default();
        assert!(catalog.admit(&totals(&BTreeMap::from([((0, 0), 1), ((0, 1), 5), ((1, 2), 3)])), 2));
        let place = |service: &str, endpoint: &str| {
            let key = SeriesKey { service: service.into(), endpoint: endpoint.into() };
            catalog.place(key).map_err(|other| format!("{}#{}", other.service, other.endpoint)).is_ok()
        };
        assert!(place("s0", "/1") && place("s1", "/2") && !place("s0", "/0"));
        let other = |service: &str| SeriesKey { service: service.into(), endpoint: OTHER.into() };
        let key = |service: &str| SeriesKey { service: service.into(), endpoint: "/x".into() };
        assert_eq!(catalog.place(key("s0")), Err(other("s0")));
        assert_eq!(catalog.place(key("s9")), Err(other(OTHER)));
    }
}
