//! Scheduled invocations, as an EventBridge rule with `rate(…)` makes them.
//!
//! A scheduled event is invoked asynchronously: the schedule goes on whatever becomes of it, and a function error is
//! retried twice, after one minute and after two ("How Lambda handles errors and retries with asynchronous invocation").
//! Throttled invocations are tried again with growing delays, for at most six hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::invoker::{Invoker, Outcome};
use crate::mapping::pace::{Backoff, Clock, Stop};

const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
const THROTTLE_DELAY_MIN: Duration = Duration::from_secs(1);
const THROTTLE_DELAY_MAX: Duration = Duration::from_secs(300);
const EVENT_AGE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Events of one schedule waiting or running at once; a tick beyond them is dropped and counted.
const EVENTS_PENDING_MAX: usize = 100;

/// One beat of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Unique; the event's id.
    pub id: String,
    /// When it was due, milliseconds since the epoch.
    pub time_ms: i64,
}

/// The event EventBridge sends for a schedule ("Tutorial: run a Lambda function on a schedule", example event).
pub fn scheduled_event(tick: &Tick, region: &str, account: &str, rule: &str) -> Bytes {
    let time = jiff::Timestamp::from_millisecond(tick.time_ms).unwrap_or_default();
    let event = json!({
        "version": "0",
        "id": tick.id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": region,
        "resources": [format!("arn:aws:events:{region}:{account}:rule/{rule}")],
        "detail": {}
    });
    event.to_string().into()
}

/// A schedule's counts since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleStats {
    /// Ticks that were due.
    pub ticks: u64,
    /// Events the function has processed.
    pub succeeded: u64,
    /// Failed attempts.
    pub failures: u64,
    /// Events given up after their retries, or after six hours of throttling.
    pub given_up: u64,
    /// Attempts refused because of the function's concurrency.
    pub throttles: u64,
    /// Ticks dropped because 100 events were pending already.
    pub dropped: u64,
}

#[derive(Default)]
struct Counters {
    ticks: AtomicU64,
    succeeded: AtomicU64,
    failures: AtomicU64,
    given_up: AtomicU64,
    throttles: AtomicU64,
    dropped: AtomicU64,
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A running schedule. Dropping it ends it at once; [`ScheduleRunner::stop`] lets running invocations finish.
pub struct ScheduleRunner {
    stop: watch::Sender<bool>,
    counters: Arc<Counters>,
    task: Option<JoinHandle<()>>,
}

/// Invokes a function once every `rate`, first after one `rate`, with what `payload` makes of each tick; see
/// [`scheduled_event`] for the standard event. Rates below a second are taken as one.
pub fn start_schedule(
    invoker: impl Invoker,
    function: impl Into<String>,
    rate: Duration,
    payload: impl Fn(&Tick) -> Bytes + Send + Sync + 'static,
) -> ScheduleRunner {
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = Stop::channel();
    let target =
        Target { invoker: Arc::new(invoker), function: function.into(), counters: counters.clone(), stop: stopped };
    let task = tokio::spawn(run(Arc::new(target), rate.max(Duration::from_secs(1)), payload));
    ScheduleRunner { stop, counters, task: Some(task) }
}

impl ScheduleRunner {
    /// Counts so far.
    pub fn stats(&self) -> ScheduleStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ScheduleStats {
            ticks: read(&self.counters.ticks),
            succeeded: read(&self.counters.succeeded),
            failures: read(&self.counters.failures),
            given_up: read(&self.counters.given_up),
            throttles: read(&self.counters.throttles),
            dropped: read(&self.counters.dropped),
        }
    }

    /// Ticks no more, drops waiting retries and waits for running invocations.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "a schedule ended unexpectedly");
        }
    }
}

impl Drop for ScheduleRunner {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Target {
    invoker: Arc<dyn Invoker>,
    function: String,
    counters: Arc<Counters>,
    stop: Stop,
}

async fn run(target: Arc<Target>, rate: Duration, payload: impl Fn(&Tick) -> Bytes + Send + Sync + 'static) {
    let clock = Clock::start();
    let pending = Arc::new(Semaphore::new(EVENTS_PENDING_MAX));
    let mut events = JoinSet::new();
    let mut due = Instant::now();
    loop {
        due += rate;
        if !target.stop.sleep(due.saturating_duration_since(Instant::now())).await {
            break;
        }
        bump(&target.counters.ticks);
        while events.try_join_next().is_some() {}
        let Ok(place) = pending.clone().try_acquire_owned() else {
            bump(&target.counters.dropped);
            tracing::warn!(function = target.function, "too many scheduled events are pending; one is dropped");
            continue;
        };
        let event = payload(&Tick { id: uuid::Uuid::new_v4().to_string(), time_ms: clock.now_ms() });
        let target = target.clone();
        events.spawn(async move {
            let _place = place;
            target.process(event).await;
        });
    }
    while events.join_next().await.is_some() {}
}

impl Target {
    async fn process(&self, event: Bytes) {
        let born = Instant::now();
        let mut retries = RETRY_DELAYS.into_iter();
        let mut throttled = Backoff::new(THROTTLE_DELAY_MIN, THROTTLE_DELAY_MAX);
        loop {
            let delay = match self.invoker.invoke(&self.function, event.clone()).await {
                Ok(invocation) => match invocation.outcome {
                    Outcome::Success(_) => return bump(&self.counters.succeeded),
                    Outcome::FunctionError { .. } => {
                        bump(&self.counters.failures);
                        retries.next()
                    }
                },
                Err(error) => {
                    tracing::debug!(function = self.function, %error, "a scheduled event has to wait");
                    bump(&self.counters.throttles);
                    Some(throttled.next())
                }
            };
            let Some(delay) = delay.filter(|delay| born.elapsed() + *delay <= EVENT_AGE_MAX) else {
                tracing::warn!(function = self.function, "a scheduled event is given up");
                return bump(&self.counters.given_up);
            };
            if !self.stop.sleep(delay).await {
                return;
            }
        }
    }
}
