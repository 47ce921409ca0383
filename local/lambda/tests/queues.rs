//! Event source mappings of queues, against a queue in memory, in paused time.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Answer, Function, failures, until};
use tokio::time::Instant;
use weir_local_lambda::{
    BatchInfo, Fault, Filters, MappingKind, MappingSpec, MemoryQueue, QueueSettings, Runner, RunnerOptions, Source,
    SourceError,
};

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const VISIBILITY: Duration = Duration::from_secs(30);

fn mapping(batch_size: u32) -> MappingSpec {
    MappingSpec {
        id: "m".into(),
        function: "f".into(),
        batch_size,
        batching_window: Duration::ZERO,
        kind: MappingKind::Queue(QueueSettings::default()),
        report_batch_item_failures: true,
        filters: Filters::default(),
        enabled: true,
    }
}

fn filled(messages: usize) -> Arc<MemoryQueue> {
    let queue = Arc::new(MemoryQueue::new(ARN, VISIBILITY));
    (1..=messages).for_each(|number| drop(queue.send(number.to_string())));
    queue
}

fn start(function: &Arc<Function>, queue: &Arc<MemoryQueue>, mapping: MappingSpec, options: RunnerOptions) -> Runner {
    Runner::start(function.clone(), mapping, Source::Queue(queue.clone()), options).expect("valid")
}

fn single_lane() -> Function {
    Function::ok().with_concurrency(1)
}

