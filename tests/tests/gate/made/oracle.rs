//! What should stand there: each event added to its series once, each rejected one set aside once.

use super::{ARRIVED_AT, payload, text};
use canary_gate::observed;
use serde_json::Value;
use std::collections::BTreeMap;
use weir_exact::layout::Layout;
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_exact::scratch::Left;
use weir_rollup::{Rollup, SeriesKey, Status};
use weir_telemetry::{Decoded, EpochTable, Millis, decode_payload, decode_record};

/// Counts by window and series, and what was set aside.
#[derive(Default)]
pub(crate) struct Oracle {
    arrives_now: bool,
    pub(crate) counted: BTreeMap<(String, SeriesKey), Rollup>,
    left: Left,
    progress: Vec<String>,
}

impl Oracle {
    /// Of events that count in whatever window is now.
    pub(crate) fn arriving_now() -> Self {
        Self { arrives_now: true, ..Self::default() }
    }

    /// All records of a shard, and how far it has come with them.
    pub(crate) fn shard(&mut self, shard: &str, records: &[Value]) {
        let (empty, accepted, rejected) = self.events(records);
        let records = records.len();
        self.progress.push(format!(
            "progress of {shard}: {records} records, {empty} empty, {accepted} accepted, {rejected} rejected"
        ));
    }

    /// All records of a shard; how many were empty, events accepted, and objects set aside.
    pub(crate) fn events(&mut self, records: &[Value]) -> (usize, usize, usize) {
        let (mut empty, mut accepted, mut rejected) = (0, 0, 0);
        for record in records {
            let arrived_at = record["kinesis"]["approximateArrivalTimestamp"].as_f64().expect("seconds");
            let arrived_at = Millis((arrived_at * 1_000.0).round() as i64);
            let decoded = decode_record(&payload(record), arrived_at, EpochTable::genesis().epoch_at(arrived_at));
            empty += usize::from(decoded.accepted.is_empty() && decoded.rejected.is_empty());
            accepted += decoded.accepted.len();
            rejected += decoded.rejected.len();
            let path = [("sequence_number", text(&record["kinesis"], "sequenceNumber"))];
            self.add(decoded, &Coordinates::new("kinesis", path));
        }
        (empty, accepted, rejected)
    }

    /// A payload that is no Kinesis record.
    pub(crate) fn payload(&mut self, payload: &[u8], coordinates: &Coordinates) {
        let decoded = decode_payload(payload, ARRIVED_AT, EpochTable::genesis().epoch_at(ARRIVED_AT));
        self.add(decoded, coordinates);
    }

    fn add(&mut self, decoded: Decoded, coordinates: &Coordinates) {
        for event in decoded.accepted {
            let window = if self.arrives_now { "now".to_owned() } else { event.window.to_string() };
            let key = SeriesKey { service: event.series.service, endpoint: event.series.endpoint };
            let status = event.status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
            let rollup = self.counted.entry((window, key)).or_default();
            rollup.add(status, event.duration_us, event.user.as_deref().map(str::as_bytes));
        }
        for rejected in decoded.rejected {
            let coordinates = coordinates.clone();
            self.set_aside(QuarantineObject { coordinates, arrived_at: ARRIVED_AT, rejected });
        }
    }

    /// Something that is in quarantine.
    pub(crate) fn set_aside(&mut self, object: QuarantineObject) {
        self.left.set_aside.push(object);
    }

    /// All of it, as the gate shows it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let layout = Layout::new("live", EpochTable::genesis().generation);
        let mut lines = observed::lines(&layout, &self.left, self.arrives_now).expect("nothing to decode");
        lines.extend(self.counted.iter().map(|((window, key), rollup)| observed::counted(window, key, rollup)));
        lines.extend(self.progress.iter().cloned());
        lines.sort();
        lines
    }
}
