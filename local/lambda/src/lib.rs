//! Lambda on one machine: real bootstraps behind the Lambda Runtime API, fed by event source mappings.
//!
//! Two halves that need each other only through one trait:
//!
//! - [`Host`] runs each function's own `bootstrap` as processes, one sandbox per concurrent invocation, with the
//!   environment, deadlines, failures and log lines that Lambda gives them; versions are published from `$LATEST`, and
//!   aliases route to them, by weight where they name two.
//! - [`Runner`] polls a Kinesis stream, a DynamoDB stream or an SQS queue and delivers batches to any [`Invoker`],
//!   with the retry, bisect, checkpoint and visibility rules that AWS documents.
//!
//! The sources are reached through the AWS SDK clients the caller hands in, so the same runner reads from AWS itself.
//! A fault hook ([`Faults`]) cuts, loses and repeats deliveries on purpose: what holds under it holds on AWS.
//!
//! ```no_run
//! # async fn run(kinesis: aws_sdk_kinesis::Client) -> Result<(), weir_local_lambda::MappingError> {
//! use std::{sync::Arc, time::Duration};
//! use weir_local_lambda::*;
//!
//! let host = Host::new(HostOptions {
//!     region: "us-east-1".into(),
//!     account: "000000000000".into(),
//!     environment: Default::default(),
//!     timeout_linger: Duration::ZERO,
//!     enforce_memory: false,
//!     logs: Arc::new(MemorySink::new(10_000)),
//! });
//! host.add_function(FunctionSpec {
//!     name: "ingest".into(),
//!     bootstrap: "target/debug/ingest".into(),
//!     environment: Default::default(),
//!     memory_mb: 512,
//!     timeout: Duration::from_secs(30),
//!     concurrency_max: 10,
//!     handler: "bootstrap".into(),
//!     opt: None,
//! });
//! let mapping = MappingSpec {
//!     id: "ingest-from-clicks".into(),
//!     function: "ingest".into(),
//!     batch_size: 100,
//!     batching_window: Duration::from_secs(1),
//!     kind: MappingKind::Stream(StreamSettings::default()),
//!     report_batch_item_failures: true,
//!     filters: Filters::default(),
//!     enabled: true,
//! };
//! let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
//! let source = Source::Kinesis(kinesis, "clicks".into(), arn.into());
//! let runner = Runner::start(host.clone(), mapping, source, RunnerOptions::default())?;
//! // …
//! runner.stop().await;
//! host.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What is absent, and said so rather than ignored: extensions, snap start, response streaming to the caller, tumbling windows
//! together with a parallelization factor above 1 ([`MappingSpec::validate`] refuses them by name). The memory limit is a backstop, not an accounting: [`FunctionSpec::memory_mb`]. Versions and aliases live as
//! long as the host; of a version's code only the path is kept, and whoever adds the function sees to it that the file
//! behind it stays what it is.

mod host;
mod invoker;
mod logs;
mod mapping;
mod queue;
mod schedule;
mod stream;

pub use host::{
    ACCESS_KEY_ID_PREFIX, Alias, AliasTarget, FunctionSpec, FunctionStats, FunctionVersion, Host, HostOptions,
    InstanceInfo, LATEST, PAYLOAD_BYTES_MAX, VersionError, opt_can_be_mounted,
};
pub use invoker::{Invocation, InvokeError, Invoker, Outcome};
pub use logs::{DirectorySink, LogLine, LogSink, LogStream, MemorySink, OwnedLogLine};
pub use mapping::checkpoint::{CheckpointError, Checkpoints};
pub use mapping::destination::{BucketDestination, QueueDestination};
pub use mapping::faults::{BatchInfo, Fault, Faults};
pub use mapping::filter::Filters;
pub use mapping::runner::{Runner, RunnerOptions};
pub use mapping::stats::MappingStats;
pub use mapping::{
    DiscardReason, DiscardedBatch, FailureDestination, MappingError, MappingKind, MappingSpec, QueueSettings, Source,
    SourceError, StartingPosition, StreamSettings,
};
pub use queue::memory::MemoryQueue;
pub use queue::source::{MessageAttribute, QueueMessage, QueueProperties, QueueSource};
pub use queue::sqs::SqsQueue;
pub use schedule::{ScheduleRunner, ScheduleStats, Tick, scheduled_event, start_schedule};
pub use stream::dynamodb::DynamoDbShards;
pub use stream::kinesis::KinesisShards;
pub use stream::memory::MemoryStream;
pub use stream::source::{DynamoDbRecord, Page, Position, RecordData, Shard, ShardSource, StreamKind, StreamRecord};
