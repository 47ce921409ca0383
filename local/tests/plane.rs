//! The plane as a whole: the other services by the Rust SDK, functions behind mappings, restarts, and bad starts.

mod support;

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use support::{Fixture, TEMPLATE, http, options};
use weir_local::{Plane, PlaneOptions};

#[tokio::test(flavor = "multi_thread")]
async fn kinesis_puts_reads_and_splits() {
    let fixture = Fixture::start().await;
    let put = fixture.kinesis.put_record().stream_name("s").partition_key("k").data(Blob::new(b"hello".to_vec()));
    let put = put.send().await.unwrap();
    let iterator = fixture.kinesis.get_shard_iterator().stream_name("s").shard_id(put.shard_id());
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let read = fixture.kinesis.get_records().shard_iterator(iterator.shard_iterator().unwrap()).send().await.unwrap();
    assert_eq!(read.records()[0].data().as_ref(), b"hello");
    assert_eq!(read.records()[0].sequence_number(), put.sequence_number());

    let shards = fixture.kinesis.list_shards().stream_name("s").send().await.unwrap();
    let shard = &shards.shards()[0];
    let range = shard.hash_key_range().unwrap();
    let middle = range.ending_hash_key().parse::<u128>().unwrap() / 2;
    let split = fixture.kinesis.split_shard().stream_name("s").shard_to_split(shard.shard_id());
    split.new_starting_hash_key(middle.to_string()).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = fixture.kinesis.list_shards().stream_name("s").send().await.unwrap();
    let children = after.shards().iter().filter(|child| child.parent_shard_id() == Some(shard.shard_id()));
    assert_eq!(children.count(), 2);

    let refused = fixture.kinesis.update_shard_count().stream_name("s").target_shard_count(4);
    let refused = refused.scaling_type(aws_sdk_kinesis::types::ScalingType::UniformScaling).send().await.unwrap_err();
    assert!(refused.message().unwrap().contains("SplitShard"), "{refused:?}");

    let large = vec![b'x'; 1 << 20];
    let large: Vec<_> = (0..4)
        .map(|index| {
            let entry = aws_sdk_kinesis::types::PutRecordsRequestEntry::builder().partition_key(index.to_string());
            entry.data(Blob::new(large[..(1 << 20) - 16].to_vec())).build().unwrap()
        })
        .collect();
    let many = fixture.kinesis.put_records().stream_name("s").set_records(Some(large)).send().await.unwrap();
    assert_eq!(many.failed_record_count(), Some(0));
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_condition_returns_the_old_item() {
    let fixture = Fixture::start().await;
    let put = |value: &str| {
        let put = fixture.dynamodb.put_item().table_name("tab").item("pk", AttributeValue::S("1".into()));
        put.item("v", AttributeValue::S(value.into())).condition_expression("attribute_not_exists(pk)")
    };
    put("first").send().await.unwrap();
    let failed = put("second").return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let failed = failed.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(failed.item().unwrap()["v"], AttributeValue::S("first".into()));
    let table = fixture.dynamodb.describe_table().table_name("tab").send().await.unwrap();
    let arn = table.table().and_then(|table| table.latest_stream_arn()).unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/"), "{arn}");
    let scope =
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let call = async |operation: &str, body: String| {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\nAuthorization: \
             {scope}\r\nX-Amz-Target: DynamoDBStreams_20120810.{operation}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = http(fixture.plane.endpoint_url(), &request).await;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
        serde_json::from_str::<serde_json::Value>(&body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    let described = call("DescribeStream", serde_json::json!({"StreamArn": arn}).to_string()).await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let position = serde_json::json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = call("GetShardIterator", position.to_string()).await;
    let read = call("GetRecords", serde_json::json!({"ShardIterator": iterator["ShardIterator"]}).to_string()).await;
    assert_eq!(read["Records"][0]["awsRegion"], "us-east-1", "{read}");
    let ttl = fixture.dynamodb.describe_time_to_live().table_name("tab").send().await.unwrap();
    assert_eq!(ttl.time_to_live_description().unwrap().attribute_name(), Some("expires_at"));
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_reaches_its_function() {
    let fixture = Fixture::start().await;
    for index in 0..50 {
        let put = fixture.kinesis.put_record().stream_name("s").partition_key(index.to_string());
        put.data(Blob::new(b"r".to_vec())).send().await.unwrap();
        let item = fixture.dynamodb.put_item().table_name("tab").item("pk", AttributeValue::S(index.to_string()));
        item.send().await.unwrap();
    }
    let url = format!("{}/000000000000/q", fixture.plane.endpoint_url());
    for _ in 0..20 {
        fixture.sqs.send_message().queue_url(&url).message_body("m").send().await.unwrap();
    }
    assert!(fixture.plane.quiesce(Duration::from_millis(500), Duration::from_secs(20)).await);
    let stats = fixture.plane.mapping_stats();
    let records: Vec<u64> = ["EchoFromStream", "EchoFromTable", "EchoFromQueue"].map(|id| stats[id].records).into();
    assert_eq!(records, [50, 50, 20], "{stats:#?}");

    let pids: Vec<u32> = fixture.plane.host().instances().iter().map(|instance| instance.pid).collect();
    assert!(!pids.is_empty());
    fixture.plane.shutdown().await;
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "bootstrap {pid} outlived the plane");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_invoke_and_unserved() {
    let fixture = Fixture::start().await;
    let url = fixture.plane.endpoint_url();
    let health = http(url, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"echo\""), "{health}");

    let invoke = |body: &str| {
        format!(
            "POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = http(url, &invoke("{\"n\":1}")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"n\":1}"), "{answer}");
    let answer = http(url, &invoke("{\"fail\":1}")).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.contains("x-amz-function-error: unhandled"), "{answer}");

    let scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
    let request = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {scope}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let mappings = http(url, &request("GET /2015-03-31/event-source-mappings/")).await;
    assert!(mappings.starts_with("HTTP/1.1 200") && mappings.contains("\"EventSourceMappings\""), "{mappings}");
    let created = http(url, &request("POST /2015-03-31/event-source-mappings/")).await;
    assert!(created.starts_with("HTTP/1.1 501") && created.contains("of Lambda it serves Invoke"), "{created}");

    let scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0";
    let unserved =
        http(url, &format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {scope}\r\n\r\n")).await;
    assert!(unserved.contains("the local plane does not serve `sns`; it serves codedeploy, dynamodb"), "{unserved}");
    fixture.plane.shutdown().await;
}

/// As the Kinesis client of the AWS SDK for JavaScript does, which asks for nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn http_2_needs_no_tls() {
    let fixture = Fixture::start().await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    let health = format!("{}/health", fixture.plane.endpoint_url()).parse().expect("a URL");
    let answer = client.get(health).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_brings_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut first = options(dir.path(), TEMPLATE);
    first.data_dir = Some(data.clone());
    let fixture = Fixture::with(first, dir).await;
    let put = fixture.s3.put_object().bucket("landing-bucket").key("in/k").body(b"kept".to_vec().into());
    let version = put.send().await.unwrap().version_id().unwrap().to_owned();
    fixture.s3.put_object().bucket("plain-bucket").key("k").body(b"old".to_vec().into()).send().await.unwrap();
    fixture.s3.put_object().bucket("plain-bucket").key("k").body(b"new".to_vec().into()).send().await.unwrap();
    fixture.dynamodb.put_item().table_name("tab").item("pk", AttributeValue::S("1".into())).send().await.unwrap();
    let record = fixture.kinesis.put_record().stream_name("s").partition_key("k").data(Blob::new(b"r".to_vec()));
    let before = record.send().await.unwrap();
    assert!(fixture.plane.quiesce(Duration::from_millis(500), Duration::from_secs(20)).await);

    let mut second = options(fixture.dir.path(), TEMPLATE);
    second.data_dir = Some(data.clone());
    let busy = Plane::start(second).await.err().unwrap().to_string();
    assert!(busy.ends_with("is in use by another local plane"), "{busy}");
    let Fixture { plane, dir, .. } = fixture;
    plane.shutdown().await;

    let mut again = options(dir.path(), TEMPLATE);
    again.data_dir = Some(data);
    let fixture = Fixture::with(again, dir).await;
    let object = fixture.s3.get_object().bucket("landing-bucket").key("in/k").send().await.unwrap();
    assert_eq!(object.version_id(), Some(version.as_str()));
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"kept");
    let object = fixture.s3.get_object().bucket("plain-bucket").key("k").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"new");
    let item =
        fixture.dynamodb.get_item().table_name("tab").key("pk", AttributeValue::S("1".into())).send().await.unwrap();
    assert!(item.item().is_some());
    let iterator = fixture.kinesis.get_shard_iterator().stream_name("s").shard_id(before.shard_id());
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let read = fixture.kinesis.get_records().shard_iterator(iterator.shard_iterator().unwrap()).send().await.unwrap();
    assert_eq!(read.records()[0].sequence_number(), before.sequence_number());
    // The test event and the notification, and no second test event.
    let url = format!("{}/000000000000/landing", fixture.plane.endpoint_url());
    let messages = fixture.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    assert_eq!(messages.messages().len(), 2);
    // Checkpoints came back too: what was settled is not delivered again.
    assert!(fixture.plane.quiesce(Duration::from_millis(500), Duration::from_secs(20)).await);
    assert_eq!(fixture.plane.mapping_stats()["EchoFromStream"].records, 0);
    // And sequence numbers go on from where they were.
    let record = fixture.kinesis.put_record().stream_name("s").partition_key("k").data(Blob::new(b"r".to_vec()));
    let after = record.send().await.unwrap();
    assert_eq!(after.shard_id(), before.shard_id());
    assert!(after.sequence_number() > before.sequence_number(), "{before:?} {after:?}");
    assert!(fixture.plane.quiesce(Duration::from_millis(500), Duration::from_secs(20)).await);
    assert_eq!(fixture.plane.mapping_stats()["EchoFromStream"].records, 1);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_starts_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let line = async |change: &dyn Fn(&mut PlaneOptions)| {
        let mut options = options(dir.path(), TEMPLATE);
        change(&mut options);
        let error = Plane::start(options).await.err().expect("a start that fails").to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    assert!(line(&|options| options.port = port).await.starts_with(&format!("port {port} is in use")));
    assert!(line(&|options| options.template = "no/such.yaml".into()).await.contains("no/such.yaml: cannot be read"));
    assert!(line(&|options| options.bootstraps.clear()).await.contains("no bootstrap for binary `echo`"));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(line(&|options| options.data_dir = Some(file.join("data"))).await.contains("cannot be created"));
    let broken = dir.path().join("broken.yaml");
    std::fs::write(&broken, "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: soon}}").unwrap();
    let error = line(&|options| options.template.clone_from(&broken)).await;
    assert!(
        error.ends_with("broken.yaml:2: Q.DelaySeconds: found `soon`, expected an integer from 0 to 900"),
        "{error}"
    );
}
