//! Event source mappings: what they are set to, and what they deliver from.

pub(crate) mod checkpoint;
pub(crate) mod delivery;
pub(crate) mod destination;
pub(crate) mod faults;
pub(crate) mod filter;
pub(crate) mod pace;
pub(crate) mod response;
pub(crate) mod runner;
pub(crate) mod stats;
pub(crate) mod words;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::queue::source::QueueSource;
use crate::stream::source::{ShardSource, StreamKind};
use filter::Filters;

/// Records per batch of a stream ("Kinesis: event source mapping parameters").
const STREAM_BATCH_SIZE_MAX: u32 = 10_000;
/// Messages per batch of a standard queue with a batching window ("SQS: event source mapping parameters").
const QUEUE_BATCH_SIZE_MAX: u32 = 10_000;
/// Messages per batch of a FIFO queue, or of a standard queue without a window: what one receive returns at most.
pub(crate) const RECEIVE_MAX: u32 = 10;
const BATCHING_WINDOW_MAX: Duration = Duration::from_secs(300);
const RETRY_ATTEMPTS_MAX: u32 = 10_000;
const RECORD_AGE_RANGE_SECONDS: std::ops::RangeInclusive<u64> = 60..=604_800;
const PARALLELIZATION_FACTOR_RANGE: std::ops::RangeInclusive<u32> = 1..=10;
const TUMBLING_WINDOW_MAX: Duration = Duration::from_secs(900);
const QUEUE_CONCURRENCY_RANGE: std::ops::RangeInclusive<u32> = 2..=1_000;

/// One event source mapping, in the words of `AWS::Lambda::EventSourceMapping`.
#[derive(Debug, Clone)]
pub struct MappingSpec {
    /// Names the mapping in checkpoints, statistics and faults; keep it across restarts.
    pub id: String,
    /// The function to invoke: its name, or `name:qualifier` for a version or an alias.
    pub function: String,
    /// `BatchSize`: most records or messages per invocation. Streams 1–10,000; queues 1–10, standard queues with a
    /// window up to 10,000.
    pub batch_size: u32,
    /// `MaximumBatchingWindowInSeconds`, 0–300 s: how long to gather before invoking with less. Zero invokes as soon
    /// as there is anything.
    pub batching_window: Duration,
    /// What kind of source, and the settings only that kind has.
    pub kind: MappingKind,
    /// `FunctionResponseTypes: [ReportBatchItemFailures]`. Without it the response is not looked at.
    pub report_batch_item_failures: bool,
    /// `FilterCriteria`: what passes none of them never reaches the function.
    pub filters: Filters,
    /// A disabled mapping is started but neither reads nor delivers.
    pub enabled: bool,
}

/// Settings by kind of source.
#[derive(Debug, Clone)]
pub enum MappingKind {
    /// Kinesis and DynamoDB streams.
    Stream(StreamSettings),
    /// SQS.
    Queue(QueueSettings),
}

/// Settings of a stream's mapping. The default is AWS's: from the trim horizon, retrying for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSettings {
    /// Where to begin on a shard without a checkpoint.
    pub starting_position: StartingPosition,
    /// `BisectBatchOnFunctionError`: halve a failed batch before retrying it. Halving is not a retry.
    pub bisect_on_function_error: bool,
    /// `MaximumRetryAttempts`, 0–10,000, beyond the first attempt; `None` is −1, without end. Throttles do not count.
    pub maximum_retry_attempts: Option<u32>,
    /// `MaximumRecordAgeInSeconds`, 60 s–7 days; `None` is −1. Older records are discarded undelivered.
    pub maximum_record_age: Option<Duration>,
    /// `ParallelizationFactor`, 1–10: batches of one shard at once, all records of a key in one of them at a time. What is
    /// read is shared among the lanes in rounds, and the next round begins when all lanes are done; Lambda's go on by
    /// themselves.
    pub parallelization_factor: u32,
    /// `TumblingWindowInSeconds`, 0–900 s; zero is none. Not together with a parallelization factor here. A restart begins
    /// the open window again, with an empty state.
    pub tumbling_window: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        StreamSettings {
            starting_position: StartingPosition::TrimHorizon,
            bisect_on_function_error: false,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            parallelization_factor: 1,
            tumbling_window: Duration::ZERO,
        }
    }
}

