//! Schedules, in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;
use weir_local_lambda::{Invocation, InvokeError, Invoker, Outcome, Tick, scheduled_event, start_schedule};

/// Fails so many times, and notes when it was called with what.
struct Flaky {
    failures: Mutex<u32>,
    calls: Mutex<Vec<(Duration, Value)>>,
    started: Instant,
}

impl Flaky {
    fn new(failures: u32) -> Arc<Flaky> {
        Arc::new(Flaky { failures: Mutex::new(failures), calls: Mutex::default(), started: Instant::now() })
    }

    fn seconds(&self) -> Vec<u64> {
        self.calls.lock().expect("no panic").iter().map(|(at, _)| at.as_secs()).collect()
    }
}

impl Invoker for Flaky {
    fn invoke<'a>(&'a self, _: &'a str, payload: Bytes) -> BoxFuture<'a, Result<Invocation, InvokeError>> {
        let event = serde_json::from_slice(&payload).expect("JSON");
        self.calls.lock().expect("no panic").push((self.started.elapsed(), event));
        let mut failures = self.failures.lock().expect("no panic");
        let fails = *failures > 0;
        *failures = failures.saturating_sub(1);
        let outcome = match fails {
            true => Outcome::FunctionError { kind: "Unhandled".into(), payload: Bytes::new() },
            false => Outcome::Success(Bytes::new()),
        };
        let executed_version = "$LATEST".to_owned();
        let (request_id, duration) = ("r".to_owned(), Duration::ZERO);
        let invocation = Invocation {
            outcome,
            request_id,
            duration,
            cold_start: false,
            init: None,
            peak_bytes: None,
            executed_version,
        };
        Box::pin(std::future::ready(Ok(invocation)))
    }

    fn concurrency_max(&self, _: &str) -> Option<u32> {
        None
    }
}

fn event(tick: &Tick) -> Bytes {
    scheduled_event(tick, "us-east-1", "000000000000", "sweep")
}

#[tokio::test(start_paused = true)]
async fn ticks_at_its_rate_with_the_standard_event() {
    let function = Flaky::new(0);
    let schedule = start_schedule(function.clone(), "f", Duration::from_secs(60), event);
    tokio::time::sleep(Duration::from_secs(190)).await;
    schedule.stop().await;
    assert_eq!(function.seconds(), [60, 120, 180]);
    let mut event = function.calls.lock().expect("no panic")[0].1.clone();
    let time = event["time"].take();
    assert!(time.as_str().expect("text").ends_with('Z'));
    assert!(event["id"].take().as_str().expect("text").len() == 36);
    let expected = json!({
        "version": "0", "id": null, "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "000000000000", "time": null, "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/sweep"], "detail": {}
    });
    assert_eq!(event, expected);
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_retried_twice_and_then_given_up() {
    let function = Flaky::new(4);
    let schedule = start_schedule(function.clone(), "f", Duration::from_secs(1_000), event);
    tokio::time::sleep(Duration::from_secs(2_500)).await;
    assert_eq!(function.seconds(), [1_000, 1_060, 1_180, 2_000, 2_060]);
    let stats = schedule.stats();
    assert_eq!((stats.ticks, stats.failures, stats.given_up, stats.succeeded), (2, 4, 1, 1));
    schedule.stop().await;
}
