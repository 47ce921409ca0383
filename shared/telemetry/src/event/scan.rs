//! The fast way to read an event: what is written like nearly all events are, straight from the bytes.
//!
//! It accepts an event only if the complete decoder ([`super::decode`]) would accept it with the same values, and
//! leaves everything else to it: escapes in known fields, exponents, values out of range or of another type, duplicate
//! fields. `tests/agree.rs` and the fuzz target `agree` check that.

use super::{ENDPOINT_BYTES_MAX, SERVICE_BYTES_MAX, STATUS_MAX, USER_ID_BYTES_MAX};
use crate::reject::Field;
use crate::time::Millis;
use weir_json::Scanner;

/// An event as written in its text, all fields in range; texts are UTF-8.
#[derive(Default)]
pub(crate) struct Scanned<'a> {
    pub(crate) service: Option<&'a [u8]>,
    pub(crate) endpoint: Option<&'a [u8]>,
    pub(crate) status: Option<u16>,
    pub(crate) duration_us: Option<u64>,
    /// As written, if it is not a whole number of microseconds.
    pub(crate) duration_ms: Option<f64>,
    pub(crate) user: Option<&'a [u8]>,
    pub(crate) timestamp: Option<Millis>,
}

/// Longest duration, microseconds.
const DURATION_US_MAX: u64 = 86_400_000_000;

/// Reads one event that nests at most `depth_max` deep; `None` if the complete decoder must decide.
#[inline]
pub(crate) fn scan<'a, const QUOTED: bool>(scanner: &mut Scanner<'a, QUOTED>, depth_max: u32) -> Option<Scanned<'a>> {
    let depth_max = depth_max.checked_sub(1)?;
    let mut event = Scanned::default();
    if !scanner.eat(b'{') {
        return None;
    }
    if scanner.peek()? <= b' ' {
        scanner.space();
    }
    if scanner.eat(b'}') {
        return Some(event);
    }
    let mut seen = 0_u8;
    loop {
        let Some(field) = field(scanner)? else {
            scanner.skip(depth_max)?;
            if scanner.another(b'}')? {
                continue;
            }
            return Some(event);
        };
        match field {
            Field::Endpoint => event.endpoint = Some(text(scanner, ENDPOINT_BYTES_MAX)?),
            Field::Service => event.service = Some(text(scanner, SERVICE_BYTES_MAX)?),
            Field::Status => event.status = Some(status(scanner)?),
            Field::DurationMs => (event.duration_us, event.duration_ms) = duration(scanner)?,
            Field::UserId => event.user = Some(user(scanner)?),
            Field::Timestamp => event.timestamp = Some(timestamp(scanner)?),
        }
        let bit = 1 << field as u8;
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        if !scanner.another(b'}')? {
            return Some(event);
        }
    }
}

