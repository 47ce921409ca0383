//! What a template asks for, in types: everything the local plane creates, runs, or says it does not.

use std::collections::BTreeMap;

use serde::Serialize;

/// A template, resolved for one stack. Order within each list is the template's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Stack name, the first part of most physical names.
    pub stack: String,
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
    /// Kinesis streams.
    pub streams: Vec<Stream>,
    /// SQS queues. A dead-letter queue precedes the queues that name it.
    pub queues: Vec<Queue>,
    /// S3 buckets.
    pub buckets: Vec<Bucket>,
    /// DynamoDB tables.
    pub tables: Vec<Table>,
    /// Layers.
    pub layers: Vec<Layer>,
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// Event source mappings.
    pub mappings: Vec<Mapping>,
    /// Schedules that invoke functions.
    pub schedules: Vec<Schedule>,
    /// Function URLs the template asks for.
    pub function_urls: Vec<FunctionUrl>,
    /// Outputs that could be resolved.
    pub outputs: BTreeMap<String, String>,
    /// What behaves otherwise than on AWS, by name.
    pub warnings: Vec<Warning>,
    /// What has no meaning on one machine (log retention, tags, encryption at rest), by property.
    pub no_local_effect: BTreeMap<String, Vec<String>>,
}

/// A property or resource that the local plane does not honour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warning {
    /// Logical id.
    pub resource: String,
    /// Property, dotted below the resource; `Type` for the resource as a whole.
    pub property: String,
    /// What happens instead.
    pub message: String,
}

impl Plan {
    /// Warnings as lines, one for each (property, message) with the resources it concerns.
    pub fn warning_lines(&self) -> Vec<String> {
        let mut grouped: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for warning in &self.warnings {
            match grouped
                .iter_mut()
                .find(|(property, message, _)| *property == warning.property && *message == warning.message)
            {
                Some((_, _, resources)) => resources.push(&warning.resource),
                None => grouped.push((&warning.property, &warning.message, vec![&warning.resource])),
            }
        }
        grouped
            .into_iter()
            .map(|(property, message, resources)| format!("{} ({}): {message}", property, resources.join(", ")))
            .collect()
    }

    /// Everything without a local meaning in one line; `None` when there is nothing.
    pub fn no_local_effect_line(&self) -> Option<String> {
        if self.no_local_effect.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.no_local_effect.keys().map(String::as_str).collect();
        Some(format!("no local effect: {}", names.join(", ")))
    }
}

/// `AWS::Kinesis::Stream`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stream {
    /// Logical id.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// Open shards at creation, 1–10,000.
    pub shards: u32,
    /// 24–8,760 hours.
    pub retention_hours: u32,
}

/// `AWS::SQS::Queue`; `None` leaves the service's default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    /// Logical id.
    pub logical_id: String,
    /// Physical name, with `.fifo` for a FIFO queue.
    pub name: String,
    /// Whether order and groups are kept.
    pub fifo: bool,
    /// Other attributes under the names and in the text that `CreateQueue` takes.
    pub attributes: BTreeMap<String, String>,
    /// 0–43,200 s; AWS's default of 30 s made explicit, because mappings check it.
    pub visibility_timeout_seconds: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// `RedrivePolicy`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub dead_letter_arn: String,
    /// 1–1,000.
    pub receives_max: u32,
}

/// `AWS::S3::Bucket`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bucket {
    /// Logical id.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// Whether every write keeps its version.
    pub versioning: bool,
    /// Queues told of changes.
    pub notifications: Vec<Notification>,
}

/// One `QueueConfiguration` of a bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notification {
    /// For example `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// ARN of the queue.
    pub queue_arn: String,
    /// Only keys that start with it.
    pub prefix: Option<String>,
    /// Only keys that end with it.
    pub suffix: Option<String>,
}

/// `AWS::DynamoDB::Table`, on demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Logical id.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// Attribute name and type (`S`, `N` or `B`).
    pub attributes: Vec<(String, String)>,
    /// The table's key.
    pub key: Key,
    /// Global secondary indexes.
    pub global_indexes: Vec<Index>,
    /// Local secondary indexes.
    pub local_indexes: Vec<Index>,
    /// `KEYS_ONLY`, `NEW_IMAGE`, `OLD_IMAGE` or `NEW_AND_OLD_IMAGES`; `None` is no stream.
    pub stream_view: Option<String>,
    /// Attribute with the expiry, epoch seconds; `None` is no TTL.
    pub ttl_attribute: Option<String>,
}

