//! The shell around the engine: clock, ids, journal, and receives that wait.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::engine::{Engine, Millis, ReceiveOptions};
use crate::error::{ErrorKind, OpenError, SqsError};
use crate::journal::Journal;
use crate::limits::{BATCH_ENTRIES_MAX, VISIBILITY_S_MAX, WAIT_S_MAX};
use crate::message::{Outgoing, Received, Sent, check_fifo_id};
use crate::moves::MoveTasks;

/// How to open an engine.
#[derive(Debug, Clone)]
pub struct SqsOptions {
    /// Part of every ARN, e.g. `us-east-1`.
    pub region: String,
    /// Part of every ARN and queue URL, e.g. `000000000000`.
    pub account: String,
    /// Base of queue URLs as clients reach this engine, e.g. `http://127.0.0.1:4566`.
    pub endpoint_url: String,
    /// Where state is kept across restarts, by one process at a time; in memory only where `None`.
    pub data_dir: Option<PathBuf>,
}

impl SqsOptions {
    /// The contract's local region and account, nothing kept.
    #[must_use]
    pub fn in_memory(endpoint_url: impl Into<String>) -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            endpoint_url: endpoint_url.into(),
            data_dir: None,
        }
    }
}

/// What to receive. The default is one message, the queue's own wait and visibility timeout.
#[derive(Debug, Clone)]
pub struct Receive {
    /// 1–10.
    pub messages_max: usize,
    /// Seconds, 0–20; the queue's `ReceiveMessageWaitTimeSeconds` where `None`.
    pub wait_s: Option<u64>,
    /// Seconds, 0–43,200; the queue's `VisibilityTimeout` where `None`.
    pub visibility_s: Option<u64>,
    /// FIFO queues: a retry with the same id gets the same messages.
    pub attempt_id: Option<String>,
}

impl Default for Receive {
    fn default() -> Self {
        Self { messages_max: 1, wait_s: None, visibility_s: None, attempt_id: None }
    }
}

/// A handle on one engine; clones share it. Queues are named by their plain names.
#[derive(Debug, Clone)]
pub struct Sqs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue_url_prefix: String,
    account: String,
    state: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    journal: Option<Journal>,
    /// The latest time seen: the engine's time never goes back, whatever the system's does.
    latest_ms: Millis,
    arrivals: HashMap<String, Arc<Notify>>,
    moves: MoveTasks,
}

impl Sqs {
    /// Opens an engine, with the state of `data_dir` if it has any.
    ///
    /// # Errors
    /// When the data directory cannot be read or written, is in use, or holds a journal that cannot be understood.
    pub fn open(options: SqsOptions) -> Result<Self, OpenError> {
        let mut engine = Engine::new(&options.region, &options.account);
        let journal = match &options.data_dir {
            Some(directory) => Some(Journal::open(directory, &mut engine)?),
            None => None,
        };
        let queue_url_prefix = format!("{}/{}/", options.endpoint_url.trim_end_matches('/'), options.account);
        let inner = Inner { engine, journal, latest_ms: 0, arrivals: HashMap::new(), moves: MoveTasks::default() };
        let shared = Shared { queue_url_prefix, account: options.account, state: Mutex::new(inner) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The HTTP side: `POST /` and `POST /<account>/<queue>` with `X-Amz-Target: AmazonSQS.<operation>`.
    pub fn router(&self) -> axum::Router {
        crate::protocol::router(self.clone())
    }

    /// Creates a queue and returns its URL. A queue that is there with the same values is no error; with another value
    /// it is `QueueNameExists`.
    pub fn create_queue<K: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Result<String, SqsError> {
        let attributes = attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.run(|engine, now_ms| engine.create_queue(now_ms, name, &attributes, BTreeMap::new()))?;
        Ok(self.url(name))
    }

    /// The URL of a queue that exists.
    pub fn queue_url(&self, name: &str) -> Result<String, SqsError> {
        self.run(|engine, _| engine.expect_queue(name))?;
        Ok(self.url(name))
    }

    /// The ARN of a queue that exists.
    pub fn queue_arn(&self, name: &str) -> Result<String, SqsError> {
        self.run(|engine, _| engine.expect_queue(name).map(|()| engine.arn(name)))
    }

    /// The plain name of the queue an ARN stands for, if it exists here.
    #[must_use]
    pub fn queue_name_of_arn(&self, arn: &str) -> Option<String> {
        self.lock().engine.name_of_arn(arn).map(str::to_owned)
    }

    /// All attributes of a queue by their AWS names, message counts included.
    pub fn queue_attributes(&self, name: &str) -> Result<BTreeMap<&'static str, String>, SqsError> {
        self.run(|engine, now_ms| engine.attributes(now_ms, name))
    }

    /// Sends one message.
    pub fn send(&self, queue: &str, message: Outgoing) -> Result<Sent, SqsError> {
        self.run(|engine, now_ms| engine.send(now_ms, queue, message, new_id()))
    }

    /// Receives up to ten messages, waiting for the first. Dropping the future takes no message.
    pub async fn receive(&self, queue: &str, request: Receive) -> Result<Vec<Received>, SqsError> {
        check_range("MaxNumberOfMessages", request.messages_max as u64, 1, BATCH_ENTRIES_MAX as u64)?;
        check_range("WaitTimeSeconds", request.wait_s.unwrap_or(0), 0, WAIT_S_MAX)?;
        check_range("VisibilityTimeout", request.visibility_s.unwrap_or(0), 0, VISIBILITY_S_MAX)?;
        if let Some(id) = &request.attempt_id {
            check_fifo_id("ReceiveRequestAttemptId", id)?;
        }
        let wait_s = match request.wait_s {
            Some(wait_s) => wait_s,
            None => self.run(|engine, _| engine.wait_s(queue))?,
        };
        let options = ReceiveOptions {
            messages_max: request.messages_max,
            visibility_s: request.visibility_s,
            is_short_poll: wait_s == 0,
            attempt_id: request.attempt_id,
        };
        let deadline = Instant::now() + Duration::from_secs(wait_s);
        loop {
            // Before looking, so that what arrives between looking and waiting is not slept through.
            let arrivals = self.arrivals(queue)?;
            let mut arrived = pin!(arrivals.notified());
            arrived.as_mut().enable();
            let (received, due_ms) = self.run(|engine, now_ms| {
                let received = engine.receive(now_ms, queue, &options)?;
                let due_ms = engine.next_due_ms(queue).map(|due_ms| due_ms.saturating_sub(now_ms).max(1));
                Ok((received, due_ms))
            })?;
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(received);
            }
            let due = due_ms.map_or(deadline, |due_ms| Instant::now() + Duration::from_millis(due_ms));
            tokio::select! {
                () = &mut arrived => {}
                () = tokio::time::sleep_until(due.min(deadline)) => {}
            }
        }
    }