/// A member's name with its colon and the white space around it: which field it is, if any.
#[inline]
fn field<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>) -> Option<Option<Field>> {
    // Two letters determine which one it can be; then it is compared whole, with its usual surroundings.
    let begins = scanner.rest().get(if QUOTED { 2 } else { 1 }..)?.first_chunk::<2>()?;
    let (field, usual) = match begins {
        b"en" => (Field::Endpoint, usual(scanner, br#""endpoint":"#, br#"\"endpoint\":"#)),
        b"se" => (Field::Service, usual(scanner, br#""service":"#, br#"\"service\":"#)),
        b"st" => (Field::Status, usual(scanner, br#""status":"#, br#"\"status\":"#)),
        b"du" => (Field::DurationMs, usual(scanner, br#""duration_ms":"#, br#"\"duration_ms\":"#)),
        b"us" => (Field::UserId, usual(scanner, br#""user_id":"#, br#"\"user_id\":"#)),
        b"ti" => (Field::Timestamp, usual(scanner, br#""timestamp":"#, br#"\"timestamp\":"#)),
        _ => return Some(by_name(scanner.key()?)),
    };
    if !usual {
        return Some(by_name(scanner.key()?));
    }
    if scanner.peek()? <= b' ' {
        scanner.space();
    }
    Some(Some(field))
}

#[inline]
fn usual<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>, plain: &[u8], quoted: &[u8]) -> bool {
    scanner.eat_all(if QUOTED { quoted } else { plain })
}

fn by_name(name: &[u8]) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.name().as_bytes() == name)
}

#[inline]
fn text<'a, const QUOTED: bool>(scanner: &mut Scanner<'a, QUOTED>, bytes_max: usize) -> Option<&'a [u8]> {
    scanner.string().filter(|text| (1..=bytes_max).contains(&text.len()))
}

/// Digits of a number without sign, leading zero, fraction or exponent, at most `digits_max` of them.
#[inline]
fn natural<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>, digits_max: u32) -> Option<u64> {
    let (value, digits) = digits(scanner, digits_max)?;
    let zero_padded = digits > 1 && value < 10_u64.pow(digits - 1);
    // What follows is either the value's end or not this function's business.
    (!zero_padded && !matches!(scanner.peek()?, b'.' | b'e' | b'E')).then_some(value)
}

/// One to `digits_max` digits, at most 18: their value and how many they are.
#[inline]
fn digits<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>, digits_max: u32) -> Option<(u64, u32)> {
    let (mut value, mut digits) = (0_u64, 0);
    while let Some(digit @ b'0'..=b'9') = scanner.peek() {
        if digits == digits_max {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
        digits += 1;
        scanner.eat(digit);
    }
    (digits > 0).then_some((value, digits))
}

#[inline]
fn status<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>) -> Option<u16> {
    let value = natural(scanner, 3)? as u16;
    (value <= STATUS_MAX).then_some(value)
}

/// Milliseconds with at most three decimals, in microseconds: the complete decoder's path through a double, which is
/// off by less than 2^-52 of at most 8.64e10 before it rounds, then yields the same whole number.
#[inline]
fn duration<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>) -> Option<(Option<u64>, Option<f64>)> {
    let start = scanner.clone();
    let (whole, length) = digits(scanner, 8)?;
    if length > 1 && whole < 10_u64.pow(length - 1) {
        return None;
    }
    let mut us = whole * 1_000;
    if scanner.eat(b'.') {
        let Some((fraction, length)) = digits(scanner, 3) else {
            *scanner = start;
            return long_duration(scanner);
        };
        us += fraction * [1_000, 100, 10, 1][length as usize];
    }
    (us <= DURATION_US_MAX && !matches!(scanner.peek()?, b'e' | b'E')).then_some((Some(us), None))
}

/// With more decimals: the complete decoder's path.
fn long_duration<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>) -> Option<(Option<u64>, Option<f64>)> {
    let number = std::str::from_utf8(scanner.number()?).ok()?;
    let (us, ms) = super::duration(number).ok()?;
    Some((Some(us), Some(ms)))
}

#[inline]
fn user<'a, const QUOTED: bool>(scanner: &mut Scanner<'a, QUOTED>) -> Option<&'a [u8]> {
    if scanner.is_at_string() {
        return text(scanner, USER_ID_BYTES_MAX);
    }
    let start = scanner.at();
    natural(scanner, 18)?;
    Some(scanner.since(start))
}

#[inline]
fn timestamp<const QUOTED: bool>(scanner: &mut Scanner<'_, QUOTED>) -> Option<Millis> {
    if scanner.is_at_string() {
        return Millis::parse_bytes(scanner.string()?);
    }
    natural(scanner, 18).map(|ms| Millis(ms as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_events_are_scanned_and_nothing_else_is() {
        let scans = |text: &str| scan(&mut Scanner::new(text.as_bytes()), 32).is_some();
        for usual in [
            "{}",
            r#"{"endpoint":"/login","status":200,"duration_ms":123.456,"user_id":"u_1"}"#,
            r#"{ "service": "é", "status": 0, "duration_ms": 12.3456789, "user_id": 17, "timestamp": 1795224605000 }"#,
            r#"{"timestamp":"2026-11-21T01:30:00Z","x":{"y":[1,"\n",null]},"z":-1e5}"#,
        ] {
            assert!(scans(usual), "{usual}");
        }
        for left in [
            r#"{"status":"200"}"#,
            r#"{"status":1000}"#,
            r#"{"status":1,"status":1}"#,
            r#"{"endpoint":"a\n"}"#,
            r#"{"endpoint":""}"#,
            r#"{"duration_ms":1e3}"#,
            r#"{"duration_ms":-1}"#,
            r#"{"user_id":-1}"#,
            r#"{"x":tru}"#,
            r#"{"x":1"#,
        ] {
            assert!(!scans(left), "{left}");
        }
    }
}