/// Key attributes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Key {
    /// `HASH`.
    pub partition: String,
    /// `RANGE`.
    pub sort: Option<String>,
}

/// A secondary index.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Index {
    /// Name within the table.
    pub name: String,
    /// The index's key.
    pub key: Key,
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
    /// Attributes of an `INCLUDE` projection.
    pub projected: Vec<String>,
}

/// `AWS::Serverless::Function` whose bootstrap is a binary of the workspace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Function {
    /// Logical id.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// `Metadata.BuildProperties.Binary`: the cargo binary that becomes the bootstrap.
    pub binary: String,
    /// `_HANDLER` of the function.
    pub handler: String,
    /// 128–10,240 MB.
    pub memory_mb: u32,
    /// 1–900 s.
    pub timeout_seconds: u32,
    /// The template's own variables.
    pub environment: BTreeMap<String, String>,
    /// `ReservedConcurrentExecutions`; `None` is the account's limit.
    pub concurrency_max: Option<u32>,
    /// `AutoPublishAlias`.
    pub alias: Option<String>,
    /// ARNs of its layers that are the template's; what a later one holds wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// `AWS::Serverless::LayerVersion` whose content lies on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Logical id.
    pub logical_id: String,
    /// What functions name it by.
    pub arn: String,
    /// `ContentUri`: the directory of what is found under `/opt`, relative to the template.
    pub content: String,
}

/// Where a mapping reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Source {
    /// A Kinesis stream, by name.
    Stream(String),
    /// The stream of a DynamoDB table, by table name.
    TableStream(String),
    /// An SQS queue, by name.
    Queue(String),
}

/// Where a stream mapping starts when it has no checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum StartingPosition {
    /// The oldest record kept.
    TrimHorizon,
    /// Only what arrives from now on.
    Latest,
    /// Kinesis only: epoch seconds.
    AtTimestamp(f64),
}

/// An event source mapping with AWS's defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mapping {
    /// `<function logical id><event name>`, as SAM names the resource.
    pub logical_id: String,
    /// Logical id of the function.
    pub function: String,
    /// What it reads.
    pub source: Source,
    /// Records or messages at most: 1–10,000.
    pub batch_size: u32,
    /// 0–300 s.
    pub batching_window_seconds: u32,
    /// Whether `ReportBatchItemFailures` is on.
    pub report_batch_item_failures: bool,
    /// `FilterCriteria`: the pattern of each filter, JSON text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Whether it runs from the start.
    pub enabled: bool,
    /// Streams only.
    pub stream: Option<StreamMapping>,
    /// SQS `ScalingConfig.MaximumConcurrency`: 2–1,000.
    pub concurrency_max: Option<u32>,
}

/// Settings only stream mappings have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamMapping {
    /// Where to begin.
    pub starting_position: StartingPosition,
    /// Halve a failed batch.
    pub bisect_on_error: bool,
    /// Retries of a failed batch; `None` is without end.
    pub retries_max: Option<u32>,
    /// Age at which a record is discarded, s; `None` is never.
    pub record_age_max_seconds: Option<u32>,
    /// Batches of one shard in flight: 1–10.
    pub parallelization: u32,
    /// `TumblingWindowInSeconds`, 0–900; 0 is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub tumbling_window_seconds: u32,
    /// Who is told of records that are given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Destination>,
}

fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// `DestinationConfig.OnFailure`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Destination {
    /// An SQS queue, by name.
    Queue(String),
    /// An S3 bucket, by name.
    Bucket(String),
}

/// A rule that invokes a function every so often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// `<function logical id><event name>`.
    pub logical_id: String,
    /// Logical id of the function.
    pub function: String,
    /// Time between invocations, s.
    pub every_seconds: u64,
    /// `Input`: the payload instead of the scheduled event; JSON text.
    pub input: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
}

/// `FunctionUrlConfig`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionUrl {
    /// Logical id of the function.
    pub function: String,
    /// `AWS_IAM` or `NONE`.
    pub auth_type: String,
}
