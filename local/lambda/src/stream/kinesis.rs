//! Kinesis through the SDK.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use futures::future::BoxFuture;

use super::source::{Page, Position, RecordData, Shard, ShardSource, StreamKind, StreamRecord, source_error};
use crate::mapping::SourceError;

/// GetRecords returns at most so many ("GetRecords").
const RECORDS_MAX: u32 = 10_000;

/// A Kinesis stream.
#[derive(Debug, Clone)]
pub struct KinesisShards {
    client: Client,
    name: String,
    arn: String,
}

impl KinesisShards {
    /// The stream of that name; `arn` is what the events say.
    pub fn new(client: Client, name: impl Into<String>, arn: impl Into<String>) -> KinesisShards {
        KinesisShards { client, name: name.into(), arn: arn.into() }
    }

    async fn list(&self) -> Result<Vec<Shard>, SourceError> {
        let mut shards = Vec::new();
        let mut next: Option<String> = None;
        loop {
            // A token and a name exclude each other.
            let name = next.is_none().then(|| self.name.clone());
            let page = self.client.list_shards().set_stream_name(name).set_next_token(next).send().await;
            let page = page.map_err(|error| source_error(&error))?;
            for shard in page.shards.unwrap_or_default() {
                let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
                let range = shard.sequence_number_range;
                shards.push(Shard {
                    id: shard.shard_id,
                    parents: parents.into_iter().flatten().collect(),
                    closed: range.as_ref().is_some_and(|range| range.ending_sequence_number.is_some()),
                    starting_sequence: range.map(|range| range.starting_sequence_number),
                });
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn take_iterator(&self, shard: &str, position: &Position) -> Result<String, SourceError> {
        let request = self.client.get_shard_iterator().stream_name(&self.name).shard_id(shard);
        let request = match position {
            Position::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            Position::AtTimestamp(ms) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(*ms))
            }
            Position::After(sequence) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(sequence)
            }
        };
        let answer = request.send().await.map_err(|error| match source_error(&error) {
            // A sequence number of a stream that was deleted and made anew.
            SourceError::Other(message) if error.code() == Some("InvalidArgumentException") => {
                SourceError::PositionGone(message)
            }
            other => other,
        })?;
        answer.shard_iterator.ok_or_else(|| SourceError::Other("GetShardIterator returned no iterator".into()))
    }

    async fn read(&self, iterator: &str, limit: u32) -> Result<Page, SourceError> {
        let limit = i32::try_from(limit.clamp(1, RECORDS_MAX)).unwrap_or(i32::MAX);
        let answer = self.client.get_records().shard_iterator(iterator).limit(limit).send().await;
        let answer = answer.map_err(|error| source_error(&error))?;
        let records = answer.records.into_iter().map(|record| StreamRecord {
            sequence: record.sequence_number,
            arrived_at_ms: record.approximate_arrival_timestamp.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
            data: RecordData::Kinesis {
                partition_key: record.partition_key.unwrap_or_default(),
                data: Bytes::from(record.data.into_inner()),
            },
        });
        Ok(Page {
            records: records.collect(),
            next: answer.next_shard_iterator.filter(|next| !next.is_empty()),
            at_tip: answer.millis_behind_latest.map(|behind| behind == 0),
        })
    }
}

impl ShardSource for KinesisShards {
    fn kind(&self) -> StreamKind {
        StreamKind::Kinesis
    }

    fn arn(&self) -> &str {
        &self.arn
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, SourceError>> {
        Box::pin(self.list())
    }

    fn iterator<'a>(&'a self, shard: &'a str, position: &'a Position) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(self.take_iterator(shard, position))
    }

    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(self.read(iterator, limit))
    }
}