/// `StartingPosition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record the stream still has.
    TrimHorizon,
    /// What arrives from now on.
    Latest,
    /// What arrived at or after this time, milliseconds since the epoch. Kinesis only, as on AWS.
    AtTimestamp(i64),
}

/// Settings of a queue's mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// `ScalingConfig.MaximumConcurrency`, 2–1,000. `None` scales to the function's concurrency.
    pub maximum_concurrency: Option<u32>,
}

/// What to read from. The clients are the caller's: point them at AWS or at something local.
#[derive(Clone)]
pub enum Source {
    /// A Kinesis stream: client, stream name, stream ARN.
    Kinesis(aws_sdk_kinesis::Client, String, String),
    /// A DynamoDB stream: client, stream ARN (with its label).
    DynamoDbStream(aws_sdk_dynamodbstreams::Client, String),
    /// An SQS queue: client, queue URL, queue ARN.
    Sqs(aws_sdk_sqs::Client, String, String),
    /// Any stream; [`crate::MemoryStream`] for one.
    Shards(Arc<dyn ShardSource>),
    /// Any queue; [`crate::MemoryQueue`] for one.
    Queue(Arc<dyn QueueSource>),
}

/// Why a mapping cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event source mapping {mapping}: {setting} {problem}")]
pub struct MappingError {
    /// [`MappingSpec::id`].
    pub mapping: String,
    /// The setting as CloudFormation names it.
    pub setting: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

impl MappingSpec {
    /// Checks every setting, also those AWS would refuse, without starting anything. What depends on the source (a
    /// FIFO queue has no window, a DynamoDB stream no timestamps) is checked by [`crate::Runner::start`].
    ///
    /// # Errors
    /// The first setting that is out of range, contradicts another, or is not honoured here.
    pub fn validate(&self) -> Result<(), MappingError> {
        let batch_size_max = match &self.kind {
            MappingKind::Stream(_) => STREAM_BATCH_SIZE_MAX,
            MappingKind::Queue(_) if self.batching_window.is_zero() => RECEIVE_MAX,
            MappingKind::Queue(_) => QUEUE_BATCH_SIZE_MAX,
        };
        if !(1..=batch_size_max).contains(&self.batch_size) {
            let window = match &self.kind {
                MappingKind::Queue(_) => " (above 10 needs MaximumBatchingWindowInSeconds of at least 1)",
                MappingKind::Stream(_) => "",
            };
            return self.refuse("BatchSize", format!("is {}, must be 1–{batch_size_max}{window}", self.batch_size));
        }
        if self.batching_window > BATCHING_WINDOW_MAX {
            return self
                .refuse("MaximumBatchingWindowInSeconds", format!("is {:?}, at most 300 s", self.batching_window));
        }
        match &self.kind {
            MappingKind::Stream(settings) => self.validate_stream(settings),
            MappingKind::Queue(settings) => match settings.maximum_concurrency {
                Some(maximum) if !QUEUE_CONCURRENCY_RANGE.contains(&maximum) => {
                    self.refuse("ScalingConfig.MaximumConcurrency", format!("is {maximum}, must be 2–1,000"))
                }
                _ => Ok(()),
            },
        }
    }

