//! Instants in epoch milliseconds, RFC 3339 text, and one-minute windows.
//!
//! The parser is our own, forty lines, because what it accepts decides where an event is counted: a dependency's next
//! release must not change that. It is tested against `jiff`.

use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// Why a text is not an RFC 3339 date-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 date-time such as 2026-11-21T01:30:00.123Z")]
pub struct TimeError;

impl Millis {
    /// Parses an RFC 3339 date-time (years 0000–9999, any offset). Digits below a millisecond are truncated; a leap
    /// second `:60` counts as the last millisecond of its minute.
    ///
    /// # Errors
    /// [`TimeError`] if the text is anything else; a date without a time or an offset is not enough.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        parse(text.as_bytes()).ok_or(TimeError)
    }

    /// The same of bytes.
    pub(crate) fn parse_bytes(text: &[u8]) -> Option<Self> {
        parse(text)
    }

    /// This instant plus `ms` milliseconds, kept within `i64`.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Millis {
    /// RFC 3339 in UTC, with milliseconds only if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match ms % 1_000 {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

/// A half-open interval of event time, one minute long, named by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(i64);

impl Window {
    /// Length of a window, milliseconds.
    pub const LENGTH_MS: i64 = 60_000;

    /// The window containing `instant`.
    pub fn containing(instant: Millis) -> Self {
        Self(instant.0.div_euclid(Self::LENGTH_MS))
    }

    /// First instant inside.
    pub fn start(self) -> Millis {
        Millis(self.0 * Self::LENGTH_MS)
    }

    /// First instant after it.
    pub fn end(self) -> Millis {
        Millis((self.0 + 1) * Self::LENGTH_MS)
    }

    /// The window after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Parses the text that `Display` writes.
    ///
    /// # Errors
    /// [`TimeError`] if the text is not an RFC 3339 date-time on a whole minute.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let start = Millis::parse_rfc3339(text)?;
        let window = Self::containing(start);
        if window.start() == start { Ok(window) } else { Err(TimeError) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start().fmt(f)
    }
}

/// `yyyy-mm-ddThh:mm:ss[.fraction](Z|±hh:mm)`; `T` may be lower case or a space (RFC 3339 §5.6, note).
fn parse(text: &[u8]) -> Option<Millis> {
    let (head, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| head[*at] != *byte) || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(&head[0..4])?, digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (fraction_ms, offset) = fraction(rest)?;
    let offset_ms = offset_minutes(offset)? * 60_000;
    let second_ms = if second == 60 { 59_999 } else { second * 1_000 + fraction_ms };
    let of_day = hour * 3_600_000 + minute * 60_000 + second_ms;
    Some(Millis(days_from_civil(year, month, day) * DAY_MS + of_day - offset_ms))
}

/// Splits `.123456Z` into 123 ms and `Z`.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after_dot) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let length = after_dot.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let ms = (0..3).fold(0, |ms, at| ms * 10 + after_dot[..length].get(at).map_or(0, |byte| i64::from(byte - b'0')));
    Some((ms, &after_dot[length..]))
}

fn offset_minutes(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let total = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -total } else { total })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`], from the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_and_is_not_a_time() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(Millis::parse_rfc3339(text).ok().map(|t| t.0), expect, "{text}");
        };
        check("1970-01-01T00:00:00Z", Some(0));
        check("1970-01-01T00:00:00.0019Z", Some(1));
        check("1970-01-01t01:00:00+01:00", Some(0));
        check("1969-12-31 23:59:60z", Some(-1));
        check("2024-02-29T00:00:00-00:30", Some(1_709_166_600_000));
        for bad in [
            "",
            "2026",
            "2026-11-21",
            "2026-11-21T01:30:00",
            "2026-11-21T01:30Z",
            "2026-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T01:30:00.Z",
            "2026-11-21T01:30:00+0100",
            "2026-11-21T01:30:00+24:00",
            "2026-11-21T01:30:00Z ",
            "２026-11-21T01:30:00Z",
            "+026-11-21T01:30:00Z",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(ms in -62_135_596_800_000_i64..253_402_300_799_999) {
            let text = Millis(ms).to_string();
            let theirs: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(theirs.as_millisecond(), ms);
            prop_assert_eq!(Millis::parse_rfc3339(&text), Ok(Millis(ms)));
        }

        #[test]
        fn any_text_is_safe(text in "\\PC{0,40}") {
            let _ = Millis::parse_rfc3339(&text);
        }

        #[test]
        fn a_window_holds_its_instant(ms in -62_135_596_800_000_i64..253_402_300_799_999) {
            let window = Window::containing(Millis(ms));
            prop_assert!(window.start().0 <= ms && ms < window.end().0);
            prop_assert_eq!(Window::parse(&window.to_string()), Ok(window));
        }
    }
}
