//! Limits on records and objects. Part of the epoch: what one version rejects every version rejects.

use serde::{Deserialize, Serialize};

/// Limits on one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Payload of a record after decompression, bytes; for an aggregate, all its payloads together.
    pub payload_bytes_max: u64,
    /// Events in one record.
    pub events_per_record_max: u32,
    /// Rejected events of one record that are quarantined individually; with more the record is quarantined whole.
    pub rejected_per_record_max: u32,
    /// Series that one record may name; further ones are counted under [`crate::OTHER`].
    pub series_per_record_max: u32,
    /// Nesting of arrays and objects.
    pub json_depth_max: u32,
}

impl Limits {
    /// Highest `payload_bytes_max` that may be announced, bytes: a payload is held in memory as received, decompressed,
    /// and, if it is quarantined, in base64; and readers of quarantine must know how long a document may be.
    pub const PAYLOAD_BYTES_MOST: u64 = 64 << 20;

    /// Longest payload as received that may decompress to `payload_bytes_max` bytes: incompressible data grows by
    /// frames and headers when compressed.
    pub const fn raw_bytes_max(payload_bytes_max: u64) -> u64 {
        payload_bytes_max + payload_bytes_max / 64 + 1_024
    }

    /// The first epoch's.
    pub(crate) fn genesis() -> Self {
        Self {
            // A Kinesis record or SQS message is at most 1 MiB (10 MiB if the stream allows); JSON telemetry compresses
            // about 10 to 1. One payload at a time is held in memory.
            payload_bytes_max: 16 << 20,
            events_per_record_max: 100_000,
            rejected_per_record_max: 1_000,
            series_per_record_max: 1_000,
            json_depth_max: 32,
        }
    }
}

/// Limits on one S3 object, which is decoded as it is read and never held whole. Everything else is limited by
/// [`Limits`] as in a record: rejected events, series, nesting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLimits {
    /// An object after decompression, bytes.
    pub object_bytes_max: u64,
    /// Events in one object.
    pub events_per_object_max: u32,
    /// One event, bytes: how much of an object is held at once.
    pub event_bytes_max: u32,
    /// How much of an event beyond `event_bytes_max`, or of an object rejected whole, is kept in quarantine, bytes. The
    /// object itself has the rest.
    pub kept_bytes_max: u32,
    /// Counted events in one chunk of an object: written, and counted once, together. Chunk n holds the counted events
    /// from n times this on, so its boundaries are a function of the object alone. Omitted from a stored table if
    /// default, so that versions that do not know it can still read it.
    #[serde(default = "events_per_chunk", skip_serializing_if = "is_default_chunk")]
    pub events_per_chunk: u32,
}

/// About 10 MB of events per chunk: an object of up to that size is one ledger entry per window, and a chunk's rollups
/// take single megabytes.
fn events_per_chunk() -> u32 {
    100_000
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_default_chunk(events: &u32) -> bool {
    *events == events_per_chunk()
}

impl ObjectLimits {
    /// Whether these are the limits of a stored epoch that names none.
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
