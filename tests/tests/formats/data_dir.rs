//! The data directory of `weir up`: what an older version kept there is there under today's.
//!
//! Records and messages in it are long past their retention, so their streams and queues speak for them.

use crate::directory;
use crate::write::NUMBER;
use std::path::{Path, PathBuf};
use weir_aws::clients::http_client;
use weir_exact::sequence::SequenceNumber;
use weir_local::{Plane, PlaneOptions};

const TEMPLATE: &str = "
Resources:
  Stream: { Type: AWS::Kinesis::Stream, Properties: { Name: stream, ShardCount: 2 } }
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: queue } }
  Bucket: { Type: AWS::S3::Bucket, Properties: { BucketName: bucket, VersioningConfiguration: { Status: Enabled } } }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: table
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
";

/// A plane over a data directory, and clients for it.
struct Kept {
    plane: Plane,
    kinesis: aws_sdk_kinesis::Client,
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

macro_rules! configuration {
    ($service:ident, $url:expr) => {
        $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .endpoint_url($url)
            .region($service::config::Region::new("us-east-1"))
            .credentials_provider($service::config::Credentials::new("test", "test", None, None, "test"))
            .http_client(http_client())
    };
}

impl Kept {
    async fn open(dir: &Path, data_dir: PathBuf) -> Self {
        let template = dir.join("template.yaml");
        std::fs::write(&template, TEMPLATE).expect("a template");
        let options = PlaneOptions { port: 0, data_dir: Some(data_dir), ..PlaneOptions::new(template) };
        let plane = Plane::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let url = plane.endpoint_url().to_owned();
        let s3 = configuration!(aws_sdk_s3, &url).force_path_style(true).build();
        Self {
            kinesis: aws_sdk_kinesis::Client::from_conf(configuration!(aws_sdk_kinesis, &url).build()),
            sqs: aws_sdk_sqs::Client::from_conf(configuration!(aws_sdk_sqs, &url).build()),
            s3: aws_sdk_s3::Client::from_conf(s3),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(configuration!(aws_sdk_dynamodb, &url).build()),
            plane,
        }
    }

    /// Puts a record into a shard and says its sequence number.
    async fn put_record(&self) -> SequenceNumber {
        let data = aws_sdk_kinesis::primitives::Blob::new(b"record");
        let put = self.kinesis.put_record().stream_name("stream").partition_key("k").data(data).send().await;
        SequenceNumber::parse(put.expect("a put record").sequence_number()).expect("a sequence number")
    }

    async fn object(&self, key: &str) -> String {
        let object = self.s3.get_object().bucket("bucket").key(key).send().await.expect("a kept object");
        String::from_utf8(object.body.collect().await.expect("its body").to_vec()).expect("text")
    }

    async fn put_object(&self, key: &str, body: &str) {
        let body = body.as_bytes().to_vec().into();
        self.s3.put_object().bucket("bucket").key(key).body(body).send().await.expect("a put object");
    }

    async fn queue_url(&self) -> String {
        self.sqs.get_queue_url().queue_name("queue").send().await.expect("a queue").queue_url.expect("its URL")
    }
}

fn item() -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S("kept".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_data_directory_is_taken_up() {
    let goldens =
        std::fs::read_dir(directory("data-dir")).expect("goldens").map(|entry| entry.expect("an entry").path());
    let goldens: Vec<PathBuf> = goldens.filter(|path| path.is_dir()).collect();
    assert!(!goldens.is_empty());
    for golden in goldens {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        copy(&golden, &data);
        let kept = Kept::open(dir.path(), data).await;

        assert_eq!(kept.object("in/kept").await, "the second version", "{}", golden.display());
        let versions = kept.s3.list_object_versions().bucket("bucket").prefix("in/kept").send().await.expect("a list");
        assert_eq!(versions.versions().len(), 2);
        let item = kept.dynamodb.get_item().table_name("table").key("pk", item()).send().await.expect("an answer");
        assert!(item.item.is_some_and(|item| item.contains_key("pk")));
        let tags = kept.sqs.list_queue_tags().queue_url(kept.queue_url().await).send().await.expect("tags");
        assert_eq!(tags.tags().and_then(|tags| tags.get("kept")).map(String::as_str), Some("yes"));
        // A number that was given out before would be dropped as a duplicate.
        let last = SequenceNumber::parse(&kept.object("last-sequence-number").await).expect("a sequence number");
        let next = kept.put_record().await;
        assert!(next > last, "{next} after {last}");
        kept.plane.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "adds the golden of a new format: tests/formats/README.md"]
async fn write_goldens() {
    let golden = directory("data-dir").join(format!("{NUMBER}-weir-up"));
    if golden.exists() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let kept = Kept::open(dir.path(), data.clone()).await;
    kept.put_object("in/kept", "the first version").await;
    kept.put_object("in/kept", "the second version").await;
    kept.dynamodb.put_item().table_name("table").item("pk", item()).send().await.expect("a put item");
    let url = kept.queue_url().await;
    kept.sqs.tag_queue().queue_url(&url).tags("kept", "yes").send().await.expect("a tag");
    kept.sqs.send_message().queue_url(&url).message_body("message").send().await.expect("a sent message");
    kept.put_record().await;
    let last = kept.put_record().await;
    kept.put_object("last-sequence-number", last.as_str()).await;
    kept.plane.shutdown().await;
    copy(&data, &golden);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new directory");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_none_or(|extension| extension != "lock") && !path.ends_with("lock") {
            std::fs::copy(&path, &target).expect("a copied file");
        }
    }
}
