//! Reading one shard: from a position to batches.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::event::{EventContext, filter_view, payload_len};
use super::source::{Page, Position, RecordData, ShardSource, StreamKind, StreamRecord};
use super::window::{ENVELOPE_BYTES_MAX, STATE_BYTES_MAX, start_of};
use crate::host::PAYLOAD_BYTES_MAX;
use crate::mapping::filter::Filters;
use crate::mapping::pace::{Backoff, Stop};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Counters, Unsettled, bump};
use crate::mapping::{MappingSpec, SourceError, StreamSettings};

/// One record, encoded for the event.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) sequence: String,
    pub(crate) arrived_at_ms: i64,
    /// Of its partition key, or of its item's key: what order is kept by where batches run side by side.
    pub(crate) key: u64,
    /// Among what was read with it.
    pub(crate) place: usize,
    pub(crate) event: Bytes,
}

/// Where reading begins on a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begin {
    TrimHorizon,
    /// What arrives from now on, which is about this time. Only the first iterator is `LATEST`: taking `LATEST` again, after
    /// an expiry or a restart, would skip what came between.
    Latest(i64),
    Since(i64),
    After(String),
}

/// What gathering came to.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// Never empty.
    Batch(Vec<Encoded>),
    /// Nothing more had arrived when it was time to close the window.
    Quiet,
    /// The shard is closed and read to its end.
    EndOfShard,
    /// The source does not know the shard (any more).
    Vanished,
    Stopped,
}

/// What a mapping's settings mean for the reading of a shard.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    /// Records and bytes of one batch.
    pub(crate) batch_size: usize,
    pub(crate) bytes_max: usize,
    /// Batches that run side by side.
    pub(crate) lanes: usize,
    batching_window: Duration,
    /// Milliseconds of a tumbling window; no batch reaches over its end.
    pub(crate) tumbling_ms: Option<i64>,
    filters: Filters,
}

impl Cut {
    pub(crate) fn new(mapping: &MappingSpec, settings: &StreamSettings) -> Cut {
        let tumbling = !settings.tumbling_window.is_zero();
        let reserved = if tumbling { STATE_BYTES_MAX + ENVELOPE_BYTES_MAX } else { 0 };
        Cut {
            batch_size: mapping.batch_size as usize,
            bytes_max: PAYLOAD_BYTES_MAX - reserved,
            lanes: settings.parallelization_factor as usize,
            batching_window: mapping.batching_window,
            tumbling_ms: tumbling.then(|| i64::try_from(settings.tumbling_window.as_millis()).unwrap_or(i64::MAX)),
            filters: mapping.filters.clone(),
        }
    }

    /// Whether two records may stand in one batch.
    fn together(&self, first: &Encoded, other: &Encoded) -> bool {
        let window = |record: &Encoded| self.tumbling_ms.map(|length| start_of(record.arrived_at_ms, length));
        window(first) == window(other)
    }
}

pub(crate) struct ShardReader {
    pub(crate) source: Arc<dyn ShardSource>,
    pub(crate) shard: String,
    pub(crate) context: EventContext,
    pub(crate) begin: Begin,
    pub(crate) cut: Cut,
    pub(crate) timing: Timing,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Stop,
    iterator: Option<String>,
    ended: bool,
    /// At most as many records as all lanes take at once, since no more than what is missing is ever asked for.
    buffer: VecDeque<Encoded>,
}

