//! Trouble between the processors and AWS: refusals, errors, lost connections, late answers, in fair weather and in
//! storms; and processors killed or paused at the very moment they write.

use crate::demo::killer::signal;
use crate::demo::tally::{Tally, Trouble};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use weir_local::{EndpointFault, EndpointFaults, FleetRequest, Plane};
use weir_local_lambda::{Host, InstanceInfo};

/// Of a thousand requests in fair weather, this many are troubled.
const FAIR_PER_MILLE: u32 = 40;
/// And in a storm, which the SDK's four attempts do not always outlast.
const STORM_PER_MILLE: u32 = 600;
/// One request in so many begins a storm, of so many requests.
const STORM_EVERY: u32 = 200;
const STORM_REQUESTS_MAX: u32 = 60;
/// How long a request is held back: beyond the SDK's timeout of an attempt, 2 s.
const DELAY_MAX: Duration = Duration::from_millis(3_000);
/// After its timeout a write of a paused processor still waits up to this long: the retry is under way by then.
const LATE_MAX: Duration = Duration::from_millis(1_500);
/// A paused processor goes on up to this long after its timeout.
const THAW_MAX: Duration = Duration::from_millis(800);
/// How long past its deadline a timeout may go undetected.
const TIMEOUT_SLACK: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// The endpoint's part of the chaos. Clones are the same.
#[derive(Clone)]
pub(crate) struct EndpointTrouble {
    inner: Arc<Inner>,
}

struct Inner {
    tally: Arc<Tally>,
    weather: Mutex<Weather>,
    due: Mutex<Due>,
    fleet: OnceLock<Fleet>,
    raging: AtomicBool,
    /// Requests held back, and processors paused.
    pending: AtomicUsize,
}

struct Weather {
    random: StdRng,
    storm_left: u32,
}

/// What is still to be done to processes, by function.
#[derive(Default)]
struct Due {
    kills: BTreeMap<String, u32>,
    pauses: BTreeMap<String, u32>,
}

struct Fleet {
    host: Host,
    timeouts: BTreeMap<String, Duration>,
}

