//! Which series of a window have rows of their own, decided once for all computations.
//!
//! Each record names few series, yet a flood of distinct endpoints over many of them would write a row for each. So a
//! window has a *catalog*: the series that were admitted, up to a number. It only ever grows, and no row is put before
//! the catalog that admits its series is durable. What comes when it is full is counted under `~other`, by service
//! where the service was admitted.
//!
//! It must be stored, because no function of the contributions alone would do: of a set that grows, every choice of at
//! most n series drops some that it once had, and their rows stand. Two computations that chose for themselves would
//! count one series in its own row and in `~other`. For the same reason the number is the window's and not the code's:
//! who admitted more later would have to take back what `~other` counts, at a revision that does not move.

use super::Totals;
use crate::layout::{CONTRIBUTION_LIFE_MS, Layout};
use crate::ports::{ContributionGet, ContributionPut, Expected, Item, PutOutcome, StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use weir_rollup::SeriesKey;
use weir_telemetry::{OTHER, Window};

/// Number of the stored form: this byte, then the bound and the number of services (u32), the services' hashes and
/// the series' (u64), each ascending; all numbers big-endian.
const FORMAT: u8 = 1;
/// Other computations that may admit series between reading the catalog and writing it, in one go.
const ATTEMPTS_MAX: u32 = 16;

/// The series of one window that have rows of their own. Names are kept as hashes: 10,000 of them take 80 KB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    series_max: u32,
    services: BTreeSet<u64>,
    series: BTreeSet<u64>,
}

/// 64 bits of SHA-256: who names endpoints cannot choose ones that meet.
fn hash(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        // The separator cannot occur in UTF-8.
        hash.update([0xff]);
    }
    hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hash_of(key: &SeriesKey) -> u64 {
    hash(&[&key.service, &key.endpoint])
}

impl Catalog {
    /// One that admits up to `series_max`, and has admitted none.
    pub fn new(series_max: u32) -> Self {
        Self { series_max, services: BTreeSet::new(), series: BTreeSet::new() }
    }

    /// How many series it has admitted.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether it has admitted none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Admits what `totals` has and the catalog has not, the largest first, as long as there is room. Whether it grew.
    pub fn admit(&mut self, totals: &Totals) -> bool {
        let room = (self.series_max as usize).saturating_sub(self.series.len());
        if room == 0 {
            return false;
        }
        let new = totals.series.iter().map(|(key, (rollup, _))| (hash_of(key), key, rollup.events()));
        let mut new: Vec<_> = new.filter(|(hash, ..)| !self.series.contains(hash)).collect();
        if new.len() > room {
            new.sort_by_key(|(_, key, events)| (Reverse(*events), *key));
            new.truncate(room);
        }
        for (series, key, _) in &new {
            self.series.insert(*series);
            self.services.insert(hash(&[&key.service]));
        }
        !new.is_empty()
    }

    /// Where a series is counted: in its own row, or else (`Err`) under `~other`.
    ///
    /// # Errors
    /// The series that counts it instead. Never while there is room, if the series was offered to [`Self::admit`].
    pub fn place(&self, key: SeriesKey) -> Result<SeriesKey, SeriesKey> {
        if self.series.contains(&hash_of(&key)) {
            return Ok(key);
        }
        let known = self.services.contains(&hash(&[&key.service]));
        let service = if known { key.service } else { OTHER.to_owned() };
        Err(SeriesKey { service, endpoint: OTHER.to_owned() })
    }

    /// As stored. The fence is the number of series: every rewrite has more of them than what it replaces.
    pub fn to_item(&self, layout: &Layout, window: Window) -> Item {
        let key = layout.catalog(window);
        let mut body = vec![FORMAT];
        body.extend(self.series_max.to_be_bytes());
        // At most as many services as series, of which there are at most `series_max`.
        body.extend((self.services.len() as u32).to_be_bytes());
        self.services.iter().chain(&self.series).for_each(|hash| body.extend(hash.to_be_bytes()));
        // Longer than any contribution may linger: what is computed from the last of them still finds it.
        let expires_at = window.end().plus(2 * CONTRIBUTION_LIFE_MS).0.div_euclid(1_000);
        Item { key, fence: Some(self.series.len().to_string()), body, expires_at: Some(expires_at) }
    }

