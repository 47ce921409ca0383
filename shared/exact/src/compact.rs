//! Computes the row of a window from the rows of its parts: hours from minutes, days from hours.
//!
//! By the finalizer's rule: a row is recomputed from all rows below it, never added to, under the sum of their
//! versions. Any change below raises the sum, so of two computations the one that read more wins, and late changes
//! propagate by recomputation.
//!
//! A service's summary also names its largest endpoints, which requires knowing every endpoint of the window. The
//! *directory* of a window lists its series; an entry is durable before its row is put, so no row is missing from it. A
//! minute summary's revision is the sum of its endpoints' revisions, and so is an hour's; the same holds for events. If
//! either sum differs, an endpoint is behind, and is recomputed before the summary is put.
//!
//! Not here: minutes ([`crate::finalize`]), and reading rows from a table (`weir-aws`).

mod directory;

pub use directory::Directory;

use crate::finalize::{Computed, Grace};
use crate::layout::{Layout, expires_after};
use crate::ports::{ContributionGet, ContributionPut, ContributionQuery, RowOutcome, RowPut, RowQuery, StoreError};
use crate::retention::SEALED_AFTER_MS;
use crate::row::{Resolution, Row, RowKey, RowVersion, RowWindow, SUMMARY, State};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::Millis;

/// Number of this computation: a higher one may rewrite a row whose parts have not changed.
const ALGORITHM: u32 = 1;
/// How many endpoints a summary row names: the same as for a minute.
const TOP_ENDPOINTS: usize = crate::finalize::TOP_ENDPOINTS;

/// Limits and settings of a compactor.
#[derive(Clone, Copy, Debug)]
pub struct CompactSettings {
    /// How long an hour's row lives after its window, milliseconds; `None`: forever.
    pub hour_life_ms: Option<i64>,
    /// The same for a day's row.
    pub day_life_ms: Option<i64>,
    /// When a window is complete.
    pub grace: Grace,
    /// Series computed at a time: each holds up to 60 rows.
    pub series_in_flight_max: usize,
}

impl Default for CompactSettings {
    fn default() -> Self {
        Self {
            hour_life_ms: Some(400 * 86_400_000),
            day_life_ms: None,
            grace: Grace::default(),
            series_in_flight_max: 16,
        }
    }
}

/// Result of computing one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Series computed, including summaries.
    pub series: u64,
    /// Rows put.
    pub written: u64,
    /// Rows not put because the same or a later version was there.
    pub superseded: u64,
    /// Summaries left for a later computation because their endpoints changed meanwhile.
    pub behind: u64,
}

impl CompactReport {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            series: self.series + other.series,
            written: self.written + other.written,
            superseded: self.superseded + other.superseded,
            behind: self.behind + other.behind,
        }
    }
}

/// Computes windows of hours and days.
#[derive(Debug)]
pub struct Compactor<C, R> {
    directory: Directory<C>,
    rows: R,
    settings: CompactSettings,
}

/// What an endpoint's row counts, for its service's summary.
type Counts = BTreeMap<String, (u64, u64)>;

