//! A running event source mapping.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::checkpoint::Checkpoints;
use super::delivery::Delivery;
use super::faults::Faults;
use super::pace::Stop;
use super::stats::{Counters, MappingStats};
use super::{FailureDestination, MappingError, MappingKind, MappingSpec, RECEIVE_MAX, Source, StartingPosition};
use crate::invoker::Invoker;
use crate::queue::runner::QueueRunner;
use crate::queue::source::QueueSource;
use crate::queue::sqs::SqsQueue;
use crate::stream::dynamodb::DynamoDbShards;
use crate::stream::kinesis::KinesisShards;
use crate::stream::shards::StreamRunner;
use crate::stream::source::{ShardSource, StreamKind};

const CHECKPOINT_FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// What AWS does not let you set, and some that it does elsewhere.
#[derive(Clone)]
pub struct RunnerOptions {
    /// Asked before every delivery.
    pub faults: Option<Arc<dyn Faults>>,
    /// `DestinationConfig.OnFailure` of a stream.
    pub on_failure: Option<Arc<dyn FailureDestination>>,
    /// Where shards stand; share one among all runners. In memory by default.
    pub checkpoints: Checkpoints,
    /// Pause between reads of a shard that has nothing more. 200 ms: Kinesis takes five reads a second per shard
    /// ("Kinesis Data Streams quotas and limits").
    pub poll_interval: Duration,
    /// Pause between listings of a stream's shards; a finished shard's children are looked for at once. 1 s.
    pub discovery_interval: Duration,
    /// First delay after a failure, throttle or source error; doubles with each further one. 100 ms.
    pub retry_backoff_min: Duration,
    /// Longest such delay. 10 s, where Lambda goes on to minutes.
    pub retry_backoff_max: Duration,
    /// How long a queue waits for messages, 0–20 s. 20 s.
    pub receive_wait: Duration,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        RunnerOptions {
            faults: None,
            on_failure: None,
            checkpoints: Checkpoints::in_memory(),
            poll_interval: Duration::from_millis(200),
            discovery_interval: Duration::from_secs(1),
            retry_backoff_min: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(10),
            receive_wait: Duration::from_secs(20),
        }
    }
}

/// The durations of [`RunnerOptions`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) poll_interval: Duration,
    pub(crate) discovery_interval: Duration,
    pub(crate) retry_backoff_min: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) receive_wait: Duration,
}

/// A running mapping. Dropping it stops it in the middle of whatever it does, which loses nothing but may deliver again;
/// [`Runner::stop`] stops it in order.
pub struct Runner {
    stop: watch::Sender<bool>,
    counters: Arc<Counters>,
    checkpoints: Checkpoints,
    task: Option<JoinHandle<()>>,
}

impl Runner {
    /// Starts polling and delivering, on the current Tokio runtime.
    ///
    /// # Errors
    /// [`MappingError`] names a setting that is out of range or not honoured; nothing is started then.
    pub fn start(
        invoker: impl Invoker,
        mapping: MappingSpec,
        source: Source,
        options: RunnerOptions,
    ) -> Result<Runner, MappingError> {
        mapping.validate()?;
        let source = match source {
            Source::Kinesis(client, name, arn) => Port::Shards(Arc::new(KinesisShards::new(client, name, arn))),
            Source::DynamoDbStream(client, arn) => Port::Shards(Arc::new(DynamoDbShards::new(client, arn))),
            Source::Sqs(client, url, arn) => Port::Queue(Arc::new(SqsQueue::new(client, url, arn))),
            Source::Shards(source) => Port::Shards(source),
            Source::Queue(source) => Port::Queue(source),
        };
        source.suits(&mapping)?;

        let counters = Arc::new(Counters::default());
        let (stop, stopped) = Stop::channel();
        let checkpoints = options.checkpoints.clone();
        let delivery = Delivery {
            invoker: Arc::new(invoker),
            mapping,
            faults: options.faults.clone(),
            counters: counters.clone(),
        };
        let task = tokio::spawn(run(source, Arc::new(delivery), options, stopped));
        Ok(Runner { stop, counters, checkpoints, task: Some(task) })
    }

