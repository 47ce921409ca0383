//! Reads back a document of the quarantine bucket: what [`QuarantineObject::body`] wrote, from any bytes.

use super::{CoordinatePath, Coordinates, QuarantineObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use weir_telemetry::{Millis, Reason, Rejected};

/// The coordinates of each source, from the widest to the narrowest: their order makes the id, and a document does not
/// preserve it.
const SOURCES: [(&str, &[&str]); 3] = [
    ("kinesis", &["stream", "shard", "sequence_number"]),
    ("sqs", &["queue", "message_id", "body"]),
    ("s3", &["bucket", "key", "version", "etag"]),
];
/// Which event of its record it is; one of the coordinates.
const EVENT_INDEX: &str = "event_index";

/// Bytes that are not a quarantine document, or one that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DocumentError(String);

/// Every field, and no other: a field that this version does not know might change how the object is to be read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    detail: String,
    #[serde(borrow)]
    source: Cow<'a, str>,
    coordinates: BTreeMap<String, Coordinate>,
    #[serde(borrow)]
    arrived_at: Cow<'a, str>,
    #[serde(borrow)]
    payload_base64: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Coordinate {
    Index(u32),
    Text(String),
}

impl QuarantineObject {
    /// Reads an object's JSON.
    ///
    /// # Errors
    /// [`DocumentError`] naming the field, if the bytes are no such document or name a reason, source or coordinate
    /// that this version does not know.
    pub fn from_body(body: &[u8]) -> Result<Self, DocumentError> {
        let document: Document<'_> = serde_json::from_slice(body).map_err(|error| {
            DocumentError(format!("not a quarantine document: {error}; expected the fields of contract §3"))
        })?;
        let unknown = |what: &str, found: &str| {
            let found: String = found.chars().take(FOUND_CHARS_MAX).collect();
            DocumentError(format!("{what} {found:?} is unknown to this version; deploy one that knows it"))
        };
        let reason = Reason::by_name(&document.reason).ok_or_else(|| unknown("reason", &document.reason))?;
        let source = SOURCES.iter().find(|(source, _)| *source == document.source);
        let (source, names) = *source.ok_or_else(|| unknown("source", &document.source))?;
        let mut coordinates = document.coordinates;
        let event_index = match coordinates.remove(EVENT_INDEX) {
            None => None,
            Some(Coordinate::Index(index)) => Some(index),
            Some(Coordinate::Text(_)) => return Err(DocumentError("event_index: expected a number".to_owned())),
        };
        let mut path = CoordinatePath::new();
        for name in names {
            match coordinates.remove(*name) {
                None => {}
                Some(Coordinate::Text(value)) => path.push((*name, value.into())),
                Some(Coordinate::Index(_)) => return Err(DocumentError(format!("{name}: expected a string"))),
            }
        }
        if let Some((name, _)) = coordinates.first_key_value() {
            return Err(unknown("coordinate", name));
        }
        let arrived_at = Millis::parse_rfc3339(&document.arrived_at);
        let arrived_at = arrived_at.map_err(|error| DocumentError(format!("arrived_at: {error}")))?;
        let payload = STANDARD.decode(document.payload_base64.as_bytes());
        let payload = payload.map_err(|error| DocumentError(format!("payload_base64: {error}")))?;
        let rejected = Rejected { reason, detail: document.detail, event_index, payload };
        Ok(Self { coordinates: Coordinates { source, path }, arrived_at, rejected })
    }
}

/// How much of an unexpected text an error quotes.
const FOUND_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn objects() -> impl Strategy<Value = QuarantineObject> {
        let reasons: Vec<Reason> = Reason::all().collect();
        let path = (0..SOURCES.len(), proptest::collection::vec(".{0,300}", 4), 0..=4_usize);
        let rejected = (proptest::sample::select(reasons), ".{0,60}", any::<Option<u32>>(), any::<Vec<u8>>());
        // Years 1970 to 9999: the range of a document's time.
        (path, 0..253_402_300_800_000_i64, rejected).prop_map(|((source, values, length), at, rejected)| {
            let (source, names) = SOURCES[source];
            let path = names.iter().copied().zip(values).take(length);
            let (reason, detail, event_index, payload) = rejected;
            QuarantineObject {
                coordinates: Coordinates::new(source, path),
                arrived_at: Millis(at),
                rejected: Rejected { reason, detail, event_index, payload },
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(object in objects()) {
            let read = QuarantineObject::from_body(&object.body());
            prop_assert_eq!(read.as_ref().map(QuarantineObject::key), Ok(object.key()));
            prop_assert_eq!(read, Ok(object));
        }

        #[test]
        fn any_bytes_are_a_document_or_an_error(object in objects(), at in any::<usize>(), byte in any::<u8>()) {
            let mut body = object.body();
            let at = at % body.len();
            body[at] = byte;
            // Whatever is still readable writes back the same.
            if let Ok(read) = QuarantineObject::from_body(&body) {
                prop_assert_eq!(QuarantineObject::from_body(&read.body()), Ok(read));
            }
            prop_assert!(QuarantineObject::from_body(&body[..at]).is_err());
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let good = r#"{"reason":"not_json","detail":"d","source":"sqs","coordinates":{"queue":"q","message_id":"m"},"arrived_at":"2026-11-21T01:30:05Z","payload_base64":"e30="}"#;
        assert!(QuarantineObject::from_body(good.as_bytes()).is_ok());
        let check = |from: &str, to: &str, expect: &str| {
            let error = QuarantineObject::from_body(good.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("not_json", "not_xml", r#"reason "not_xml" is unknown to this version"#);
        check(r#""sqs""#, r#""sns""#, r#"source "sns""#);
        check("message_id", "message", r#"coordinate "message""#);
        check(r#""queue":"q""#, r#""queue":1"#, "queue: expected a string");
        check(r#""queue":"q""#, r#""event_index":"1""#, "event_index: expected a number");
        check("2026-11-21T01:30:05Z", "yesterday", "arrived_at: expected an RFC 3339");
        check("e30=", "e30", "payload_base64");
        check(r#","detail":"d""#, "", "missing field `detail`");
        check(r#""detail":"d""#, r#""detail":"d","format":2"#, "unknown field `format`");
    }
}
