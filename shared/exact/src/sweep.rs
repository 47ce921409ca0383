//! Which windows to recompute although nothing said that they changed: a trigger may have been lost.

use crate::finalize::SEALED_AFTER_MS;
use weir_telemetry::{Millis, Window};

/// Ages at which a window is recomputed, milliseconds after its end: soon after the sources' grace; when a
/// retry storm is over; when on-time lateness (48 h) is over; and when it is sealed.
pub const AGES_MS: [i64; 4] = [5 * 60_000, 3_600_000, 49 * 3_600_000, SEALED_AFTER_MS];

/// How many ticks of a minute see a window at each age: ticks can be late or lost.
const TICKS: i64 = 3;

/// The windows to recompute at `now`, when called every minute.
pub fn windows_at(now: Millis) -> Vec<Window> {
    let ends_at = |age: i64| {
        // The last window whose end is at least `age` ago, and the ones before it.
        let last = Window::containing(now.plus(-age - Window::LENGTH_MS));
        (0..TICKS).map(move |back| Window::containing(last.start().plus(-back * Window::LENGTH_MS)))
    };
    AGES_MS.into_iter().flat_map(ends_at).collect()
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
}