    /// Counts so far.
    pub fn stats(&self) -> MappingStats {
        self.counters.read()
    }

    /// Reads no more, waits for running invocations and settles what they say, makes messages in hand visible again
    /// and writes the checkpoints.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "an event source mapping ended unexpectedly");
        }
        flush(&self.checkpoints).await;
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

enum Port {
    Shards(Arc<dyn ShardSource>),
    Queue(Arc<dyn QueueSource>),
}

impl Port {
    /// What only the source can tell about the settings.
    fn suits(&self, mapping: &MappingSpec) -> Result<(), MappingError> {
        match (self, &mapping.kind) {
            (Port::Shards(source), MappingKind::Stream(settings)) => {
                let dynamodb = source.kind() == StreamKind::DynamoDb;
                match settings.starting_position {
                    StartingPosition::AtTimestamp(_) if dynamodb => {
                        mapping.refuse("StartingPosition", "AT_TIMESTAMP is not supported for DynamoDB streams".into())
                    }
                    _ => Ok(()),
                }
            }
            (Port::Queue(source), MappingKind::Queue(_)) if source.arn().ends_with(".fifo") => {
                if !mapping.batching_window.is_zero() {
                    return mapping.refuse(
                        "MaximumBatchingWindowInSeconds",
                        "is set; FIFO queues do not support batching windows".into(),
                    );
                }
                match mapping.batch_size {
                    1..=RECEIVE_MAX => Ok(()),
                    size => mapping.refuse("BatchSize", format!("is {size}, must be 1–{RECEIVE_MAX} for a FIFO queue")),
                }
            }
            (Port::Queue(_), MappingKind::Queue(_)) => Ok(()),
            (Port::Shards(_), MappingKind::Queue(_)) => {
                mapping.refuse("EventSourceArn", "is a stream, but the settings are a queue's".into())
            }
            (Port::Queue(_), MappingKind::Stream(_)) => {
                mapping.refuse("EventSourceArn", "is a queue, but the settings are a stream's".into())
            }
        }
    }
}

async fn run(source: Port, delivery: Arc<Delivery>, options: RunnerOptions, stop: Stop) {
    let RunnerOptions { on_failure, checkpoints, .. } = &options;
    let timing = Timing {
        poll_interval: options.poll_interval,
        discovery_interval: options.discovery_interval,
        retry_backoff_min: options.retry_backoff_min,
        retry_backoff_max: options.retry_backoff_max,
        receive_wait: options.receive_wait,
    };
    if !delivery.mapping.enabled {
        // Nothing will ever be unsettled.
        drop(delivery.counters.unsettled());
        return stop.wait().await;
    }
    match (source, delivery.mapping.kind.clone()) {
        (Port::Shards(source), MappingKind::Stream(settings)) => {
            let checkpoints_of = checkpoints.of(&delivery.mapping.id, source.arn());
            let on_failure = on_failure.clone();
            let runner =
                StreamRunner { source, delivery, settings, checkpoints: checkpoints_of, on_failure, timing, stop };
            tokio::select! {
                () = runner.run() => {}
                () = flush_regularly(checkpoints) => {}
            }
        }
        (Port::Queue(source), MappingKind::Queue(settings)) => {
            QueueRunner { source, delivery, settings, timing, stop }.run().await;
        }
        // Refused by `Port::suits`.
        (Port::Shards(_), MappingKind::Queue(_)) | (Port::Queue(_), MappingKind::Stream(_)) => {}
    }
}

async fn flush_regularly(checkpoints: &Checkpoints) {
    loop {
        tokio::time::sleep(CHECKPOINT_FLUSH_INTERVAL).await;
        flush(checkpoints).await;
    }
}

async fn flush(checkpoints: &Checkpoints) {
    if !checkpoints.has_file() {
        return;
    }
    let writer = checkpoints.clone();
    // A disk may take its time, and the tasks that deliver must not wait for it.
    let Ok(flushed) = tokio::task::spawn_blocking(move || writer.flush()).await else { return };
    if let (true, Err(error)) = (checkpoints.begins_to_fail(&flushed), flushed) {
        tracing::warn!(%error, "checkpoints are kept in memory for now");
    }
}
