//! Rows laid out over time: a point a window, those without events too.

use std::collections::BTreeMap;
use weir_exact::row::{Resolution, Row, RowWindow, State};
use weir_rollup::Rollup;
use weir_telemetry::Millis;

/// One window.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) window: RowWindow,
    pub(crate) rollup: Rollup,
    /// None where there is no row: no event has been counted.
    pub(crate) state: Option<State>,
    /// How much of the window has been counted, seconds: all of it, or what had passed when its row was computed.
    pub(crate) seconds: f64,
}

impl Point {
    /// Events per second.
    pub(crate) fn rate(&self) -> f64 {
        self.rollup.events() as f64 / self.seconds
    }

    /// Errors of all events, 0 … 1; none without events.
    pub(crate) fn error_share(&self) -> Option<f64> {
        let events = self.rollup.events();
        (events > 0).then(|| self.rollup.errors() as f64 / events as f64)
    }

    /// A quantile of the durations, milliseconds.
    pub(crate) fn quantile_ms(&self, q: f64) -> Option<f64> {
        self.rollup.durations().map(|durations| durations.quantile_ms(q))
    }

    /// Unique users, rounded.
    pub(crate) fn users(&self) -> u64 {
        // An estimate is never negative, nor beyond 2^64.
        self.rollup.users().estimate().round() as u64
    }
}

/// The windows from the first that begins at `from` or later to the last that begins before `to`, as of `now`.
///
/// Rows of one window are merged; rows of another resolution or outside are left out. Windows after `now` are points only
/// where events lie ahead of the clock.
pub(crate) fn timeline<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    resolution: Resolution,
    (from, to): (Millis, Millis),
    now: Millis,
) -> Vec<Point> {
    let within = |row: &&Row| {
        let window = row.key.window;
        window.resolution() == resolution && from <= window.start() && window.start() < to
    };
    let mut counted: BTreeMap<RowWindow, Point> = BTreeMap::new();
    for row in rows.into_iter().filter(within) {
        let window = row.key.window;
        let point = counted.entry(window).or_insert_with(|| empty(window, now));
        point.rollup.merge(&row.rollup);
        point.state = Some(point.state.map_or(row.version.state, |state| state.min(row.version.state)));
        if now < window.end() {
            point.seconds = point.seconds.min(passed(window, row.updated_at.min(now)));
        }
    }
    let last = counted.last_key_value().map(|(window, _)| window.end());
    let end = to.min(now).max(last.unwrap_or(from));
    let mut window = RowWindow::containing(resolution, from);
    if window.start() < from {
        window = RowWindow::containing(resolution, window.end());
    }
    let mut points = Vec::new();
    while window.start() < end {
        points.push(counted.remove(&window).unwrap_or_else(|| empty(window, now)));
        window = RowWindow::containing(resolution, window.end());
    }
    points
}

fn empty(window: RowWindow, now: Millis) -> Point {
    Point { window, rollup: Rollup::default(), state: None, seconds: passed(window, now) }
}

/// How much of a window had passed by then, seconds. At least one: what lies ahead of the clock must be shown, too.
fn passed(window: RowWindow, by: Millis) -> f64 {
    let passed_ms = by.min(window.end()).0.saturating_sub(window.start().0);
    (passed_ms as f64 / 1_000.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::tests::row;

    const BEGIN: Millis = Millis(1_795_219_200_000);

    #[test]
    fn every_window_is_a_point_and_rows_of_one_are_merged() {
        let rows = [
            row("a", "*", 0, &[(200, 5, "u"), (500, 9, "v")]),
            row("b", "*", 0, &[(200, 5, "u")]),
            row("a", "*", 3, &[(200, 5, "u")]),
            row("a", "*", 9, &[(200, 5, "u")]),
        ];
        let to = BEGIN.plus(5 * 60_000);
        let points = timeline(&rows, Resolution::Minute, (BEGIN, to), to);
        assert_eq!(points.iter().map(|point| point.rollup.events()).collect::<Vec<_>>(), [3, 0, 0, 1, 0]);
        assert_eq!((points[0].rate(), points[0].error_share(), points[0].users()), (0.05, Some(1.0 / 3.0), 2));
        assert_eq!((points[1].rate(), points[1].error_share(), points[1].state), (0.0, None, None));
        let later = timeline(&rows, Resolution::Minute, (BEGIN.plus(1), to), to);
        assert_eq!(later.len(), 4, "a window that begins before the range is not in it");
    }

    #[test]
    fn a_window_under_way_counts_for_what_has_passed_of_it() {
        let mut under_way = row("a", "*", 0, &[(200, 5, "u"), (200, 5, "u"), (200, 5, "u")]);
        under_way.updated_at = BEGIN.plus(30_000);
        let ahead = row("a", "*", 2, &[(200, 5, "u")]);
        let to = BEGIN.plus(600_000);
        let points = timeline([&under_way, &ahead], Resolution::Minute, (BEGIN, to), BEGIN.plus(40_000));
        assert_eq!(points.iter().map(Point::rate).collect::<Vec<_>>(), [0.1, 0.0, 1.0]);
    }
}
