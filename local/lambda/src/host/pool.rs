//! The sandboxes of one version of a function.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::concurrency::Place;
use super::counters::{Counters, bump};
use super::desk::{Reply, Work};
use super::instance::{Ended, InitFailure, Instance};
use super::{FunctionSpec, InstanceInfo, Shared, memory, outcome, report};
use crate::invoker::{Invocation, InvokeError, Outcome};
use crate::logs::{FAILURES, LogLine, LogStream};

/// How long killed processes may take to be gone before [`Pool::shutdown`] stops waiting for them.
const KILL_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Sandboxes {
    /// Last in, first out: the warmest is used again, the coldest grows old enough to be reaped.
    idle: Vec<Arc<Instance>>,
    live: HashMap<String, Arc<Instance>>,
}

pub(crate) struct Pool {
    spec: FunctionSpec,
    version: String,
    shared: Arc<Shared>,
    sandboxes: Mutex<Sandboxes>,
    running: AtomicU32,
    finished: Notify,
    retired: AtomicBool,
    counters: Arc<Counters>,
}

/// One invocation's right to run here, given back when dropped.
pub(crate) struct Permit {
    pool: Arc<Pool>,
    _place: Place,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.running.fetch_sub(1, Ordering::AcqRel);
        self.pool.finished.notify_waiters();
    }
}

/// One invocation on its way through a sandbox.
struct Attempt<'a> {
    request_id: &'a Arc<str>,
    arn: &'a Arc<str>,
    payload: &'a Bytes,
    init: Option<Duration>,
}

impl Pool {
    pub(crate) fn new(spec: FunctionSpec, version: &str, counters: Arc<Counters>, shared: Arc<Shared>) -> Arc<Pool> {
        Arc::new(Pool {
            spec,
            version: version.to_owned(),
            shared,
            sandboxes: Mutex::default(),
            running: AtomicU32::new(0),
            finished: Notify::new(),
            retired: AtomicBool::new(false),
            counters,
        })
    }

    /// What outlives the pool, where another takes its place.
    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    pub(crate) fn instances(&self) -> Vec<InstanceInfo> {
        let sandboxes = self.sandboxes();
        let info = |instance: &Arc<Instance>| InstanceInfo {
            function: self.spec.name.clone(),
            version: self.version.clone(),
            pid: instance.pid,
            access_key_id: instance.access_key_id.clone(),
            busy: !sandboxes.idle.iter().any(|idle| idle.id == instance.id),
            timed_out: instance.is_condemned(),
        };
        sandboxes.live.values().filter(|instance| instance.alive()).map(info).collect()
    }

    /// One more invocation, which has its place among the function's.
    pub(crate) fn enter(self: &Arc<Self>, place: Place) -> Permit {
        let before = self.running.fetch_add(1, Ordering::AcqRel);
        self.counters.concurrency_peak.fetch_max(u64::from(before) + 1, Ordering::Relaxed);
        Permit { pool: self.clone(), _place: place }
    }

    /// One was refused.
    pub(crate) fn throttled(&self) {
        bump(&self.counters.throttles);
    }

    /// Runs one invocation on the warmest idle sandbox, or on a new one. `arn` is what it was invoked as.
    pub(crate) async fn run(
        self: &Arc<Self>,
        permit: Permit,
        arn: Arc<str>,
        payload: Bytes,
    ) -> Result<Invocation, InvokeError> {
        let _permit = permit;
        bump(&self.counters.invocations);
        let request_id: Arc<str> = uuid::Uuid::new_v4().to_string().into();
        while let Some(instance) = self.take_idle() {
            let attempt = Attempt { request_id: &request_id, arn: &arn, payload: &payload, init: None };
            if let Some(done) = self.attempt(&instance, attempt).await {
                return done;
            }
        }
        let started = Instant::now();
        let instance = match self.start(&request_id).await {
            Ok(instance) => instance,
            // Ended by the shutdown, not by itself.
            Err(_) if self.shared.stopped.load(Ordering::Acquire) => return Err(InvokeError::HostStopped),
            Err(outcome) => return self.finish(&request_id, self.explain(&request_id, outcome), Duration::ZERO, true),
        };
        let init = Some(started.elapsed());
        let attempt = Attempt { request_id: &request_id, arn: &arn, payload: &payload, init };
        match self.attempt(&instance, attempt).await {
            Some(done) => done,
            // It asked for work and ended before it got any: as far as the caller can tell, a crash.
            None => {
                bump(&self.counters.crashes);
                let status = instance.exited().await;
                self.finish(&request_id, outcome::exited(&request_id, status), Duration::ZERO, true)
            }
        }
    }

