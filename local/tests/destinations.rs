//! On-failure destinations of a stream's mapping, through the template, to a queue and to a bucket.

mod support;

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use serde_json::Value;
use support::{Fixture, TEMPLATE, options};

/// The echo function's stream mapping gives up at once, and tells the destination.
async fn giving_up(destination: &str) -> Fixture {
    let settings = format!(
        "Stream: !GetAtt Stream.Arn, MaximumRetryAttempts: 0, DestinationConfig: {{ OnFailure: {{ Destination: !GetAtt \
         {destination}.Arn }} }},"
    );
    let template = TEMPLATE.replace("Stream: !GetAtt Stream.Arn,", &settings);
    assert_ne!(template, TEMPLATE);
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::with(options(dir.path(), &template), dir).await;
    let put = fixture.kinesis.put_record().stream_name("s").partition_key("fail").data(Blob::new("x"));
    // What it is sent names `"fail"`, as the partition key: the function answers with an error.
    put.send().await.unwrap();
    fixture
}

fn check(document: &Value) {
    assert_eq!(document["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(document["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(document["requestContext"]["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:echo");
    assert_eq!(document["responseContext"]["functionError"], "Unhandled");
    assert_eq!(document["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(document["KinesisBatchInfo"]["streamArn"], "arn:aws:kinesis:us-east-1:000000000000:stream/s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_told_where_the_records_are() {
    let fixture = giving_up("Landing").await;
    let url = fixture.sqs.get_queue_url().queue_name("landing").send().await.unwrap().queue_url.unwrap();
    let document: Value = loop {
        let received = fixture.sqs.receive_message().queue_url(&url).wait_time_seconds(20).send().await.unwrap();
        let message = received.messages().first().expect("a message within 20 s");
        let document: Value = serde_json::from_str(message.body().unwrap()).unwrap();
        // The bucket that notifies this queue has sent its test event.
        if document.get("Event").is_none() {
            break document;
        }
    };
    check(&document);
    assert_eq!(document.get("payload"), None);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_given_the_whole_record() {
    let fixture = giving_up("Plain").await;
    let listed = async {
        loop {
            let listed = fixture.s3.list_objects_v2().bucket("plain-bucket").send().await.unwrap();
            if let Some(object) = listed.contents().first() {
                return object.key().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let key = tokio::time::timeout(Duration::from_secs(20), listed).await.expect("an object within 20 s");
    assert!(key.starts_with("aws/lambda/EchoFromStream/shardId-"), "{key}");
    let object = fixture.s3.get_object().bucket("plain-bucket").key(key).send().await.unwrap();
    let document: Value = serde_json::from_slice(&object.body.collect().await.unwrap().into_bytes()).unwrap();
    check(&document);
    let event: Value = serde_json::from_str(document["payload"].as_str().unwrap()).unwrap();
    assert_eq!(event["Records"][0]["kinesis"]["partitionKey"], "fail");
    fixture.plane.shutdown().await;
}
