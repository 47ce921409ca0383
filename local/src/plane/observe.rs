//! What a running plane can be asked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use weir_local_lambda::{FunctionStats, MappingStats, ScheduleStats};
use weir_local_template::Source;

use super::Plane;
use crate::endpoint::URL_PREFIX;

/// How often [`Plane::quiesce`] looks.
const QUIESCE_POLL: Duration = Duration::from_millis(50);

impl Plane {
    /// Counts of each mapping, by logical id (`<function><event>`).
    pub fn mapping_stats(&self) -> BTreeMap<String, MappingStats> {
        // Of two runners of one mapping the first counts here.
        self.runners().iter().rev().map(|(id, runner)| (id.clone(), runner.stats())).collect()
    }

    /// Counts of what [`Plane::poll_again`] has started, by logical id of the mapping.
    pub fn duplicate_stats(&self) -> Vec<(String, MappingStats)> {
        let runners = self.runners();
        let again =
            runners.iter().enumerate().filter(|(at, (id, _))| runners[..*at].iter().any(|(first, _)| first == id));
        again.map(|(_, (id, runner))| (id.clone(), runner.stats())).collect()
    }

    /// Counts of each schedule, by logical id.
    pub fn schedule_stats(&self) -> BTreeMap<String, ScheduleStats> {
        self.schedules.iter().map(|(id, runner)| (id.clone(), runner.stats())).collect()
    }

    /// Counts of each function, by physical name.
    pub fn function_stats(&self) -> BTreeMap<String, FunctionStats> {
        self.host.stats()
    }

    /// The functions' URLs: name, whether callers have to sign, URL.
    pub fn function_urls(&self) -> Vec<(String, bool, String)> {
        let url = |name: &str| format!("{}{URL_PREFIX}{name}/", self.endpoint_url);
        let urls = self.endpoint.urls.get().map(|urls| urls.functions.as_slice()).unwrap_or_default();
        urls.iter().map(|function| (function.name.clone(), function.signed, url(&function.name))).collect()
    }

    /// Waits until every enabled mapping has read its source to the end, settled all of it, and stayed so for `settle`;
    /// queues must be empty, messages in flight and delayed ones included. `false` when `timeout` is over first.
    ///
    /// Choose `settle` longer than the batching windows: a record on its way from one function to the next mapping is
    /// not seen in between.
    pub async fn quiesce(&self, settle: Duration, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut quiet_since: Option<Instant> = None;
        while Instant::now() < deadline {
            if self.is_quiet() {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= settle {
                    return true;
                }
            } else {
                quiet_since = None;
            }
            tokio::time::sleep(QUIESCE_POLL).await;
        }
        false
    }

    fn is_quiet(&self) -> bool {
        let stats: Vec<(String, MappingStats)> =
            self.runners().iter().map(|(id, runner)| (id.clone(), runner.stats())).collect();
        self.plan.mappings.iter().filter(|mapping| mapping.enabled).all(|mapping| {
            let mut own = stats.iter().filter(|(id, _)| *id == mapping.logical_id);
            own.all(|(_, stats)| stats.idle_since.is_some() && stats.in_flight == 0) && self.is_empty(&mapping.source)
        })
    }

    /// Whether a queue has nothing left; a stream's records stay in it, and its runner knows.
    fn is_empty(&self, source: &Source) -> bool {
        const COUNTS: [&str; 3] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        match source {
            Source::Queue(name) => self.sqs.queue_attributes(name).is_ok_and(|attributes| {
                COUNTS.iter().all(|name| attributes.get(*name).is_none_or(|count| count == "0"))
            }),
            Source::Stream(_) | Source::TableStream(_) => true,
        }
    }
}
