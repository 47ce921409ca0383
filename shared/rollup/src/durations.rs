//! How long the events took: exact count, sum and extremes, and a histogram for quantiles.

use crate::{Histogram, Inconsistent, bin_end_us, bin_of};

/// The durations of at least one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Durations {
    sum_us: u128,
    min_us: u64,
    max_us: u64,
    histogram: Histogram,
}

impl Durations {
    /// The durations of one event that took `duration_us` microseconds.
    pub(crate) fn of(duration_us: u64) -> Self {
        let mut histogram = Histogram::default();
        histogram.record(duration_us);
        Self { sum_us: duration_us.into(), min_us: duration_us, max_us: duration_us, histogram }
    }

    /// Rebuilds durations from stored or published parts, if some events can have had them.
    pub fn from_parts(sum_us: u128, min_us: u64, max_us: u64, histogram: Histogram) -> Result<Self, Inconsistent> {
        let mut bins = histogram.bins().map(|(bin, _)| bin);
        let lowest = bins.next();
        let highest = bins.last().or(lowest);
        let lowest = if histogram.zeros() > 0 { None } else { lowest };
        if histogram.count() == 0 {
            return Err(Inconsistent("durations of no event"));
        }
        if min_us > max_us || bin_of(min_us) != lowest || bin_of(max_us) != highest {
            return Err(Inconsistent("extremes of durations outside their bins"));
        }
        let durations = Self { sum_us, min_us, max_us, histogram };
        let (sum_min, sum_max) = durations.sum_bounds();
        if !(sum_min..=sum_max).contains(&sum_us) {
            return Err(Inconsistent("a sum of durations that their bins cannot give"));
        }
        Ok(durations)
    }

    /// The least and the largest sum that durations in these bins between these extremes have.
    fn sum_bounds(&self) -> (u128, u128) {
        let mut bounds = (0u128, 0u128);
        for (bin, n) in self.histogram.bins() {
            // A term is below 2^128; a sum beyond has long left anything add() can reach.
            let low = u128::from((bin_end_us(bin - 1).saturating_add(1)).max(self.min_us));
            let high = u128::from(bin_end_us(bin).min(self.max_us));
            bounds.0 = bounds.0.saturating_add(low * u128::from(n));
            bounds.1 = bounds.1.saturating_add(high * u128::from(n));
        }
        bounds
    }

    pub(crate) fn record(&mut self, duration_us: u64) {
        self.sum_us = self.sum_us.saturating_add(duration_us.into());
        self.min_us = self.min_us.min(duration_us);
        self.max_us = self.max_us.max(duration_us);
        self.histogram.record(duration_us);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
        self.histogram.merge(&other.histogram);
    }

    /// Events that had a duration, at least 1.
    pub fn count(&self) -> u64 {
        self.histogram.count()
    }

    /// Exact sum, microseconds.
    pub fn sum_us(&self) -> u128 {
        self.sum_us
    }

    /// Exact shortest, microseconds.
    pub fn min_us(&self) -> u64 {
        self.min_us
    }

    /// Exact longest, microseconds.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// All durations by logarithmic bin.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// Sum, milliseconds; rounded once, to the nearest 64-bit float.
    pub fn sum_ms(&self) -> f64 {
        self.sum_us as f64 / 1000.0
    }

    /// Shortest, milliseconds.
    pub fn min_ms(&self) -> f64 {
        self.min_us as f64 / 1000.0
    }

    /// Longest, milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.max_us as f64 / 1000.0
    }

    /// Mean, milliseconds.
    pub fn avg_ms(&self) -> f64 {
        self.sum_ms() / self.count() as f64
    }

    /// The duration at 0-based rank ⌊q · (count − 1)⌋ of all in ascending order, milliseconds,
    /// within 1.1 %; exact at both ends, at zero, and below 45 µs. `q` is held to 0..=1.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        let last = self.count() - 1;
        let rank = ((q.clamp(0.0, 1.0) * last as f64) as u64).min(last);
        if rank == 0 {
            return self.min_ms();
        }
        if rank == last {
            return self.max_ms();
        }
        let at_rank_us = self.histogram.at_rank_us(rank).unwrap_or(self.max_us as f64);
        at_rank_us.clamp(self.min_us as f64, self.max_us as f64) / 1000.0
    }
}
