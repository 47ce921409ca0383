//! The events of many records, decoded the fast way: straight from their bytes into numbers, without a string or an
//! allocation per event.
//!
//! Whatever it does not understand it leaves to the complete decoder ([`crate::decode_record`]), so the result is
//! always that decoder's: the same events in the same order, the same reasons, the same wording. `tests/agree.rs` and
//! the fuzz target `agree` check this, on valid, mutated and random input.

mod forms;
mod names;

pub use names::SeriesId;

use crate::aggregate;
use crate::decompress;
use crate::epoch::Epoch;
use crate::event::Refusal;
use crate::event::scan::Scanned;
use crate::message::Payload;
use crate::payload::{Accepted, Decoded, decode_event_alone, decode_payload, decode_record};
use crate::reject::Rejected;
use crate::series::Series;
use crate::time::{Millis, Window};
use names::{Names, Room};

/// An event that is counted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchEvent {
    /// The minute of event time.
    pub window: Window,
    /// Service and endpoint, normalised: [`Batch::series`].
    pub series: SeriesId,
    /// 0–999; `None` if the event has none.
    pub status: Option<u16>,
    /// Microseconds, 0 to a day.
    pub duration_us: Option<u64>,
    /// Where the user's text is, empty if the event has none: [`Batch::user`].
    user: (usize, u16),
}

/// Events of records, in the order added.
#[derive(Debug, Default)]
pub struct Batch {
    names: Names,
    events: Vec<BatchEvent>,
    users: Vec<u8>,
    /// A decompressed payload: kept for its capacity.
    plain: Vec<u8>,
}

/// Number of events and bytes of users before a record.
#[derive(Clone, Copy)]
struct Mark(usize, usize);

impl Batch {
    /// Adds a Kinesis record's events, and returns what is rejected: [`decode_record`].
    pub fn add_record(&mut self, data: &[u8], arrival: Millis, epoch: &Epoch) -> Vec<Rejected> {
        if aggregate::is_aggregate(data) {
            return self.take(decode_record(data, arrival, epoch));
        }
        self.add_payload(data, arrival, epoch)
    }

    /// Adds a payload's events, and returns what is rejected: [`decode_payload`].
    pub fn add_payload(&mut self, payload: &[u8], arrival: Millis, epoch: &Epoch) -> Vec<Rejected> {
        self.add_fast(arrival, epoch, |batch, adding| batch.fast(payload, adding))
            .unwrap_or_else(|| self.take(decode_payload(payload, arrival, epoch)))
    }

    /// The same for a payload as a message has it.
    pub fn add_held(&mut self, payload: &Payload<'_>, arrival: Millis, epoch: &Epoch) -> Vec<Rejected> {
        match payload {
            Payload::Plain(bytes) => self.add_payload(bytes, arrival, epoch),
            Payload::Quoted(text) => self
                .add_fast(arrival, epoch, |batch, adding| batch.quoted(*text, adding))
                .unwrap_or_else(|| self.add_payload(text.unquoted().as_bytes(), arrival, epoch)),
        }
    }

    /// Adds a payload's events the fast way, or nothing.
    #[inline]
    fn add_fast<'e>(
        &mut self,
        arrival: Millis,
        epoch: &'e Epoch,
        add: impl FnOnce(&mut Self, &mut Adding<'e>) -> Option<()>,
    ) -> Option<Vec<Rejected>> {
        let mark = self.mark();
        let mut adding = Adding { arrival, epoch, events: 0, rejected: vec![] };
        if add(self, &mut adding).is_none() {
            self.back_to(mark);
            return None;
        }
        self.limit_series(mark, epoch);
        Some(adding.rejected)
    }

    /// Adds what was quarantined as event `index` of its record, or returns its rejection: [`decode_event_alone`].
    pub fn add_event_alone(&mut self, event: &[u8], index: u32, arrival: Millis, epoch: &Epoch) -> Vec<Rejected> {
        self.take(decode_event_alone(event, index, arrival, epoch))
    }

    fn fast(&mut self, payload: &[u8], adding: &mut Adding<'_>) -> Option<()> {
        let bytes_max = adding.epoch.limits.payload_bytes_max;
        if !decompress::is_compressed(payload) {
            return if payload.len() as u64 <= bytes_max { self.plain(payload, adding) } else { None };
        }
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let inflated = decompress::inflate(payload, bytes_max, &mut plain);
        let added = inflated.ok().and_then(|()| self.plain(&plain, adding));
        self.plain = plain;
        added
    }