    /// Deletes a received message.
    pub fn delete(&self, queue: &str, receipt_handle: &str) -> Result<(), SqsError> {
        self.run(|engine, now_ms| engine.delete(now_ms, queue, receipt_handle))
    }

    /// Sets how long from now a received message stays hidden: seconds, 0–43,200.
    pub fn change_visibility(&self, queue: &str, receipt_handle: &str, visibility_s: u64) -> Result<(), SqsError> {
        self.run(|engine, now_ms| engine.change_visibility(now_ms, queue, receipt_handle, visibility_s))
    }

    /// The URL a queue of that name has.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}{name}", self.shared.queue_url_prefix)
    }

    pub(crate) fn account(&self) -> &str {
        &self.shared.account
    }

    /// One operation: on the engine, at the present, and into the journal before anybody hears of it.
    pub(crate) fn run<T>(
        &self,
        operation: impl FnOnce(&mut Engine, Millis) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let mut inner = self.lock();
        let now_ms = inner.now_ms();
        let result = operation(&mut inner.engine, now_ms);
        inner.settle_changes()?;
        result
    }

    pub(crate) fn with_moves<T>(&self, f: impl FnOnce(&mut MoveTasks) -> T) -> T {
        f(&mut self.lock().moves)
    }

    fn arrivals(&self, queue: &str) -> Result<Arc<Notify>, SqsError> {
        let mut inner = self.lock();
        inner.engine.expect_queue(queue)?;
        Ok(Arc::clone(inner.arrivals.entry(queue.to_owned()).or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The engine is not left half changed by a panic: it decides first, then commits whole changes.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now_ms(&mut self) -> Millis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.latest_ms = self.latest_ms.max(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.latest_ms
    }

    /// Journals what the last operation changed and wakes whoever waits for it.
    fn settle_changes(&mut self) -> Result<(), SqsError> {
        let changes = self.engine.take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&changes, &self.engine).map_err(|error| {
                SqsError::new(ErrorKind::InternalFailure, format!("The journal cannot be written: {error}."))
            })?;
        }
        for queue in changes.iter().filter_map(|change| change.wakes()) {
            if let Some(arrivals) = self.arrivals.get(queue) {
                arrivals.notify_waiters();
            }
        }
        let engine = &self.engine;
        if changes.iter().any(|change| matches!(change, crate::engine::Change::QueueDeleted { .. })) {
            self.arrivals.retain(|queue, _| engine.expect_queue(queue).is_ok());
        }
        Ok(())
    }
}

/// A random id, as message and task ids are.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn check_range(parameter: &str, value: u64, min: u64, max: u64) -> Result<(), SqsError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SqsError::invalid_value(value, parameter, &format!("Must be between {min} and {max}, if provided.")))
}