    /// `None` when the sandbox ended before it saw the event.
    async fn attempt(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        attempt: Attempt<'_>,
    ) -> Option<Result<Invocation, InvokeError>> {
        let Attempt { request_id, arn, payload, init } = attempt;
        let limit = self.spec.timeout;
        let work = Work {
            request_id: request_id.clone(),
            deadline_ms: jiff::Timestamp::now().as_millisecond()
                + i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2),
            function_arn: arn.clone(),
            payload: payload.clone(),
        };
        self.log(&instance.id, Some(request_id), &report::start(request_id, &self.version));
        let started = Instant::now();
        let ended = instance.invoke(work, limit).await;
        let duration = started.elapsed();
        let peak_bytes = memory::peak_bytes(instance.pid);
        let (outcome, status) = match ended {
            Ended::NeverTaken => {
                self.remove(instance);
                return None;
            }
            Ended::Reply(Reply::Response(body)) => (Outcome::Success(body), None),
            Ended::Reply(Reply::Error(body)) => (outcome::unhandled(body), Some("error")),
            Ended::TimedOut => {
                bump(&self.counters.timeouts);
                self.condemn(instance).await;
                (self.explain(request_id, outcome::timed_out(request_id, limit)), Some("timeout"))
            }
            Ended::Exited(status) => {
                // Killed by the shutdown: nothing is known of the invocation, and nobody should count it.
                if self.shared.stopped.load(Ordering::Acquire) {
                    self.remove(instance);
                    return Some(Err(InvokeError::HostStopped));
                }
                bump(&self.counters.crashes);
                (self.explain(request_id, outcome::exited(request_id, status)), Some("error"))
            }
        };
        if peak_bytes.is_some_and(|bytes| bytes > u64::from(self.spec.memory_mb) * 1024 * 1024) {
            bump(&self.counters.memory_exceeded);
        }
        let memory_mb = self.spec.memory_mb;
        let summary = report::Report { request_id, duration, memory_mb, peak_bytes, init, status };
        self.log(&instance.id, Some(request_id), &report::end(request_id));
        self.log(&instance.id, Some(request_id), &summary.line());
        if !instance.is_condemned() {
            self.give_back(instance);
        }
        let done = self.finish(request_id, outcome, duration, init.is_some());
        Some(done.map(|invocation| Invocation { init, peak_bytes, ..invocation }))
    }

    /// Takes a sandbox out of service: it gets nothing more, and is killed once it has lingered.
    async fn condemn(self: &Arc<Self>, instance: &Arc<Instance>) {
        instance.condemn();
        let linger = self.shared.timeout_linger;
        let (pool, instance) = (self.clone(), instance.clone());
        let end = async move {
            // A shutdown does not wait for it.
            let _ = timeout(linger, instance.exited()).await;
            instance.kill();
            instance.exited().await;
            pool.remove(&instance);
        };
        if linger.is_zero() { end.await } else { drop(tokio::spawn(end)) }
    }

    async fn start(&self, request_id: &Arc<str>) -> Result<Arc<Instance>, Outcome> {
        bump(&self.counters.cold_starts);
        let instance = Instance::start(&self.shared, &self.spec, &self.version).await.map_err(|error| {
            bump(&self.counters.init_failures);
            outcome::no_bootstrap(request_id, &self.spec.bootstrap.display().to_string(), &error.to_string())
        })?;
        let instance = Arc::new(instance);
        self.sandboxes().live.insert(instance.id.clone(), instance.clone());
        // Registered first, checked second: the shutdown sets the flag first and looks at the register second.
        if self.shared.stopped.load(Ordering::Acquire) {
            instance.kill();
        }
        self.log(&instance.id, None, "INIT_START Runtime Version: provided:al2023");
        let Err(failure) = instance.initialised().await else { return Ok(instance) };
        bump(&self.counters.init_failures);
        instance.kill();
        instance.exited().await;
        self.remove(&instance);
        let last = instance.last_stderr();
        let outcome = match failure {
            InitFailure::Reported(report) => outcome::unhandled(report),
            InitFailure::Exited(status) => {
                let reason = format!("Runtime exited with error: {}", outcome::describe(status));
                outcome::init_failed(request_id, &reason, last.as_deref())
            }
            InitFailure::TimedOut => outcome::init_failed(request_id, "the init phase timed out", last.as_deref()),
        };
        Err(outcome)
    }

    fn finish(
        &self,
        request_id: &Arc<str>,
        outcome: Outcome,
        duration: Duration,
        cold_start: bool,
    ) -> Result<Invocation, InvokeError> {
        if matches!(outcome, Outcome::FunctionError { .. }) {
            bump(&self.counters.errors);
        }
        let executed_version = self.version.clone();
        let request_id = request_id.to_string();
        Ok(Invocation { outcome, request_id, duration, cold_start, init: None, peak_bytes: None, executed_version })
    }

    /// Logs a failure the host answers for. A function's own error stays out of the log: it may quote its input.
    fn explain(&self, request_id: &Arc<str>, outcome: Outcome) -> Outcome {
        if let Outcome::FunctionError { payload, .. } = &outcome {
            self.log(FAILURES, Some(request_id), &String::from_utf8_lossy(payload));
        }
        outcome
    }

    fn take_idle(&self) -> Option<Arc<Instance>> {
        let mut sandboxes = self.sandboxes();
        while let Some(instance) = sandboxes.idle.pop() {
            if instance.alive() {
                return Some(instance);
            }
            sandboxes.live.remove(&instance.id);
        }
        None
    }

    fn give_back(&self, instance: &Arc<Instance>) {
        let unwanted = self.retired.load(Ordering::Acquire) || self.shared.stopped.load(Ordering::Acquire);
        if unwanted || !instance.alive() {
            instance.kill();
            self.remove(instance);
            return;
        }
        instance.mark_idle();
        self.sandboxes().idle.push(instance.clone());
    }

    fn remove(&self, instance: &Arc<Instance>) {
        self.sandboxes().live.remove(&instance.id);
    }

    /// Ends sandboxes idle for longer than `idle_max`, and forgets dead ones.
    pub(crate) fn reap(&self, idle_max: Duration) {
        let mut sandboxes = self.sandboxes();
        let keep = |instance: &Arc<Instance>| instance.alive() && instance.idle_for() < idle_max;
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut sandboxes.idle).into_iter().partition(keep);
        sandboxes.idle = kept;
        for instance in gone {
            instance.kill();
            sandboxes.live.remove(&instance.id);
        }
    }

    /// Ends idle sandboxes now and busy ones after their invocation.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.reap(Duration::ZERO);
    }

    pub(crate) async fn shutdown(&self, grace: Duration) {
        // Those that retiring kills are waited for too.
        let mut live: HashMap<String, Arc<Instance>> = self.sandboxes().live.clone();
        self.retire();
        let _ = timeout(grace, self.quiet()).await;
        live.extend(self.sandboxes().live.clone());
        for instance in live.values() {
            instance.kill();
        }
        let gone = async {
            for instance in live.values() {
                instance.exited().await;
            }
            self.quiet().await;
        };
        let _ = timeout(KILL_MAX, gone).await;
        *self.sandboxes() = Sandboxes::default();
    }

    /// Until no invocation runs.
    async fn quiet(&self) {
        loop {
            let finished = self.finished.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            finished.await;
        }
    }

    fn sandboxes(&self) -> MutexGuard<'_, Sandboxes> {
        self.sandboxes.lock().expect("no panic while the lock is held")
    }

    fn log(&self, instance: &str, request_id: Option<&str>, text: &str) {
        let (function, version) = (&self.spec.name, &self.version);
        self.shared.logs.line(&LogLine { function, version, instance, request_id, stream: LogStream::Platform, text });
    }
}