    /// Takes the complete decoder's result for a record.
    fn take(&mut self, decoded: Decoded) -> Vec<Rejected> {
        decoded.accepted.into_iter().for_each(|accepted| self.import(accepted));
        decoded.rejected
    }

    fn import(&mut self, accepted: Accepted) {
        let Accepted { window, series, status, duration_us, user } = accepted;
        let user = self.keep(user.as_deref().map(str::as_bytes));
        let series = self.names.of_series(series);
        self.events.push(BatchEvent { window, series, status, duration_us, user });
    }

    #[inline]
    fn push(&mut self, scanned: &Scanned<'_>, at: Millis, epoch: &Epoch) {
        let series = self.names.of_event(epoch, scanned.service, scanned.endpoint);
        let user = self.keep(scanned.user);
        let Scanned { status, duration_us, .. } = *scanned;
        self.events.push(BatchEvent { window: Window::containing(at), series, status, duration_us, user });
    }

    /// Stores a user's text, of at most 256 bytes.
    #[inline]
    fn keep(&mut self, user: Option<&[u8]>) -> (usize, u16) {
        let (at, user) = (self.users.len(), user.unwrap_or_default());
        self.users.extend_from_slice(user);
        (at, user.len() as u16)
    }

    /// Limits a record's series: the first ones stay, the others are merged.
    fn limit_series(&mut self, since: Mark, epoch: &Epoch) {
        let series_max = epoch.limits.series_per_record_max as usize;
        let own = &mut self.events[since.0..];
        if own.len() > series_max {
            let mut room = Room::new(series_max);
            own.iter_mut().for_each(|event| event.series = room.take(&mut self.names, event.series));
        }
    }

    fn mark(&self) -> Mark {
        Mark(self.events.len(), self.users.len())
    }

    fn back_to(&mut self, mark: Mark) {
        self.events.truncate(mark.0);
        self.users.truncate(mark.1);
    }

    /// All events.
    pub fn events(&self) -> &[BatchEvent] {
        &self.events
    }

    /// Who called, if known; goes into a sketch only, hashed; never logged.
    pub fn user(&self, event: &BatchEvent) -> Option<&[u8]> {
        let (at, length) = (event.user.0, usize::from(event.user.1));
        self.users.get(at..at + length).filter(|user| !user.is_empty())
    }

    /// Service and endpoint.
    pub fn series(&self, id: SeriesId) -> &Series {
        self.names.series(id)
    }

    /// Every series of the batch, by [`SeriesId::index`]; possibly some without events.
    pub fn all_series(&self) -> &[Series] {
        self.names.all()
    }

    /// The number of a series, whether or not an event has it.
    pub fn id_of(&mut self, series: Series) -> SeriesId {
        self.names.of_series(series)
    }

    /// [`Series::split`].
    pub fn split(&self, id: SeriesId, splits: u16) -> u16 {
        Series::split_of(self.names.hash(id), splits)
    }

    /// Drops all events; keeps their capacity and the names.
    pub fn clear(&mut self) {
        self.back_to(Mark(0, 0));
    }
}

/// A payload being added to a batch.
struct Adding<'e> {
    arrival: Millis,
    epoch: &'e Epoch,
    /// Accepted and rejected ones.
    events: u32,
    rejected: Vec<Rejected>,
}

impl Adding<'_> {
    /// Counts an event; `None` if it is one too many, or too many are rejected: then the payload is rejected whole, in
    /// the complete decoder's wording.
    #[inline]
    fn count(&mut self) -> Option<()> {
        self.events += 1;
        (self.events <= self.epoch.limits.events_per_record_max).then_some(())
    }

    #[cold]
    fn reject(&mut self, event: &[u8], (reason, detail): Refusal) -> Option<()> {
        let payload = event.to_vec();
        self.rejected.push(Rejected { reason, detail, event_index: Some(self.events), payload });
        (self.rejected.len() <= self.epoch.limits.rejected_per_record_max as usize).then_some(())
    }

    /// Undoes the events from `events` on.
    fn undo(&mut self, events: u32) {
        self.events = events;
        self.rejected.retain(|rejected| rejected.event_index < Some(events));
    }
}
