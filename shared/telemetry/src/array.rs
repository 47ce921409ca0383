//! A JSON array of events as written: each checked against the contract, but under no epoch's rules and against no
//! arrival. For callers that respond at once and keep nothing.

use crate::event::{self, Refusal, Values, scan};
use crate::reject::Reason;
use serde_json::value::RawValue;
use std::borrow::Cow;
use weir_json::Scanner;

/// An event whose fields are all in range.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenEvent<'a> {
    /// What was called, as written; UTF-8.
    pub endpoint: Option<Cow<'a, [u8]>>,
    /// 0–999.
    pub status: Option<u16>,
    /// Milliseconds: the double nearest to the text.
    pub duration_ms: Option<f64>,
    /// Who called; an integer as its digits. UTF-8.
    pub user: Option<Cow<'a, [u8]>>,
}

/// Why a text is not an array of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct NotAnArray {
    /// [`Reason::NotJson`], [`Reason::NotUtf8`] or [`Reason::NotAnObject`]: not JSON, or another value.
    pub reason: Reason,
    /// What was expected and what was found. Never contains the text.
    pub detail: String,
}

/// Deepest nesting of an event.
const DEPTH_MAX: u32 = 32;

/// Reads an array: `each` takes, for every element in order, its index and the event, or why it is none, and adds it to
/// the value from `begin`. White space alone is an empty array.
///
/// # Errors
/// [`NotAnArray`]; then nothing of it counts.
pub fn read_array<'a, T>(
    text: &'a [u8],
    begin: impl Fn() -> T,
    mut each: impl FnMut(&mut T, usize, Result<WrittenEvent<'a>, (Reason, String)>),
) -> Result<T, NotAnArray> {
    match read_fast(text, begin(), &mut each) {
        Some(read) => Ok(read),
        None => read_completely(text, begin(), &mut each).map_err(|(reason, detail)| NotAnArray { reason, detail }),
    }
}

/// The same for an array inside a string of another JSON text, in place. Leaves the scanner behind it. `None` if it
/// cannot be read in place, for example because of escapes other than those of its quotes: then unescape the string and
/// read the result.
pub fn read_quoted_array<'a, T>(
    scanner: &mut Scanner<'a, true>,
    mut read: T,
    mut each: impl FnMut(&mut T, usize, Result<WrittenEvent<'a>, (Reason, String)>),
) -> Option<T> {
    scanner.space();
    elements(scanner, &mut read, &mut each, |element| {
        // Its quotes unescaped: it has no other escapes, or the scan would have failed.
        let element: String = serde_json::from_str(&format!("\"{element}\"")).ok()?;
        Some(event::values(&element, DEPTH_MAX).map(owned))
    })?;
    scanner.space();
    Some(read)
}

/// By scanning the bytes; an unusual element goes to the complete decoder alone.
fn read_fast<'a, T>(
    text: &'a [u8],
    mut read: T,
    each: impl FnMut(&mut T, usize, Result<WrittenEvent<'a>, Refusal>),
) -> Option<T> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    if scanner.is_at_end() {
        return Some(read);
    }
    elements(&mut scanner, &mut read, each, |element| Some(event::values(element, DEPTH_MAX).map(owned)))?;
    scanner.space();
    scanner.is_at_end().then_some(read)
}

/// `complete` decides on an unusual element.
#[inline]
fn elements<'a, T, const QUOTED: bool>(
    scanner: &mut Scanner<'a, QUOTED>,
    read: &mut T,
    mut each: impl FnMut(&mut T, usize, Result<WrittenEvent<'a>, Refusal>),
    complete: impl Fn(&str) -> Option<Result<WrittenEvent<'static>, Refusal>>,
) -> Option<()> {
    scanner.eat(b'[').then(|| scanner.space())?;
    if scanner.eat(b']') {
        return Some(());
    }
    for index in 0.. {
        let start = scanner.clone();
        match scan::scan(scanner, DEPTH_MAX) {
            Some(scanned) => each(read, index, Ok(written(&scanned))),
            None => {
                *scanner = start.clone();
                scanner.skip(weir_json::SKIP_DEPTH_MAX)?;
                let element = std::str::from_utf8(scanner.since(start.at())).ok()?;
                each(read, index, complete(element)?);
            }
        }
        if !scanner.another(b']')? {
            break;
        }
    }
    Some(())
}

