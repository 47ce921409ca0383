//! What cannot be counted, as it is kept: contract §3.

mod key;
mod read;

pub use key::{Key, day_prefixes};
pub use read::DocumentError;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use weir_telemetry::{Millis, Rejected};

/// Where a record came from, in its source's own terms. Forms the object's id, so that a retry overwrites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinates {
    /// `kinesis`, `sqs`, `s3` or `replay`.
    pub source: &'static str,
    /// Names and values from the widest to the narrowest, e.g. stream, shard, sequence number.
    pub path: CoordinatePath,
}

/// Names and values. A message has two, stored inline.
pub type CoordinatePath = SmallVec<[(&'static str, Arc<str>); 2]>;

impl Coordinates {
    /// For `source`, with names and values from the widest to the narrowest.
    pub fn new<V: Into<Arc<str>>>(source: &'static str, path: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        Self { source, path: path.into_iter().map(|(name, value)| (name, value.into())).collect() }
    }
}

/// Where a message came from. Nearly none is asked for its coordinates.
#[derive(Clone, Debug)]
pub enum Origin<'a> {
    /// A queue.
    Queue {
        /// Its name.
        queue: &'a str,
        /// The message's id, or the one that its producer gave it.
        message_id: &'a str,
    },
    /// Anything that has these.
    At(Box<Coordinates>),
}

impl Origin<'_> {
    /// Its coordinates.
    pub fn coordinates(&self) -> Coordinates {
        match self {
            Self::Queue { queue, message_id } => {
                Coordinates::new("sqs", [("queue", *queue), ("message_id", *message_id)])
            }
            Self::At(coordinates) => (**coordinates).clone(),
        }
    }
}

impl From<Coordinates> for Origin<'_> {
    fn from(coordinates: Coordinates) -> Self {
        Self::At(Box::new(coordinates))
    }
}

/// One object of the quarantine bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineObject {
    /// Where it came from.
    pub coordinates: Coordinates,
    /// When it arrived there.
    pub arrived_at: Millis,
    /// What is quarantined and why.
    pub rejected: Rejected,
}

#[derive(Serialize)]
struct Document<'a> {
    reason: String,
    detail: &'a str,
    source: &'a str,
    coordinates: BTreeMap<&'a str, serde_json::Value>,
    arrived_at: String,
    payload_base64: String,
}

/// Room for what a document holds besides its payload, bytes: texts of at most a few kilobytes (an S3 key has 1,024),
/// escaped.
const DOCUMENT_REST_BYTES: u64 = 64 << 10;

/// Longest document for a payload of this many bytes.
pub const fn document_bytes_max(payload_bytes: u64) -> u64 {
    payload_bytes.div_ceil(3) * 4 + DOCUMENT_REST_BYTES
}

impl QuarantineObject {
    /// `<reason>/<yyyy>/<mm>/<dd>/<source>/<id>.json`: the date of arrival, the id from the coordinates.
    pub fn key(&self) -> String {
        let arrived = self.arrived_at.to_string();
        let date = arrived.get(..10).unwrap_or("0000-00-00").replace('-', "/");
        format!("{}/{date}/{}/{}.json", self.rejected.reason, self.coordinates.source, self.id())
    }

    /// The object's name within its source: its coordinates, and which event of the record it is.
    pub fn id(&self) -> String {
        id_of(self.coordinates.path.iter().map(|(_, value)| &**value), self.rejected.event_index)
    }

    /// The object's JSON.
    pub fn body(&self) -> Vec<u8> {
        let mut coordinates: BTreeMap<&str, serde_json::Value> =
            self.coordinates.path.iter().map(|(name, value)| (*name, (**value).into())).collect();
        if let Some(index) = self.rejected.event_index {
            coordinates.insert("event_index", index.into());
        }
        let document = Document {
            reason: self.rejected.reason.to_string(),
            detail: &self.rejected.detail,
            source: self.coordinates.source,
            coordinates,
            arrived_at: self.arrived_at.to_string(),
            payload_base64: STANDARD.encode(&self.rejected.payload),
        };
        // Strings and numbers only: serialising cannot fail.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// The name of a queue as used in coordinates: the last part of its ARN.
pub fn queue_name(queue_arn: &str) -> &str {
    queue_arn.rsplit(':').next().unwrap_or_default()
}

/// The name of an object with these coordinates within its source; `event_index` is `None` if it is its whole document.
pub(crate) fn id_of<'v>(values: impl IntoIterator<Item = &'v str>, event_index: Option<u32>) -> String {
    let mut id = String::new();
    for value in values {
        push_escaped(&mut id, value);
        id.push('!');
    }
    match event_index {
        Some(index) => id.push_str(&index.to_string()),
        None => id.push_str("record"),
    }
    id
}

/// Letters, digits and a few signs unchanged, anything else as `%XX`: safe in an S3 key, and two values never collide
/// (`!` joins them and is escaped). A long value ends in its digest: keys are at most 1,024 bytes.
fn push_escaped(id: &mut String, value: &str) {
    const VALUE_BYTES_MAX: usize = 200;
    let start = id.len();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' | b':' => id.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(id, "%{byte:02X}");
            }
        }
    }
    if id.len() - start > VALUE_BYTES_MAX {
        id.truncate(start + VALUE_BYTES_MAX);
        id.push('~');
        id.push_str(&crate::ledger::digest([value]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_telemetry::{Epoch, Field, Limit, Limits, Reason};

    #[test]
    fn the_longest_payload_makes_no_longer_a_document_than_is_read() {
        let check = |payload_bytes_max: u64| {
            let raw_bytes_max = Limits::raw_bytes_max(payload_bytes_max);
            let object = QuarantineObject {
                // Characters that JSON escapes with six.
                coordinates: Coordinates::new("s3", [("bucket", "b".repeat(63)), ("key", "\u{1}".repeat(1_024))]),
                arrived_at: Millis(1_795_224_605_000),
                rejected: Rejected {
                    reason: Reason::Exceeds(Limit::PayloadBytes),
                    detail: "\u{1}".repeat(4_096),
                    event_index: None,
                    payload: vec![0; raw_bytes_max as usize],
                },
            };
            assert!(object.body().len() as u64 <= document_bytes_max(raw_bytes_max));
        };
        check(1);
        check(Epoch::genesis().limits.payload_bytes_max);
    }

    #[test]
    fn an_object_says_what_and_where() {
        let object = QuarantineObject {
            coordinates: Coordinates::new(
                "kinesis",
                [("stream", "weir-telemetry"), ("shard", "shardId-000000000000"), ("sequence_number", "49!")],
            ),
            arrived_at: Millis(1_795_224_605_000),
            rejected: Rejected {
                reason: Reason::Invalid(Field::Status),
                detail: "status: expected an integer from 0 to 999, found a string".into(),
                event_index: Some(3),
                payload: b"{}".to_vec(),
            },
        };
        assert_eq!(object.key(), "invalid_status/2026/11/21/kinesis/weir-telemetry!shardId-000000000000!49%21!3.json");
        assert_eq!(
            String::from_utf8(object.body()).unwrap(),
            r#"{"reason":"invalid_status","detail":"status: expected an integer from 0 to 999, found a string","source":"kinesis","coordinates":{"event_index":3,"sequence_number":"49!","shard":"shardId-000000000000","stream":"weir-telemetry"},"arrived_at":"2026-11-21T01:30:05Z","payload_base64":"e30="}"#
        );
    }
}
