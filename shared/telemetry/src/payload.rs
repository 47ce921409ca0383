//! A record's or message's payload: split into events, each checked against its arrival, and the record against its
//! limits.

use crate::aggregate;
use crate::decompress::{self, Failure};
use crate::epoch::Epoch;
use crate::event::{self, Refusal};
use crate::form::{self, Room};
use crate::limits::Limits;
use crate::reject::{Limit, Reason, Rejected};
use crate::series::{Series, SeriesRoom};
use crate::time::{Millis, Window};

/// How far before its arrival an event may be (contract §1), milliseconds.
pub const LATENESS_MS_MAX: i64 = 48 * 3_600_000;
/// How far after its arrival an event may be (producers' clocks), milliseconds.
pub const FUTURE_MS_MAX: i64 = 10 * 60_000;

/// An event that is counted, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The minute of event time.
    pub window: Window,
    /// Service and endpoint, normalised.
    pub series: Series,
    /// 0–999; `None` if the event has none.
    pub status: Option<u16>,
    /// Microseconds, 0 to a day.
    pub duration_us: Option<u64>,
    /// Goes into a sketch only, hashed; never logged.
    pub user: Option<String>,
}

/// The events of one payload. Both empty: the payload was empty or white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Counted, in the payload's order.
    pub accepted: Vec<Accepted>,
    /// Rejected, in the payload's order.
    pub rejected: Vec<Rejected>,
}

/// Decodes a payload under the rules of `epoch`: a queue message, an object held whole, and anything else but a Kinesis
/// record. `arrival` is the event time of events without one, and the reference for lateness. Never fails: what cannot
/// be counted is in [`Decoded::rejected`].
///
/// A KPL aggregate is rejected here, as [`Reason::UnsupportedForm`]; see [`decode_record`]. An object that is too large
/// to be held goes through [`crate::ObjectDecoder`].
pub fn decode_payload(payload: &[u8], arrival: Millis, epoch: &Epoch) -> Decoded {
    let mut record = Record::new(arrival, epoch);
    match record.add(payload) {
        Ok(()) => record.finish(),
        Err(refusal) => whole(payload, refusal),
    }
}

/// Decodes a Kinesis record: a payload as in [`decode_payload`], or a KPL aggregate of payloads.
///
/// An aggregate is one record: limits apply to all its payloads together, and events are indexed through the whole of
/// it. A payload inside that cannot be split into events is one rejected event.
pub fn decode_record(data: &[u8], arrival: Millis, epoch: &Epoch) -> Decoded {
    if !aggregate::is_aggregate(data) {
        return decode_payload(data, arrival, epoch);
    }
    let mut record = Record::new(arrival, epoch);
    match aggregate::payloads(data).and_then(|payloads| record.add_all(payloads)) {
        Ok(()) => record.finish(),
        Err(refusal) => whole(data, refusal),
    }
}

/// Decodes what was quarantined as event `index` of its record, as exactly one event: an array in place of an event
/// must not become several events when it is replayed.
pub fn decode_event_alone(event: &[u8], index: u32, arrival: Millis, epoch: &Epoch) -> Decoded {
    let text = std::str::from_utf8(event)
        .map_err(|error| (Reason::NotUtf8, format!("not UTF-8 at byte {} of its line", error.valid_up_to())));
    match text.and_then(|text| decode_event(text, arrival, epoch)) {
        Ok(accepted) => Decoded { accepted: vec![accepted], rejected: vec![] },
        Err((reason, detail)) => {
            let rejected = Rejected { reason, detail, event_index: Some(index), payload: event.to_vec() };
            Decoded { accepted: vec![], rejected: vec![rejected] }
        }
    }
}

/// The whole record rejected, as received.
fn whole(payload: &[u8], (reason, detail): Refusal) -> Decoded {
    let rejected = Rejected { reason, detail, event_index: None, payload: payload.to_vec() };
    Decoded { accepted: vec![], rejected: vec![rejected] }
}

/// A record as far as it is decoded.
struct Record<'a> {
    arrival: Millis,
    epoch: &'a Epoch,
    decoded: Decoded,
    /// Accepted and rejected ones: the index of the next.
    events: u32,
    plain_bytes: u64,
}

impl<'a> Record<'a> {
    fn new(arrival: Millis, epoch: &'a Epoch) -> Self {
        Self { arrival, epoch, decoded: Decoded::default(), events: 0, plain_bytes: 0 }
    }

