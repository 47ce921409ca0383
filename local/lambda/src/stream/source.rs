//! The port to a stream: three verbs, the same for Kinesis and DynamoDB.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::mapping::SourceError;
use crate::mapping::words::words;

/// Which of the two event shapes a stream's records take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// `aws:kinesis`
    Kinesis,
    /// `aws:dynamodb`
    DynamoDb,
}

/// One shard, open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// `shardId-…`
    pub id: String,
    /// Shards that must be finished first: the parent, and for a merge the adjacent parent.
    pub parents: Vec<String>,
    /// Its first possible sequence number. Tells a recreated stream's shard from an older one of the same id.
    pub starting_sequence: Option<String>,
    /// Whether it takes no more records.
    pub closed: bool,
}

/// A place on a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// `TRIM_HORIZON`
    TrimHorizon,
    /// `LATEST`
    Latest,
    /// `AT_TIMESTAMP`, milliseconds since the epoch; not for DynamoDB.
    AtTimestamp(i64),
    /// `AFTER_SEQUENCE_NUMBER`
    After(String),
}

/// One record as the source gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its sequence number on the shard.
    pub sequence: String,
    /// When it arrived, milliseconds since the epoch.
    pub arrived_at_ms: i64,
    /// What it holds.
    pub data: RecordData,
}

/// A record's content, by kind of stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordData {
    /// A Kinesis record.
    Kinesis {
        /// Its partition key.
        partition_key: String,
        /// Its bytes.
        data: Bytes,
    },
    /// A change of a DynamoDB item.
    DynamoDb(Box<DynamoDbRecord>),
}

/// A change of a DynamoDB item. Images are DynamoDB JSON (`{"id":{"S":"x"}}`), kept as text: nothing here reads them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DynamoDbRecord {
    /// Unique id of the record.
    pub event_id: String,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// Key attributes.
    pub keys: Option<Bytes>,
    /// The item as it is now.
    pub new_image: Option<Bytes>,
    /// The item as it was.
    pub old_image: Option<Bytes>,
    /// Size of the record, bytes.
    pub size_bytes: Option<i64>,
    /// `NEW_AND_OLD_IMAGES`, …
    pub stream_view_type: Option<String>,
    /// `principalId` of who changed it, where it was a service: time to live.
    pub user_principal: Option<String>,
}

/// What one read returned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Records in order; may be empty though there are more.
    pub records: Vec<StreamRecord>,
    /// Where to read on; `None` at the end of a closed shard.
    pub next: Option<String>,
    /// Whether the read reached what is newest now, where the source says so.
    pub at_tip: Option<bool>,
}

/// A stream. Every call may fail and is tried again; none may lose anything.
pub trait ShardSource: Send + Sync + 'static {
    /// Which event shape its records take.
    fn kind(&self) -> StreamKind;

    /// `eventSourceARN`
    fn arn(&self) -> &str;

    /// All shards the source still knows, open and closed.
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, SourceError>>;

    /// An iterator for a place on a shard.
    fn iterator<'a>(&'a self, shard: &'a str, position: &'a Position) -> BoxFuture<'a, Result<String, SourceError>>;

    /// Up to `limit` records from an iterator.
    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> BoxFuture<'a, Result<Page, SourceError>>;
}

/// By the error's code, since the same ones come from every operation of Kinesis and of DynamoDB Streams.
pub(super) fn source_error<E, R>(error: &SdkError<E, R>) -> SourceError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let message = || words(error);
    match error.code().unwrap_or_default() {
        "ExpiredIteratorException" => SourceError::IteratorExpired,
        "TrimmedDataAccessException" => SourceError::PositionGone(message()),
        "ResourceNotFoundException" => SourceError::NotFound(message()),
        "LimitExceededException" | "ThrottlingException" | "ProvisionedThroughputExceededException" => {
            SourceError::Throttled(message())
        }
        _ => SourceError::Other(message()),
    }
}