impl EndpointTrouble {
    pub(crate) fn new(seed: u64, tally: Arc<Tally>) -> Self {
        let weather = Weather { random: StdRng::seed_from_u64(seed ^ 0xe4d), storm_left: 0 };
        let inner = Inner {
            tally,
            weather: weather.into(),
            due: Mutex::default(),
            fleet: OnceLock::new(),
            raging: AtomicBool::new(true),
            pending: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Processes are known from here on.
    pub(crate) fn meet(&self, plane: &Plane) {
        let timeout = |function: &weir_local_template::Function| Duration::from_secs(function.timeout_seconds.into());
        let timeouts = plane.plan().functions.iter().map(|function| (function.name.clone(), timeout(function)));
        let _ = self.inner.fleet.set(Fleet { host: plane.host().clone(), timeouts: timeouts.collect() });
    }

    /// One process of every function is to be killed, and one paused, at its next write.
    pub(crate) fn strike_all(&self) {
        let Some(fleet) = self.inner.fleet.get() else { return };
        let mut due = lock(&self.inner.due);
        for function in fleet.timeouts.keys() {
            *due.kills.entry(function.clone()).or_default() += 1;
            *due.pauses.entry(function.clone()).or_default() += 1;
        }
    }

    /// Nothing more is troubled; returns when what is held back has been done and nothing is paused. `false` when that
    /// takes longer than anything may be held.
    pub(crate) async fn calm(&self) -> bool {
        self.inner.raging.store(false, Ordering::Release);
        let longest = self.inner.fleet.get().and_then(|fleet| fleet.timeouts.values().max().copied());
        let deadline = Instant::now() + longest.unwrap_or_default() + TIMEOUT_SLACK + LATE_MAX;
        while self.inner.pending.load(Ordering::Acquire) > 0 {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }
}

impl EndpointFaults for EndpointTrouble {
    fn before(&self, request: &FleetRequest) -> EndpointFault {
        if !self.inner.raging.load(Ordering::Acquire) {
            return EndpointFault::None;
        }
        let fault = self.inner.strike(request).unwrap_or_else(|| self.inner.weather(request));
        if matches!(fault, EndpointFault::Late(_)) {
            self.inner.pending.fetch_add(1, Ordering::AcqRel);
        }
        fault
    }

    fn done(&self, request: &FleetRequest, fault: EndpointFault) {
        if !matches!(fault, EndpointFault::Late(_)) {
            return;
        }
        // Whoever works for an invocation is there: one that is gone was killed under it, or after its timeout.
        let over = self.inner.sandbox(request).is_none_or(|sandbox| sandbox.timed_out);
        if is_write(request) && over {
            self.inner.tally.one(Trouble::LateWrite);
        }
        self.inner.pending.fetch_sub(1, Ordering::AcqRel);
    }
}

fn is_write(request: &FleetRequest) -> bool {
    request.operation.starts_with("Put") || request.operation == "PUT"
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn sandbox(&self, request: &FleetRequest) -> Option<InstanceInfo> {
        let instances = self.fleet.get()?.host.instances();
        instances.into_iter().find(|instance| instance.access_key_id == request.access_key_id)
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut lock(&self.weather).random)
    }

    /// Kills or pauses the sandbox of a write, where its function is due.
    fn strike(self: &Arc<Self>, request: &FleetRequest) -> Option<EndpointFault> {
        {
            let due = lock(&self.due);
            if !is_write(request) || (due.kills.is_empty() && due.pauses.is_empty()) {
                return None;
            }
        }
        let sandbox = self.sandbox(request).filter(|sandbox| sandbox.busy && !sandbox.timed_out)?;
        if take(&mut lock(&self.due).pauses, &sandbox.function) {
            return self.pause(sandbox);
        }
        if take(&mut lock(&self.due).kills, &sandbox.function) && signal(sandbox.pid, Signal::KILL) {
            self.tally.one(Trouble::Killed);
            // Its last write happens or not: both are what a crash leaves behind.
            let done = self.draw(|random| random.random_bool(0.5));
            return Some(if done { EndpointFault::DropAfter } else { EndpointFault::DropBefore });
        }
        None
    }

    /// Stops the process; its write lands when its invocation has timed out and the retry is under way, and it goes on
    /// itself for a moment before it is killed.
    fn pause(self: &Arc<Self>, sandbox: InstanceInfo) -> Option<EndpointFault> {
        let timeout = *self.fleet.get()?.timeouts.get(&sandbox.function)?;
        if !signal(sandbox.pid, Signal::STOP) {
            return None;
        }
        let (late, thaw) = self.draw(|random| (until(random, LATE_MAX), until(random, THAW_MAX)));
        self.pending.fetch_add(1, Ordering::AcqRel);
        let chaos = self.clone();
        tokio::spawn(async move {
            if chaos.timed_out(&sandbox, timeout + TIMEOUT_SLACK).await {
                chaos.tally.one(Trouble::Paused);
                tokio::time::sleep(thaw).await;
            }
            signal(sandbox.pid, Signal::CONT);
            chaos.pending.fetch_sub(1, Ordering::AcqRel);
        });
        Some(EndpointFault::Late(timeout + late))
    }

    /// Waits until the sandbox's invocation has timed out.
    async fn timed_out(&self, sandbox: &InstanceInfo, limit: Duration) -> bool {
        let Some(fleet) = self.fleet.get() else { return false };
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let instances = fleet.host.instances();
            match instances.iter().find(|instance| instance.access_key_id == sandbox.access_key_id) {
                Some(instance) if instance.timed_out => return true,
                Some(_) => tokio::time::sleep(POLL).await,
                None => return false,
            }
        }
        false
    }

    fn weather(&self, request: &FleetRequest) -> EndpointFault {
        let mut weather = lock(&self.weather);
        if weather.storm_left == 0 && weather.random.random_ratio(1, STORM_EVERY) {
            weather.storm_left = weather.random.random_range(1..=STORM_REQUESTS_MAX);
        }
        let per_mille = if weather.storm_left > 0 { STORM_PER_MILLE } else { FAIR_PER_MILLE };
        weather.storm_left = weather.storm_left.saturating_sub(1);
        let random = &mut weather.random;
        let s3 = request.service == "s3";
        // S3 is asked seldom: what has not struck there yet does so at the first chance.
        if s3 && !self.tally.has(Trouble::SlowDown) {
            self.tally.one(Trouble::SlowDown);
            return EndpointFault::Throttle;
        }
        if !random.random_ratio(per_mille, 1_000) {
            return EndpointFault::None;
        }
        let (fault, trouble) = match random.random_range(0..20) {
            0..8 if s3 => (EndpointFault::Throttle, Trouble::SlowDown),
            0..4 => (EndpointFault::Throttle, Trouble::Throttled),
            4..8 => (EndpointFault::ThroughputExceeded, Trouble::ThroughputExceeded),
            8..12 => (EndpointFault::Fail, Trouble::ServerError),
            12..15 => (EndpointFault::DropBefore, Trouble::DroppedUndone),
            15..18 => (EndpointFault::DropAfter, Trouble::DroppedDone),
            _ => (EndpointFault::Late(until(random, DELAY_MAX)), Trouble::Delayed),
        };
        self.tally.one(trouble);
        fault
    }
}

fn until(random: &mut StdRng, max: Duration) -> Duration {
    max.mul_f64(random.random())
}

/// One less is due of the function; whether one was.
fn take(due: &mut BTreeMap<String, u32>, function: &str) -> bool {
    let Some(left) = due.get_mut(function) else { return false };
    *left -= 1;
    if *left == 0 {
        due.remove(function);
    }
    true
}
