//! What a stream's mapping may be set to beyond batches and retries: filters, tumbling windows, batches side by side.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, Function, failures, sequence, until};
use weir_local_lambda::{
    Checkpoints, DynamoDbRecord, Filters, MappingKind, MappingSpec, MemoryStream, RecordData, Runner, RunnerOptions,
    Source, StreamSettings,
};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

fn mapping(batch_size: u32, settings: StreamSettings) -> MappingSpec {
    MappingSpec {
        id: "m".into(),
        function: "f".into(),
        batch_size,
        batching_window: Duration::ZERO,
        kind: MappingKind::Stream(settings),
        report_batch_item_failures: true,
        filters: Filters::default(),
        enabled: true,
    }
}

fn start(function: &Arc<Function>, stream: &Arc<MemoryStream>, mapping: MappingSpec) -> Runner {
    start_with(function, stream, mapping, Checkpoints::in_memory())
}

fn start_with(
    function: &Arc<Function>,
    stream: &Arc<MemoryStream>,
    mapping: MappingSpec,
    checkpoints: Checkpoints,
) -> Runner {
    let options = RunnerOptions { checkpoints, ..RunnerOptions::default() };
    Runner::start(function.clone(), mapping, Source::Shards(stream.clone()), options).expect("valid")
}

async fn idle(runner: &Runner) {
    until("idle", || runner.stats().idle_since.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_looks_into_kinesis_data_and_withholds_the_rest() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    for data in [r#"{"level":"error"}"#, r#"{"level":"info"}"#, "error", r#"{"level":"error","n":1}"#] {
        stream.put_bytes(0, "k", data);
    }
    let function = Function::ok().start();
    let filters = Filters::parse(&[r#"{"data":{"level":["error"]},"partitionKey":["k"]}"#]).expect("a pattern");
    let runner = start(&function, &stream, MappingSpec { filters, ..mapping(10, StreamSettings::default()) });
    idle(&runner).await;
    assert_eq!(function.calls(), [["1", "4"]]);
    assert_eq!((runner.stats().filtered, runner.stats().records), (2, 2));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_fills_a_batch_with_what_passes() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    (1..=9).for_each(|n| drop(stream.put_bytes(0, "k", format!("{{\"odd\":{}}}", n % 2 == 1))));
    let function = Function::ok().start();
    let filters = Filters::parse(&[r#"{"data":{"odd":[true]}}"#]).expect("a pattern");
    let spec =
        MappingSpec { filters, batching_window: Duration::from_secs(1), ..mapping(5, StreamSettings::default()) };
    let runner = start(&function, &stream, spec);
    idle(&runner).await;
    assert_eq!(function.calls(), [["1", "3", "5", "7", "9"]]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_sees_the_whole_change_of_a_table() {
    let stream = Arc::new(MemoryStream::dynamodb("arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/l", 1));
    for (event_name, amount) in [("INSERT", 5), ("MODIFY", 50), ("INSERT", 500)] {
        let new_image = format!("{{\"amount\":{{\"N\":\"{amount}\"}}}}");
        let change = DynamoDbRecord {
            event_name: event_name.into(),
            new_image: Some(new_image.into()),
            ..DynamoDbRecord::default()
        };
        stream.put(0, RecordData::DynamoDb(Box::new(change)));
    }
    let function = Function::ok().start();
    let pattern = r#"{"eventName":["INSERT"],"dynamodb":{"NewImage":{"amount":{"N":[{"numeric":[">",10]}]}}}}"#;
    let filters = Filters::parse(&[pattern]).expect("a pattern");
    let runner = start(&function, &stream, MappingSpec { filters, ..mapping(10, StreamSettings::default()) });
    idle(&runner).await;
    assert_eq!(function.calls(), [["3"]]);
    runner.stop().await;
}

fn factor(parallelization_factor: u32) -> StreamSettings {
    StreamSettings { parallelization_factor, ..StreamSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn batches_run_side_by_side_and_a_key_keeps_its_order() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    let keys: Vec<String> = (0..200).map(|n| format!("key-{}", n % 20)).collect();
    keys.iter().for_each(|key| drop(stream.put_bytes(0, key, "x")));
    // Every fifth delivery fails, so that retries cross with the other lanes.
    let function = Function::new(|call, _| if call % 5 == 4 { Answer::Error } else { Answer::Ok });
    let function = function.taking(Duration::from_millis(50)).start();
    let runner = start(&function, &stream, mapping(3, factor(4)));
    until("all of it", || runner.stats().records == 200).await;
    assert_eq!(function.concurrency_peak(), 4);
    // Nothing of a key is delivered before what precedes it has been.
    let (mut first, mut last) = (std::collections::HashSet::new(), std::collections::HashMap::new());
    for delivered in function.calls().concat() {
        let number: usize = delivered.parse().expect("a number");
        if first.insert(number) {
            let before = last.insert(&keys[number - 1], number).unwrap_or(0);
            assert!(number > before, "{number} after {before}");
        }
    }
    assert_eq!(first.len(), 200);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_fails_holds_the_checkpoint_and_not_the_other_lane() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    // Whichever lane "bad" falls into, some of the other keys fall into the other.
    stream.put_bytes(0, "bad", "x");
    (0..9).for_each(|n| drop(stream.put_bytes(0, &format!("k{n}"), "x")));
    let function =
        Function::new(|_, ids| if ids.contains(&"1".to_owned()) { Answer::Error } else { Answer::Ok }).start();
    let checkpoints = Checkpoints::in_memory();
    let runner = start_with(&function, &stream, mapping(100, factor(2)), checkpoints.clone());
    until("the other lane", || runner.stats().records > 0 && runner.stats().failures > 2).await;
    let passed = runner.stats().records;
    assert!(passed < 10);
    runner.stop().await;

    let function = Function::ok().start();
    let runner = start_with(&function, &stream, mapping(100, factor(2)), checkpoints);
    idle(&runner).await;
    assert_eq!(function.delivered(), 10, "nothing was settled without the first record before it");
    runner.stop().await;
}

fn tumbling(seconds: u64) -> StreamSettings {
    StreamSettings { tumbling_window: Duration::from_secs(seconds), ..StreamSettings::default() }
}

fn put_at(stream: &MemoryStream, at_ms: i64) {
    stream.put_at(0, RecordData::Kinesis { partition_key: "k".into(), data: "x".into() }, at_ms);
}

/// What each event was, in the order of the calls: records, state, final, early.
fn told(function: &Function) -> Vec<(usize, Value, bool, bool)> {
    let flag = |event: &Value, name: &str| event[name].as_bool().expect("a flag");
    let of = |event: &Value| {
        let records = event["Records"].as_array().map_or(0, Vec::len);
        let state = event["state"]["n"].clone();
        (records, state, flag(event, "isFinalInvokeForWindow"), flag(event, "isWindowTerminatedEarly"))
    };
    function.events().iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tumbling_window_hands_its_state_on_and_ends() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    for at_ms in [60_000, 61_000, 119_999, 120_000] {
        put_at(&stream, at_ms);
    }
    let function = Function::new(|call, _| Answer::Json(json!({"state": {"n": call}}))).start();
    let runner = start(&function, &stream, mapping(2, tumbling(60)));
    idle(&runner).await;
    let null = Value::Null;
    assert_eq!(
        told(&function),
        [
            (2, null.clone(), false, false),
            (1, json!(0), false, false),
            (0, json!(1), true, false),
            (1, null, false, false),
            (0, json!(3), true, false),
        ]
    );
    let first = &function.events()[0];
    assert_eq!(first["window"], json!({"start": "1970-01-01T00:01:00Z", "end": "1970-01-01T00:02:00Z"}));
    assert_eq!(
        (first["shardId"].as_str(), first["eventSourceARN"].as_str()),
        (Some("shardId-000000000000"), Some(ARN))
    );
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_without_a_state_fails_and_a_failed_part_keeps_what_was_done() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    (0..3).for_each(|at| put_at(&stream, 60_000 + at));
    let function = Function::new(|call, _| match call {
        0 => Answer::Ok,
        1 => match failures([sequence(3)]) {
            Answer::Json(mut answer) => {
                answer["state"] = json!({"n": "two"});
                Answer::Json(answer)
            }
            other => other,
        },
        _ => Answer::Json(json!({"state": {"n": "three"}})),
    });
    let function = function.start();
    let runner = start(&function, &stream, mapping(10, tumbling(60)));
    idle(&runner).await;
    let null = Value::Null;
    assert_eq!(
        told(&function),
        [
            (3, null.clone(), false, false),
            (3, null, false, false),
            (1, json!("two"), false, false),
            (0, json!("three"), true, false),
        ]
    );
    assert_eq!((runner.stats().failures, runner.stats().partial_failures), (1, 1));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_state_beyond_1_mb_ends_its_window_early() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    (0..2).for_each(|at| put_at(&stream, 60_000 + at));
    let function = Function::new(|call, _| {
        let rest = if call == 0 { "x".repeat(1024 * 1024) } else { String::new() };
        Answer::Json(json!({"state": {"n": call, "rest": rest}}))
    });
    let function = function.start();
    let runner = start(&function, &stream, mapping(1, tumbling(60)));
    idle(&runner).await;
    let null = Value::Null;
    let expected = [
        (1, null.clone(), false, false),
        (0, json!(0), true, true),
        (1, null, false, false),
        (0, json!(2), true, false),
    ];
    assert_eq!(told(&function), expected);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_begins_the_open_window_again() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    let checkpoints = Checkpoints::in_memory();
    put_at(&stream, 60_000);
    stream.put_bytes(0, "k", "x");
    let counting = || Function::new(|call, _| Answer::Json(json!({"state": {"n": call}}))).start();
    let function = counting();
    // The second record's window is the present one, and stays open for minutes.
    let runner = start_with(&function, &stream, mapping(10, tumbling(900)), checkpoints.clone());
    until("the open window", || runner.stats().records == 2).await;
    assert!(runner.stats().idle_since.is_none(), "there is a window to close");
    runner.stop().await;
    assert_eq!(function.calls(), [vec!["1"], vec![], vec!["2"]]);

    let function = counting();
    let runner = start_with(&function, &stream, mapping(10, tumbling(900)), checkpoints);
    idle(&runner).await;
    assert_eq!(function.calls(), [vec!["2"], vec![]]);
    assert_eq!(told(&function)[0].1, Value::Null, "with an empty state");
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_shard_ends_its_window() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    stream.put_bytes(0, "k", "x");
    let split = stream.reshard(&[0], 2);
    stream.put_bytes(split[0], "k", "x");
    let function = Function::new(|_, _| Answer::Json(json!({"state": {}}))).start();
    let runner = start(&function, &stream, mapping(10, tumbling(900)));
    until("the child", || function.delivered() == 2).await;
    assert_eq!(function.calls(), [vec!["1"], vec![], vec!["2"]]);
    assert_eq!(told(&function)[1], (0, Value::Null, true, true));
    runner.stop().await;
}
