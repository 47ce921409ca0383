//! Where a stream's mapping tells of records it has given up ("Retain discarded batch records for a Kinesis Data Streams
//! event source in Lambda", "Retain discarded records for a DynamoDB event source in Lambda").
//!
//! A queue is told where the records are; a bucket is given the whole invocation with it.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{DiscardReason, DiscardedBatch, FailureDestination, SourceError};
use crate::mapping::words::words;
use crate::stream::source::StreamKind;

impl DiscardReason {
    /// `requestContext.condition`
    fn condition(self) -> &'static str {
        match self {
            DiscardReason::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            DiscardReason::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

fn time(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl DiscardedBatch {
    /// The document that Lambda sends to a queue; to a bucket with `payload`, the event as a text.
    pub fn document(&self, with_payload: bool) -> Value {
        let batch = json!({
            "shardId": self.shard,
            "startSequenceNumber": self.first_sequence,
            "endSequenceNumber": self.last_sequence,
            "approximateArrivalOfFirstRecord": time(self.first_arrived_at_ms),
            "approximateArrivalOfLastRecord": time(self.last_arrived_at_ms),
            "batchSize": self.records,
            "streamArn": self.stream_arn,
        });
        let mut document = json!({
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": self.reason.condition(),
                "approximateInvokeCount": self.attempts,
            },
            "version": "1.0",
            "timestamp": time(self.discarded_at_ms),
        });
        // Records that were never delivered have no answer to tell of.
        if let Some(version) = &self.executed_version {
            document["responseContext"] =
                json!({"statusCode": 200, "executedVersion": version, "functionError": "Unhandled"});
        }
        let name = match self.kind {
            StreamKind::Kinesis => "KinesisBatchInfo",
            StreamKind::DynamoDb => "DDBStreamBatchInfo",
        };
        document[name] = batch;
        if with_payload {
            document["payload"] = Value::String(String::from_utf8_lossy(&self.payload).into_owned());
        }
        document
    }

    /// `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random>`: the naming that AWS documents, with
    /// the mapping's id in the place of its UUID.
    fn key(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.discarded_at_ms).unwrap_or_default();
        let (day, time) = (at.strftime("%Y/%m/%d"), at.strftime("%Y-%m-%dT%H.%M.%S"));
        format!("aws/lambda/{}/{}/{day}/{time}-{}", self.mapping, self.shard, uuid::Uuid::new_v4())
    }
}

/// An SQS queue as `DestinationConfig.OnFailure`.
#[derive(Debug, Clone)]
pub struct QueueDestination {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl QueueDestination {
    /// The queue of that URL.
    pub fn new(client: aws_sdk_sqs::Client, url: impl Into<String>) -> QueueDestination {
        QueueDestination { client, url: url.into() }
    }
}

impl FailureDestination for QueueDestination {
    fn discarded<'a>(&'a self, batch: &'a DiscardedBatch) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let body = batch.document(false).to_string();
            let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
            sent.map(drop).map_err(|error| SourceError::Other(words(&error)))
        })
    }
}

/// An S3 bucket as `DestinationConfig.OnFailure`; each object holds the whole invocation.
#[derive(Debug, Clone)]
pub struct BucketDestination {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl BucketDestination {
    /// The bucket of that name.
    pub fn new(client: aws_sdk_s3::Client, bucket: impl Into<String>) -> BucketDestination {
        BucketDestination { client, bucket: bucket.into() }
    }
}

impl FailureDestination for BucketDestination {
    fn discarded<'a>(&'a self, batch: &'a DiscardedBatch) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let body = batch.document(true).to_string().into_bytes();
            let put = self.client.put_object().bucket(&self.bucket).key(batch.key()).body(body.into());
            let put = put.content_type("application/json").send().await;
            put.map(drop).map_err(|error| SourceError::Other(words(&error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> DiscardedBatch {
        DiscardedBatch {
            mapping: "IngestStream".into(),
            function: "myfunction".into(),
            function_arn: "arn:aws:lambda:us-east-2:123456789012:function:myfunction".into(),
            stream_arn: "arn:aws:kinesis:us-east-2:123456789012:stream/mystream".into(),
            kind: StreamKind::Kinesis,
            shard: "shardId-000000000001".into(),
            reason: DiscardReason::RetryAttemptsExhausted,
            attempts: 1,
            first_sequence: "1".into(),
            last_sequence: "500".into(),
            first_arrived_at_ms: 1_573_691_884_835,
            last_arrived_at_ms: 1_573_691_885_580,
            discarded_at_ms: 1_573_691_886_021,
            records: 500,
            request_id: "c9b8fa9f".into(),
            executed_version: Some("$LATEST".into()),
            last_error: bytes::Bytes::new(),
            payload: bytes::Bytes::from_static(br#"{"Records":[]}"#),
        }
    }

    /// The example of the documentation.
    #[test]
    fn documents_as_documented() {
        let expected = json!({
            "requestContext": {
                "requestId": "c9b8fa9f",
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2019-11-14T00:38:06.021Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000001",
                "startSequenceNumber": "1",
                "endSequenceNumber": "500",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
                "batchSize": 500,
                "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/mystream"
            }
        });
        assert_eq!(batch().document(false), expected);
        assert_eq!(batch().document(true)["payload"], r#"{"Records":[]}"#);
        let table = DiscardedBatch { kind: StreamKind::DynamoDb, executed_version: None, ..batch() };
        let table = table.document(false);
        assert_eq!(table["DDBStreamBatchInfo"]["batchSize"], 500);
        assert_eq!(table.get("responseContext"), None);
        let key = batch().key();
        assert!(
            key.starts_with("aws/lambda/IngestStream/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-"),
            "{key}"
        );
    }
}
