//! What is not counted, and why. A rejection is a value, never an error: it ends in quarantine.

use std::fmt;

/// A field of the event contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// What was called.
    Endpoint,
    /// Who served it.
    Service,
    /// HTTP-style status.
    Status,
    /// How long it took, milliseconds.
    DurationMs,
    /// Who called.
    UserId,
    /// Event time.
    Timestamp,
}

impl Field {
    /// All fields, in the contract's order.
    pub const ALL: [Self; 6] =
        [Self::Endpoint, Self::Service, Self::Status, Self::DurationMs, Self::UserId, Self::Timestamp];

    /// The field's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Service => "service",
            Self::Status => "status",
            Self::DurationMs => "duration_ms",
            Self::UserId => "user_id",
            Self::Timestamp => "timestamp",
        }
    }

    /// The field of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// A named limit on a record, from its epoch's [`crate::Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Bytes of a record's payload after decompression.
    PayloadBytes,
    /// Events in one record.
    EventsPerRecord,
    /// Rejected events in one record: beyond it the record is rejected whole.
    RejectedPerRecord,
    /// Nesting of arrays and objects.
    JsonDepth,
    /// Bytes of an object after decompression ([`crate::ObjectLimits`], as are the two below).
    ObjectBytes,
    /// Events in one object.
    EventsPerObject,
    /// Bytes of one event of an object.
    EventBytes,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 7] = [
        Self::PayloadBytes,
        Self::EventsPerRecord,
        Self::RejectedPerRecord,
        Self::JsonDepth,
        Self::ObjectBytes,
        Self::EventsPerObject,
        Self::EventBytes,
    ];

    /// The limit's name, as in [`crate::Limits`] or [`crate::ObjectLimits`].
    pub fn name(self) -> &'static str {
        match self {
            Self::PayloadBytes => "payload_bytes_max",
            Self::EventsPerRecord => "events_per_record_max",
            Self::RejectedPerRecord => "rejected_per_record_max",
            Self::JsonDepth => "json_depth_max",
            Self::ObjectBytes => "object_bytes_max",
            Self::EventsPerObject => "events_per_object_max",
            Self::EventBytes => "event_bytes_max",
        }
    }

    /// The limit of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }
}

/// Why something cannot be counted. Its text is the first part of a quarantine key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A field has the wrong type or is out of range.
    Invalid(Field),
    /// A field occurs twice in one event.
    Duplicate(Field),
    /// A limit was exceeded.
    Exceeds(Limit),
    /// Event time is more than 48 h before arrival.
    TooLate,
    /// Event time is more than 10 min after arrival.
    FromFuture,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text is not JSON.
    NotJson,
    /// JSON, but not an object where an event was expected.
    NotAnObject,
    /// A compressed payload that cannot be decompressed.
    NotDecompressible,
    /// A form that this decoder does not read.
    UnsupportedForm,
    /// A message attribute of ours (`weir-id`, `weir-arrived-at`) that is malformed.
    BadAttribute,
    /// A producer's own id (`weir-id`) under which another body is counted.
    IdReused,
    /// A message whose producer's id (`weir-id`) was first sent so long ago that its windows may be sealed.
    MessageTooOld,
    /// A KPL aggregate whose MD5 does not match, or whose content is not one.
    DamagedAggregate,
    /// An Extended Client pointer without a valid target.
    BadPointer,
    /// An S3 event notification that does not name its object.
    BadNotice,
    /// A record that an operator had skipped because it kills whatever decodes it: none of it was read.
    Skipped,
    /// An object that does not exist: deleted, or never created.
    ObjectMissing,
    /// An object that was overwritten before it could be read.
    ObjectChanged,
    /// An object in an archive, which must be restored before it can be read.
    ObjectArchived,
    /// An object created so long before its notification that its windows may be sealed.
    ObjectTooOld,
}

