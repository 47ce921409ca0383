//! Which series an hour or a day has.

use crate::finalize::Catalog;
use crate::layout::{Layout, expires_after};
use crate::ports::{ContributionGet, ContributionPut, ContributionQuery, Expected, Item, StoreError};
use crate::retention::CONTRIBUTION_LIFE_MS;
use crate::row::RowWindow;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use weir_rollup::SeriesKey;
use weir_telemetry::OTHER;

/// Number of the stored format: an entry's key is its content.
const FORMAT: u8 = 1;
/// Parts read at a time.
const PARTS_IN_FLIGHT_MAX: usize = 16;
/// Entries that an environment remembers having put.
const REMEMBERED_MAX: usize = 100_000;

/// The series of windows of hours and days: one item each in the contributions table.
#[derive(Debug)]
pub struct Directory<C> {
    contributions: C,
    layout: Layout,
    listed: Mutex<Listed>,
}

/// Entries known to be stored, the oldest first.
#[derive(Debug, Default)]
struct Listed {
    known: BTreeSet<(RowWindow, SeriesKey)>,
    oldest: VecDeque<(RowWindow, SeriesKey)>,
}

impl<C> Directory<C> {
    /// The directory for one generation.
    pub(crate) fn new(contributions: C, layout: Layout) -> Self {
        Self { contributions, layout, listed: Mutex::default() }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: ContributionPut> Directory<C> {
    /// Lists a series: durable when this returns.
    pub(super) async fn list(&self, window: RowWindow, key: &SeriesKey) -> Result<(), StoreError> {
        let entry = (window, key.clone());
        if self.listed().known.contains(&entry) {
            return Ok(());
        }
        // Twice as long as anything in the window may still change.
        let expires_at = expires_after(window.end(), 2 * CONTRIBUTION_LIFE_MS);
        let item = Item {
            key: self.layout.listed(window, key),
            fence: None,
            body: vec![FORMAT],
            expires_at: Some(expires_at),
        };
        // Whoever put it first wrote the same.
        self.contributions.put(&item, &Expected::Absent).await?;
        let mut listed = self.listed();
        if listed.known.insert(entry.clone()) {
            listed.oldest.push_back(entry);
        }
        if listed.oldest.len() > REMEMBERED_MAX
            && let Some(oldest) = listed.oldest.pop_front()
        {
            listed.known.remove(&oldest);
        }
        Ok(())
    }
}

impl<C: ContributionGet + ContributionQuery> Directory<C> {
    /// Every series that is listed, by service.
    pub(crate) async fn series(&self, window: RowWindow) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
        let mut series: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for item in self.contributions.query(&self.layout.directory(window)).await? {
            if let Some(key) = Layout::listed_series(&item.key.sk) {
                series.entry(key.service).or_default().insert(key.endpoint);
            }
        }
        Ok(series)
    }

    /// Every series that the window's parts have: for an hour what its minutes' catalogs admitted, for a day what its
    /// hours' directories list.
    pub(crate) async fn of_parts(&self, window: RowWindow) -> Result<BTreeSet<SeriesKey>, StoreError> {
        let mut series = BTreeSet::new();
        let mut parts =
            stream::iter(window.below().map(|part| self.of_part(part))).buffer_unordered(PARTS_IN_FLIGHT_MAX);
        while let Some(part) = parts.try_next().await? {
            series.extend(part);
        }
        Ok(series)
    }

    async fn of_part(&self, part: RowWindow) -> Result<Vec<SeriesKey>, StoreError> {
        let key = |service: &str, endpoint: &str| SeriesKey { service: service.into(), endpoint: endpoint.into() };
        let Some(minute) = part.minute() else {
            let listed = self.series(part).await?;
            let of = |(service, endpoints): (&String, &BTreeSet<String>)| -> Vec<SeriesKey> {
                endpoints.iter().map(|endpoint| key(service, endpoint)).collect()
            };
            return Ok(listed.iter().flat_map(of).collect());
        };
        let Some(item) = self.contributions.get(&self.layout.catalog(minute)).await? else { return Ok(vec![]) };
        let catalog = Catalog::from_item(&item)?;
        let mut series: Vec<SeriesKey> = catalog.series().map(|(service, endpoint)| key(service, endpoint)).collect();
        if catalog.is_closed() {
            // What it did not admit has its rows, if any, under these names.
            let others: BTreeSet<&str> = catalog.series().map(|(service, _)| service).chain([OTHER]).collect();
            series.extend(others.into_iter().map(|service| key(service, OTHER)));
        }
        Ok(series)
    }
}
