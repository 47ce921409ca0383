//! An object decoded as it is read: any size, any form, in bounded memory.
//!
//! Bytes go in as they arrive, events come out one by one. Held at once are one event, what the decompressor needs
//! (gzip 64 KB; zstd its frame's window, at most 128 MiB, and 8 MiB for what the `zstd` command writes by default), and
//! the beginning of the object until its form is known. The result is that of [`crate::decode_payload`] on the same
//! bytes, in whatever pieces they are pushed, except for what is longer than [`ObjectLimits::event_bytes_max`].

mod array;
mod carry;
mod events;
mod lines;
mod plain;
mod utf8;

use crate::decompress::{DAMAGED, Failure, Inflater};
use crate::epoch::Epoch;
use crate::event::Refusal;
use crate::limits::ObjectLimits;
use crate::payload::Accepted;
use crate::reject::{Limit, Reason, Rejected};
use crate::time::Millis;
use plain::Plain;

/// An event of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectEvent {
    /// Counted, if the object turns out to be valid.
    Accepted(Accepted),
    /// Rejected. Its payload is cut at [`ObjectLimits::kept_bytes_max`], and says so.
    Rejected(Rejected),
}

/// Takes events as they are found.
type Each<'f> = &'f mut dyn FnMut(ObjectEvent);

/// Totals of a valid object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Events counted.
    pub accepted: u64,
    /// Events rejected.
    pub rejected: u64,
    /// The object, bytes.
    pub bytes: u64,
    /// The object after decompression, bytes.
    pub plain_bytes: u64,
}

/// Decodes one object.
///
/// Whether an object is valid is known only at its end: a truncated gzip, an array never closed, a limit exceeded.
/// Until [`Self::finish`] its events are provisional, and if it is invalid they are void: the object is rejected whole,
/// like any record. So accumulate the events and commit after `finish`; or decode twice.
///
/// ```
/// use weir_telemetry::{Epoch, Millis, ObjectDecoder, ObjectEvent};
///
/// let epoch = Epoch::genesis();
/// let mut decoder = ObjectDecoder::new(Millis(1_795_224_605_000), &epoch);
/// let mut events = 0;
/// for chunk in [&b"{\"status\":200}\n{\"sta"[..], b"tus\":500}"] {
///     decoder.push(chunk, |event| events += u32::from(matches!(event, ObjectEvent::Accepted(_))));
/// }
/// let totals = decoder.finish(|event| events += u32::from(matches!(event, ObjectEvent::Accepted(_))));
/// assert_eq!((events, totals.unwrap().accepted), (2, 2));
/// ```
#[derive(Debug)]
pub struct ObjectDecoder<'e> {
    inflater: Inflater,
    plain: Plain<'e>,
    limits: &'e ObjectLimits,
    failed: Option<Failure>,
    /// The object's beginning, for quarantine.
    kept: Vec<u8>,
    bytes: u64,
}

impl<'e> ObjectDecoder<'e> {
    /// For an object that arrived then (`LastModified`), under the rules of `epoch`.
    pub fn new(arrival: Millis, epoch: &'e Epoch) -> Self {
        Self {
            inflater: Inflater::default(),
            plain: Plain::new(arrival, epoch),
            limits: &epoch.object_limits,
            failed: None,
            kept: vec![],
            bytes: 0,
        }
    }

    /// Takes the next bytes, of any number, and emits the events that end in them, in the object's order.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(ObjectEvent)) {
        self.bytes += bytes.len() as u64;
        let room = (self.limits.kept_bytes_max as usize).saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.failed.is_none() {
            let plain = &mut self.plain;
            self.failed = self.inflater.push(bytes, &mut |bytes| plain.push(bytes, &mut each)).err();
        }
    }

    /// What it holds in memory, bytes: the decompressor's window, the current event, the object's beginning.
    pub fn held_bytes(&self) -> usize {
        self.inflater.held_bytes() + self.plain.held_bytes() + self.kept.capacity()
    }

    /// Ends the object, and emits its last events.
    ///
    /// # Errors
    /// The object, rejected whole: then no event of it counts, and none is quarantined individually.
    pub fn finish(mut self, mut each: impl FnMut(ObjectEvent)) -> Result<ObjectTotals, Rejected> {
        let plain = &mut self.plain;
        let failed = match self.failed {
            Some(failure) => Err(failure),
            None => self.inflater.finish(&mut |bytes| plain.push(bytes, &mut each)),
        };
        let finished = failed.map_err(|failure| refusal(failure, self.limits)).and_then(|()| plain.finish(&mut each));
        match finished {
            Ok(totals) => Ok(ObjectTotals { bytes: self.bytes, ..totals }),
            Err((reason, detail)) => {
                let detail = carry::noting_the_cut(detail, self.kept.len(), self.bytes);
                Err(Rejected { reason, detail, event_index: None, payload: self.kept })
            }
        }
    }
}

fn refusal(failure: Failure, limits: &ObjectLimits) -> Refusal {
    let (limit, bytes_max) = (Limit::ObjectBytes, limits.object_bytes_max);
    match failure {
        Failure::TooLong => (
            Reason::Exceeds(limit),
            format!("the object is longer than {bytes_max} bytes after decompression ({})", limit.name()),
        ),
        Failure::Damaged => (Reason::NotDecompressible, DAMAGED.to_owned()),
    }
}

#[cfg(test)]
mod tests;
