//! Reading one shard: from a position to batches.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::event::{EventContext, payload_len};
use super::source::{Page, Position, ShardSource, StreamKind, StreamRecord};
use crate::host::PAYLOAD_BYTES_MAX;
use crate::mapping::SourceError;
use crate::mapping::pace::{Backoff, Stop};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Counters, Unsettled, bump};

/// One record, encoded for the event.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) sequence: String,
    pub(crate) arrived_at_ms: i64,
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
    /// The shard is closed and read to its end.
    EndOfShard,
    /// The source does not know the shard (any more).
    Vanished,
    Stopped,
}

pub(crate) struct ShardReader {
    pub(crate) source: Arc<dyn ShardSource>,
    pub(crate) shard: String,
    pub(crate) context: EventContext,
    pub(crate) begin: Begin,
    pub(crate) batch_size: usize,
    pub(crate) batching_window: std::time::Duration,
    pub(crate) timing: Timing,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Stop,
    iterator: Option<String>,
    ended: bool,
    /// At most `batch_size` records, since no more than what is missing is ever asked for.
    buffer: VecDeque<Encoded>,
}

impl ShardReader {
    #[allow(clippy::too_many_arguments)] // One caller, which names every field.
    pub(crate) fn new(
        source: Arc<dyn ShardSource>,
        shard: String,
        context: EventContext,
        begin: Begin,
        batch_size: usize,
        batching_window: std::time::Duration,
        timing: Timing,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> ShardReader {
        let (iterator, ended, buffer) = (None, false, VecDeque::new());
        ShardReader {
            source,
            shard,
            context,
            begin,
            batch_size,
            batching_window,
            timing,
            counters,
            stop,
            iterator,
            ended,
            buffer,
        }
    }

    /// Gathers until the batch is full, the window has passed since its first record, or the shard ends.
    pub(crate) async fn gather(&mut self, unsettled: &mut Unsettled) -> Gathered {
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        let window = self.batching_window;
        // What was left of the last read opens the window too.
        let mut due = (!self.buffer.is_empty()).then(|| Instant::now() + window);
        loop {
            if self.stop.is_set() {
                return Gathered::Stopped;
            }
            if self.is_full() || self.ended || due.is_some_and(|due| Instant::now() >= due) {
                return self.cut();
            }
            let missing = self.batch_size - self.buffer.len();
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
                        unsettled.lower();
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
            if wanted(&record) {
                let event = self.context.encode(&record);
                let StreamRecord { sequence, arrived_at_ms, .. } = record;
                // A new iterator, after an expiry, starts here.
                self.begin = Begin::After(sequence.clone());
                self.buffer.push_back(Encoded { sequence, arrived_at_ms, event });
            }
        }
    }

    fn is_full(&self) -> bool {
        self.buffer.len() >= self.batch_size
            || payload_len(self.buffer.len(), self.buffer.iter().map(|record| record.event.len()).sum())
                > PAYLOAD_BYTES_MAX
    }

    fn cut(&mut self) -> Gathered {
        if self.buffer.is_empty() {
            return Gathered::EndOfShard;
        }
        let (mut records, mut bytes) = (0, 0);
        for record in self.buffer.iter().take(self.batch_size) {
            // A single record may be too large for any event; it is delivered alone, and refused.
            if records > 0 && payload_len(records + 1, bytes + record.event.len()) > PAYLOAD_BYTES_MAX {
                break;
            }
            records += 1;
            bytes += record.event.len();
        }
        Gathered::Batch(self.buffer.drain(..records).collect())
    }
}
