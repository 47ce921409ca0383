//! The events of an object: counted, indexed, checked against its limits, emitted.

use super::carry::{Carry, noting_the_cut};
use super::{Each, ObjectEvent, ObjectTotals};
use crate::epoch::Epoch;
use crate::event::Refusal;
use crate::form::{Piece, Room};
use crate::payload::{Accepted, decode_event, too_many_rejected};
use crate::reject::{Limit, Reason, Rejected};
use crate::series::SeriesRoom;
use crate::time::Millis;

#[derive(Debug)]
pub(super) struct Events<'e> {
    arrival: Millis,
    epoch: &'e Epoch,
    series: SeriesRoom,
    accepted: u64,
    rejected: u64,
    /// Number of all events, including those no longer decoded because the object is rejected.
    found: usize,
    first_rejected: Option<Refusal>,
    /// Rejected before it is known whether the object contains events at all; bounded like all rejected ones.
    held: Option<Vec<Rejected>>,
    /// Bytes of their payloads.
    held_bytes: usize,
}

impl<'e> Events<'e> {
    pub(super) fn new(arrival: Millis, epoch: &'e Epoch) -> Self {
        let series = SeriesRoom::new(epoch.limits.series_per_record_max as usize);
        let first_rejected = None;
        Self { arrival, epoch, series, accepted: 0, rejected: 0, found: 0, first_rejected, held: None, held_bytes: 0 }
    }

    /// Decodes one event, without counting it.
    pub(super) fn decode(&self, text: &str) -> Result<Accepted, Refusal> {
        decode_event(text, self.arrival, self.epoch)
    }

    /// Decodes and counts one event.
    pub(super) fn piece(&mut self, piece: Piece<'_>, each: Each<'_>) {
        if self.is_refused() {
            return self.pass();
        }
        match piece.and_then(|text| self.decode(text).map_err(|refusal| (text.as_bytes(), refusal))) {
            Ok(accepted) => self.accept(accepted, each),
            Err((bytes, refusal)) => self.reject(bytes, bytes.len() as u64, refusal, each),
        }
    }

    /// Counts an event of an object that is already rejected.
    pub(super) fn pass(&mut self) {
        self.found += 1;
    }

    pub(super) fn accept(&mut self, mut accepted: Accepted, each: Each<'_>) {
        self.found += 1;
        self.accepted += 1;
        self.series.take(&mut accepted.series);
        if !self.is_refused() {
            each(ObjectEvent::Accepted(accepted));
        }
    }

    /// Rejects an event of `length` bytes, of which `bytes` are available.
    pub(super) fn reject(&mut self, bytes: &[u8], length: u64, refusal: Refusal, each: Each<'_>) {
        // The index fits: one too large is rejected with the object, by a limit that is a u32.
        let event_index = Some(self.found as u32);
        self.found += 1;
        self.rejected += 1;
        if self.first_rejected.is_none() {
            self.first_rejected = Some(refusal.clone());
        }
        if self.is_refused() {
            return;
        }
        let payload = bytes[..bytes.len().min(self.epoch.object_limits.kept_bytes_max as usize)].to_vec();
        let (reason, detail) = refusal;
        let detail = noting_the_cut(detail, payload.len(), length);
        let rejected = Rejected { reason, detail, event_index, payload };
        match &mut self.held {
            Some(held) => {
                self.held_bytes += rejected.payload.len();
                held.push(rejected);
            }
            None => each(ObjectEvent::Rejected(rejected)),
        }
    }

    /// Rejects an event that is too long.
    pub(super) fn reject_long(&mut self, carry: &Carry, each: Each<'_>) {
        let (limit, bytes_max) = (Limit::EventBytes, self.epoch.object_limits.event_bytes_max);
        let detail = format!("an event of {} bytes; at most {bytes_max} ({})", carry.length(), limit.name());
        self.reject(carry.bytes(), carry.length(), (Reason::Exceeds(limit), detail), each);
    }

    /// From here on rejected events are held until [`Self::release`].
    pub(super) fn hold(&mut self) {
        self.held = Some(vec![]);
    }

    /// Bytes held by that.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn release(&mut self, each: Each<'_>) {
        let held = self.held.take().unwrap_or_default();
        self.held_bytes = 0;
        if !self.is_refused() {
            held.into_iter().for_each(|rejected| each(ObjectEvent::Rejected(rejected)));
        }
    }

    pub(super) fn room(&self) -> Room {
        Room { before: 0, max: self.epoch.object_limits.events_per_object_max, limit: Limit::EventsPerObject }
    }

    pub(super) fn json_depth_max(&self) -> u32 {
        self.epoch.limits.json_depth_max
    }

    fn too_many(&self) -> bool {
        self.found > self.room().max as usize
    }

    /// Whether the object is rejected whole because of what was found so far.
    pub(super) fn is_refused(&self) -> bool {
        self.too_many() || self.rejected > u64::from(self.epoch.limits.rejected_per_record_max)
    }

    /// Why, if so.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let rejected_max = self.epoch.limits.rejected_per_record_max;
        match &self.first_rejected {
            _ if self.too_many() => self.room().check(self.found).err(),
            Some((reason, detail)) if self.is_refused() => Some(too_many_rejected(rejected_max, *reason, detail)),
            _ => None,
        }
    }

    pub(super) fn totals(&self) -> ObjectTotals {
        ObjectTotals { accepted: self.accepted, rejected: self.rejected, ..ObjectTotals::default() }
    }
}
