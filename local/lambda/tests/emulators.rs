//! The AWS SDK adapters, against local implementations of the three services, over the wire and in real time.

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use support::{Answer, Function};
use tokio::net::TcpListener;
use weir_local_lambda::{
    Filters, KinesisShards, MappingKind, MappingSpec, Position, QueueSettings, QueueSource as _, Runner, RunnerOptions,
    ShardSource as _, Source, SourceError, SqsQueue, StreamSettings,
};

macro_rules! client {
    ($service:ident, $endpoint:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version($service::config::BehaviorVersion::latest())
                .endpoint_url($endpoint)
                .region($service::config::Region::new("us-east-1"))
                .credentials_provider($service::config::Credentials::new("test", "test", None, None, "test"))
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    };
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, endpoint)
}

fn mapping(kind: MappingKind) -> MappingSpec {
    MappingSpec {
        id: "m".into(),
        function: "f".into(),
        batch_size: 10,
        batching_window: Duration::ZERO,
        kind,
        report_batch_item_failures: true,
        filters: Filters::default(),
        enabled: true,
    }
}

/// In real time: the limit only turns a hang into a failure.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect(what);
}

fn options() -> RunnerOptions {
    let quick = Duration::from_millis(20);
    RunnerOptions { poll_interval: quick, discovery_interval: Duration::from_millis(100), ..RunnerOptions::default() }
}

#[tokio::test]
async fn kinesis_with_a_split() {
    let (listener, endpoint) = listener().await;
    let (app, _store) = ferrokinesis::create_app(ferrokinesis::store::StoreOptions::default());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = client!(aws_sdk_kinesis, endpoint);
    client.create_stream().stream_name("s").shard_count(1).send().await.expect("created");
    let active = || async {
        loop {
            let summary = client.describe_stream_summary().stream_name("s").send().await.expect("described");
            let summary = summary.stream_description_summary.expect("a summary");
            if summary.stream_status.as_str() == "ACTIVE" {
                return summary.stream_arn;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let arn = active().await;
    let put = |count: usize| {
        let client = client.clone();
        async move {
            for number in 0..count {
                let put = client.put_record().stream_name("s").partition_key(format!("k{number}"));
                put.data(Blob::new("x")).send().await.expect("put");
            }
        }
    };
    put(25).await;
    let function = Function::ok().start();
    let source = Source::Kinesis(client.clone(), "s".into(), arn.clone());
    let runner =
        Runner::start(function.clone(), mapping(MappingKind::Stream(StreamSettings::default())), source, options());
    let runner = runner.expect("valid");
    until("all records", || runner.stats().records == 25).await;

    let port = KinesisShards::new(client.clone(), "s", arn);
    let parent = port.shards().await.expect("listed").remove(0);
    let middle = "170141183460469231731687303715884105728";
    let split = client.split_shard().stream_name("s").shard_to_split(&parent.id).new_starting_hash_key(middle);
    split.send().await.expect("split");
    active().await;
    put(20).await;
    until("the children's records", || runner.stats().records == 45).await;
    until("idle", || runner.stats().idle_since.is_some()).await;
    assert_eq!(runner.stats().source_errors, 0);

    let shards = port.shards().await.expect("listed");
    assert_eq!(shards.len(), 3);
    assert!(shards[0].closed && shards[1..].iter().all(|shard| shard.parents == [parent.id.clone()]));
    let first = &shards[1].id;
    let page = port.iterator(first, &Position::AtTimestamp(1_000)).await.expect("an iterator");
    let page = port.records(&page, 10_000).await.expect("a page");
    assert!(!page.records.is_empty() && page.at_tip == Some(true));
    let last = page.records.last().expect("a record").sequence.clone();
    assert!(port.iterator(first, &Position::After(last)).await.is_ok());
    // Of another shard, as after a stream was deleted and made anew.
    let foreign = shards[0].starting_sequence.clone().expect("a closed shard has one");
    let gone = port.iterator(first, &Position::After(foreign)).await;
    assert!(matches!(gone, Err(SourceError::PositionGone(_))), "{gone:?}");
    assert!(matches!(port.iterator("shardId-000000000099", &Position::Latest).await, Err(SourceError::NotFound(_))));
    runner.stop().await;
}

#[tokio::test]
async fn dynamodb_stream() {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        StreamSpecification, StreamViewType,
    };
    let (listener, endpoint) = listener().await;
    let database = dynoxide::Database::memory().expect("in memory");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let client = client!(aws_sdk_dynamodb, &endpoint);
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().expect("complete");
    let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewAndOldImages);
    let created = client
        .create_table()
        .table_name("table")
        .key_schema(key)
        .attribute_definitions(attribute.build().expect("complete"))
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream.build().expect("complete"));
    created.send().await.expect("created");
    let described = client.describe_table().table_name("table").send().await.expect("described");
    let arn = described.table.and_then(|table| table.latest_stream_arn).expect("a stream");
    for number in 0..12 {
        let put = client.put_item().table_name("table").item("pk", AttributeValue::S(format!("{number}")));
        put.item("n", AttributeValue::N(number.to_string())).send().await.expect("put");
    }
    // Halved, then whole.
    let function = Function::new(|call, _| if call == 0 { Answer::Error } else { Answer::Ok }).start();
    let source = Source::DynamoDbStream(client!(aws_sdk_dynamodbstreams, &endpoint), arn);
    let settings = StreamSettings { bisect_on_function_error: true, ..StreamSettings::default() };
    let runner = Runner::start(function.clone(), mapping(MappingKind::Stream(settings)), source, options());
    let runner = runner.expect("valid");
    until("all changes", || runner.stats().records == 12).await;
    until("idle", || runner.stats().idle_since.is_some()).await;
    assert_eq!(function.calls().iter().map(Vec::len).collect::<Vec<_>>(), [10, 5, 5, 2]);
    assert_eq!((runner.stats().bisects, runner.stats().source_errors), (1, 0));
    runner.stop().await;
}