fn read_completely<'a, T>(
    text: &'a [u8],
    mut read: T,
    mut each: impl FnMut(&mut T, usize, Result<WrittenEvent<'a>, Refusal>),
) -> Result<T, Refusal> {
    let text = std::str::from_utf8(text)
        .map_err(|error| (Reason::NotUtf8, format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim_matches(event::JSON_SPACE).is_empty() {
        return Ok(read);
    }
    let value: &RawValue = serde_json::from_str(text).map_err(|error| event::not_json(&error))?;
    if !value.get().starts_with('[') {
        let detail = format!("expected an array of events, found {}", event::kind(value.get()));
        return Err((Reason::NotAnObject, detail));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|error| event::not_json(&error))?;
    for (index, element) in elements.into_iter().enumerate() {
        each(&mut read, index, event::values(element.get(), DEPTH_MAX).map(owned));
    }
    Ok(read)
}

#[inline]
fn written<'a>(scanned: &scan::Scanned<'a>) -> WrittenEvent<'a> {
    // Whole microseconds in a double, divided once: the double nearest to the decimals.
    let duration_ms = scanned.duration_ms.or_else(|| scanned.duration_us.map(|us| us as f64 / 1_000.0));
    WrittenEvent {
        endpoint: scanned.endpoint.map(Cow::Borrowed),
        status: scanned.status,
        duration_ms,
        user: scanned.user.map(Cow::Borrowed),
    }
}

fn owned(values: Values) -> WrittenEvent<'static> {
    let bytes = |text: String| Cow::Owned(text.into_bytes());
    WrittenEvent {
        endpoint: values.endpoint.map(bytes),
        status: values.status,
        duration_ms: values.duration.map(|(_, ms)| ms),
        user: values.user.map(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Events<'a> = Vec<(usize, Result<WrittenEvent<'a>, Refusal>)>;

    fn collect<'a>(read: &mut Events<'a>, index: usize, event: Result<WrittenEvent<'a>, Refusal>) {
        read.push((index, event));
    }

    fn check(text: &[u8]) -> Result<Events<'_>, NotAnArray> {
        let read = read_array(text, Vec::new, collect);
        let complete = read_completely(text, vec![], collect);
        assert_eq!(read, complete.map_err(|(reason, detail)| NotAnArray { reason, detail }));
        check_quoted(text, &read);
        read
    }

    /// What can be read in place in a string reads the same.
    fn check_quoted(text: &[u8], expect: &Result<Events<'_>, NotAnArray>) -> bool {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let string = serde_json::to_string(text).unwrap();
        let mut scanner = Scanner::new(string.as_bytes());
        let mut inner = scanner.enter().unwrap();
        let read = read_quoted_array(&mut inner, vec![], collect).filter(|_| scanner.leave(&inner).is_some());
        if let Some(read) = &read {
            assert!(scanner.is_at_end());
            assert_eq!(Ok(read), expect.as_ref());
        }
        read.is_some()
    }

    #[test]
    fn of_a_string_the_usual_is_understood_where_it_stands() {
        for (text, expect) in [
            (r#"[{"endpoint":"/login","status":200,"user_id":"é"} , {"x":[{"y":"z"}]}]"#, true),
            (r#"[{"status":"no"},17]"#, true),
            (" [ ] ", true),
            ("[{}\n]", false),
            (r#"[{"x":"\n"}]"#, false),
            (r#"[{"x":"\\"}]"#, false),
            ("[{}] x", false),
            ("", false),
        ] {
            let read = check(text.as_bytes());
            assert_eq!(check_quoted(text.as_bytes(), &read), expect, "{text}");
        }
    }

    #[test]
    fn what_is_no_array_is_said() {
        for (text, expect) in [
            ("{}", "expected an array of events, found an object"),
            ("17", "expected an array of events, found an integer"),
            ("[{},", "not JSON at line 1 column 4"),
            ("[{}] x", "not JSON at line 1 column 6"),
        ] {
            assert_eq!(check(text.as_bytes()).unwrap_err().detail, expect, "{text}");
        }
        assert_eq!(check(b"[\"\xff\"]").unwrap_err().reason, Reason::NotUtf8);
        assert_eq!(check(b" \n").unwrap().len(), 0);
    }

    #[test]
    fn a_duration_is_the_double_that_is_written() {
        for number in ["0.1", "123.456", "86400000", "12.3456789", "0.3", "4.35"] {
            let text = format!(r#"[{{"duration_ms":{number}}}]"#);
            let read = check(text.as_bytes()).unwrap();
            assert_eq!(read[0].1.as_ref().unwrap().duration_ms, number.parse().ok(), "{number}");
        }
    }

    proptest! {
        #[test]
        fn fast_and_complete_agree(
            elements in prop::collection::vec("(\\{\"(endpoint|status|user_id|duration_ms|x)\":(\"[a-z*?/\\\\é]{0,4}\"|[0-9.e]{1,9}|null|\\[\\{\\}\\])\\}|[0-9]|\"s\")", 0..6),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            damage in any::<bool>(),
        ) {
            let mut text = format!("[{}]", elements.join(" ,")).into_bytes();
            if damage {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let _ = check(&text);
        }
    }
}
