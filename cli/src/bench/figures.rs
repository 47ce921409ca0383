//! What a set of times comes to.

use serde::{Deserialize, Serialize};

/// How far from the median an invocation may be and still count as steady, a share of the median.
const STEADY_WITHIN: f64 = 0.2;

/// Times in milliseconds. A quantile q is the value at index floor(q·(n−1)) of the sorted times, as in the rollups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// How many times there were.
    pub(crate) runs: usize,
    pub(crate) min: f64,
    pub(crate) avg: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Standard deviation ÷ average.
    pub(crate) spread: f64,
    /// Share of the times within a fifth of the median.
    pub(crate) steadiness: f64,
    /// Average of the times as Lambda bills them: each rounded up to a millisecond ("Lambda pricing").
    pub(crate) billed: f64,
}

impl Figures {
    /// Of at least one time; of none all is 0.
    pub(crate) fn of(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_by(f64::total_cmp);
        let runs = times_ms.len();
        let count = runs.max(1) as f64;
        let at = |q: f64| times_ms.get((q * count - q).floor() as usize).copied().unwrap_or_default();
        let average = |of: &dyn Fn(f64) -> f64| times_ms.iter().map(|ms| of(*ms)).sum::<f64>() / count;
        let (avg, p50) = (average(&|ms| ms), at(0.5));
        let deviation = average(&|ms| (ms - avg).powi(2)).sqrt();
        let steady = times_ms.iter().filter(|ms| (**ms - p50).abs() <= STEADY_WITHIN * p50).count();
        Self {
            runs,
            min: at(0.0),
            avg,
            p50,
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
            spread: if avg > 0.0 { deviation / avg } else { 0.0 },
            steadiness: steady as f64 / count,
            billed: average(&f64::ceil),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_any_order() {
        let figures = Figures::of((1..=100).rev().map(f64::from).collect());
        assert_eq!((figures.runs, figures.min, figures.max), (100, 1.0, 100.0));
        assert_eq!((figures.avg, figures.p50, figures.p95, figures.p99), (50.5, 50.0, 95.0, 99.0));
        // The deviation of 1 … n is √((n² − 1) / 12).
        assert!((figures.spread - (9_999.0_f64 / 12.0).sqrt() / 50.5).abs() < 1e-12);
        // 40 … 60 are within a fifth of 50.
        assert_eq!(figures.steadiness, 0.21);
    }

    #[test]
    fn lambda_bills_whole_milliseconds() {
        assert_eq!(Figures::of(vec![0.1, 1.0, 1.1]).billed, 4.0 / 3.0);
    }

    #[test]
    fn one_time_and_none() {
        let one = Figures::of(vec![7.0]);
        assert_eq!((one.min, one.avg, one.p50, one.p99, one.max, one.spread), (7.0, 7.0, 7.0, 7.0, 7.0, 0.0));
        assert_eq!(Figures::of(vec![]).runs, 0);
    }
}
