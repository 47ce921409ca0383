//! The host: functions by name, each with its versions, each version a pool of sandboxes.

mod concurrency;
mod counters;
mod desk;
mod environment;
mod function;
mod instance;
mod manage;
mod memory;
#[allow(unsafe_code)]
mod opt;
mod outcome;
mod pool;
mod report;
#[allow(unsafe_code)]
mod sandbox;
mod spawner;
mod versions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};

use crate::invoker::{Invocation, InvokeError, Invoker};
use crate::logs::LogSink;
pub use counters::FunctionStats;
pub use environment::ACCESS_KEY_ID_PREFIX;
use function::Function;
pub use opt::opt_can_be_mounted;
use pool::Pool;
use spawner::Spawner;
pub use versions::{Alias, AliasTarget, FunctionVersion, LATEST, VersionError};

/// Most bytes of a synchronous invocation's event, and of its response: 6 MB ("Lambda quotas").
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// How long an idle sandbox is kept. Lambda promises nothing; minutes are what is seen.
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);
const REAP_INTERVAL: Duration = Duration::from_secs(30);
/// How long [`Host::shutdown`] lets running invocations finish before it kills them.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// What all functions of a host share.
pub struct HostOptions {
    /// `AWS_REGION` of the functions and in their ARNs.
    pub region: String,
    /// Account id in the functions' ARNs.
    pub account: String,
    /// Variables every function gets beside its own: endpoint, credentials. A function's own win over these, and
    /// those that Lambda reserves (`AWS_LAMBDA_*`, `_HANDLER`, …) win over both. Each sandbox signs under an id of its
    /// own, unless an `AWS_ACCESS_KEY_ID` stands here.
    pub environment: BTreeMap<String, String>,
    /// How long a sandbox lives on once its invocation has timed out. Zero kills it before the caller is told. Longer,
    /// what it has begun may still happen while a retry is under way elsewhere, as nothing on AWS rules out.
    pub timeout_linger: Duration,
    /// Whether a sandbox that grows beyond its function's memory while an invocation runs is killed, as Lambda does. What
    /// counts is what is resident, looked at every 20 ms, so a short peak may pass; not where there is no `/proc`.
    pub enforce_memory: bool,
    /// Where the lines of the functions and of the platform go.
    pub logs: Arc<dyn LogSink>,
}

/// Code and configuration of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Its name; what [`Host::invoke`] takes.
    pub name: String,
    /// The executable that speaks the Lambda Runtime API. Its directory becomes `LAMBDA_TASK_ROOT` and the working
    /// directory. Published versions keep the path: the file must stay what it is.
    pub bootstrap: PathBuf,
    /// The function's own variables.
    pub environment: BTreeMap<String, String>,
    /// Memory in MB, 128–10,240 on AWS; told to the function and printed in REPORT. Without
    /// [`HostOptions::enforce_memory`] it is only a backstop: the sandbox's data segment (`RLIMIT_DATA`) may not outgrow it by more than 256 MB, since allocators
    /// and thread stacks reserve more than they use, and a development build is larger than what is deployed. A peak
    /// above the limit is counted in [`FunctionStats::memory_exceeded`]; Lambda would have killed that invocation.
    pub memory_mb: u32,
    /// How long one invocation may take, 1 s–15 min on AWS; at its end the sandbox is killed.
    pub timeout: Duration,
    /// Most invocations at once over all versions: the reserved concurrency, or a cap of your own. 0 throttles
    /// everything, as it does on AWS. That of `$LATEST` counts.
    pub concurrency_max: u32,
    /// `_HANDLER`; a Rust bootstrap does not look at it.
    pub handler: String,
    /// What it finds under `/opt`, where its layers are on Lambda: this directory, which must stay what it is. Only where
    /// [`opt_can_be_mounted`]; elsewhere its sandboxes do not start.
    pub opt: Option<PathBuf>,
}

impl FunctionSpec {
    /// Whether publishing both would make the same version: concurrency is the function's, not a version's.
    fn same_version(&self, other: &FunctionSpec) -> bool {
        *self == FunctionSpec { concurrency_max: self.concurrency_max, ..other.clone() }
    }
}

/// One live sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceInfo {
    /// The function it belongs to.
    pub function: String,
    /// Its version, `$LATEST` or a number.
    pub version: String,
    /// Its process, which leads a process group of its own.
    pub pid: u32,
    /// What it signs its requests with: its alone, beginning with [`ACCESS_KEY_ID_PREFIX`].
    pub access_key_id: String,
    /// Whether it is running an invocation or still initialising for one.
    pub busy: bool,
    /// Whether its invocation has timed out: it is about to be killed, after [`HostOptions::timeout_linger`].
    pub timed_out: bool,
}

/// Runs functions. Cheap to clone; all clones are the same host. Needs a Tokio runtime with all drivers.
///
/// Bootstraps never outlive it: [`Host::shutdown`] and dropping the last clone end them, and should the process die
/// by `kill -9`, the kernel does.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

pub(crate) struct Shared {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout_linger: Duration,
    pub(crate) enforce_memory: bool,
    pub(crate) logs: Arc<dyn LogSink>,
    pub(crate) spawner: Spawner,
    pub(crate) stopped: AtomicBool,
}

struct Inner {
    shared: Arc<Shared>,
    functions: RwLock<BTreeMap<String, Arc<Function>>>,
    /// Replaced pools; their running invocations keep them alive, and a shutdown has to find them.
    replaced: Mutex<Vec<Weak<Pool>>>,
    reaper: OnceLock<tokio::task::AbortHandle>,
}