#[tokio::test(start_paused = true)]
async fn processed_messages_are_deleted() {
    let (queue, function) = (filled(25), single_lane().start());
    let runner = start(&function, &queue, mapping(10), RunnerOptions::default());
    until("empty", || queue.is_empty()).await;
    until("idle", || runner.stats().idle_since.is_some()).await;
    assert_eq!(function.calls().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!((runner.stats().batches, runner.stats().records), (3, 25));
    // Waiting costs one receive every 20 seconds, and a message still comes at once.
    let receives = queue.receives();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(queue.receives() - receives <= 6);
    queue.send("x");
    let sent = Instant::now();
    until("the next", || queue.is_empty()).await;
    assert!(sent.elapsed() <= Duration::from_millis(20));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_comes_back_after_the_visibility_timeout() {
    let queue = filled(3);
    let function =
        Function::new(|call, _| if call == 0 { Answer::Error } else { Answer::Ok }).with_concurrency(1).start();
    let started = Instant::now();
    let runner = start(&function, &queue, mapping(10), RunnerOptions::default());
    until("empty", || queue.is_empty()).await;
    assert!(started.elapsed() >= VISIBILITY && started.elapsed() < VISIBILITY * 2);
    assert_eq!(function.calls(), vec![vec!["1", "2", "3"]; 2]);
    assert_eq!((runner.stats().failures, runner.stats().records), (1, 3));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reported_messages_stay_and_the_others_are_deleted() {
    let queue = filled(4);
    let function = Function::new(|call, _| match call {
        0 => failures(["message-000002", "message-000004"]),
        1 => failures(["message-000001"]), // not of this batch
        2 => failures([""]),
        3 => Answer::Json("fine".into()),
        _ => Answer::Ok,
    });
    let function = function.with_concurrency(1).start();
    let runner = start(&function, &queue, mapping(10), RunnerOptions::default());
    until("the first answer", || runner.stats().records == 2).await;
    assert_eq!((queue.len(), queue.visible()), (2, 0), "they wait for their visibility timeout");
    until("empty", || queue.is_empty()).await;
    let rest = vec!["2", "4"];
    assert_eq!(function.calls(), [vec!["1", "2", "3", "4"], rest.clone(), rest.clone(), rest.clone(), rest]);
    assert_eq!((runner.stats().partial_failures, runner.stats().failures), (1, 3));
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_passes_no_filter_is_deleted_undelivered() {
    let delivered = [
        (r#"{"body":{"level":["error"]}}"#, r#"{"level":"error"}"#),
        (r#"{"body":["plain"]}"#, "plain"),
        (r#"{"body":[{"prefix":"pl"}],"eventSource":["aws:sqs"]}"#, "plain"),
    ];
    for (pattern, expected) in delivered {
        let queue = Arc::new(MemoryQueue::new(ARN, Duration::from_secs(30)));
        for body in [r#"{"level":"error"}"#, r#"{"level":"info"}"#, "plain"] {
            queue.send(body);
        }
        let function = Function::ok().start();
        let filters = Filters::parse(&[pattern]).expect("a pattern");
        let runner = start(&function, &queue, MappingSpec { filters, ..mapping(10) }, RunnerOptions::default());
        until("an empty queue", || queue.is_empty()).await;
        until("counts", || runner.stats().filtered == 2 && runner.stats().records == 1).await;
        assert_eq!(function.calls(), [[expected]], "{pattern}");
        runner.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stands_in_a_batch_twice_fails_wherever_it_stands() {
    let queue = Arc::new(MemoryQueue::new(ARN, Duration::from_secs(2)));
    queue.send("1");
    let script = |call, _: &[String]| if call == 0 { failures(["message-000001"]) } else { Answer::Ok };
    let function = Function::new(script).with_concurrency(1).start();
    // The window outlasts the visibility timeout: the message is received again into the batch that holds it.
    let spec = MappingSpec { batching_window: Duration::from_secs(3), ..mapping(100) };
    let runner = start(&function, &queue, spec, RunnerOptions::default());
    until("the first answer", || runner.stats().partial_failures == 1).await;
    assert_eq!(function.calls()[0], ["1", "1"]);
    until("what has failed is delivered again", || function.calls().len() > 1).await;
    until("empty", || queue.is_empty()).await;
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_over_several_receives() {
    let (queue, function) = (filled(25), single_lane().start());
    let spec = MappingSpec { batching_window: Duration::from_secs(3), ..mapping(100) };
    let started = Instant::now();
    let runner = start(&function, &queue, spec, RunnerOptions::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue.send("26");
    until("empty", || queue.is_empty()).await;
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_millis(3_300), "{waited:?}");
    assert_eq!(function.calls().iter().map(Vec::len).collect::<Vec<_>>(), [26]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_never_exceeds_6_mb() {
    let queue = Arc::new(MemoryQueue::new(ARN, VISIBILITY));
    (0..14).for_each(|_| drop(queue.send("x".repeat(1024 * 1024))));
    let function = single_lane().start();
    let spec = MappingSpec { batching_window: Duration::from_secs(1), ..mapping(100) };
    let runner = start(&function, &queue, spec, RunnerOptions::default());
    until("empty", || queue.is_empty()).await;
    assert_eq!(function.calls().iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 4]);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn scales_from_five_to_the_limit() {
    let (queue, function) = (filled(400), Function::ok().taking(Duration::from_secs(2)).start());
    let kind = MappingKind::Queue(QueueSettings { maximum_concurrency: Some(12) });
    let runner = start(&function, &queue, MappingSpec { kind, ..mapping(1) }, RunnerOptions::default());
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(runner.stats().in_flight, 5);
    until("empty", || queue.is_empty()).await;
    assert_eq!(function.concurrency_peak(), 12);
    runner.stop().await;

    let (queue, function) = (filled(40), Function::ok().taking(Duration::from_secs(1)).with_concurrency(3).start());
    let runner = start(&function, &queue, mapping(1), RunnerOptions::default());
    until("empty", || queue.is_empty()).await;
    assert_eq!(function.concurrency_peak(), 3, "the function's own limit");
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn throttled_batches_are_retried_until_they_would_be_visible_again() {
    let queue = filled(1);
    let open_at = Instant::now() + VISIBILITY + Duration::from_secs(15);
    let function = Function::new(move |_, _| if Instant::now() < open_at { Answer::Throttle } else { Answer::Ok });
    let function = function.with_concurrency(1).start();
    let runner = start(&function, &queue, mapping(1), RunnerOptions::default());
    until("empty", || queue.is_empty()).await;
    let stats = runner.stats();
    assert_eq!((stats.dropped, stats.records, stats.failures), (1, 1, 0), "dropped once, then received again");
    assert!(stats.throttles > 5);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fifo_group_keeps_its_order_through_failures() {
    let queue = Arc::new(MemoryQueue::new(format!("{ARN}.fifo"), VISIBILITY));
    for number in 1..=6 {
        queue.send_to_group("a", format!("a{number}"));
        queue.send_to_group("b", format!("b{number}"));
    }
    // What fails is reported, and what follows it in its group too, as AWS asks of functions of FIFO queues.
    let processed: Arc<Mutex<Vec<String>>> = Arc::default();
    let function = {
        let processed = processed.clone();
        Function::new(move |call, ids| match call {
            0 => {
                processed.lock().expect("no panic").push(ids[0].clone());
                failures((2..=4).map(|number| format!("message-{number:06}")))
            }
            1 => Answer::Error,
            _ => {
                processed.lock().expect("no panic").extend(ids.iter().cloned());
                Answer::Ok
            }
        })
        .taking(Duration::from_secs(1))
        .start()
    };
    // The rest of a cut batch is in hand while its beginning fails.
    let faults = |batch: &BatchInfo<'_>| if batch.records > 4 { Fault::Truncate(4) } else { Fault::None };
    let options = RunnerOptions { faults: Some(Arc::new(faults)), ..RunnerOptions::default() };
    let runner = start(&function, &queue, mapping(10), options);
    until("empty", || queue.is_empty()).await;
    for group in ["a", "b"] {
        let of_group: Vec<_> =
            processed.lock().expect("no panic").iter().filter(|id| id.starts_with(group)).cloned().collect();
        assert_eq!(of_group, (1..=6).map(|number| format!("{group}{number}")).collect::<Vec<_>>());
    }
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn source_errors_lose_nothing() {
    let (queue, function) = (filled(3), single_lane().taking(Duration::from_millis(50)).start());
    for _ in 0..3 {
        queue.fail_next(SourceError::Other("connection reset".into()));
    }
    let runner = start(&function, &queue, mapping(1), RunnerOptions::default());
    until("the first", || function.delivered() > 0).await;
    queue.fail_next(SourceError::Throttled("slow down".into()));
    until("empty", || queue.is_empty()).await;
    assert!(runner.stats().source_errors >= 4);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_makes_messages_in_hand_visible() {
    let (queue, function) = (filled(5), single_lane().taking(Duration::from_secs(5)).start());
    let faults = |_: &BatchInfo<'_>| Fault::Truncate(2);
    let options = RunnerOptions { faults: Some(Arc::new(faults)), ..RunnerOptions::default() };
    let runner = start(&function, &queue, mapping(10), options);
    until("in flight", || runner.stats().in_flight == 1).await;
    runner.stop().await;
    assert_eq!(function.calls(), [["1", "2"]]);
    assert_eq!((queue.len(), queue.visible()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn faults_redeliver_but_lose_nothing() {
    let queue = filled(4);
    let script = [Fault::FailBeforeInvoke, Fault::FailAfterInvoke, Fault::Truncate(1), Fault::DuplicateDelivery];
    let script = Mutex::new(script.into_iter());
    let faults = move |_: &BatchInfo<'_>| script.lock().expect("no panic").next().unwrap_or_default();
    let options = RunnerOptions { faults: Some(Arc::new(faults)), ..RunnerOptions::default() };
    let function = single_lane().start();
    let runner = start(&function, &queue, mapping(10), options);
    until("empty", || queue.is_empty()).await;
    let (all, rest) = (vec!["1", "2", "3", "4"], vec!["2", "3", "4"]);
    assert_eq!(function.calls(), [all, vec!["1"], rest.clone(), rest]);
    runner.stop().await;
}

#[tokio::test]
async fn what_aws_refuses_is_refused_by_name() {
    let concurrency = |maximum| MappingKind::Queue(QueueSettings { maximum_concurrency: Some(maximum) });
    let window = Duration::from_secs(1);
    let refused = [
        (ARN, mapping(11), "BatchSize"),
        (ARN, MappingSpec { kind: concurrency(1), ..mapping(1) }, "ScalingConfig.MaximumConcurrency"),
        (ARN, MappingSpec { kind: concurrency(1_001), ..mapping(1) }, "ScalingConfig.MaximumConcurrency"),
        (
            "arn:aws:sqs:::q.fifo",
            MappingSpec { batching_window: window, ..mapping(1) },
            "MaximumBatchingWindowInSeconds",
        ),
    ];
    for (arn, spec, setting) in refused {
        let source = Source::Queue(Arc::new(MemoryQueue::new(arn, VISIBILITY)));
        let error = Runner::start(Function::ok(), spec, source, RunnerOptions::default()).err().expect("refused");
        assert_eq!(error.setting, setting, "{error}");
    }
}