    /// Adds a payload's events.
    ///
    /// # Errors
    /// Why the payload is rejected whole, in which case no event of it was added; or, for a limit of the record
    /// ([`is_of_the_record`]), why the record is, in which case nothing that was added counts.
    fn add(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        let limits = &self.epoch.limits;
        let plain = decompress::plain(payload, limits.payload_bytes_max - self.plain_bytes)
            .map_err(|failure| refusal(failure, limits))?;
        self.plain_bytes += plain.len() as u64;
        let events = form::split(&plain, self.room(), limits.json_depth_max)?;
        self.decoded.accepted.reserve(events.len());
        for event in events {
            let decoded = event.and_then(|text| {
                decode_event(text, self.arrival, self.epoch).map_err(|refusal| (text.as_bytes(), refusal))
            });
            match decoded {
                Ok(accepted) => self.decoded.accepted.push(accepted),
                Err((bytes, refusal)) => self.reject(bytes.to_vec(), refusal)?,
            }
            self.events += 1;
        }
        Ok(())
    }

    /// Adds the payloads of an aggregate.
    fn add_all(&mut self, payloads: Vec<Vec<u8>>) -> Result<(), Refusal> {
        for (place, payload) in payloads.into_iter().enumerate() {
            match self.add(&payload) {
                Ok(()) => {}
                Err((reason, detail)) if is_of_the_record(reason) => {
                    return Err((reason, format!("up to user record {place} of the aggregate: {detail}")));
                }
                Err((reason, detail)) => {
                    self.room().check(1)?;
                    self.reject(payload, (reason, format!("user record {place} of the aggregate: {detail}")))?;
                    self.events += 1;
                }
            }
        }
        Ok(())
    }

    fn room(&self) -> Room {
        let max = self.epoch.limits.events_per_record_max;
        Room { before: self.events, max, limit: Limit::EventsPerRecord }
    }

    /// # Errors
    /// If it is one too many.
    fn reject(&mut self, payload: Vec<u8>, (reason, detail): Refusal) -> Result<(), Refusal> {
        let rejected = &mut self.decoded.rejected;
        rejected.push(Rejected { reason, detail, event_index: Some(self.events), payload });
        let rejected_max = self.epoch.limits.rejected_per_record_max;
        if rejected.len() > rejected_max as usize {
            let first = &rejected[0];
            return Err(too_many_rejected(rejected_max, first.reason, &first.detail));
        }
        Ok(())
    }

    fn finish(mut self) -> Decoded {
        let series_max = self.epoch.limits.series_per_record_max as usize;
        // Fewer events than series allowed: the usual record of one event needs no set.
        if self.decoded.accepted.len() > series_max {
            let mut room = SeriesRoom::new(series_max);
            self.decoded.accepted.iter_mut().for_each(|event| room.take(&mut event.series));
        }
        self.decoded
    }
}

fn refusal(failure: Failure, limits: &Limits) -> Refusal {
    let (limit, bytes_max) = (Limit::PayloadBytes, limits.payload_bytes_max);
    match failure {
        Failure::TooLong => (
            Reason::Exceeds(limit),
            format!("the payload is longer than {bytes_max} bytes after decompression ({})", limit.name()),
        ),
        Failure::Damaged => (Reason::NotDecompressible, decompress::DAMAGED.to_owned()),
    }
}

/// Whether a rejection is of the record as a whole, whichever of its payloads caused it.
fn is_of_the_record(reason: Reason) -> bool {
    matches!(reason, Reason::Exceeds(Limit::PayloadBytes | Limit::EventsPerRecord | Limit::RejectedPerRecord))
}

/// The rejection of a record or object with more than `rejected_max` rejected events.
pub(crate) fn too_many_rejected(rejected_max: u32, reason: Reason, detail: &str) -> Refusal {
    let limit = Limit::RejectedPerRecord;
    let first = format!("the first is {reason}: {detail}");
    (Reason::Exceeds(limit), format!("more than {rejected_max} rejected events ({}); {first}", limit.name()))
}

/// Decodes one event and checks it against its arrival.
///
/// # Errors
/// Why it is not counted.
pub(crate) fn decode_event(text: &str, arrival: Millis, epoch: &Epoch) -> Result<Accepted, Refusal> {
    let event = event::decode(text, epoch.limits.json_depth_max, &epoch.rules)?;
    let at = event.timestamp.unwrap_or(arrival);
    if let Some(refusal) = out_of_time(at, arrival) {
        return Err(refusal);
    }
    Ok(Accepted {
        window: Window::containing(at),
        series: event.series,
        status: event.status,
        duration_us: event.duration_us,
        user: event.user,
    })
}

/// Why an event of that time, in a record of that arrival, is not counted, if so.
#[inline]
pub(crate) fn out_of_time(at: Millis, arrival: Millis) -> Option<Refusal> {
    if at < arrival.plus(-LATENESS_MS_MAX) {
        return Some((Reason::TooLate, "timestamp: more than 48 h before arrival".to_owned()));
    }
    let future = at > arrival.plus(FUTURE_MS_MAX);
    future.then(|| (Reason::FromFuture, "timestamp: more than 10 min after arrival".to_owned()))
}

#[cfg(test)]
mod tests;
