//! Payloads stored in S3: Amazon SQS Extended Client pointers. The message is what is counted, under its own identity
//! and arrival; the object is its payload.

use crate::message::Pointer;
use weir_aws::intake::IntakeStores;
use weir_aws::objects::{Objects, read_error};
use weir_exact::layout::Layout;
use weir_exact::ledger::{self, Incoming, Message};
use weir_exact::objects::ReadError;
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_exact::quarantine::QuarantineObject;
use weir_objects::Wanted;
use weir_telemetry::{EpochView, Limit, Limits, MessageBody, Reason, Rejected};

/// Pointers followed at a time: their payloads are held whole, and each may have [`weir_telemetry::Limits`]'
/// `payload_bytes_max`.
pub(crate) const POINTERS_IN_FLIGHT_MAX: usize = 4;

/// What following a pointer needs.
pub(crate) struct Follow<'a> {
    pub(crate) stores: &'a IntakeStores,
    pub(crate) objects: &'a Objects,
    pub(crate) layout: &'a Layout,
    pub(crate) epochs: &'a EpochView,
    pub(crate) out_of_time: &'a (dyn Fn() -> bool + Sync),
}

impl Follow<'_> {
    /// The message with its payload, or quarantined.
    ///
    /// # Errors
    /// If the object cannot be read now, or the function may not: the message must be delivered again.
    pub(crate) async fn fetch<'m>(&self, pointer: Pointer<'m>) -> Result<Incoming<'m>, StoreError> {
        let Pointer { incoming, bucket, key } = pointer;
        let settled = ledger::settle(self.stores, self.layout, incoming, self.out_of_time).await?;
        let Incoming::Message(message) = settled else { return Ok(settled) };
        let epoch = self.epochs.epoch_for(message.rules_at)?;
        let wanted = Wanted { bucket, key, version: None, etag: None, size: None };
        Ok(match self.payload(&wanted, epoch.limits.payload_bytes_max).await {
            Ok(Some(data)) => unwrapped(message, data),
            Ok(None) => {
                let (limit, bytes_max) = (Limit::PayloadBytes, epoch.limits.payload_bytes_max);
                let detail = format!("the object of the pointer is longer than {bytes_max} bytes ({})", limit.name());
                set_aside(message, Reason::Exceeds(limit), detail)
            }
            Err(ReadError::Missing(what)) => set_aside(message, Reason::ObjectMissing, what),
            Err(ReadError::Archived(what)) => set_aside(message, Reason::ObjectArchived, what),
            Err(ReadError::Unaskable(what)) => set_aside(message, Reason::BadPointer, what),
            // Overwritten while it was read: the next delivery reads the new content.
            Err(ReadError::Changed(what)) => return Err(StoreError::new(StoreErrorKind::Unavailable, what)),
            Err(ReadError::Store(error)) => return Err(error),
        })
    }

    /// The object's bytes; `None` if they cannot be a payload of at most that many bytes.
    async fn payload(&self, wanted: &Wanted, payload_bytes_max: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let bytes_max = Limits::raw_bytes_max(payload_bytes_max);
        let mut object = self.objects.reader().open(wanted).await.map_err(|error| read_error(&error))?;
        if object.size() > bytes_max {
            return Ok(None);
        }
        let mut data = vec![];
        while let Some(piece) = object.next().await.map_err(|error| read_error(&error))? {
            if (self.out_of_time)() {
                return Err(ReadError::Store(StoreError::out_of_time()));
            }
            data.extend_from_slice(&piece);
        }
        Ok(Some(data))
    }
}

/// The object holds what the body would have been: perhaps base64 of a compressed payload, which the client stored
/// because the text was too long for a message.
fn unwrapped<'m>(message: Message<'m>, data: Vec<u8>) -> Incoming<'m> {
    let Ok(text) = std::str::from_utf8(&data) else {
        return Incoming::Message(Message { data: data.into(), ..message });
    };
    let what = match MessageBody::of(text) {
        MessageBody::Payload(payload) => {
            let data = payload.into_bytes().into();
            return Incoming::Message(Message { data, ..message });
        }
        MessageBody::TestEvent | MessageBody::Notice(_) => "the object of the pointer holds an S3 event notification",
        MessageBody::Pointer { .. } => "the object of the pointer holds another pointer",
        MessageBody::Malformed { .. } | MessageBody::Unsupported(_) => "the object of the pointer holds no telemetry",
    };
    set_aside(message, Reason::UnsupportedForm, what.to_owned())
}

/// What is kept is the pointer; the object, if there is one, stays where it is.
fn set_aside<'m>(message: Message<'m>, reason: Reason, detail: String) -> Incoming<'m> {
    let rejected = Rejected { reason, detail, event_index: None, payload: message.data.into_bytes() };
    let coordinates = message.origin.coordinates();
    Incoming::SetAside(QuarantineObject { coordinates, arrived_at: message.arrived_at, rejected })
}
