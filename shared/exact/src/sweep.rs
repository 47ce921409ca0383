//! Which windows to recompute although nothing reported a change: a trigger may have been lost.

use crate::retention::SEALED_AFTER_MS;
use crate::row::{Resolution, RowWindow};
use weir_telemetry::{Millis, Window};

/// Ages at which a window is recomputed, milliseconds after its end: soon after the sources' grace; after a retry
/// storm; after the lateness limit (48 h); and when it is sealed.
pub const AGES_MS: [i64; 4] = [5 * 60_000, 3_600_000, 49 * 3_600_000, SEALED_AFTER_MS];

/// For how many one-minute ticks a window is due at each age: ticks can be late or lost.
const TICKS: i64 = 3;

/// The windows to recompute at `now`, when called every minute.
pub fn windows_at(now: Millis) -> Vec<Window> {
    let ends_at = |age: i64| {
        // The last window whose end is at least `age` ago, and those before it.
        let last = Window::containing(now.plus(-age - Window::LENGTH_MS));
        (0..TICKS).map(move |back| Window::containing(last.start().plus(-back * Window::LENGTH_MS)))
    };
    AGES_MS.into_iter().flat_map(ends_at).collect()
}

/// How long after the ages in [`AGES_MS`] an hour or a day is recomputed, so that what is below it is done,
/// milliseconds.
const AFTER_PARTS_MS: [(Resolution, i64); 2] = [(Resolution::Hour, 10 * 60_000), (Resolution::Day, 30 * 60_000)];
/// How often [`compacted_at`] is called, milliseconds.
pub const COMPACT_EVERY_MS: i64 = 5 * 60_000;

/// How long after its end a window of that length is recomputed, each time, milliseconds; never a minute.
pub fn compacted_after_ms(resolution: Resolution) -> impl Iterator<Item = i64> {
    let after = AFTER_PARTS_MS.into_iter().filter(move |(of, _)| *of == resolution);
    after.flat_map(|(_, after_ms)| AGES_MS.into_iter().map(move |age_ms| age_ms + after_ms))
}

/// The hours and then the days to recompute at `now`, when called every five minutes.
pub fn compacted_at(now: Millis) -> Vec<RowWindow> {
    let mut windows = vec![];
    for (resolution, after_ms) in AFTER_PARTS_MS {
        for age_ms in AGES_MS {
            // The last window that ended that long ago, for as many ticks as it is due.
            let last = RowWindow::containing(resolution, now.plus(-age_ms - after_ms - resolution.length_ms()));
            let over_ms = now.0 - last.end().0 - age_ms - after_ms;
            if (0..TICKS * COMPACT_EVERY_MS).contains(&over_ms) {
                windows.push(last);
            }
        }
    }
    windows
}

/// How often [`reconciled_at`] is called, and by how much its ticks overlap, milliseconds.
const RECONCILE_EVERY_MS: i64 = 15 * 60_000;
const RECONCILE_OVERLAP_MS: i64 = 5 * 60_000;
/// How long after its end a window is checked, milliseconds: after its first sweep, so that a row that is still behind
/// has lost both its trigger and its sweep.
const RECONCILED_AFTER_MS: [(Resolution, i64); 3] =
    [(Resolution::Minute, 15 * 60_000), (Resolution::Hour, 30 * 60_000), (Resolution::Day, 60 * 60_000)];

/// And again, this much later, after the lateness limit, milliseconds.
const RECONCILED_AGAIN_MS: i64 = AGES_MS[2];

/// The windows whose rows to check at `now`, minutes first, when called every quarter of an hour.
pub fn reconciled_at(now: Millis) -> Vec<RowWindow> {
    let ended = |(resolution, after_ms): (Resolution, i64)| {
        let latest = now.plus(-after_ms);
        let earliest = latest.plus(-RECONCILE_EVERY_MS - RECONCILE_OVERLAP_MS);
        let first = RowWindow::containing(resolution, earliest);
        let windows =
            std::iter::successors(Some(first), |window| Some(RowWindow::containing(window.resolution(), window.end())));
        windows.take_while(move |window| window.end() <= latest).filter(move |window| window.end() > earliest)
    };
    let twice = |(resolution, after_ms)| [(resolution, after_ms), (resolution, after_ms + RECONCILED_AGAIN_MS)];
    RECONCILED_AFTER_MS.into_iter().flat_map(twice).flat_map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_seen_at_every_age_although_two_ticks_are_lost() {
        let window = Window::containing(Millis(1_795_224_605_000));
        let seen: Vec<i64> = (0..21 * 24 * 60)
            .map(|minute| window.end().plus(minute * 60_000 + 17_000))
            .filter(|now| windows_at(*now).contains(&window))
            .map(|now| (now.0 - window.end().0) / 60_000)
            .collect();
        let expect: Vec<i64> = AGES_MS.iter().flat_map(|age| (0..3).map(move |tick| age / 60_000 + tick)).collect();
        assert_eq!(seen, expect);
    }

    #[test]
    fn every_window_is_checked_although_a_tick_is_late() {
        for (resolution, after_ms) in RECONCILED_AFTER_MS {
            let window = RowWindow::containing(resolution, Millis(1_795_224_605_000));
            let ages = (0..5 * 24 * 60).map(|minute| minute * 60_000);
            let seen: Vec<i64> = ages.filter(|age| reconciled_at(window.end().plus(*age)).contains(&window)).collect();
            // A tick every quarter of an hour that is up to five minutes late.
            let expect = [after_ms, after_ms + RECONCILED_AGAIN_MS].into_iter();
            let expect: Vec<i64> = expect.flat_map(|age| (0..20).map(move |minute| age + minute * 60_000)).collect();
            assert_eq!(seen, expect, "{resolution:?}");
        }
    }

    #[test]
    fn every_hour_and_day_is_seen_after_its_parts() {
        for (resolution, after_ms) in AFTER_PARTS_MS {
            let window = RowWindow::containing(resolution, Millis(1_795_224_605_000));
            let seen: Vec<i64> = (0..22 * 24 * 12)
                .map(|tick| window.end().plus(tick * COMPACT_EVERY_MS + 17_000))
                .filter(|now| compacted_at(*now).contains(&window))
                .map(|now| (now.0 - window.end().0 - after_ms) / COMPACT_EVERY_MS)
                .collect();
            let ages = AGES_MS.iter().map(|age| age / COMPACT_EVERY_MS);
            let expect: Vec<i64> = ages.flat_map(|age| (0..3).map(move |tick| age + tick)).collect();
            assert_eq!(seen, expect, "{resolution:?}");
        }
    }
}
