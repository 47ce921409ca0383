//! A stream in memory, for tests: reshards, expires, trims and fails on demand.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};

use super::source::{Page, Position, RecordData, Shard, ShardSource, StreamKind, StreamRecord};
use crate::mapping::SourceError;
use crate::mapping::pace::Clock;

/// A stream of one or more shards. Records go to the shard they are put to; sequence numbers grow over the whole stream
/// and have the 56 digits of Kinesis.
#[derive(Debug)]
pub struct MemoryStream {
    kind: StreamKind,
    arn: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shards: Vec<MemoryShard>,
    sequence: u64,
    /// Iterators of earlier generations have expired.
    generation: u64,
    failures: VecDeque<SourceError>,
    reads: u64,
    clock: Option<Clock>,
}

#[derive(Debug, Default)]
struct MemoryShard {
    parents: Vec<String>,
    records: Vec<StreamRecord>,
    /// Records before this index have been trimmed.
    trimmed: usize,
    closed: bool,
    gone: bool,
}

impl MemoryStream {
    /// A Kinesis stream with so many shards, `shardId-000000000000` and on.
    pub fn kinesis(arn: impl Into<String>, shards: usize) -> MemoryStream {
        Self::new(StreamKind::Kinesis, arn.into(), shards)
    }

    /// A DynamoDB stream with so many shards.
    pub fn dynamodb(arn: impl Into<String>, shards: usize) -> MemoryStream {
        Self::new(StreamKind::DynamoDb, arn.into(), shards)
    }

    fn new(kind: StreamKind, arn: String, shards: usize) -> MemoryStream {
        let shards = (0..shards).map(|_| MemoryShard::default()).collect();
        MemoryStream { kind, arn, state: Mutex::new(State { shards, ..State::default() }) }
    }

    /// The id of the shard with that index.
    pub fn shard_id(index: usize) -> String {
        format!("shardId-{index:012}")
    }

    /// Puts a record with the current time and returns its sequence number.
    ///
    /// # Panics
    /// On a closed or unknown shard.
    pub fn put(&self, shard: usize, data: RecordData) -> String {
        let mut state = self.lock();
        let arrived_at_ms = state.clock.get_or_insert_with(Clock::start).now_ms();
        drop(state);
        self.put_at(shard, data, arrived_at_ms)
    }

    /// Puts a record as if it had arrived at that time.
    ///
    /// # Panics
    /// On a closed or unknown shard.
    pub fn put_at(&self, shard: usize, data: RecordData, arrived_at_ms: i64) -> String {
        let mut state = self.lock();
        state.sequence += 1;
        let sequence = format!("49{:054}", state.sequence);
        let shard = &mut state.shards[shard];
        assert!(!shard.closed, "the shard is closed");
        shard.records.push(StreamRecord { sequence: sequence.clone(), arrived_at_ms, data });
        sequence
    }

    /// Puts a Kinesis record.
    ///
    /// # Panics
    /// On a closed or unknown shard.
    pub fn put_bytes(&self, shard: usize, partition_key: &str, data: impl Into<Bytes>) -> String {
        self.put(shard, RecordData::Kinesis { partition_key: partition_key.to_owned(), data: data.into() })
    }

    /// Closes shards and opens `children` of them all; returns the children's indices. One parent and two children
    /// are a split, two and one a merge, one and none an end.
    pub fn reshard(&self, parents: &[usize], children: usize) -> Vec<usize> {
        let mut state = self.lock();
        for &parent in parents {
            state.shards[parent].closed = true;
        }
        let ids: Vec<String> = parents.iter().map(|&parent| Self::shard_id(parent)).collect();
        let first = state.shards.len();
        state.shards.extend((0..children).map(|_| MemoryShard { parents: ids.clone(), ..MemoryShard::default() }));
        (first..first + children).collect()
    }

    /// Makes all iterators handed out so far expire.
    pub fn expire_iterators(&self) {
        self.lock().generation += 1;
    }

    /// Trims the first so many records of a shard.
    pub fn trim(&self, shard: usize, records: usize) {
        let mut state = self.lock();
        let shard = &mut state.shards[shard];
        shard.trimmed = (shard.trimmed + records).min(shard.records.len());
    }

    /// Takes a shard off the listing, as happens when a closed shard's last record expires.
    pub fn forget(&self, shard: usize) {
        self.lock().shards[shard].gone = true;
    }

    /// Makes the next call, whatever it is, fail. Queued.
    pub fn fail_next(&self, error: SourceError) {
        self.lock().failures.push_back(error);
    }

    /// How many reads were answered so far.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the lock is held")
    }

    fn list(&self) -> Result<Vec<Shard>, SourceError> {
        let mut state = self.lock();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        let listed = state.shards.iter().enumerate().filter(|(_, shard)| !shard.gone);
        let shard = |(index, shard): (usize, &MemoryShard)| Shard {
            id: Self::shard_id(index),
            parents: shard.parents.clone(),
            starting_sequence: Some(format!("{index}")),
            closed: shard.closed,
        };
        Ok(listed.map(shard).collect())
    }

    fn iterate(&self, id: &str, position: &Position) -> Result<String, SourceError> {
        let mut state = self.lock();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        let (index, shard) = find(&state.shards, id)?;
        let at = match position {
            Position::TrimHorizon => shard.trimmed,
            Position::Latest => shard.records.len(),
            Position::AtTimestamp(ms) => shard.records.partition_point(|record| record.arrived_at_ms < *ms),
            Position::After(sequence) => match shard.records.iter().position(|record| record.sequence == *sequence) {
                Some(at) if at + 1 >= shard.trimmed => at + 1,
                _ => return Err(SourceError::PositionGone(sequence.clone())),
            },
        };
        Ok(format!("{}/{index}/{at}", state.generation))
    }

    fn read(&self, iterator: &str, limit: u32) -> Result<Page, SourceError> {
        let mut state = self.lock();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        let parts: Vec<u64> = iterator.split('/').filter_map(|part| part.parse().ok()).collect();
        let &[generation, index, at] = parts.as_slice() else {
            return Err(SourceError::Other("not an iterator of this stream".into()));
        };
        if generation != state.generation {
            return Err(SourceError::IteratorExpired);
        }
        let (index, shard) = find(&state.shards, &Self::shard_id(index as usize))?;
        let from = (at as usize).max(shard.trimmed);
        let records: Vec<StreamRecord> = shard.records.iter().skip(from).take(limit as usize).cloned().collect();
        let to = from + records.len();
        let at_end = to >= shard.records.len();
        let next = (!(at_end && shard.closed)).then(|| format!("{generation}/{index}/{to}"));
        state.reads += 1;
        Ok(Page { records, next, at_tip: Some(at_end) })
    }
}

fn find<'a>(shards: &'a [MemoryShard], id: &str) -> Result<(usize, &'a MemoryShard), SourceError> {
    let found = shards.iter().enumerate().find(|(index, shard)| !shard.gone && MemoryStream::shard_id(*index) == id);
    found.ok_or_else(|| SourceError::NotFound(id.to_owned()))
}

impl ShardSource for MemoryStream {
    fn kind(&self) -> StreamKind {
        self.kind
    }

    fn arn(&self) -> &str {
        &self.arn
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, SourceError>> {
        Box::pin(ready(self.list()))
    }

    fn iterator<'a>(&'a self, shard: &'a str, position: &'a Position) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(ready(self.iterate(shard, position)))
    }

    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(ready(self.read(iterator, limit)))
    }
}
