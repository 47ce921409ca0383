//! Where values stand: scales from 0 (bottom, left) to 1, and the marks on them.

use weir_exact::row::Resolution;
use weir_telemetry::Millis;

/// Marks on a vertical axis, at most.
const MARKS_MAX: usize = 5;
const DAY_MS: i64 = 86_400_000;

/// A vertical scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From 0 to this.
    Linear { top: f64 },
    /// From one to the other, by powers; neither is 0.
    Logarithmic { bottom: f64, top: f64 },
}

impl Scale {
    /// From 0 to a round number above the largest value.
    pub(super) fn linear(largest: f64) -> Self {
        Self::Linear { top: if largest > 0.0 { step(largest).1 } else { 1.0 } }
    }

    /// Round numbers around all values above 0: a p99 is often a hundred times the p50, and both must be seen.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let bottom = values.iter().copied().fold(f64::INFINITY, f64::min);
        let top = values.iter().copied().fold(0.0, f64::max);
        if top == 0.0 {
            return Self::Logarithmic { bottom: 0.1, top: 1.0 };
        }
        let bottom = round_below(bottom * 0.999);
        Self::Logarithmic { bottom, top: round_above(top).max(round_above(bottom * 1.001)) }
    }

    /// Position of a value, 0 … 1.
    pub(super) fn at(self, value: f64) -> f64 {
        let at = match self {
            Self::Linear { top } => value / top,
            Self::Logarithmic { bottom, top } => (value.max(bottom) / bottom).ln() / (top / bottom).ln(),
        };
        at.clamp(0.0, 1.0)
    }

    /// Values with a mark, ascending.
    pub(super) fn marks(self) -> Vec<f64> {
        match self {
            Self::Linear { top } => {
                let step = step(top).0;
                (0..=MARKS_MAX).map(|n| n as f64 * step).take_while(|mark| *mark <= top * 1.001).collect()
            }
            Self::Logarithmic { bottom, top } => {
                let mut marks = vec![];
                let mut mark = bottom;
                while mark <= top * 1.001 {
                    marks.push(mark);
                    mark = round_above(mark * 1.001);
                }
                // Over many decades, each nth: both ends are more than enough.
                let every = marks.len().div_ceil(MARKS_MAX + 1);
                marks.into_iter().step_by(every).collect()
            }
        }
    }
}

/// The distance of marks, a 1, 2 or 5 with zeros, so that at most [`MARKS_MAX`] reach `largest`; and the mark that does.
fn step(largest: f64) -> (f64, f64) {
    let mut step = round_above(largest / MARKS_MAX as f64);
    if (largest / step).ceil() as usize > MARKS_MAX {
        step = round_above(step * 1.001);
    }
    (step, (largest / step - 1e-9).ceil().max(1.0) * step)
}

/// The next 1, 2 or 5 with zeros from `value` on, above 0.
fn round_above(value: f64) -> f64 {
    let power = 10_f64.powf((value.log10() + 1e-9).floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= value * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// The last 1, 2 or 5 with zeros up to `value`, above 0.
fn round_below(value: f64) -> f64 {
    let power = 10_f64.powf((value.log10() + 1e-9).floor());
    let digit = [5.0, 2.0, 1.0].into_iter().find(|digit| digit * power <= value * (1.0 + 1e-9));
    digit.unwrap_or(1.0) * power
}

/// Marks on the axis of time: at most `marks_max` round instants within, as where they stand (0 … 1) and what they say.
pub(super) fn times(from: Millis, to: Millis, resolution: Resolution, marks_max: usize) -> Vec<(f64, String)> {
    const MINUTE_MS: i64 = 60_000;
    const STEPS_MS: [i64; 15] = [
        MINUTE_MS,
        2 * MINUTE_MS,
        5 * MINUTE_MS,
        10 * MINUTE_MS,
        15 * MINUTE_MS,
        30 * MINUTE_MS,
        60 * MINUTE_MS,
        2 * 60 * MINUTE_MS,
        3 * 60 * MINUTE_MS,
        6 * 60 * MINUTE_MS,
        12 * 60 * MINUTE_MS,
        DAY_MS,
        2 * DAY_MS,
        7 * DAY_MS,
        28 * DAY_MS,
    ];
    let length_ms = (to.0 - from.0).max(1);
    let least_ms = (length_ms / marks_max as i64).max(resolution.length_ms());
    let step_ms = STEPS_MS.into_iter().find(|step_ms| *step_ms >= least_ms);
    // Beyond, by as many days as it takes.
    let step_ms = step_ms.unwrap_or(least_ms.div_euclid(DAY_MS) * DAY_MS + DAY_MS);
    let first = from.0.div_euclid(step_ms) * step_ms;
    let marks = (0_i64..).map(|n| first + n * step_ms).skip_while(|at| *at < from.0).take_while(|at| *at < to.0);
    marks.map(|at| ((at - from.0) as f64 / length_ms as f64, mark_text(Millis(at), step_ms))).collect()
}

/// `12:30`, with the day at midnight; the day alone where marks are days apart.
fn mark_text(at: Millis, step_ms: i64) -> String {
    let text = at.to_string();
    let (day, time) = (&text[5..10], &text[11..16]);
    if step_ms >= DAY_MS || time == "00:00" { day.to_owned() } else { time.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_scales_end_at_round_numbers() {
        let tops = [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (7.3, 8.0), (99.0, 100.0), (101.0, 150.0), (4_321.0, 5_000.0)];
        for (largest, top) in tops {
            let Scale::Linear { top: found } = Scale::linear(largest) else { panic!("{largest}") };
            assert!((found - top).abs() < top * 1e-6, "{largest}: {found}");
            let marks = Scale::linear(largest).marks();
            assert!(marks.len() <= MARKS_MAX + 1 && marks[0] == 0.0, "{marks:?}");
            assert!((marks.last().unwrap() - top).abs() < top * 1e-6, "{largest}: {marks:?}");
        }
    }

    #[test]
    fn logarithmic_scales_show_small_and_large() {
        let scale = Scale::logarithmic([3.0, 450.0, 0.0].into_iter());
        let expect = Scale::Logarithmic { bottom: 2.0, top: 500.0 };
        assert_eq!(format!("{scale:?}"), format!("{expect:?}"));
        assert_eq!((scale.at(2.0), scale.at(500.0), scale.at(0.0)), (0.0, 1.0, 0.0));
        assert!(scale.at(30.0) > 0.45 && scale.at(30.0) < 0.55);
        assert!(scale.marks().len() <= MARKS_MAX + 1, "{:?}", scale.marks());
        let one = Scale::logarithmic([10.0].into_iter());
        assert!(one.at(10.0) > 0.0 && one.at(10.0) <= 1.0, "{one:?}");
        assert_eq!(Scale::logarithmic(std::iter::empty()).marks().first(), Some(&0.1));
    }

    #[test]
    fn times_are_round() {
        let from = Millis::parse_rfc3339("2026-11-20T23:10:30Z").unwrap();
        let texts = |hours: i64, resolution| {
            let marks = times(from, from.plus(hours * 3_600_000), resolution, 6);
            marks.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts(1, Resolution::Minute), ["23:20", "23:30", "23:40", "23:50", "11-21", "00:10"]);
        assert_eq!(texts(48, Resolution::Hour), ["11-21", "12:00", "11-22", "12:00"]);
        assert_eq!(texts(24 * 5, Resolution::Day), ["11-21", "11-22", "11-23", "11-24", "11-25"]);
        assert!(texts(24 * 365 * 3, Resolution::Day).len() <= 6);
    }
}
