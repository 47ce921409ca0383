//! The forms of a plain payload: one event, an array of events, or one event per line.

use crate::event::{self, JSON_SPACE, Refusal};
use crate::json;
use crate::reject::{Limit, Reason};
use serde_json::value::RawValue;

/// May precede UTF-8 text, and means nothing.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Start of a Kinesis Producer Library aggregate ("KPL Aggregated Record Format").
pub(crate) const KPL_MAGIC: &[u8] = &[0xf3, 0x89, 0x9a, 0xc2];

/// One event of a record, or bytes that should have been one.
pub(crate) type Piece<'a> = Result<&'a str, (&'a [u8], Refusal)>;

/// How many events there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// How many came before.
    pub(crate) before: u32,
    /// How many are allowed in all.
    pub(crate) max: u32,
    /// The limit to report.
    pub(crate) limit: Limit,
}

impl Room {
    /// # Errors
    /// If `events` more are too many.
    pub(crate) fn check(self, events: usize) -> Result<(), Refusal> {
        let all = events.saturating_add(self.before as usize);
        if all > self.max as usize {
            let detail = format!("{all} events; at most {} ({})", self.max, self.limit.name());
            return Err((Reason::Exceeds(self.limit), detail));
        }
        Ok(())
    }
}

/// Splits a plain payload into events.
///
/// What begins with `[` is an array or nothing: read line by line, a truncated array would be accepted in part.
/// Otherwise one JSON value is tried first, since an object may span lines; anything else is read line by line, so that
/// a damaged line costs only itself. An object still open where the payload ends was truncated and is one damaged
/// event: a line within it may look like an event but is none. If no line is an object the payload is not NDJSON
/// either, and is rejected whole: noise must not become one rejection per line.
///
/// # Errors
/// Why the payload is rejected whole.
pub(crate) fn split(plain: &[u8], room: Room, json_depth_max: u32) -> Result<Vec<Piece<'_>>, Refusal> {
    if plain.starts_with(KPL_MAGIC) {
        return Err(no_aggregate());
    }
    let plain = plain.strip_prefix(BYTE_ORDER_MARK).unwrap_or(plain);
    let first_refusal = match std::str::from_utf8(plain).map(|text| text.trim_matches(JSON_SPACE)) {
        Ok("") => return Ok(vec![]),
        Ok(text) if text.starts_with('[') => return split_array(text, room, json_depth_max),
        Ok(text) => match split_value(text, json_depth_max) {
            Ok(event) => return Ok(vec![Ok(event)]),
            Err(NoValue { refusal, cut_short: true }) => return Err(refusal),
            Err(NoValue { refusal, .. }) => refusal,
        },
        Err(error) => (Reason::NotUtf8, not_utf8(error.valid_up_to())),
    };
    let array = plain.iter().find(|byte| !is_json_space(**byte)) == Some(&b'[');
    if !array && matches!(first_refusal.0, Reason::NotJson | Reason::NotUtf8) {
        split_lines(plain, room)?.ok_or(first_refusal)
    } else {
        Err(first_refusal)
    }
}

/// The rejection of an aggregate where none is allowed.
pub(crate) fn no_aggregate() -> Refusal {
    let detail = "a KPL aggregate, which only a Kinesis record may be, uncompressed and not inside another";
    (Reason::UnsupportedForm, detail.to_owned())
}

pub(crate) fn is_json_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

pub(crate) fn not_utf8(at: impl std::fmt::Display) -> String {
    format!("not UTF-8 at byte {at}")
}

fn split_array(text: &str, room: Room, json_depth_max: u32) -> Result<Vec<Piece<'_>>, Refusal> {
    let elements: Elements<'_> = serde_json::from_str(text).map_err(|error| no_value(text, &error, json_depth_max))?;
    room.check(elements.0.len())?;
    Ok(elements.0.into_iter().map(|element| Ok(element.get())).collect())
}

/// Why a payload is not one object.
struct NoValue {
    refusal: Refusal,
    /// It is the beginning of one.
    cut_short: bool,
}

/// One object.
fn split_value(text: &str, json_depth_max: u32) -> Result<&str, NoValue> {
    let value: &RawValue = serde_json::from_str(text).map_err(|error| NoValue {
        refusal: no_value(text, &error, json_depth_max),
        cut_short: text.starts_with('{') && error.is_eof(),
    })?;
    if value.get().starts_with('{') {
        Ok(value.get())
    } else {
        let expected = "expected an event, an array of events or one event a line, found another value";
        Err(NoValue { refusal: (Reason::NotAnObject, expected.to_owned()), cut_short: false })
    }
}

/// Not JSON; if it also nests too deep (100,000 brackets, never closed), that is the better reason.
fn no_value(text: &str, error: &serde_json::Error, json_depth_max: u32) -> Refusal {
    // Text of several lines may be NDJSON.
    if text.contains('\n') {
        return event::not_json(error);
    }
    too_deep(json::depth(text.as_bytes()), json_depth_max).unwrap_or_else(|| event::not_json(error))
}

/// The rejection of a payload that nests deeper than an array of events may.
pub(crate) fn too_deep(depth: u32, json_depth_max: u32) -> Option<Refusal> {
    // An array is a level that its events do not have.
    let depth_max = json_depth_max.saturating_add(1);
    let limit = Limit::JsonDepth;
    (depth > depth_max)
        .then(|| (Reason::Exceeds(limit), format!("nests {depth} deep; at most {depth_max} ({})", limit.name())))
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Elements<'a>(#[serde(borrow)] Vec<&'a RawValue>);

/// One event per line; `None` if no line is an object.
fn split_lines(plain: &[u8], room: Room) -> Result<Option<Vec<Piece<'_>>>, Refusal> {
    let lines = || plain.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    if !lines().any(is_object) {
        return Ok(None);
    }
    room.check(lines().count())?;
    Ok(Some(lines().map(line_piece).collect()))
}

/// Whether a line, trimmed, is a JSON object: the mark of NDJSON.
pub(crate) fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<&RawValue>(line).is_ok()
}

/// A line, trimmed, as an event.
pub(crate) fn line_piece(line: &[u8]) -> Piece<'_> {
    let refused = |error: std::str::Utf8Error| {
        (line, (Reason::NotUtf8, format!("{} of its line", not_utf8(error.valid_up_to()))))
    };
    std::str::from_utf8(line).map_err(refused)
}