impl<C, R> Compactor<C, R>
where
    C: ContributionGet + ContributionPut + ContributionQuery,
    R: RowPut + RowQuery,
{
    /// A compactor for one generation.
    pub fn new(contributions: C, rows: R, layout: Layout, settings: CompactSettings) -> Self {
        Self { directory: Directory::new(contributions, layout), rows, settings }
    }

    /// Recomputes the rows of these series in an hour or a day, and the summaries of their services.
    ///
    /// `out_of_time` is asked before each series.
    ///
    /// # Errors
    /// The last failure; what was put before stays, and repeating the call is harmless.
    pub async fn compact(
        &self,
        window: RowWindow,
        touched: &BTreeSet<SeriesKey>,
        now: Millis,
        out_of_time: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompactReport, StoreError> {
        let pass = Pass { compactor: self, window, now, out_of_time };
        let endpoints = touched.iter().filter(|key| key.endpoint != SUMMARY).cloned().collect();
        let mut report = CompactReport::default();
        pass.endpoints(&endpoints, &mut report).await?;
        let listed = self.directory.series(window).await?;
        for service in touched.iter().map(|key| key.service.as_str()).collect::<BTreeSet<_>>() {
            pass.summary(service, listed.get(service), &endpoints, &mut report).await?;
        }
        Ok(report)
    }

    /// Recomputes everything in a window: every series its parts have, whether or not a trigger reported it.
    ///
    /// # Errors
    /// As [`Self::compact`].
    pub async fn sweep(
        &self,
        window: RowWindow,
        now: Millis,
        out_of_time: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompactReport, StoreError> {
        let parts = self.directory.of_parts(window).await?;
        self.compact(window, &parts, now, out_of_time).await
    }
}

/// One computation of one window.
struct Pass<'a, C, R> {
    compactor: &'a Compactor<C, R>,
    window: RowWindow,
    now: Millis,
    out_of_time: &'a (dyn Fn() -> bool + Sync),
}

impl<C, R> Pass<'_, C, R>
where
    C: ContributionGet + ContributionPut + ContributionQuery,
    R: RowPut + RowQuery,
{
    /// Puts the rows of these endpoints.
    async fn endpoints(&self, endpoints: &BTreeSet<SeriesKey>, report: &mut CompactReport) -> Result<(), StoreError> {
        let puts: Vec<_> = endpoints.iter().map(|key| self.endpoint(key)).collect();
        let mut put = stream::iter(puts).buffer_unordered(self.compactor.settings.series_in_flight_max);
        while let Some(outcome) = put.try_next().await? {
            report.count(outcome);
        }
        Ok(())
    }

    async fn endpoint(&self, key: &SeriesKey) -> Result<Option<RowOutcome>, StoreError> {
        let Some(row) = self.computed(key, None).await? else { return Ok(None) };
        self.compactor.directory.list(self.window, key).await?;
        self.compactor.rows.put_row(&row).await.map(Some)
    }

    /// Puts the summary of a service, if all its endpoints are as far as it is. `fresh` were computed just now.
    async fn summary(
        &self,
        service: &str,
        endpoints: Option<&BTreeSet<String>>,
        fresh: &BTreeSet<SeriesKey>,
        report: &mut CompactReport,
    ) -> Result<(), StoreError> {
        let key = SeriesKey { service: service.to_owned(), endpoint: SUMMARY.to_owned() };
        let Some(endpoints) = endpoints else { return Ok(()) };
        for stale_too in [false, true] {
            if stale_too {
                let of = |endpoint: &String| SeriesKey { service: service.to_owned(), endpoint: endpoint.clone() };
                let stale = endpoints.iter().map(of).filter(|key| !fresh.contains(key)).collect();
                self.endpoints(&stale, report).await?;
            }
            let counts = self.counts(service, endpoints).await?;
            let sum = |of: fn(&(u64, u64)) -> u64| counts.values().map(of).fold(0u64, u64::saturating_add);
            let (revision, events) = (sum(|of| of.0), sum(|of| of.1));
            let Some(row) = self.computed(&key, Some(top(&counts))).await? else { return Ok(()) };
            // When an algorithm is corrected, events change and revisions do not.
            let in_step = row.version.revision == revision && row.rollup.events() == events;
            if in_step || left_out!(SummaryAheadOfEndpoints) {
                report.count(Some(self.compactor.rows.put_row(&row).await?));
                return Ok(());
            }
        }
        report.behind += 1;
        Ok(())
    }

    async fn counts(&self, service: &str, endpoints: &BTreeSet<String>) -> Result<Counts, StoreError> {
        let key =
            |endpoint: &String| RowKey { service: service.to_owned(), endpoint: endpoint.clone(), window: self.window };
        let keys: Vec<RowKey> = endpoints.iter().map(key).collect();
        let counts = self.compactor.rows.row_counts(&keys).await?;
        Ok(counts.into_iter().map(|(key, (version, events))| (key.endpoint, (version.revision, events))).collect())
    }

    /// A row from the rows below it; `None` if there are none.
    async fn computed(
        &self,
        key: &SeriesKey,
        top_endpoints: Option<Vec<(String, u64)>>,
    ) -> Result<Option<Row>, StoreError> {
        if (self.out_of_time)() {
            return Err(StoreError::out_of_time());
        }
        let mut below = self.window.below();
        let (Some(first), last) = (below.next(), below.last()) else { return Ok(None) };
        let parts = self.compactor.rows.rows_between(&key.service, &key.endpoint, first, last.unwrap_or(first)).await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let settings = &self.compactor.settings;
        let life_ms = match self.window.resolution() {
            Resolution::Day => settings.day_life_ms,
            _ => settings.hour_life_ms,
        };
        Ok(Some(Row {
            key: RowKey { service: key.service.clone(), endpoint: key.endpoint.clone(), window: self.window },
            rollup: merged(&parts),
            top_endpoints,
            version: version(self.window, &parts, settings.grace, self.now),
            updated_at: self.now,
            expires_at: life_ms.map(|life| expires_after(self.window.end(), life)),
        }))
    }
}

impl CompactReport {
    fn count(&mut self, outcome: Option<RowOutcome>) {
        self.series += 1;
        self.written += u64::from(outcome == Some(RowOutcome::Written));
        self.superseded += u64::from(outcome == Some(RowOutcome::Superseded));
    }
}

/// The sum of the parts' counts; the state that all of them have reached, once the window itself is over.
fn version(window: RowWindow, parts: &[Row], grace: Grace, now: Millis) -> RowVersion {
    let lowest = parts.iter().map(|part| part.version.state).min().unwrap_or(State::Open);
    let age_ms = now.0 - window.end().0;
    let reached = if age_ms >= SEALED_AFTER_MS {
        State::Sealed
    } else if age_ms >= grace.unordered_ms {
        State::Complete
    } else {
        State::Open
    };
    RowVersion {
        revision: revision(parts),
        algorithm: parts.iter().fold(ALGORITHM, |sum, part| sum.saturating_add(part.version.algorithm)),
        state: lowest.min(reached),
    }
}

/// The sum of several parts.
fn merged(parts: &[Row]) -> Rollup {
    let mut rollup = Rollup::default();
    parts.iter().for_each(|part| rollup.merge(&part.rollup));
    rollup
}

fn revision(parts: &[Row]) -> u64 {
    // Stored numbers are trusted to be numbers, not to be small.
    parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.version.revision))
}