impl Reason {
    /// All reasons that name neither a field nor a limit.
    const PLAIN: [Self; 18] = [
        Self::TooLate,
        Self::FromFuture,
        Self::NotUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::NotDecompressible,
        Self::UnsupportedForm,
        Self::BadAttribute,
        Self::IdReused,
        Self::MessageTooOld,
        Self::DamagedAggregate,
        Self::BadPointer,
        Self::BadNotice,
        Self::Skipped,
        Self::ObjectMissing,
        Self::ObjectChanged,
        Self::ObjectArchived,
        Self::ObjectTooOld,
    ];

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let fields = Field::ALL.into_iter().flat_map(|field| [Self::Invalid(field), Self::Duplicate(field)]);
        fields.chain(Limit::ALL.into_iter().map(Self::Exceeds)).chain(Self::PLAIN)
    }

    /// The reason whose text that is.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.to_string() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(field) => write!(f, "invalid_{}", field.name()),
            Self::Duplicate(field) => write!(f, "duplicate_{}", field.name()),
            Self::Exceeds(limit) => write!(f, "exceeds_{}", limit.name()),
            Self::TooLate => f.write_str("too_late"),
            Self::FromFuture => f.write_str("from_future"),
            Self::NotUtf8 => f.write_str("not_utf8"),
            Self::NotJson => f.write_str("not_json"),
            Self::NotAnObject => f.write_str("not_an_object"),
            Self::NotDecompressible => f.write_str("not_decompressible"),
            Self::UnsupportedForm => f.write_str("unsupported_form"),
            Self::BadAttribute => f.write_str("bad_attribute"),
            Self::IdReused => f.write_str("id_reused"),
            Self::MessageTooOld => f.write_str("message_too_old"),
            Self::DamagedAggregate => f.write_str("damaged_aggregate"),
            Self::BadPointer => f.write_str("bad_pointer"),
            Self::BadNotice => f.write_str("bad_notice"),
            Self::Skipped => f.write_str("skipped"),
            Self::ObjectMissing => f.write_str("object_missing"),
            Self::ObjectChanged => f.write_str("object_changed"),
            Self::ObjectArchived => f.write_str("object_archived"),
            Self::ObjectTooOld => f.write_str("object_too_old"),
        }
    }
}

/// One event, or one whole record that cannot be split into events, that is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// What was found and what was expected. Never contains payload text.
    pub detail: String,
    /// Which event of the record or object, from 0 in its own order; `None` for all of it.
    pub event_index: Option<u32>,
    /// The event's bytes, or the record's as received; of an object at most [`crate::ObjectLimits::kept_bytes_max`].
    pub payload: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Adding a reason makes this match non-exhaustive, which points to the list it belongs in.
    fn place(reason: Reason) -> &'static str {
        match reason {
            Reason::Invalid(_) | Reason::Duplicate(_) => "Field::ALL",
            Reason::Exceeds(_) => "Limit::ALL",
            Reason::TooLate
            | Reason::FromFuture
            | Reason::NotUtf8
            | Reason::NotJson
            | Reason::NotAnObject
            | Reason::NotDecompressible
            | Reason::UnsupportedForm
            | Reason::BadAttribute
            | Reason::IdReused
            | Reason::MessageTooOld
            | Reason::DamagedAggregate
            | Reason::BadPointer
            | Reason::BadNotice
            | Reason::Skipped
            | Reason::ObjectMissing
            | Reason::ObjectChanged
            | Reason::ObjectArchived
            | Reason::ObjectTooOld => "Reason::PLAIN",
        }
    }

    #[test]
    fn every_reason_is_found_by_its_name() {
        let names: BTreeSet<String> = Reason::all().map(|reason| reason.to_string()).collect();
        assert_eq!(names.len(), Reason::all().count(), "two reasons of one name");
        for reason in Reason::all() {
            assert_eq!(Reason::by_name(&reason.to_string()), Some(reason), "{}", place(reason));
        }
        let plain = Reason::all().filter(|reason| place(*reason) == "Reason::PLAIN");
        assert_eq!(plain.count(), Reason::PLAIN.len());
        assert_eq!(Reason::by_name("invalid_"), None);
    }
}
