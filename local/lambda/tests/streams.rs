//! Event source mappings of streams, against a stream in memory, in paused time.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use support::{Answer, Function, failures, sequence, until};
use tokio::time::Instant;
use weir_local_lambda::{
    BatchInfo, Checkpoints, DiscardReason, DiscardedBatch, FailureDestination, Fault, Filters, MappingKind,
    MappingSpec, MemoryStream, QueueSettings, RecordData, Runner, RunnerOptions, Source, SourceError, StartingPosition,
    StreamSettings,
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

#[derive(Default)]
struct Destination(Mutex<Vec<DiscardedBatch>>);

impl FailureDestination for Destination {
    fn discarded<'a>(&'a self, batch: &'a DiscardedBatch) -> BoxFuture<'a, Result<(), SourceError>> {
        self.0.lock().expect("no panic").push(batch.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn batches_in_order_one_at_a_time() {
    let (stream, function) = (filled(7), Function::ok().taking(Duration::from_millis(50)).start());
    let runner = start(&function, &stream, mapping(3, StreamSettings::default()), RunnerOptions::default());
    idle(&runner).await;
    assert_eq!(function.calls(), [vec!["1", "2", "3"], vec!["4", "5", "6"], vec!["7"]]);
    assert_eq!(function.concurrency_peak(), 1);
    let stats = runner.stats();
    assert_eq!((stats.batches, stats.records, stats.retries, stats.iterator_age_ms), (3, 7, 0, 0));
    stream.put_bytes(0, "k", "x");
    until("the next record", || runner.stats().records == 8).await;
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_until_it_is_over_or_the_batch_is_full() {
    let (stream, function) = (filled(1), Function::ok().start());
    let window = Duration::from_secs(5);
    let spec = MappingSpec { batching_window: window, ..mapping(3, StreamSettings::default()) };
    let started = Instant::now();
    let runner = start(&function, &stream, spec, RunnerOptions::default());
    tokio::time::sleep(Duration::from_secs(2)).await;
    stream.put_bytes(0, "k", "x");
    until("the window", || function.delivered() == 2).await;
    let waited = started.elapsed();
    assert!(waited >= window && waited < window + Duration::from_millis(100), "{waited:?}");

    let started = Instant::now();
    (0..3).for_each(|_| drop(stream.put_bytes(0, "k", "x")));
    until("a full batch", || function.delivered() == 5).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(function.calls(), [vec!["1", "2"], vec!["3", "4", "5"]]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_never_exceeds_6_mb() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    for _ in 0..10 {
        stream.put_bytes(0, "k", vec![0; 1024 * 1024]);
    }
    let function = Function::ok().start();
    let runner = start(&function, &stream, mapping(100, StreamSettings::default()), RunnerOptions::default());
    idle(&runner).await;
    // 1 MiB is 1.33 MiB in base64.
    assert_eq!(function.calls().iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_retried_whole_with_growing_delays() {
    let function = Function::new(|call, _| if call < 4 { Answer::Error } else { Answer::Ok }).start();
    let started = Instant::now();
    let runner = start(&function, &filled(2), mapping(10, StreamSettings::default()), RunnerOptions::default());
    idle(&runner).await;
    assert_eq!(function.calls(), vec![vec!["1", "2"]; 5]);
    assert!(started.elapsed() >= Duration::from_millis(100 + 200 + 400 + 800));
    let stats = runner.stats();
    assert_eq!((stats.failures, stats.retries, stats.records), (4, 4, 2));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_restarts_from_the_lowest_reported_record() {
    let function = Function::new(|call, _| match call {
        0 => failures([sequence(5), sequence(3), sequence(4)]),
        1 => failures([sequence(99)]), // not of this batch: all of it failed
        2 => failures([""]),
        3 => Answer::Json("done".into()),
        4 => failures([sequence(5)]),
        _ => Answer::Ok,
    });
    let function = function.start();
    let runner = start(&function, &filled(6), mapping(6, StreamSettings::default()), RunnerOptions::default());
    idle(&runner).await;
    let rest = vec!["3", "4", "5", "6"];
    let all = vec!["1", "2", "3", "4", "5", "6"];
    assert_eq!(function.calls(), [all, rest.clone(), rest.clone(), rest.clone(), rest, vec!["5", "6"]]);
    assert_eq!((runner.stats().partial_failures, runner.stats().failures, runner.stats().records), (2, 3, 6));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_report_batch_item_failures_the_response_is_not_read() {
    let function = Function::new(|_, _| failures([sequence(1)])).start();
    let spec = MappingSpec { report_batch_item_failures: false, ..mapping(6, StreamSettings::default()) };
    let runner = start(&function, &filled(2), spec, RunnerOptions::default());
    idle(&runner).await;
    assert_eq!(function.calls().len(), 1);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bisect_isolates_the_poison_which_is_discarded_and_told() {
    let poisoned = |ids: &[String]| ids.iter().any(|id| id == "3");
    let function = Function::new(move |_, ids| if poisoned(ids) { Answer::Error } else { Answer::Ok }).start();
    let settings =
        StreamSettings { bisect_on_function_error: true, maximum_retry_attempts: Some(1), ..StreamSettings::default() };
    let destination = Arc::new(Destination::default());
    let options = RunnerOptions { on_failure: Some(destination.clone()), ..RunnerOptions::default() };
    let runner = start(&function, &filled(4), mapping(4, settings), options);
    idle(&runner).await;
    let calls = [vec!["1", "2", "3", "4"], vec!["1", "2"], vec!["3", "4"], vec!["3"], vec!["3"], vec!["4"]];
    assert_eq!(function.calls(), calls);
    let stats = runner.stats();
    assert_eq!((stats.bisects, stats.discarded, stats.records), (2, 1, 3));
    let told = destination.0.lock().expect("no panic").clone();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].reason, told[0].records, told[0].attempts), (DiscardReason::RetryAttemptsExhausted, 1, 2));
    assert_eq!((&told[0].first_sequence, &told[0].last_sequence), (&sequence(3), &sequence(3)));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn records_too_old_are_discarded_undelivered_and_young_ones_while_failing() {
    let stream = Arc::new(MemoryStream::kinesis(ARN, 1));
    let data = || RecordData::Kinesis { partition_key: "k".into(), data: "x".into() };
    stream.put_at(0, data(), 1_000);
    stream.put(0, data());
    let function = Function::new(|_, _| Answer::Error).start();
    let settings = StreamSettings { maximum_record_age: Some(Duration::from_secs(60)), ..StreamSettings::default() };
    let destination = Arc::new(Destination::default());
    let options = RunnerOptions { on_failure: Some(destination.clone()), ..RunnerOptions::default() };
    let started = Instant::now();
    let runner = start(&function, &stream, mapping(10, settings), options);
    idle(&runner).await;
    assert!(started.elapsed() >= Duration::from_secs(60));
    assert!(function.calls().iter().all(|call| call == &["2"]));
    assert_eq!((runner.stats().discarded, runner.stats().records), (2, 0));
    let reasons: Vec<_> = destination.0.lock().expect("no panic").iter().map(|batch| batch.reason).collect();
    assert_eq!(reasons, [DiscardReason::RecordAgeExceeded; 2]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn throttles_are_no_retries() {
    let left = Mutex::new(5);
    let function = Function::new(move |_, _| {
        let mut left = left.lock().expect("no panic");
        *left -= 1;
        if *left >= 0 { Answer::Throttle } else { Answer::Ok }
    });
    let function = function.start();
    let settings = StreamSettings { maximum_retry_attempts: Some(0), ..StreamSettings::default() };
    let runner = start(&function, &filled(1), mapping(1, settings), RunnerOptions::default());
    idle(&runner).await;
    let stats = runner.stats();
    assert_eq!((stats.throttles, stats.retries, stats.discarded, stats.records), (5, 0, 0, 1));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_running_invocation_and_keeps_its_checkpoint() {
    let (stream, function) = (filled(2), Function::ok().taking(Duration::from_secs(30)).start());
    let checkpoints = Checkpoints::in_memory();
    let options = || RunnerOptions { checkpoints: checkpoints.clone(), ..RunnerOptions::default() };
    let runner = start(&function, &stream, mapping(1, StreamSettings::default()), options());
    until("in flight", || runner.stats().in_flight == 1).await;
    runner.stop().await;
    assert_eq!(function.calls(), [["1"]]);
    let runner = start(&function, &stream, mapping(1, StreamSettings::default()), options());
    idle(&runner).await;
    assert_eq!(function.calls(), [["1"], ["2"]]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn faults_cut_fail_and_repeat_deliveries() {
    let script =
        [Fault::FailBeforeInvoke, Fault::FailAfterInvoke, Fault::Truncate(1), Fault::DuplicateDelivery, Fault::None];
    let call = Mutex::new(script.into_iter());
    let faults = move |_: &BatchInfo<'_>| call.lock().expect("no panic").next().unwrap_or_default();
    let options = RunnerOptions { faults: Some(Arc::new(faults)), ..RunnerOptions::default() };
    let function = Function::ok().start();
    let runner = start(&function, &filled(3), mapping(3, StreamSettings::default()), options);
    idle(&runner).await;
    let (all, rest) = (vec!["1", "2", "3"], vec!["2", "3"]);
    assert_eq!(function.calls(), [all, vec!["1"], rest.clone(), rest]);
    assert_eq!((runner.stats().faults, runner.stats().records), (4, 3));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_mapping_reads_nothing() {
    let (stream, function) = (filled(1), Function::ok().start());
    let spec = MappingSpec { enabled: false, ..mapping(1, StreamSettings::default()) };
    let runner = start(&function, &stream, spec, RunnerOptions::default());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((function.delivered(), stream.reads()), (0, 0));
    runner.stop().await;
}

#[tokio::test]
async fn what_is_not_honoured_is_refused_by_name() {
    let settings = StreamSettings::default;
    let refused = [
        (mapping(0, settings()), "BatchSize"),
        (mapping(10_001, settings()), "BatchSize"),
        (mapping(1, StreamSettings { parallelization_factor: 0, ..settings() }), "ParallelizationFactor"),
        (mapping(1, StreamSettings { parallelization_factor: 11, ..settings() }), "ParallelizationFactor"),
        (
            mapping(1, StreamSettings { tumbling_window: Duration::from_secs(901), ..settings() }),
            "TumblingWindowInSeconds",
        ),
        (
            mapping(
                1,
                StreamSettings { tumbling_window: Duration::from_secs(1), parallelization_factor: 2, ..settings() },
            ),
            "TumblingWindowInSeconds",
        ),
        (mapping(1, StreamSettings { maximum_retry_attempts: Some(10_001), ..settings() }), "MaximumRetryAttempts"),
        (
            mapping(1, StreamSettings { maximum_record_age: Some(Duration::from_secs(59)), ..settings() }),
            "MaximumRecordAgeInSeconds",
        ),
        (
            MappingSpec { batching_window: Duration::from_secs(301), ..mapping(1, settings()) },
            "MaximumBatchingWindowInSeconds",
        ),
        (
            MappingSpec { kind: MappingKind::Queue(QueueSettings::default()), ..mapping(1, settings()) },
            "EventSourceArn",
        ),
        (
            mapping(1, StreamSettings { starting_position: StartingPosition::AtTimestamp(0), ..settings() }),
            "StartingPosition",
        ),
    ];
    for (spec, setting) in refused {
        let source = Source::Shards(Arc::new(MemoryStream::dynamodb("arn:aws:dynamodb:::table/t/stream/l", 1)));
        let error = Runner::start(Function::ok(), spec, source, RunnerOptions::default()).err().expect("refused");
        assert_eq!(error.setting, setting, "{error}");
    }
}