    /// Reads a stored catalog.
    ///
    /// # Errors
    /// Unreadable when it is malformed or of a format that this version does not know.
    pub fn from_item(item: &Item) -> Result<Self, StoreError> {
        let unreadable = |why: &str| {
            let what = format!("the series of {} cannot be read: {why}", item.key.pk);
            StoreError::new(StoreErrorKind::Unreadable, what)
        };
        let (format, rest) = item.body.split_first().ok_or_else(|| unreadable("it is empty"))?;
        if *format != FORMAT {
            return Err(unreadable(&format!("format {format} is not {FORMAT}")));
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let (head, hashes) = rest.split_at_checked(8).ok_or_else(|| unreadable("it is cut short"))?;
        // Four bytes each.
        let (series_max, services) = (number(&head[..4]) as u32, number(&head[4..]) as usize);
        let hashes: Vec<u64> = match hashes.as_chunks::<8>() {
            (chunks, []) => chunks.iter().map(|chunk| u64::from_be_bytes(*chunk)).collect(),
            _ => return Err(unreadable("it is cut short")),
        };
        let (services, series) = hashes.split_at_checked(services).ok_or_else(|| unreadable("it is cut short"))?;
        let ascending = |hashes: &[u64]| hashes.is_sorted_by(|a, b| a < b);
        if !ascending(services) || !ascending(series) {
            return Err(unreadable("its hashes are out of order"));
        }
        let set = |hashes: &[u64]| hashes.iter().copied().collect();
        Ok(Self { series_max, services: set(services), series: set(series) })
    }
}

/// The window's catalog with every series of `totals` admitted for which there is room: durable when this returns.
///
/// # Errors
/// When the store fails, or the catalog cannot be read: no row may be put then.
pub async fn admit<S: ContributionGet + ContributionPut>(
    store: &S,
    layout: &Layout,
    window: Window,
    totals: &Totals,
    series_max: u32,
) -> Result<Catalog, StoreError> {
    let mut stands = store.get(&layout.catalog(window)).await?;
    for _ in 0..ATTEMPTS_MAX {
        let mut catalog = stands.as_ref().map_or_else(|| Ok(Catalog::new(series_max)), Catalog::from_item)?;
        if !catalog.admit(totals) || left_out!(EachComputationAdmits) {
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
        /// bounds of their own: the rows that stand count each event once, and are as many as may be.
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
            prop_assert!(own <= catalog.series_max as usize);
        }

        #[test]
        fn a_stored_catalog_is_read_as_it_was(
            series_max in 0u32..100, arrivals in prop::collection::vec((0u8..9, 0u8..9), 0..60), at in 0usize..500
        ) {
            let mut catalog = Catalog::new(series_max);
            catalog.admit(&totals(&arrivals.into_iter().map(|arrival| (arrival, 1)).collect()));
            let item = catalog.to_item(&Layout::new("live", Generation { lanes: 1, partitions: 1 }), window());
            prop_assert_eq!(Catalog::from_item(&item), Ok(catalog));
            let mut cut = item.clone();
            cut.body.truncate(at % item.body.len());
            // A piece that ends where a hash ends is a catalog of fewer series: DynamoDB gives items whole.
            prop_assert!(Catalog::from_item(&cut).is_err() || (cut.body.len() - 9).is_multiple_of(8));
        }
    }

    #[test]
    fn the_largest_are_admitted_first() {
        let mut catalog = Catalog::new(2);
        assert!(catalog.admit(&totals(&BTreeMap::from([((0, 0), 1), ((0, 1), 5), ((1, 2), 3)]))));
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
