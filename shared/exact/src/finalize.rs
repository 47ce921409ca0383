//! Computes a window's rows from all its contributions, by revision.
//!
//! A row is always recomputed whole, never added to, so computing it twice, late, or by two finalizers at once is
//! harmless. Which of two computations wins is decided by [`RowVersion`]: `revision` is the sum of the fenced items'
//! touches and the number of ledger copies (losers of deduplication included) that touch the series. Every contribution
//! write raises it, so a computation that read more has a higher one, even when a correction made counts smaller: a
//! condition on counts would refuse the correction.

mod catalog;
mod totals;

pub use catalog::{Catalog, admit};
pub(crate) use totals::TOP_ENDPOINTS;
pub use totals::{Computed, Totals, fold, rows};

use crate::layout::{Layout, expires_after};
use crate::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Item, RowOutcome, RowPut, RowVersions, StoreError,
};
use crate::progress::Progress;
use crate::retention::SEALED_AFTER_MS;
use crate::row::{ALGORITHM, Row, RowKey, RowVersion, State};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use weir_telemetry::{Millis, Window};

/// When a window counts as complete.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// How late after a window's end the unordered sources (queues, objects) may be, milliseconds.
    pub unordered_ms: i64,
    /// After this long without progress a shard is taken as idle, not as behind, milliseconds.
    pub idle_ms: i64,
}

impl Default for Grace {
    fn default() -> Self {
        Self { unordered_ms: 5 * 60_000, idle_ms: 3_600_000 }
    }
}

/// How final a window is. Says nothing about counts: those are exact in every state.
pub fn state(window: Window, progress: &[Option<Progress>], grace: Grace, now: Millis) -> State {
    let age_ms = now.0 - window.end().0;
    let passed =
        |shard: &Option<Progress>| shard.as_ref().is_some_and(|shard| shard.totals.arrived_at_ms >= window.end().0);
    if age_ms >= SEALED_AFTER_MS {
        State::Sealed
    } else if age_ms >= grace.unordered_ms && (age_ms >= grace.idle_ms || progress.iter().all(passed)) {
        State::Complete
    } else {
        State::Open
    }
}

/// Limits and settings of a finalizer.
#[derive(Clone, Copy, Debug)]
pub struct FinalizeSettings {
    /// How long a row lives after its window, milliseconds; `None`: forever.
    pub row_life_ms: Option<i64>,
    /// When a window is complete.
    pub grace: Grace,
    /// Row writes in flight.
    pub writes_in_flight_max: usize,
    /// Rows whose version an environment remembers.
    pub remembered_rows_max: usize,
    /// Series of a window that get their own rows; [`Catalog`].
    pub series_per_window_max: u32,
}

impl Default for FinalizeSettings {
    fn default() -> Self {
        Self {
            row_life_ms: Some(30 * 86_400_000),
            grace: Grace::default(),
            writes_in_flight_max: 32,
            remembered_rows_max: 100_000,
            // A partition takes 1,000 write units a second: that many rows are written in ten.
            series_per_window_max: 10_000,
        }
    }
}

/// Result of computing one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowReport {
    /// Contributions read.
    pub items: u64,
    /// Rows put.
    pub written: u64,
    /// Rows known to be current without a write.
    pub unmoved: u64,
    /// Rows not put because the same or a later version was there.
    pub superseded: u64,
    /// Series counted under `~other` because the window's catalog is full.
    pub overflowed: u64,
}

impl WindowReport {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            written: self.written + other.written,
            unmoved: self.unmoved + other.unmoved,
            superseded: self.superseded + other.superseded,
            overflowed: self.overflowed + other.overflowed,
        }
    }
}

/// Computes windows and remembers what it last wrote.
#[derive(Debug)]
pub struct Finalizer<C, R> {
    contributions: C,
    rows: R,
    layout: Layout,
    settings: FinalizeSettings,
    /// Rows known to this environment to be stored with at least this version.
    stands: Mutex<BTreeMap<Window, BTreeMap<RowKey, RowVersion>>>,
}

impl<C: ContributionQuery + ContributionGet + ContributionPut, R: RowPut + RowVersions> Finalizer<C, R> {
    /// A finalizer for one generation.
    pub fn new(contributions: C, rows: R, layout: Layout, settings: FinalizeSettings) -> Self {
        Self { contributions, rows, layout, settings, stands: Mutex::default() }
    }