impl ShardReader {
    #[allow(clippy::too_many_arguments)] // One caller, which names every field.
    pub(crate) fn new(
        source: Arc<dyn ShardSource>,
        shard: String,
        context: EventContext,
        begin: Begin,
        cut: Cut,
        timing: Timing,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> ShardReader {
        let (iterator, ended, buffer) = (None, false, VecDeque::new());
        ShardReader { source, shard, context, begin, cut, timing, counters, stop, iterator, ended, buffer }
    }

    /// Gathers until there is as much as all lanes take, the batching window has passed since its first record, or the
    /// shard ends. With `close_at`, also until that time has come and nothing more is there to be read.
    pub(crate) async fn gather(&mut self, unsettled: &mut Unsettled, close_at: Option<Instant>) -> Gathered {
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let window = self.cut.batching_window;
        // What was left of the last read opens the window too.
        let mut due = (!self.buffer.is_empty()).then(|| Instant::now() + window);
        loop {
            if self.stop.is_set() {
                return Gathered::Stopped;
            }
            if self.is_full() || self.ended || due.is_some_and(|due| Instant::now() >= due) {
                return self.take();
            }
            let missing = self.capacity() - self.buffer.len();
            let mut delay = self.timing.poll_interval;
            match self.read(missing).await {
                Ok(page) => {
                    backoff.reset();
                    let behind = page.at_tip == Some(false);
                    // Where the source does not say, a page that held something may not have been the last.
                    let may_have_more = page.at_tip != Some(true);
                    let read = page.records.len();
                    self.accept(page);
                    if !self.buffer.is_empty() {
                        unsettled.raise();
                        due.get_or_insert_with(|| Instant::now() + window);
                    } else if !behind && !self.ended {
                        match close_at {
                            Some(at) if Instant::now() >= at => return Gathered::Quiet,
                            // There is a window to close.
                            Some(at) => delay = delay.min(at.saturating_duration_since(Instant::now())),
                            None => unsettled.lower(),
                        }
                    }
                    if read == missing || (read > 0 && may_have_more) || self.ended {
                        continue;
                    }
                }
                Err(SourceError::NotFound(_)) if self.buffer.is_empty() => return Gathered::Vanished,
                Err(SourceError::NotFound(_)) => due = Some(Instant::now()),
                // The next read takes a new one, from behind the last record read.
                Err(SourceError::IteratorExpired) => {}
                Err(error) => {
                    unsettled.raise();
                    bump(&self.counters.source_errors);
                    tracing::warn!(shard = self.shard, %error, "a shard could not be read");
                    delay = backoff.next();
                }
            }
            if let Some(due) = due {
                delay = delay.min(due.saturating_duration_since(Instant::now()));
            }
            if !self.stop.sleep(delay).await {
                return Gathered::Stopped;
            }
        }
    }

    async fn read(&mut self, limit: usize) -> Result<Page, SourceError> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.take_iterator().await?,
        };
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let page = self.source.records(&iterator, limit).await;
        match &page {
            Ok(page) => {
                self.ended = page.next.is_none();
                self.iterator = page.next.clone();
            }
            Err(SourceError::IteratorExpired) => self.iterator = None,
            Err(SourceError::PositionGone(_)) => self.start_over(),
            Err(_) => {}
        }
        page
    }

    async fn take_iterator(&mut self) -> Result<String, SourceError> {
        let position = match &self.begin {
            Begin::TrimHorizon => Position::TrimHorizon,
            Begin::Latest(_) => Position::Latest,
            Begin::Since(ms) if self.source.kind() == StreamKind::Kinesis => Position::AtTimestamp(*ms),
            // DynamoDB has no such iterator: read all, and leave out what is older.
            Begin::Since(_) => Position::TrimHorizon,
            Begin::After(sequence) => Position::After(sequence.clone()),
        };
        let iterator = self.source.iterator(&self.shard, &position).await;
        match &iterator {
            Ok(iterator) => self.iterator = Some(iterator.clone()),
            Err(SourceError::PositionGone(_)) => self.start_over(),
            Err(_) => {}
        }
        if let (Ok(_), Begin::Latest(ms)) = (&iterator, &self.begin) {
            self.begin = Begin::Since(*ms);
        }
        iterator
    }

    /// The position has been trimmed away, or is of another stream of the same name: what is left is read from its
    /// beginning, which may deliver again but skips nothing that still exists.
    fn start_over(&mut self) {
        tracing::warn!(shard = self.shard, position = ?self.begin, "position lost; reading from the trim horizon");
        self.iterator = None;
        self.begin = Begin::TrimHorizon;
    }

    fn accept(&mut self, page: Page) {
        let since_ms = match self.begin {
            // Creation times of DynamoDB records are whole seconds.
            Begin::Since(ms) if self.source.kind() == StreamKind::DynamoDb => Some(ms.div_euclid(1000) * 1000),
            _ => None,
        };
        let wanted = |record: &StreamRecord| since_ms.is_none_or(|since| record.arrived_at_ms >= since);
        for record in page.records {
            if !wanted(&record) {
                continue;
            }
            let event = self.context.encode(&record);
            // A new iterator, after an expiry, starts here.
            self.begin = Begin::After(record.sequence.clone());
            if !self.cut.filters.is_empty() && !self.cut.filters.pass(&filter_view(&record, &event)) {
                bump(&self.counters.filtered);
                continue;
            }
            let key = key(&record.data);
            let StreamRecord { sequence, arrived_at_ms, .. } = record;
            self.buffer.push_back(Encoded { sequence, arrived_at_ms, key, place: 0, event });
        }
    }

    /// Records that all lanes take at once.
    fn capacity(&self) -> usize {
        self.cut.batch_size * self.cut.lanes
    }

    fn is_full(&self) -> bool {
        let bytes = self.buffer.iter().map(|record| record.event.len()).sum();
        let (Some(first), Some(last)) = (self.buffer.front(), self.buffer.back()) else { return false };
        self.buffer.len() >= self.capacity()
            || payload_len(self.buffer.len(), bytes) > self.cut.bytes_max * self.cut.lanes
            || !self.cut.together(first, last)
    }

    fn take(&mut self) -> Gathered {
        let Some(first) = self.buffer.front() else { return Gathered::EndOfShard };
        let (mut records, mut bytes) = (0, 0);
        for record in &self.buffer {
            // A single record may be too large for any event; it is delivered alone, and refused.
            let full = payload_len(records + 1, bytes + record.event.len()) > self.cut.bytes_max * self.cut.lanes;
            if records > 0 && (full || !self.cut.together(first, record)) {
                break;
            }
            records += 1;
            bytes += record.event.len();
        }
        Gathered::Batch(self.buffer.drain(..records).collect())
    }
}

/// Of what order is kept by: the partition key, or the item's key ("Lambda ... concurrent batches per shard": in order "at the
/// partition-key level" and "at the item (partition and sort key) level").
fn key(data: &RecordData) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    match data {
        RecordData::Kinesis { partition_key, .. } => partition_key.hash(&mut hasher),
        RecordData::DynamoDb(change) => change.keys.hash(&mut hasher),
    }
    hasher.finish()
}
