//! A table's stream as its reader sees it: what was written, in order, and how far it is read. Triggers can be lost; what
//! was ever touched is remembered for the schedule, which sees it all.

use crate::choices::Choices;
use std::collections::BTreeSet;
use weir_telemetry::Millis;

/// Triggers for windows, each with the part of the window that moved.
pub(crate) struct Triggers<W, P> {
    records: Vec<(W, P)>,
    at: usize,
    busy: bool,
    /// How many batches in a row did not succeed.
    failures: u32,
    /// Every window that was ever touched.
    pub(crate) touched: BTreeSet<W>,
    /// Ticks of the schedule that are on the agenda.
    ticks: BTreeSet<Millis>,
}

/// Records of a stream that are being worked on.
pub(crate) struct Batch<W, P> {
    first: usize,
    pub(crate) records: Vec<(W, P)>,
}

impl<W, P> Default for Triggers<W, P> {
    fn default() -> Self {
        Self { records: vec![], at: 0, busy: false, failures: 0, touched: BTreeSet::new(), ticks: BTreeSet::new() }
    }
}

impl<W: Copy + Ord, P: Clone> Triggers<W, P> {
    /// Whether every trigger was answered.
    pub(crate) fn drained(&self) -> bool {
        !self.busy && self.at >= self.records.len()
    }

    /// The ticks at which the schedule sees a window that ends then, `every_ms` apart and three at each of these ages,
    /// as far as they are still to come and not on the agenda yet.
    pub(crate) fn new_ticks(
        &mut self,
        now: Millis,
        end: Millis,
        ages_ms: impl IntoIterator<Item = i64>,
        every_ms: i64,
    ) -> Vec<Millis> {
        let all = ages_ms.into_iter().flat_map(|age_ms| (0..3).map(move |tick| end.plus(age_ms + tick * every_ms)));
        all.filter(|at| *at > now && self.ticks.insert(*at)).collect()
    }

    pub(crate) fn push(&mut self, window: W, part: P) {
        self.records.push((window, part));
    }

    /// Some of the records that wait, from the first on; none while others are being worked on.
    pub(crate) fn take(&mut self, choices: &mut Choices) -> Option<Batch<W, P>> {
        let waiting = (self.records.len() - self.at) as u32;
        if self.busy || waiting == 0 {
            return None;
        }
        let size = waiting - choices.below(waiting);
        self.busy = true;
        Some(Batch { first: self.at, records: self.records[self.at..self.at + size as usize].to_vec() })
    }

    /// How long the mapping waits before its next batch: longer with every failure, milliseconds. A computation takes
    /// so many requests that in the worst weather most fail.
    pub(crate) fn backoff_ms(&self) -> i64 {
        (1_000 << self.failures.min(12)) - 1_000
    }

    /// Goes on behind the batch, or from the first trigger of the window that failed first; without an answer all of
    /// them come again.
    pub(crate) fn answered(&mut self, batch: &Batch<W, P>, answer: Option<Option<W>>) {
        self.busy = false;
        self.failures = if matches!(answer, Some(None)) { 0 } else { self.failures + 1 };
        self.at = match answer {
            Some(None) => batch.first + batch.records.len(),
            Some(Some(failed)) => {
                batch.first + batch.records.iter().position(|(window, _)| *window == failed).unwrap_or(0)
            }
            None => batch.first,
        };
    }
}