impl Host {
    /// A host without functions. Starts one thread, from which all bootstraps are forked.
    pub fn new(options: HostOptions) -> Host {
        let HostOptions { region, account, environment, timeout_linger, enforce_memory, logs } = options;
        let (spawner, stopped) = (Spawner::start(), AtomicBool::new(false));
        let shared = Shared { region, account, environment, timeout_linger, enforce_memory, logs, spawner, stopped };
        Host {
            inner: Arc::new(Inner {
                shared: Arc::new(shared),
                functions: RwLock::default(),
                replaced: Mutex::default(),
                reaper: OnceLock::new(),
            }),
        }
    }

    /// Adds a function, or replaces the one of that name with all its versions and aliases: new invocations go to the
    /// new one, running ones finish.
    pub fn add_function(&self, spec: FunctionSpec) {
        let name = spec.name.clone();
        let function = Function::new(spec, self.inner.shared.clone());
        let replaced = self.inner.functions.write().expect("no panic while the lock is held").insert(name, function);
        for pool in replaced.iter().flat_map(|function| function.pools()) {
            pool.retire();
            self.remember(&pool);
        }
    }

    /// Keeps a replaced pool findable for as long as invocations run on it.
    fn remember(&self, replaced: &Arc<Pool>) {
        let mut all = self.inner.replaced.lock().expect("no panic while the lock is held");
        all.retain(|pool| pool.strong_count() > 0);
        all.push(Arc::downgrade(replaced));
    }

    /// Invokes `name`, which is `$LATEST`, or `name:qualifier`, a version or an alias, and waits for its answer. Dropping
    /// the future does not cancel the invocation, as losing the connection does not on AWS.
    ///
    /// # Errors
    /// [`InvokeError`] when the invocation did not reach the function; its own failures are an [`Invocation`].
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Invocation, InvokeError> {
        if self.inner.shared.stopped.load(Ordering::Acquire) {
            return Err(InvokeError::HostStopped);
        }
        self.start_reaper();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(InvokeError::PayloadTooLarge { bytes: payload.len(), bytes_max: PAYLOAD_BYTES_MAX });
        }
        let (name, qualifier) = split(function);
        let found = self.function(name).ok_or_else(|| InvokeError::UnknownFunction(function.to_owned()))?;
        let (pool, permit, arn) = found.admit(qualifier, rand::random())?;
        // Its own task: the caller's cancellation must not tear a sandbox out of an invocation.
        let stopped = InvokeError::HostStopped;
        tokio::spawn(async move { pool.run(permit, arn, payload).await }).await.unwrap_or(Err(stopped))
    }

    /// The live sandboxes, by function.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        self.pools().iter().flat_map(|pool| pool.instances()).collect()
    }

    /// Counts per function, over all of its versions.
    pub fn stats(&self) -> BTreeMap<String, FunctionStats> {
        self.functions().iter().map(|(name, function)| (name.clone(), function.stats())).collect()
    }

    /// Counts per function and version.
    pub fn stats_by_version(&self) -> BTreeMap<String, BTreeMap<String, FunctionStats>> {
        self.functions().iter().map(|(name, function)| (name.clone(), function.stats_by_version())).collect()
    }

    /// Takes no more invocations, gives running ones two seconds, kills what is left and waits until every bootstrap is
    /// gone. Idempotent.
    pub async fn shutdown(&self) {
        self.inner.shared.stopped.store(true, Ordering::Release);
        if let Some(reaper) = self.inner.reaper.get() {
            reaper.abort();
        }
        let mut pools = self.pools();
        let replaced = self.inner.replaced.lock().expect("no panic while the lock is held").clone();
        pools.extend(replaced.iter().filter_map(Weak::upgrade));
        join_all(pools.iter().map(|pool| pool.shutdown(SHUTDOWN_GRACE))).await;
    }

    fn function(&self, name: &str) -> Option<Arc<Function>> {
        self.inner.functions.read().expect("no panic while the lock is held").get(name).cloned()
    }

    fn functions(&self) -> BTreeMap<String, Arc<Function>> {
        self.inner.functions.read().expect("no panic while the lock is held").clone()
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.functions().values().flat_map(|function| function.pools()).collect()
    }

    /// The reaper needs a runtime, which `new` may not have yet; the first invocation has.
    fn start_reaper(&self) {
        self.inner.reaper.get_or_init(|| {
            let inner = Arc::downgrade(&self.inner);
            let task = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(REAP_INTERVAL).await;
                    let Some(inner) = inner.upgrade() else { return };
                    for pool in (Host { inner }).pools() {
                        pool.reap(IDLE_MAX);
                    }
                }
            });
            task.abort_handle()
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.get() {
            reaper.abort();
        }
        for function in self.functions.get_mut().expect("no panic while the lock is held").values() {
            function.pools().iter().for_each(|pool| pool.retire());
        }
    }
}

impl Invoker for Host {
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes) -> BoxFuture<'a, Result<Invocation, InvokeError>> {
        Box::pin(Host::invoke(self, function, payload))
    }

    fn concurrency_max(&self, function: &str) -> Option<u32> {
        self.function(split(function).0).map(|function| function.concurrency_max())
    }
}

/// Name and qualifier.
fn split(function: &str) -> (&str, Option<&str>) {
    function.split_once(':').map_or((function, None), |(name, qualifier)| (name, Some(qualifier)))
}
