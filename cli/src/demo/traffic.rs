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

/// One record, message or object.
pub(crate) struct Item {
    pub(crate) payload: Payload,
    pub(crate) to: To,
}

/// Where an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stream,
    Queue,
    /// An object; its notification may be sent once more than S3 does.
    Bucket {
        noticed_again: bool,
    },
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
/// Events in an object.
const EVENTS_PER_OBJECT: u32 = 2_000;
/// How far back late events lie, minutes: all within 48 h.
const LATE_MINUTES: [i64; 4] = [61, 600, 1_500, 2_800];

impl Traffic {
    pub(crate) fn new(seed: u64, mix: Mix, begun: Millis) -> Self {
        let streams = mix.only.is_none_or(|only| only == DemoSource::Kinesis);
        let poison_large = if streams { poison::large() } else { vec![] };
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
            return Some(Item { payload: Payload { events: 0, ..payload }, to: To::Queue });
        }
        let to = self.to();
        if self.left == 0 && self.poison_large.is_empty() {
            return None;
        }
        if to == To::Stream
            && (self.left == 0 || self.number.is_multiple_of(2_000))
            && let Some(poison) = self.poison_large.pop()
        {
            return Some(rejected(oracle, poison.body, poison.reason, to));
        }
        if self.left == 0 {
            return self.next(oracle);
        }
        if self.number.is_multiple_of(251) || (matches!(to, To::Bucket { .. }) && self.number.is_multiple_of(7)) {
            let at = self.workload.random().random_range(0..self.poison_small.len());
            let (body, reason) = (self.poison_small[at].body.clone(), self.poison_small[at].reason);
            return Some(rejected(oracle, body, reason, to));
        }
        if to == To::Stream && self.number.is_multiple_of(997) {
            oracle.sent.stream_records += 1;
            oracle.sent.stream_records_empty += 1;
            let body = if self.number.is_multiple_of(2) { vec![] } else { b" \n".to_vec() };
            return Some(Item { payload: Payload { body, events: 0, own: None }, to });
        }
        Some(match to {
            To::Stream => self.record(oracle),
            To::Queue => self.message(oracle),
            To::Bucket { noticed_again } => self.object(oracle, noticed_again),
        })
    }

    /// Where the next item goes.
    fn to(&self) -> To {
        // Every third object is announced twice.
        let bucket = To::Bucket { noticed_again: self.number.is_multiple_of(3) };
        match self.mix.only {
            Some(DemoSource::Kinesis) => To::Stream,
            Some(DemoSource::Sqs) => To::Queue,
            Some(DemoSource::S3) => bucket,
            // A fifth of the events, in few objects.
            None if self.number.is_multiple_of(2_003) => bucket,
            // One message of twenty to each eleven one-event and one twenty-event records: a third of the others.
            None if self.number.is_multiple_of(13) => To::Queue,
            None => To::Stream,
        }
    }

    fn object(&mut self, oracle: &mut Oracle, noticed_again: bool) -> Item {
        let events = self.events(oracle, u64::from(self.mix.batch.unwrap_or(EVENTS_PER_OBJECT)));
        oracle.sent.objects += 1;
        oracle.sent.objects_noticed_again += u64::from(noticed_again);
        oracle.sent.object_events += events.len() as u64;
        let body = self.form(&events);
        let payload = Payload { body, events: events.len() as u64, own: None };
        Item { payload, to: To::Bucket { noticed_again } }
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
        Item { payload: Payload { body, events: events.len() as u64, own: None }, to: To::Stream }
    }

    fn message(&mut self, oracle: &mut Oracle) -> Item {
        let events = self.events(oracle, u64::from(EVENTS_PER_MESSAGE));
        oracle.sent.queue_messages += 1;
        oracle.sent.queue_events += events.len() as u64;
        let mut payload = Payload { body: lines(&events), events: events.len() as u64, own: None };
        // A producer that retries names its message; some of its retries come although the first send arrived.
        if self.workload.random().random_bool(0.2) && self.again.is_none() {
            payload.own = Some((format!("demo-{}", self.number), Some(self.begun)));
            self.again = Some((self.number + self.workload.random().random_range(1..2_000), payload.clone()));
        }
        Item { payload, to: To::Queue }
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

fn rejected(oracle: &mut Oracle, body: Vec<u8>, reason: &'static str, to: To) -> Item {
    oracle.quarantines(reason);
    let sent = &mut oracle.sent;
    let (all, rejected) = match to {
        To::Stream => (&mut sent.stream_records, &mut sent.stream_rejected),
        To::Queue => (&mut sent.queue_messages, &mut sent.queue_rejected),
        To::Bucket { noticed_again } => {
            sent.objects_noticed_again += u64::from(noticed_again);
            (&mut sent.objects, &mut sent.object_rejected)
        }
    };
    *all += 1;
    *rejected += 1;
    Item { payload: Payload { body, events: 0, own: None }, to }
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
