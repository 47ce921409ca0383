//! The demo's traffic: one-event and many-event records, arrays and lines, compressed and plain, out of order and
//! late, empty and poisoned, and messages that their producer sends twice.

use super::oracle::Oracle;
use super::poison;
use crate::args::DemoSource;
use crate::produce::Payload;
use crate::workload::{Event, Workload};
use rand::Rng;
use std::io::Write;
use weir_telemetry::Millis;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) events: u64,
    pub(crate) only: Option<DemoSource>,
    pub(crate) batch: Option<u32>,
}

/// One record or message.
pub(crate) struct Item {
    pub(crate) payload: Payload,
    pub(crate) to_queue: bool,
}

/// Makes the traffic, and tells the oracle of each item as it is made.
pub(crate) struct Traffic {
    mix: Mix,
    workload: Workload,
    begun: Millis,
    left: u64,
    number: u64,
    poison_small: Vec<poison::Poison>,
    poison_large: Vec<poison::Poison>,
    /// A message to be sent once more, and after how many items.
    again: Option<(u64, Payload)>,
}

/// Events in a message of the queue, and in the stream's larger records.
const EVENTS_PER_MESSAGE: u32 = 20;
/// How far back late events lie, minutes: all within 48 h.
const LATE_MINUTES: [i64; 4] = [61, 600, 1_500, 2_800];

impl Traffic {
    pub(crate) fn new(seed: u64, mix: Mix, begun: Millis) -> Self {
        let poison_large = if mix.only == Some(DemoSource::Sqs) { vec![] } else { poison::large() };
        Self {
            mix,
            workload: Workload::new(seed),
            begun,
            left: mix.events,
            number: 0,
            poison_small: poison::small(),
            poison_large,
            again: None,
        }
    }

    /// The next item; none when all events are made.
    pub(crate) fn next(&mut self, oracle: &mut Oracle) -> Option<Item> {
        self.number += 1;
        if let Some((_, payload)) = self.again.take_if(|(at, _)| *at <= self.number || self.left == 0) {
            oracle.sent.queue_messages_again += 1;
            return Some(Item { payload: Payload { events: 0, ..payload }, to_queue: true });
        }
        let to_queue = match self.mix.only {
            Some(only) => only == DemoSource::Sqs,
            // One message of twenty to each eleven one-event and one twenty-event records: a third of the events.
            None => self.number.is_multiple_of(13),
        };
        if self.left == 0 && self.poison_large.is_empty() {
            return None;
        }
        if !to_queue
            && (self.left == 0 || self.number.is_multiple_of(2_000))
            && let Some(poison) = self.poison_large.pop()
        {
            return Some(self.rejected(oracle, poison.body, poison.reason, false));
        }
        if self.left == 0 {
            return self.next(oracle);
        }
        if self.number.is_multiple_of(251) {
            let at = self.workload.random().random_range(0..self.poison_small.len());
            let (body, reason) = (self.poison_small[at].body.clone(), self.poison_small[at].reason);
            return Some(self.rejected(oracle, body, reason, to_queue));
        }
        if !to_queue && self.number.is_multiple_of(997) {
            oracle.sent.stream_records += 1;
            oracle.sent.stream_records_empty += 1;
            let body = if self.number.is_multiple_of(2) { vec![] } else { b" \n".to_vec() };
            return Some(Item { payload: Payload { body, events: 0, own: None }, to_queue });
        }
        Some(if to_queue { self.message(oracle) } else { self.record(oracle) })
    }

    fn rejected(&mut self, oracle: &mut Oracle, body: Vec<u8>, reason: &'static str, to_queue: bool) -> Item {
        oracle.quarantines(reason);
        if to_queue {
            oracle.sent.queue_messages += 1;
            oracle.sent.queue_rejected += 1;
        } else {
            oracle.sent.stream_records += 1;
            oracle.sent.stream_rejected += 1;
        }
        Item { payload: Payload { body, events: 0, own: None }, to_queue }
    }

    fn record(&mut self, oracle: &mut Oracle) -> Item {
        let events = match self.mix.batch {
            Some(batch) => u64::from(batch),
            None if self.number.is_multiple_of(12) => u64::from(EVENTS_PER_MESSAGE),
            None => 1,
        };
        let events = self.events(oracle, events);
        oracle.sent.stream_records += 1;
        oracle.sent.stream_events += events.len() as u64;
        let body = self.form(&events);
        Item { payload: Payload { body, events: events.len() as u64, own: None }, to_queue: false }
    }

    fn message(&mut self, oracle: &mut Oracle) -> Item {
        let events = self.events(oracle, u64::from(EVENTS_PER_MESSAGE));
        oracle.sent.queue_messages += 1;
        oracle.sent.queue_events += events.len() as u64;
        let mut payload = Payload { body: lines(&events), events: events.len() as u64, own: None };
        // A producer that retries names its message; some of its retries come although the first send arrived.
        if self.workload.random().random_bool(0.2) && self.again.is_none() {
            payload.own = Some((format!("demo-{}", self.number), self.begun));
            self.again = Some((self.number + self.workload.random().random_range(1..2_000), payload.clone()));
        }
        Item { payload, to_queue: true }
    }

    /// At most `count` events that must be counted.
    fn events(&mut self, oracle: &mut Oracle, count: u64) -> Vec<Event> {
        let count = count.min(self.left);
        self.left -= count;
        let events: Vec<Event> = (0..count).map(|_| self.event()).collect();
        events.iter().for_each(|event| oracle.counts(event));
        events
    }

    fn event(&mut self) -> Event {
        let random = self.workload.random();
        let timestamp = match random.random_range(0..1_000) {
            0..20 => self.begun.plus(-60_000 * LATE_MINUTES[random.random_range(0..LATE_MINUTES.len())]),
            _ => self.begun.plus(-random.random_range(0..180_000)),
        };
        self.workload.event(timestamp)
    }

    /// One of the forms that a record may have.
    fn form(&mut self, events: &[Event]) -> Vec<u8> {
        if let [event] = events {
            let mut json = String::new();
            event.write_json(&mut json);
            return json.into_bytes();
        }
        match self.number % 3 {
            0 => lines(events),
            1 => {
                let mut array = vec![b'['];
                array.extend(lines(events).iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }));
                array.push(b']');
                array
            }
            _ => {
                let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
                // Writing to a vector cannot fail.
                let _ = gzip.write_all(&lines(events));
                gzip.finish().unwrap_or_default()
            }
        }
    }
}

/// One event a line, the last without its end.
fn lines(events: &[Event]) -> Vec<u8> {
    let mut lines = String::new();
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            lines.push('\n');
        }
        event.write_json(&mut lines);
    }
    lines.into_bytes()
}
