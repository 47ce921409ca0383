//! Telemetry: one event, the payload forms it travels in, the window and series it belongs to, and the epoch whose
//! rules decide that.
//!
//! Everything here is a pure function of a record's bytes, its arrival time and its [`Epoch`]: no clock, no
//! environment, no randomness, and no dependence on which version of the code runs. Exactness rests on it: two
//! deliveries of one record must be accepted or rejected alike, into the same window and series, whoever decodes them
//! (docs/protocol.md, "Purity").
//!
//! Not here: aggregation (`weir-rollup`), what is written where (`weir-exact`), any I/O.
//!
//! ```
//! use weir_telemetry::{decode_payload, EpochTable, Millis};
//!
//! let arrival = Millis::parse_rfc3339("2026-11-21T01:30:05Z").unwrap();
//! let table = EpochTable::genesis();
//! let epoch = table.epoch_at(arrival);
//! let decoded = decode_payload(br#"{"endpoint":"/users/17","status":200}"#, arrival, epoch);
//! assert_eq!(decoded.accepted[0].series.endpoint, "/users/{id}");
//! assert_eq!(decoded.accepted[0].window.to_string(), "2026-11-21T01:30:00Z");
//! ```

mod aggregate;
mod array;
mod batch;
mod decompress;
mod epoch;
mod event;
mod form;
mod hash;
mod json;
mod limits;
mod message;
mod notice;
mod object;
mod payload;
mod reject;
mod rules;
mod series;
mod time;

pub use array::{NotAnArray, WrittenEvent, read_array, read_quoted_array};
pub use batch::{Batch, BatchEvent, SeriesId};
pub use epoch::{AnnounceError, Epoch, EpochError, EpochTable, EpochView, Generation};
pub use event::{DURATION_MS_MAX, ENDPOINT_BYTES_MAX, SERVICE_BYTES_MAX, STATUS_MAX, USER_ID_BYTES_MAX};
pub use hash::{StableHasher, stable_hash};
pub use limits::{Limits, ObjectLimits};
pub use message::{MessageBody, Payload};
pub use notice::{Notice, ObjectRef};
pub use object::{ObjectDecoder, ObjectEvent, ObjectTotals};
pub use payload::{
    Accepted, Decoded, FUTURE_MS_MAX, LATENESS_MS_MAX, decode_event_alone, decode_payload, decode_record,
};
pub use reject::{Field, Limit, Reason, Rejected};
pub use rules::{Rules, RulesError, Template};
pub use series::{OTHER, Series};
pub use time::{Millis, TimeError, Window};