#[tokio::test]
async fn sqs() {
    let (listener, endpoint) = listener().await;
    let service = weir_local_sqs::Sqs::open(weir_local_sqs::SqsOptions::in_memory(&endpoint)).expect("in memory");
    let router = service.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = client!(aws_sdk_sqs, &endpoint);
    let url = client.create_queue().queue_name("q").send().await.expect("created").queue_url.expect("a URL");
    for number in 0..30 {
        client.send_message().queue_url(&url).message_body(number.to_string()).send().await.expect("sent");
    }
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let port = SqsQueue::new(client.clone(), &url, arn);
    assert_eq!(port.properties().await.expect("attributes").visibility_timeout, Duration::from_secs(30));
    let one = port.receive(1, Duration::ZERO).await.expect("received").remove(0);
    assert!(one.attributes.contains_key("SentTimestamp") && one.md5_of_body.len() == 32);
    port.change_visibility(vec![one.receipt_handle], Duration::ZERO).await.expect("visible again");

    let function = Function::ok().start();
    let source = Source::Sqs(client.clone(), url.clone(), arn.into());
    let runner =
        Runner::start(function.clone(), mapping(MappingKind::Queue(QueueSettings::default())), source, options());
    let runner = runner.expect("valid");
    until("all messages", || runner.stats().records == 30).await;
    until("idle", || runner.stats().idle_since.is_some()).await;
    let mut delivered = function.calls().concat();
    delivered.sort();
    delivered.dedup();
    assert_eq!((delivered.len(), runner.stats().source_errors), (30, 0));
    runner.stop().await;
    let missing = SqsQueue::new(client, format!("{url}-none"), arn);
    assert!(matches!(missing.receive(1, Duration::ZERO).await, Err(SourceError::NotFound(_))));
}
