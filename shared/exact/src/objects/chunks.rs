//! The sum of an object, chunk by chunk.

use crate::counted;
use crate::layout::{Lanes, Layout};
use crate::ledger::{Identity, LedgerPlan, Under, Windows};
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::{Accepted, Epoch, ObjectEvent, Rejected};

/// Events of an object that are counted together, under their own identity.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    number: u64,
    events: u64,
    windows: Windows,
}

impl Chunk {
    /// Adds the chunk to the plan.
    pub(super) fn plan(
        self,
        plan: &mut LedgerPlan<'_>,
        layout: &Layout,
        place: usize,
        object: &Identity<'_>,
        record_bytes_max: usize,
    ) {
        let identity = object.chunk(self.number);
        let lane = identity.lane(layout, &mut Lanes::default());
        let by = plan.contributor(place, Under::Chunk(Box::new(identity)), lane);
        for (window, series) in self.windows {
            let named: Vec<_> = series.into_iter().map(|(key, rollup)| (plan.name(key), rollup)).collect();
            plan.contribute(by, window, record_bytes_max, |series| series.extend(named));
        }
    }

    /// Counts one event where it belongs; returns about how many more bytes the chunk takes.
    fn count(&mut self, accepted: Accepted) -> usize {
        let Accepted { window, series, status, duration_us, user } = accepted;
        let series = counted::series_key(series);
        let names = series.service.len() + series.endpoint.len();
        let rollup = self.windows.entry(window).or_default().entry(series).or_default();
        let before = if rollup.is_empty() { None } else { Some(rollup.heap_bytes()) };
        rollup.add(counted::status(status), duration_us, user.as_deref().map(str::as_bytes));
        self.events += 1;
        // Nothing in a rollup ever shrinks.
        before.map_or_else(
            || SERIES_BYTES + names + rollup.heap_bytes(),
            |before| rollup.heap_bytes().saturating_sub(before),
        )
    }

    /// The sum of what [`Self::count`] returned.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let series = self.windows.values().flatten();
        series.map(|(key, rollup)| SERIES_BYTES + key.service.len() + key.endpoint.len() + rollup.heap_bytes()).sum()
    }
}

/// Memory of a series besides the bytes of its names and its rollup's heap: the rollup itself, two strings, its place
/// in maps whose nodes are on average two thirds full, and the window's map if it is the only one. Bytes.
const SERIES_BYTES: usize = 2 * (size_of::<SeriesKey>() + size_of::<Rollup>()) + 64;
/// Memory of a rejected event beyond its payload, bytes.
const REJECTED_OVERHEAD_BYTES: usize = 256;

/// Cuts the counted events of an object into chunks: chunk n holds those from `events_per_chunk` times n on. Depends on
/// the object and its epoch alone.
#[derive(Debug)]
pub(super) struct Chunks {
    events_per_chunk: u64,
    open: Chunk,
    /// Bytes held in `open`, approximately.
    open_bytes: usize,
    /// Full, in order.
    full: Vec<Chunk>,
    rejected: Vec<Rejected>,
    /// Bytes held in `full` and `rejected`, approximately.
    ready_bytes: usize,
}

impl Chunks {
    pub(super) fn new(epoch: &Epoch) -> Self {
        let events_per_chunk = epoch.object_limits.events_per_chunk.into();
        let (open, full, rejected) = (Chunk::default(), vec![], vec![]);
        Self { events_per_chunk, open, open_bytes: 0, full, rejected, ready_bytes: 0 }
    }

    pub(super) fn take(&mut self, event: ObjectEvent) {
        match event {
            ObjectEvent::Accepted(accepted) => {
                self.open_bytes += self.open.count(accepted);
                if self.open.events == self.events_per_chunk {
                    let next = Chunk { number: self.open.number + 1, ..Chunk::default() };
                    self.close(next);
                }
            }
            ObjectEvent::Rejected(rejected) => {
                self.ready_bytes += rejected.payload.len() + REJECTED_OVERHEAD_BYTES;
                self.rejected.push(rejected);
            }
        }
    }

    fn close(&mut self, next: Chunk) {
        self.full.push(std::mem::replace(&mut self.open, next));
        self.ready_bytes += std::mem::take(&mut self.open_bytes);
    }

    /// Ends the object: its last chunk gets no more events.
    pub(super) fn finish(&mut self) {
        if self.open.events > 0 {
            self.close(Chunk::default());
        }
    }

    /// Bytes held, approximately.
    pub(super) fn bytes(&self) -> usize {
        self.open_bytes + self.ready_bytes
    }

    /// Whether anything is ready to be written.
    pub(super) fn is_ready(&self) -> bool {
        !self.full.is_empty() || !self.rejected.is_empty()
    }

    /// What is ready to be written; the open chunk stays.
    pub(super) fn drain(&mut self) -> (Vec<Chunk>, Vec<Rejected>) {
        self.ready_bytes = 0;
        (std::mem::take(&mut self.full), std::mem::take(&mut self.rejected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_telemetry::{Millis, ObjectDecoder, ObjectLimits};

    const ARRIVAL: Millis = Millis(1_795_224_605_000);

    proptest! {
        /// The incremental count equals the size of what is held, whether a chunk is open or full.
        #[test]
        fn bytes_are_counted_as_events_come(
            events in proptest::collection::vec((0..3_i64, 0..4_u8, 0..600_u16, 0..9_u64, 0..900_u16), 0..400),
            events_per_chunk in 1..300_u32,
        ) {
            let object_limits = ObjectLimits { events_per_chunk, event_bytes_max: 300, ..ObjectLimits::default() };
            let epoch = Epoch { object_limits, ..Epoch::genesis() };
            let mut chunks = Chunks::new(&epoch);
            let mut decoder = ObjectDecoder::new(ARRIVAL, &epoch);
            for (minute, endpoint, status, magnitude, user) in events {
                let at = ARRIVAL.0 - 60_000 * minute;
                let event = format!(
                    "{{\"endpoint\":\"/{}\",\"status\":{status},\"duration_ms\":{},\"user_id\":{user},\"timestamp\":{at}}}\n",
                    "x".repeat(endpoint.into()), 7_u64.pow(magnitude as u32)
                );
                decoder.push(event.as_bytes(), |event| chunks.take(event));
                let stand = chunks.full.iter().chain([&chunks.open]).map(Chunk::bytes).sum::<usize>();
                prop_assert_eq!(chunks.bytes(), stand);
            }
        }
    }
}