    /// Where the contributions are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its limits and settings.
    pub fn settings(&self) -> &FinalizeSettings {
        &self.settings
    }

    /// Every shard's progress; `None` for one that this version cannot read, which then counts as having passed
    /// nothing. Read it before the windows it is to judge: then everything it says is settled is in what they read.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn progress(&self) -> Result<Vec<Option<Progress>>, StoreError> {
        let items = self.contributions.query(&self.layout.progress_pk()).await?;
        Ok(items.iter().map(|item| Progress::from_item(item).ok()).collect())
    }

    /// Recomputes a window and puts the rows that changed. With `ask` the versions of rows unknown to this environment
    /// are read first: in a sweep, where most rows are current, a read costs a fraction of a failed condition.
    ///
    /// `out_of_time` is asked before the first read and before each put but the first.
    ///
    /// # Errors
    /// The last failure; rows put before stay and are remembered, so that a repetition continues from there.
    pub async fn finalize(
        &self,
        window: Window,
        progress: &[Option<Progress>],
        now: Millis,
        ask: bool,
        out_of_time: &(dyn Fn() -> bool + Sync),
    ) -> Result<WindowReport, StoreError> {
        if out_of_time() {
            return Err(StoreError::out_of_time());
        }
        let partitions = self.layout.window_partitions(window);
        let queries = partitions.iter().map(|pk| self.contributions.query(pk));
        let items: Vec<Item> = futures::future::try_join_all(queries).await?.into_iter().flatten().collect();
        let mut report = WindowReport { items: items.len() as u64, ..WindowReport::default() };
        if items.is_empty() {
            return Ok(report);
        }
        let state = state(window, progress, self.settings.grace, now);
        let totals = fold(&items)?;
        let catalog =
            admit(&self.contributions, &self.layout, window, &totals, self.settings.series_per_window_max).await?;
        let (totals, overflowed) = totals.under(&catalog);
        report.overflowed = overflowed;
        let rows: Vec<Row> = rows(window, totals).into_iter().map(|row| self.row(row, state, now)).collect();
        let mut known = self.known(window);
        if ask {
            let unknown: Vec<RowKey> =
                rows.iter().filter(|row| !known.contains_key(&row.key)).map(|row| row.key.clone()).collect();
            known.extend(self.rows.row_versions(&unknown).await?);
        }
        let moved: Vec<Row> =
            rows.into_iter().filter(|row| known.get(&row.key).is_none_or(|stands| *stands < row.version)).collect();
        let puts = moved.into_iter().enumerate().map(|(place, row)| async move {
            // At least one row: otherwise a window whose reading takes all the time would be read forever and never
            // put.
            if place > 0 && out_of_time() {
                return Err(StoreError::out_of_time());
            }
            self.rows.put_row(&row).await.map(|outcome| (row, outcome))
        });
        let mut put = stream::iter(puts).buffer_unordered(self.settings.writes_in_flight_max);
        let mut result = Ok(());
        loop {
            match put.try_next().await {
                Ok(None) => break,
                Ok(Some((row, outcome))) => {
                    report.written += u64::from(outcome == RowOutcome::Written);
                    report.superseded += u64::from(outcome == RowOutcome::Superseded);
                    known.insert(row.key, row.version);
                }
                Err(error) => result = Err(error),
            }
        }
        report.unmoved = (known.len() as u64).saturating_sub(report.written + report.superseded);
        self.remember(window, known);
        result.map(|()| report)
    }

    fn row(&self, computed: Computed, state: State, now: Millis) -> Row {
        let Computed { key, rollup, revision, top_endpoints } = computed;
        let expires_at = self.settings.row_life_ms.map(|life| expires_after(key.window.end(), life));
        let version = RowVersion { revision, algorithm: ALGORITHM, state };
        Row { key, rollup, top_endpoints, version, updated_at: now, expires_at }
    }

    fn known(&self, window: Window) -> BTreeMap<RowKey, RowVersion> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner).get(&window).cloned().unwrap_or_default()
    }

    fn remember(&self, window: Window, known: BTreeMap<RowKey, RowVersion>) {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        stands.insert(window, known);
        // The oldest windows change least: forgetting them costs a failed condition or a read.
        let mut rows: usize = stands.values().map(BTreeMap::len).sum();
        while rows > self.settings.remembered_rows_max {
            let Some((_, oldest)) = stands.pop_first() else { return };
            rows -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests;
