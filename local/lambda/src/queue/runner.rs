//! A queue's mapping: as many lanes as its scale says.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::lane::Lane;
use super::scale::{LANES_MAX, SCALE_INTERVAL, Scale};
use super::source::{QueueProperties, QueueSource};
use crate::mapping::QueueSettings;
use crate::mapping::delivery::Delivery;
use crate::mapping::pace::{Backoff, Stop};
use crate::mapping::runner::Timing;
use crate::mapping::stats::bump;

pub(crate) struct QueueRunner {
    pub(crate) source: Arc<dyn QueueSource>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) settings: QueueSettings,
    pub(crate) timing: Timing,
    pub(crate) stop: Stop,
}

impl QueueRunner {
    pub(crate) async fn run(self) {
        let starting = self.delivery.counters.unsettled();
        let Some(properties) = self.properties().await else { return };
        let function = &self.delivery.mapping.function;
        let function_max = self.delivery.invoker.concurrency_max(function).unwrap_or(LANES_MAX);
        let limit = self.settings.maximum_concurrency.unwrap_or(LANES_MAX).min(function_max);
        let scale = Arc::new(Scale::new(limit));
        let mut lanes = JoinSet::new();
        let mut target = *scale.target().borrow();
        let mut started = 0;
        let mut starting = Some(starting);
        loop {
            while started < target {
                lanes.spawn(self.lane(started, &scale, properties).run());
                started += 1;
            }
            // The lanes have flags of their own now.
            starting.take();
            tokio::select! {
                biased;
                () = self.stop.wait() => break,
                Some(ended) = lanes.join_next(), if !lanes.is_empty() => {
                    // Lanes end only when stopped; one that panicked has lost no message, and its place is filled.
                    if let Err(error) = ended {
                        tracing::error!(mapping = self.delivery.mapping.id, %error, "a queue's lane ended unexpectedly");
                        started = started.saturating_sub(1);
                    }
                    if !self.stop.sleep(self.timing.retry_backoff_min).await {
                        break;
                    }
                }
                () = tokio::time::sleep(SCALE_INTERVAL) => target = scale.step(),
            }
        }
        while lanes.join_next().await.is_some() {}
    }

    fn lane(&self, number: u32, scale: &Arc<Scale>, properties: QueueProperties) -> Lane {
        Lane::new(
            number,
            self.source.clone(),
            self.delivery.clone(),
            scale.clone(),
            properties,
            self.timing,
            self.stop.clone(),
        )
    }

    /// `None` when stopped before the queue answered.
    async fn properties(&self) -> Option<QueueProperties> {
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        loop {
            match self.source.properties().await {
                Ok(properties) => return Some(properties),
                Err(error) => {
                    bump(&self.delivery.counters.source_errors);
                    tracing::warn!(mapping = self.delivery.mapping.id, %error, "the queue cannot be read");
                }
            }
            if !self.stop.sleep(backoff.next()).await {
                return None;
            }
        }
    }
}
