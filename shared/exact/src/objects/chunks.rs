//! What an object adds up to, chunk by chunk.

use crate::layout::Layout;
use crate::ledger::{Counts, Identity, LedgerPlan, Windows, count};
use std::collections::BTreeMap;
use std::sync::Arc;
use weir_rollup::{Rollup, SeriesKey, stored};
use weir_telemetry::{Accepted, Epoch, ObjectEvent, Rejected};

/// Events of an object that are counted together, under an identity of their own.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    number: u64,
    events: u64,
    windows: Windows,
}

impl Chunk {
    /// Adds the chunk to what is to be written.
    pub(super) fn plan(
        self,
        plan: &mut LedgerPlan,
        layout: &Layout,
        place: usize,
        object: &Identity,
        record_bytes_max: usize,
    ) {
        let windows = self.windows.into_iter().map(|(window, series)| (window, shared(series)));
        plan.contribute(layout, place, &object.chunk(self.number), windows, record_bytes_max);
    }

    /// Bytes that it holds, about.
    fn bytes(&self) -> usize {
        let series = self.windows.values().flatten();
        series.map(|(key, rollup)| SERIES_OVERHEAD_BYTES + stored::bytes_max(key, rollup)).sum()
    }
}

fn shared(series: BTreeMap<SeriesKey, Rollup>) -> Counts {
    series.into_iter().map(|(key, rollup)| (Arc::new(key), rollup)).collect()
}

/// What a series takes in memory beyond its stored form: two strings, a map's place, empty bins. Bytes.
const SERIES_OVERHEAD_BYTES: usize = 512;
/// What a rejected event takes beyond its payload, bytes.
const REJECTED_OVERHEAD_BYTES: usize = 256;

/// Cuts the counted events of an object into chunks: chunk n holds those from `events_per_chunk` times n on. It depends
/// on the object and its epoch alone.
#[derive(Debug)]
pub(super) struct Chunks {
    events_per_chunk: u64,
    open: Chunk,
    /// Full, in order.
    full: Vec<Chunk>,
    rejected: Vec<Rejected>,
    /// Held in `full` and `rejected`, about.
    bytes: usize,
}

impl Chunks {
    pub(super) fn new(epoch: &Epoch) -> Self {
        let events_per_chunk = epoch.object_limits.events_per_chunk.into();
        Self { events_per_chunk, open: Chunk::default(), full: vec![], rejected: vec![], bytes: 0 }
    }

    pub(super) fn take(&mut self, event: ObjectEvent) {
        match event {
            ObjectEvent::Accepted(accepted) => self.count(accepted),
            ObjectEvent::Rejected(rejected) => {
                self.bytes += rejected.payload.len() + REJECTED_OVERHEAD_BYTES;
                self.rejected.push(rejected);
            }
        }
    }

    fn count(&mut self, accepted: Accepted) {
        count(&mut self.open.windows, accepted);
        self.open.events += 1;
        if self.open.events == self.events_per_chunk {
            let next = Chunk { number: self.open.number + 1, ..Chunk::default() };
            self.close(next);
        }
    }

    fn close(&mut self, next: Chunk) {
        let chunk = std::mem::replace(&mut self.open, next);
        self.bytes += chunk.bytes();
        self.full.push(chunk);
    }

    /// Ends the object: its last chunk is as full as it gets.
    pub(super) fn finish(&mut self) {
        if self.open.events > 0 {
            self.close(Chunk::default());
        }
    }

    /// Bytes held, about, without the chunk that is still open.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether anything is ready to be written.
    pub(super) fn is_ready(&self) -> bool {
        !self.full.is_empty() || !self.rejected.is_empty()
    }

    /// What is ready to be written; the open chunk stays.
    pub(super) fn drain(&mut self) -> (Vec<Chunk>, Vec<Rejected>) {
        self.bytes = 0;
        (std::mem::take(&mut self.full), std::mem::take(&mut self.rejected))
    }
}
