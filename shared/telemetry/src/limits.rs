//! Bounds on records and objects. Part of the epoch: what one version rejects every version rejects.

use serde::{Deserialize, Serialize};

/// Bounds on one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Payload of a record after decompression, bytes; of an aggregate, all its payloads together.
    pub payload_bytes_max: u64,
    /// Events in one record.
    pub events_per_record_max: u32,
    /// Rejected events of one record that are set aside one by one; with more the record is set aside whole.
    pub rejected_per_record_max: u32,
    /// Series that one record may name; further ones are counted under [`crate::OTHER`].
    pub series_per_record_max: u32,
    /// Nesting of arrays and objects.
    pub json_depth_max: u32,
}

impl Limits {
    /// Highest `payload_bytes_max` that is announced, bytes: a payload is held in memory as it came, decompressed, and, when
    /// it is set aside, in base64; and what reads quarantine must know how long a document may be.
    pub const PAYLOAD_BYTES_MOST: u64 = 64 << 20;

    /// Longest payload as it comes that may have `payload_bytes_max` bytes: what does not compress grows by frames and
    /// headers when it is compressed.
    pub const fn raw_bytes_max(payload_bytes_max: u64) -> u64 {
        payload_bytes_max + payload_bytes_max / 64 + 1_024
    }

    /// Of the first epoch.
    pub(crate) fn genesis() -> Self {
        Self {
            // A Kinesis record or SQS message is at most 1 MiB (10 MiB where the stream allows); JSON
            // telemetry compresses about 10 to 1. One payload at a time is held in memory.
            payload_bytes_max: 16 << 20,
            events_per_record_max: 100_000,
            rejected_per_record_max: 1_000,
            series_per_record_max: 1_000,
            json_depth_max: 32,
        }
    }
}

/// Bounds on one object of S3, which is decoded as it is read and never held whole. What they do not name is bounded
/// by [`Limits`] as in a record: rejected events, series, nesting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLimits {
    /// An object after decompression, bytes.
    pub object_bytes_max: u64,
    /// Events in one object.
    pub events_per_object_max: u32,
    /// One event, bytes: as much of an object as is held at once.
    pub event_bytes_max: u32,
    /// What is kept in quarantine of an event beyond `event_bytes_max`, or of an object set aside whole, bytes. The
    /// object itself holds the rest.
    pub kept_bytes_max: u32,
    /// Counted events in one chunk of an object: what is written, and counted once, together. Chunk n holds the counted
    /// events from n times this on, so its bounds are a function of the object alone. Left out of a stored table where
    /// it is the default, so that versions which do not know it still read it.
    #[serde(default = "events_per_chunk", skip_serializing_if = "is_default_chunk")]
    pub events_per_chunk: u32,
}

/// Some 10 MB of events a chunk: an object of that size or less is one ledger entry a window, and a chunk's rollups
/// take single megabytes.
fn events_per_chunk() -> u32 {
    100_000
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_default_chunk(events: &u32) -> bool {
    *events == events_per_chunk()
}

impl ObjectLimits {
    /// Whether these are the limits that stand where a stored epoch names none.
    pub(crate) fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for ObjectLimits {
    fn default() -> Self {
        Self {
            // 2 GB of gzip, at the 16 to 1 of repetitive telemetry; a bomb ends here.
            object_bytes_max: 32 << 30,
            // An event's index is a u32.
            events_per_object_max: 1_000_000_000,
            // A telemetry event is some hundred bytes; a queue's message could not hold more than this either.
            event_bytes_max: 1 << 20,
            // Enough to see what it is; at most `rejected_per_record_max` are held at once.
            kept_bytes_max: 16 << 10,
            events_per_chunk: events_per_chunk(),
        }
    }
}
