//! Where the mapping of a stream begins, goes on, and what comes after what; in paused time.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Answer, Function, sequence, until};
use weir_local_lambda::{
    Checkpoints, Filters, MappingKind, MappingSpec, MemoryStream, Position, RecordData, Runner, RunnerOptions,
    ShardSource as _, Source, SourceError, StartingPosition, StreamSettings,
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

fn start(function: &Arc<Function>, stream: &Arc<MemoryStream>, mapping: MappingSpec, options: RunnerOptions) -> Runner {
    Runner::start(function.clone(), mapping, Source::Shards(stream.clone()), options).expect("valid")
}

fn filled(records: usize) -> Arc<MemoryStream> {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    for _ in 0..records {
        stream.put_bytes(0, "k", "x");
    }
    stream
}

async fn idle(runner: &Runner) {
    until("idle", || runner.stats().idle_since.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn latest_begins_now_and_skips_nothing_after_that() {
    let (stream, function) = (filled(0), Function::ok().start());
    for old in [1_000, 2_000] {
        stream.put_at(0, RecordData::Kinesis { partition_key: "k".into(), data: "x".into() }, old);
    }
    let settings = || StreamSettings { starting_position: StartingPosition::Latest, ..StreamSettings::default() };
    let checkpoints = Checkpoints::in_memory();
    let options = || RunnerOptions { checkpoints: checkpoints.clone(), ..RunnerOptions::default() };
    let runner = start(&function, &stream, mapping(10, settings()), options());
    idle(&runner).await;
    assert_eq!(function.delivered(), 0);
    // Expired before anything was read, and put before the next read: LATEST taken again would skip it.
    stream.expire_iterators();
    stream.put_bytes(0, "k", "x");
    until("the record", || function.delivered() == 1).await;
    runner.stop().await;

    stream.put_bytes(0, "k", "x");
    let runner = start(&function, &stream, mapping(10, settings()), options());
    idle(&runner).await;
    assert_eq!(function.calls(), [["3"], ["4"]], "a restart goes on from its checkpoint");
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_timestamp_begins_there() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    for second in 1..=4 {
        let data = RecordData::Kinesis { partition_key: "k".into(), data: "x".into() };
        stream.put_at(0, data, second * 1000);
    }
    let function = Function::ok().start();
    let settings =
        StreamSettings { starting_position: StartingPosition::AtTimestamp(3000), ..StreamSettings::default() };
    let runner = start(&function, &stream, mapping(10, settings), RunnerOptions::default());
    idle(&runner).await;
    assert_eq!(function.calls(), [["3", "4"]]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn source_errors_and_expired_iterators_lose_nothing() {
    let (stream, function) = (filled(5), Function::ok().start());
    for _ in 0..4 {
        stream.fail_next(SourceError::Throttled("slow down".into()));
    }
    let runner = start(&function, &stream, mapping(2, StreamSettings::default()), RunnerOptions::default());
    until("the first batch", || function.delivered() >= 2).await;
    stream.expire_iterators();
    stream.fail_next(SourceError::Other("connection reset".into()));
    stream.put_bytes(0, "k", "x");
    until("all of it", || runner.stats().records == 6).await;
    let delivered: Vec<String> = function.calls().concat();
    assert_eq!(delivered, ["1", "2", "3", "4", "5", "6"]);
    assert!(runner.stats().source_errors >= 4);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_position_trimmed_away_goes_on_from_what_is_left() {
    let (stream, function) = (filled(2), Function::ok().start());
    let checkpoints = Checkpoints::in_memory();
    let options = || RunnerOptions { checkpoints: checkpoints.clone(), ..RunnerOptions::default() };
    let runner = start(&function, &stream, mapping(10, StreamSettings::default()), options());
    idle(&runner).await;
    runner.stop().await;
    (0..4).for_each(|_| drop(stream.put_bytes(0, "k", "x")));
    stream.trim(0, 4);
    let after = Position::After(sequence(2));
    assert!(stream.iterator(&MemoryStream::shard_id(0), &after).await.is_err());
    let runner = start(&function, &stream, mapping(10, StreamSettings::default()), options());
    until("the rest", || function.delivered() == 4).await;
    assert_eq!(function.calls()[1], ["5", "6"]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn children_are_read_only_after_their_parents() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 2));
    (0..3).for_each(|_| drop(stream.put_bytes(0, "k", "x"))); // 1 2 3
    stream.put_bytes(1, "k", "x"); // 4
    let split = stream.reshard(&[0], 2);
    stream.put_bytes(split[0], "k", "x"); // 5
    stream.put_bytes(split[1], "k", "x"); // 6
    let merged = stream.reshard(&[split[1], 1], 1);
    stream.put_bytes(merged[0], "k", "x"); // 7
    // The parent's second batch fails a while.
    let stuck = Mutex::new(6);
    let function = Function::new(move |_, ids| {
        let mut stuck = stuck.lock().expect("no panic");
        let fails = ids[0] == "3" && *stuck > 0;
        *stuck -= i32::from(fails);
        if fails { Answer::Error } else { Answer::Ok }
    });
    let function = function.start();
    let runner = start(&function, &stream, mapping(2, StreamSettings::default()), RunnerOptions::default());
    until("all of it", || runner.stats().records == 7).await;
    let delivered = function.calls().concat();
    let at = |id: &str| delivered.iter().rposition(|delivered| delivered == id).expect("delivered");
    let first = |id: &str| delivered.iter().position(|delivered| delivered == id).expect("delivered");
    assert!(first("5") > at("3") && first("6") > at("3") && first("7") > at("6") && first("7") > at("4"));

    // Reshard while running, and end a shard that never held anything.
    let next = stream.reshard(&[merged[0], split[0]], 2);
    stream.reshard(&[next[1]], 0);
    stream.put_bytes(next[0], "k", "x");
    until("the new shard", || runner.stats().records == 8).await;
    idle(&runner).await;
    runner.stop().await;
}

#[tokio::test]
async fn checkpoints_in_a_file_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("checkpoints.json");
    let stream = filled(3);
    for (expected, put) in [(3, 1), (1, 0), (0, 0)] {
        let function = Function::ok().start();
        let checkpoints = Checkpoints::open(&path).expect("as written");
        let options = RunnerOptions { checkpoints, ..RunnerOptions::default() };
        let runner = start(&function, &stream, mapping(10, StreamSettings::default()), options);
        idle(&runner).await;
        runner.stop().await;
        assert_eq!(function.delivered(), expected);
        (0..put).for_each(|_| drop(stream.put_bytes(0, "k", "x")));
    }
}