    fn validate_stream(&self, settings: &StreamSettings) -> Result<(), MappingError> {
        let factor = settings.parallelization_factor;
        if !PARALLELIZATION_FACTOR_RANGE.contains(&factor) {
            return self.refuse("ParallelizationFactor", format!("is {factor}, must be 1–10"));
        }
        let tumbling = settings.tumbling_window;
        if tumbling > TUMBLING_WINDOW_MAX || tumbling.subsec_nanos() != 0 {
            return self
                .refuse("TumblingWindowInSeconds", format!("is {tumbling:?}, must be whole seconds, at most 900"));
        }
        if !tumbling.is_zero() && factor != 1 {
            return self.refuse("TumblingWindowInSeconds", format!("is set with a ParallelizationFactor of {factor}, which is not implemented: one state cannot go through batches side by side"));
        }
        if let Some(attempts) = settings.maximum_retry_attempts.filter(|&attempts| attempts > RETRY_ATTEMPTS_MAX) {
            return self.refuse("MaximumRetryAttempts", format!("is {attempts}, must be 0–10,000, or none for −1"));
        }
        match settings.maximum_record_age {
            Some(age) if !RECORD_AGE_RANGE_SECONDS.contains(&age.as_secs()) => {
                self.refuse("MaximumRecordAgeInSeconds", format!("is {age:?}, must be 60–604,800 s, or none for −1"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn refuse(&self, setting: &'static str, problem: String) -> Result<(), MappingError> {
        Err(MappingError { mapping: self.id.clone(), setting, problem })
    }
}

/// What went wrong while reading from a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Asked too often; asked again after a while.
    #[error("throttled: {0}")]
    Throttled(String),
    /// The shard iterator is too old; a new one is taken from the last record read.
    #[error("the shard iterator has expired")]
    IteratorExpired,
    /// The position is no longer, or never was, on the shard; reading goes on from its trim horizon.
    #[error("the position is not on the shard: {0}")]
    PositionGone(String),
    /// The stream, shard or queue does not exist (any more).
    #[error("not found: {0}")]
    NotFound(String),
    /// Anything else; tried again after a while.
    #[error("{0}")]
    Other(String),
}

/// Why records of a stream were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscardReason {
    /// `MaximumRetryAttempts` exhausted.
    RetryAttemptsExhausted,
    /// Older than `MaximumRecordAgeInSeconds`.
    RecordAgeExceeded,
}

/// Records a stream's mapping has given up, for its on-failure destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscardedBatch {
    /// [`MappingSpec::id`].
    pub mapping: String,
    /// The function, as [`MappingSpec::function`] names it.
    pub function: String,
    /// Its ARN, in the stream's region and account.
    pub function_arn: String,
    /// The stream.
    pub stream_arn: String,
    /// Which kind of stream.
    pub kind: StreamKind,
    /// The shard.
    pub shard: String,
    /// Why.
    pub reason: DiscardReason,
    /// How often they were delivered.
    pub attempts: u32,
    /// First record given up.
    pub first_sequence: String,
    /// Last record given up.
    pub last_sequence: String,
    /// Arrival of the first, milliseconds since the epoch.
    pub first_arrived_at_ms: i64,
    /// Arrival of the last, milliseconds since the epoch.
    pub last_arrived_at_ms: i64,
    /// When they were given up, milliseconds since the epoch.
    pub discarded_at_ms: i64,
    /// How many.
    pub records: usize,
    /// The last invocation's request id; empty where they were never delivered.
    pub request_id: String,
    /// The version that ran it; `None` where they were never delivered.
    pub executed_version: Option<String>,
    /// The last error payload of the function; empty where it was never invoked.
    pub last_error: Bytes,
    /// The whole event, as the function would have it.
    pub payload: Bytes,
}

/// `DestinationConfig.OnFailure`.
pub trait FailureDestination: Send + Sync + 'static {
    /// Takes records that were given up. The shard waits for it; an error is retried a few times, then counted in
    /// [`crate::MappingStats::destination_errors`].
    fn discarded<'a>(&'a self, batch: &'a DiscardedBatch) -> BoxFuture<'a, Result<(), SourceError>>;
}