/// The rows of a window computed from the rows below it, by series: what [`Compactor`] puts at rest.
pub(crate) fn rows(window: RowWindow, parts: &BTreeMap<SeriesKey, Vec<Row>>) -> Vec<Computed> {
    let parts = || parts.iter().filter(|(_, parts)| !parts.is_empty());
    let mut services: BTreeMap<&str, Counts> = BTreeMap::new();
    for (key, parts) in parts().filter(|(key, _)| key.endpoint != SUMMARY) {
        let events = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.rollup.events()));
        services.entry(&key.service).or_default().insert(key.endpoint.clone(), (revision(parts), events));
    }
    let computed = |(key, parts): (&SeriesKey, &Vec<Row>)| Computed {
        key: RowKey { service: key.service.clone(), endpoint: key.endpoint.clone(), window },
        rollup: merged(parts),
        revision: revision(parts),
        top_endpoints: (key.endpoint == SUMMARY)
            .then(|| services.get(key.service.as_str()).map(top).unwrap_or_default()),
    };
    parts().map(computed).collect()
}

fn top(counts: &Counts) -> Vec<(String, u64)> {
    let mut top: Vec<(String, u64)> =
        counts.iter().map(|(endpoint, (_, events))| (endpoint.clone(), *events)).collect();
    top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    top.truncate(TOP_ENDPOINTS);
    top
}

#[cfg(test)]
mod tests;
