//! The interval of event time that a row counts, and its length: contract §2.

use std::fmt;
use weir_telemetry::{Millis, TimeError, Window};

/// How long a row's window is. All are in UTC, so an hour has 60 minutes and a day 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// `1m`: computed from contributions.
    Minute,
    /// `1h`: computed from `1m` rows.
    Hour,
    /// `1d`: computed from `1h` rows.
    Day,
}

impl Resolution {
    /// Its name in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// Parses the name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Minute, Self::Hour, Self::Day].into_iter().find(|resolution| resolution.name() == name)
    }

    /// Length, milliseconds.
    pub fn length_ms(self) -> i64 {
        match self {
            Self::Minute => Window::LENGTH_MS,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// What its rows are computed from; `None` for minutes.
    pub fn below(self) -> Option<Self> {
        match self {
            Self::Minute => None,
            Self::Hour => Some(Self::Minute),
            Self::Day => Some(Self::Hour),
        }
    }

    /// What is computed from its rows; `None` for days.
    pub fn above(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }
}

/// A half-open interval of event time. Displays as a row's sort key: `1h#2026-11-21T01:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowWindow {
    resolution: Resolution,
    start: Millis,
}

impl RowWindow {
    /// The window of that length containing `instant`.
    pub fn containing(resolution: Resolution, instant: Millis) -> Self {
        let length = resolution.length_ms();
        Self { resolution, start: Millis(instant.0.div_euclid(length) * length) }
    }

    /// Its length.
    pub fn resolution(self) -> Resolution {
        self.resolution
    }

    /// First instant inside.
    pub fn start(self) -> Millis {
        self.start
    }

    /// First instant after it.
    pub fn end(self) -> Millis {
        self.start.plus(self.resolution.length_ms())
    }

    /// The window of the next length that contains it; `None` above a day.
    pub fn above(self) -> Option<Self> {
        self.resolution.above().map(|above| Self::containing(above, self.start))
    }

    /// The windows that it is computed from, in order; `None` for a minute.
    pub fn below(self) -> impl Iterator<Item = Self> {
        let below = self.resolution.below();
        let end = self.end();
        below.into_iter().flat_map(move |resolution| {
            let mut next = Self { resolution, start: self.start };
            std::iter::from_fn(move || {
                let this = next;
                next = Self { start: this.end(), ..this };
                (this.start < end).then_some(this)
            })
        })
    }

    /// The minute, if it is one.
    pub fn minute(self) -> Option<Window> {
        (self.resolution == Resolution::Minute).then(|| Window::containing(self.start))
    }

    /// Parses the text that `Display` writes.
    ///
    /// # Errors
    /// [`TimeError`] if it names no resolution, or a time at which no such window begins.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let (resolution, start) = text.split_once('#').ok_or(TimeError)?;
        let resolution = Resolution::by_name(resolution).ok_or(TimeError)?;
        let start = Millis::parse_rfc3339(start)?;
        let window = Self::containing(resolution, start);
        if window.start == start { Ok(window) } else { Err(TimeError) }
    }
}

impl From<Window> for RowWindow {
    fn from(window: Window) -> Self {
        Self { resolution: Resolution::Minute, start: window.start() }
    }
}

impl fmt::Display for RowWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.resolution.name(), self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(resolution: Resolution, instant: &str, expect: &str) -> RowWindow {
        let window = RowWindow::containing(resolution, Millis::parse_rfc3339(instant).unwrap());
        assert_eq!(window.to_string(), expect);
        window
    }

    #[test]
    fn windows_nest() {
        let minute = check(Resolution::Minute, "2026-11-21T23:59:59.999Z", "1m#2026-11-21T23:59:00Z");
        let hour = check(Resolution::Hour, "2026-11-21T23:59:59.999Z", "1h#2026-11-21T23:00:00Z");
        let day = check(Resolution::Day, "2026-11-21T23:59:59.999Z", "1d#2026-11-21T00:00:00Z");
        assert_eq!((minute.above(), hour.above(), day.above()), (Some(hour), Some(day), None));
        assert_eq!((minute.below().count(), hour.below().count(), day.below().count()), (0, 60, 24));
        assert_eq!((hour.below().last(), day.below().last()), (Some(minute), Some(hour)));
        assert_eq!(RowWindow::from(minute.minute().unwrap()), minute);
    }

    proptest! {
        #[test]
        fn a_window_is_read_as_it_was_written(ms in 0_i64..253_402_300_799_999, which in 0_usize..3) {
            let resolution = [Resolution::Minute, Resolution::Hour, Resolution::Day][which];
            let window = RowWindow::containing(resolution, Millis(ms));
            prop_assert!(window.start().0 <= ms && ms < window.end().0);
            prop_assert_eq!(RowWindow::parse(&window.to_string()), Ok(window));
            prop_assert!(window.below().all(|below| below.above() == Some(window)));
        }
    }
}
