//! A running fleet and clients for it.

use crate::{Oracle, build, found};
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use std::time::Duration;
use weir_local::{Plane, PlaneOptions};

/// Quiet for this long is settled: longer than the batching windows below.
const QUIET: Duration = Duration::from_millis(2_500);
/// How long the fleet may take to settle.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Short windows, and a visibility that brings a failed batch back at once.
const PARAMETERS: [(&str, &str); 8] = [
    ("CompactSeconds", "1"),
    ("FinalizeSeconds", "1"),
    ("QueueTimeoutSeconds", "4"),
    ("QueueVisibilitySeconds", "4"),
    ("ReplayTimeoutSeconds", "6"),
    ("ReplayVisibilitySeconds", "6"),
    ("LandingTimeoutSeconds", "8"),
    ("LandingVisibilitySeconds", "8"),
];

/// The fleet of template.yaml on a free port, in memory.
pub struct Fleet {
    /// The plane it runs on.
    pub plane: Plane,
    /// A client.
    pub kinesis: aws_sdk_kinesis::Client,
    /// A client.
    pub sqs: aws_sdk_sqs::Client,
    /// A client.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// A client.
    pub s3: aws_sdk_s3::Client,
}

macro_rules! configuration {
    ($service:ident, $url:expr) => {
        $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .endpoint_url($url)
            .region($service::config::Region::new("us-east-1"))
            .credentials_provider($service::config::Credentials::new("test", "test", None, None, "test"))
            .http_client(weir_aws::clients::http_client())
    };
}

impl Fleet {
    /// The stream of the fleet.
    pub const STREAM: &'static str = "weir-telemetry";
    /// The functions that every record or message reaches.
    pub const INTAKE: [&'static str; 3] = ["weir-kinesis-rollup", "weir-sqs-rollup", "weir-rollup-finalize"];
    /// The bucket whose objects below `in/` are counted.
    pub const LANDING: &'static str = "weir-landing-000000000000";
    /// The bucket of what cannot be counted.
    pub const QUARANTINE: &'static str = "weir-quarantine-000000000000";

    /// Builds the bootstraps and starts the fleet.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with something changed.
    pub async fn start_with(change: impl FnOnce(&mut PlaneOptions)) -> Self {
        let mut options = PlaneOptions::new(crate::root().join("template.yaml"));
        options.port = 0;
        options.parameters = PARAMETERS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        options.bootstraps = build::executables().await.clone();
        change(&mut options);
        let plane = Plane::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let url = plane.endpoint_url().to_owned();
        let s3 = configuration!(aws_sdk_s3, &url).force_path_style(true).build();
        Self {
            plane,
            kinesis: aws_sdk_kinesis::Client::from_conf(configuration!(aws_sdk_kinesis, &url).build()),
            sqs: aws_sdk_sqs::Client::from_conf(configuration!(aws_sdk_sqs, &url).build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(configuration!(aws_sdk_dynamodb, &url).build()),
            s3: aws_sdk_s3::Client::from_conf(s3),
        }
    }

    /// URL of a queue.
    pub async fn queue_url(&self, name: &str) -> String {
        let answer = self.sqs.get_queue_url().queue_name(name).send().await.expect("the queue exists");
        answer.queue_url.expect("a queue has a URL")
    }

    /// Waits until all that was sent is where it belongs.
    pub async fn settle(&self) {
        if !self.plane.quiesce(QUIET, SETTLE_MAX).await {
            panic!("not settled after {SETTLE_MAX:?}: {:#?}", self.plane.mapping_stats());
        }
    }

    /// Sends records, each a partition key and its data, in one PutRecords; sequence numbers in the same order.
    pub async fn put_records(&self, records: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
        let entries = records.into_iter().map(|(key, data)| {
            let data = aws_sdk_kinesis::primitives::Blob::new(data);
            PutRecordsRequestEntry::builder().partition_key(key).data(data).build().expect("data and key are set")
        });
        let put = self.kinesis.put_records().stream_name(Self::STREAM).set_records(Some(entries.collect()));
        let answer = put.send().await.unwrap_or_else(|error| panic!("PutRecords: {:?}", error.into_service_error()));
        assert_eq!(answer.failed_record_count, Some(0), "PutRecords: {answer:?}");
        answer.records.into_iter().map(|record| record.sequence_number.expect("a sequence number")).collect()
    }

    /// Sends up to ten messages in one request; message ids in the same order.
    pub async fn send_messages(&self, entries: Vec<SendMessageBatchRequestEntry>) -> Vec<String> {
        let url = self.queue_url("weir-telemetry").await;
        let order: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        let send = self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = send.send().await.unwrap_or_else(|error| panic!("SendMessageBatch: {error:?}"));
        assert!(answer.failed.is_empty(), "SendMessageBatch: {:?}", answer.failed);
        let id = |sent: &String| answer.successful.iter().find(|entry| &entry.id == sent).map(|e| e.message_id.clone());
        order.iter().map(|sent| id(sent).expect("every entry is answered")).collect()
    }

    /// Every row equals the oracle's, and no row is there besides.
    pub async fn assert_rows(&self, oracle: &Oracle) {
        let expected = oracle.all_rows();
        let rows = found::rows(&self.dynamodb).await;
        let differing = expected.iter().filter(|(name, expected)| rows.get(*name) != Some(*expected));
        let differing: Vec<_> = differing.map(|(name, expected)| (name, expected, rows.get(name))).take(5).collect();
        let added: Vec<_> = rows.iter().filter(|(name, _)| !expected.contains_key(*name)).take(5).collect();
        assert!(
            differing.is_empty() && added.is_empty(),
            "(row, expected, found): {differing:#?}; besides: {added:#?}"
        );
    }

    /// Nothing given up: the dead-letter queues are empty.
    pub async fn assert_no_dead_letters(&self) {
        for queue in ["weir-telemetry-dlq", "weir-landing-dlq", "weir-replay-dlq"] {
            assert_eq!(self.waiting(queue).await, 0, "{queue}");
        }
    }

    /// Messages of a queue that nobody works on.
    pub async fn waiting(&self, queue: &str) -> u64 {
        let url = self.queue_url(queue).await;
        let answer = self.sqs.get_queue_attributes().queue_url(url);
        let answer = answer.attribute_names(QueueAttributeName::All).send().await;
        let attributes = answer.expect("attributes of a queue").attributes.unwrap_or_default();
        let count = attributes.get(&QueueAttributeName::ApproximateNumberOfMessages);
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{queue}: {attributes:?}"))
    }

    /// Waits until `holds`; `what` says for what.
    pub async fn wait_until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = tokio::time::Instant::now() + SETTLE_MAX;
        while !holds().await {
            assert!(tokio::time::Instant::now() < deadline, "not within {SETTLE_MAX:?}: {what}");
            tokio::time::sleep(POLL).await;
        }
    }
}
