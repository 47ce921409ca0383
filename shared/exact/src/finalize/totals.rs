//! The sum of a window's contributions, and the rows it yields.

use super::Catalog;
use crate::ports::{Item, StoreError};
use crate::row::{RowKey, SUMMARY};
use std::collections::{BTreeMap, HashSet};
use weir_rollup::{Body, Ledger, Rollup, SeriesKey};
use weir_telemetry::Window;

/// The sum of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Every series with its revision.
    pub series: BTreeMap<SeriesKey, (Rollup, u64)>,
    /// Ledger copies of an identity beyond the first.
    pub duplicate_copies: u64,
}

/// Adds up the contributions of one window, each ledger identity once, over all lanes.
///
/// # Errors
/// Unreadable if an item is of a format this version does not know.
pub fn fold(items: &[Item]) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    let mut counted: HashSet<String> = HashSet::new();
    for item in items {
        let unreadable = |error: weir_rollup::DecodeError| StoreError::unreadable_contribution(item, &error);
        if item.fence.is_some() {
            for (key, series) in Body::decode(&item.body).map_err(unreadable)?.series {
                let (rollup, revision) = totals.series.entry(key).or_default();
                rollup.merge(&series.rollup);
                // Stored numbers are trusted to be numbers, not to be small.
                *revision = revision.saturating_add(series.touches);
            }
            continue;
        }
        for entry in Ledger::decode(&item.body).map_err(unreadable)?.entries {
            let identity = if left_out!(DeduplicationPerLane) {
                format!("{} in {}", entry.identity, item.key.sk.get(..7).unwrap_or_default())
            } else {
                entry.identity
            };
            let first = counted.insert(identity) || left_out!(NoDeduplication);
            totals.duplicate_copies += u64::from(!first);
            for (key, series) in entry.series {
                let (rollup, revision) = totals.series.entry(key).or_default();
                *revision = revision.saturating_add(1);
                if first {
                    rollup.merge(&series);
                }
            }
        }
    }
    Ok(totals)
}

impl Totals {
    /// The same with every series that has no row of its own under `~other`, by service if the service has one; and how
    /// many series those are.
    #[must_use]
    pub fn under(self, catalog: &Catalog) -> (Self, u64) {
        let mut overflowed = 0;
        let mut under = Self { series: BTreeMap::new(), duplicate_copies: self.duplicate_copies };
        for (key, (rollup, revision)) in self.series {
            let key = catalog.place(key).unwrap_or_else(|other| {
                overflowed += 1;
                other
            });
            let (sum, sum_revision) = under.series.entry(key).or_default();
            sum.merge(&rollup);
            *sum_revision = sum_revision.saturating_add(revision);
        }
        (under, overflowed)
    }
}

/// How many endpoints a summary row names.
pub(crate) const TOP_ENDPOINTS: usize = 10;

/// A row without what depends on a clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// Its key.
    pub key: RowKey,
    /// What it counts.
    pub rollup: Rollup,
    /// Its revision.
    pub revision: u64,
    /// The largest endpoints; on summary rows only.
    pub top_endpoints: Option<Vec<(String, u64)>>,
}

/// The rows of a window: each endpoint's and each service's summary.
pub fn rows(window: Window, totals: Totals) -> Vec<Computed> {
    type Summary = (Rollup, u64, Vec<(String, u64)>);
    let window = window.into();
    let mut services: BTreeMap<String, Summary> = BTreeMap::new();
    let mut rows = vec![];
    for (key, (rollup, revision)) in totals.series {
        let (sum, sum_revision, endpoints) = services.entry(key.service.clone()).or_default();
        sum.merge(&rollup);
        *sum_revision = sum_revision.saturating_add(revision);
        endpoints.push((key.endpoint.clone(), rollup.events()));
        let key = RowKey { service: key.service, endpoint: key.endpoint, window };
        rows.push(Computed { key, rollup, revision, top_endpoints: None });
    }
    for (service, (rollup, revision, mut endpoints)) in services {
        endpoints.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        endpoints.truncate(TOP_ENDPOINTS);
        let key = RowKey { service, endpoint: SUMMARY.to_owned(), window };
        rows.push(Computed { key, rollup, revision, top_endpoints: Some(endpoints) });
    }
    rows
}
