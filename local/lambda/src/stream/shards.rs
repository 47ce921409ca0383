//! Which shards to read: found again and again, parents before children.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use super::deliver::{ShardWorker, WorkerEnd};
use super::event::EventContext;
use super::shard::{Begin, Cut, ShardReader};
use super::source::{Shard, ShardSource};
use crate::mapping::checkpoint::{Progress, StreamCheckpoints};
use crate::mapping::delivery::Delivery;
use crate::mapping::pace::{Backoff, Clock, Stop};
use crate::mapping::runner::Timing;
use crate::mapping::stats::{Unsettled, bump};
use crate::mapping::{FailureDestination, StartingPosition, StreamSettings};

/// Shards of one mapping read at once; further ones wait until others are finished.
const SHARDS_RUNNING_MAX: usize = 1_024;
/// How far this clock and the source's may be apart. A `LATEST` that has to be taken again, after an expiry or a
/// restart before anything was read, becomes "since the start, less this": delivering again is better than skipping.
const CLOCK_SKEW_MS: i64 = 5_000;

pub(crate) struct StreamRunner {
    pub(crate) source: Arc<dyn ShardSource>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) settings: StreamSettings,
    pub(crate) checkpoints: StreamCheckpoints,
    pub(crate) on_failure: Option<Arc<dyn FailureDestination>>,
    pub(crate) timing: Timing,
    pub(crate) stop: Stop,
}

#[derive(Default)]
struct Workers {
    tasks: JoinSet<(WorkerEnd, Unsettled)>,
    shards: HashMap<Id, String>,
}

impl Workers {
    fn runs(&self, shard: &str) -> bool {
        self.shards.values().any(|running| running == shard)
    }
}

impl StreamRunner {
    pub(crate) async fn run(self) {
        let mut unsettled = self.delivery.counters.unsettled();
        let clock = Clock::start();
        let mut workers = Workers::default();
        let mut backoff = Backoff::new(self.timing.retry_backoff_min, self.timing.retry_backoff_max);
        // Flags of finished shards, down once their children have been looked for.
        let mut finished: Vec<Unsettled> = Vec::new();
        while !self.stop.is_set() {
            let delay = match self.source.shards().await {
                Ok(listed) => {
                    backoff.reset();
                    self.start_eligible(&listed, &mut workers, clock);
                    finished.clear();
                    unsettled.lower();
                    self.timing.discovery_interval
                }
                Err(error) => {
                    unsettled.raise();
                    bump(&self.delivery.counters.source_errors);
                    tracing::warn!(mapping = self.delivery.mapping.id, %error, "the shards could not be listed");
                    backoff.next()
                }
            };
            tokio::select! {
                biased;
                () = self.stop.wait() => break,
                Some(ended) = workers.tasks.join_next_with_id() => {
                    let again = self.ended(ended, &mut workers, &mut finished);
                    if !again && !self.stop.sleep(delay).await {
                        break;
                    }
                }
                () = tokio::time::sleep(delay) => {}
            }
        }
        while workers.tasks.join_next().await.is_some() {}
    }

    /// Whether to look for children at once.
    fn ended(
        &self,
        ended: Result<(Id, (WorkerEnd, Unsettled)), tokio::task::JoinError>,
        workers: &mut Workers,
        finished: &mut Vec<Unsettled>,
    ) -> bool {
        match ended {
            Ok((id, (end, unsettled))) => {
                workers.shards.remove(&id);
                if end == WorkerEnd::Finished {
                    finished.push(unsettled);
                }
                end == WorkerEnd::Finished
            }
            Err(error) => {
                // It goes on from its checkpoint with the next listing.
                let shard = workers.shards.remove(&error.id());
                tracing::error!(mapping = self.delivery.mapping.id, ?shard, %error, "a shard's worker ended unexpectedly");
                false
            }
        }
    }

    fn start_eligible(&self, listed: &[Shard], workers: &mut Workers, clock: Clock) {
        // Only a mapping that has never seen the stream starts where its starting position says. Later, an unknown
        // shard can only be a descendant of known ones, and is read from its beginning.
        let first = !listed.is_empty() && self.checkpoints.is_empty();
        if first && self.settings.starting_position == StartingPosition::Latest {
            for shard in listed {
                let progress =
                    if shard.closed { Progress::Finished } else { Progress::Since(clock.now_ms() - CLOCK_SKEW_MS) };
                self.checkpoints.commit(&shard.id, shard.starting_sequence.as_deref(), progress);
            }
        }
        let progress = |shard: &Shard| self.checkpoints.get(&shard.id, shard.starting_sequence.as_deref());
        let running: HashSet<&str> = workers.shards.values().map(String::as_str).collect();
        let eligible: Vec<Shard> =
            eligible(listed, |shard| progress(shard) == Some(Progress::Finished), |shard| running.contains(shard))
                .into_iter()
                .cloned()
                .collect();
        for shard in eligible {
            if workers.tasks.len() >= SHARDS_RUNNING_MAX {
                tracing::warn!(mapping = self.delivery.mapping.id, SHARDS_RUNNING_MAX, "some shards have to wait");
                break;
            }
            let begin = match (progress(&shard), self.settings.starting_position) {
                (Some(Progress::After(sequence)), _) => Begin::After(sequence),
                (Some(Progress::Since(ms)), StartingPosition::Latest) if first => Begin::Latest(ms),
                (Some(Progress::Since(ms)), _) | (None, StartingPosition::AtTimestamp(ms)) => Begin::Since(ms),
                _ => Begin::TrimHorizon,
            };
            self.start(shard, begin, workers, clock);
        }
        self.checkpoints.retain(|shard| listed.iter().any(|known| known.id == shard) || workers.runs(shard));
    }

    fn start(&self, shard: Shard, begin: Begin, workers: &mut Workers, clock: Clock) {
        let mapping = &self.delivery.mapping;
        let counters = self.delivery.counters.clone();
        let reader = ShardReader::new(
            self.source.clone(),
            shard.id.clone(),
            EventContext::new(&shard.id, self.source.arn(), &mapping.function),
            begin,
            Cut::new(mapping, &self.settings),
            self.timing,
            counters.clone(),
            self.stop.clone(),
        );
        let id = shard.id.clone();
        let worker = ShardWorker {
            reader,
            shard,
            delivery: self.delivery.clone(),
            settings: self.settings.clone(),
            checkpoints: self.checkpoints.clone(),
            on_failure: self.on_failure.clone(),
            timing: self.timing,
            clock,
            stop: self.stop.clone(),
        };
        let task = workers.tasks.spawn(worker.run(counters.unsettled()));
        workers.shards.insert(task.id(), id);
    }
}

/// Shards that may be read now: neither finished nor running, and every parent the source still lists is finished. A
/// parent no longer listed has been trimmed away, and holds nobody up.
fn eligible(listed: &[Shard], finished: impl Fn(&Shard) -> bool, running: impl Fn(&str) -> bool) -> Vec<&Shard> {
    let by_id: HashMap<&str, &Shard> = listed.iter().map(|shard| (shard.id.as_str(), shard)).collect();
    let settled = |parent: &String| by_id.get(parent.as_str()).is_none_or(|parent| finished(parent));
    listed.iter().filter(|shard| !running(&shard.id) && !finished(shard) && shard.parents.iter().all(settled)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str]) -> Shard {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        Shard { id: id.to_owned(), parents, starting_sequence: None, closed: false }
    }

    #[test]
    fn children_wait_for_all_parents() {
        let listed = [shard("a", &[]), shard("b", &["trimmed"]), shard("merged", &["a", "b"]), shard("split", &["a"])];
        let ids = |finished: &[&str], running: &[&str]| -> Vec<String> {
            eligible(&listed, |shard| finished.contains(&shard.id.as_str()), |shard| running.contains(&shard))
                .into_iter()
                .map(|shard| shard.id.clone())
                .collect()
        };
        assert_eq!(ids(&[], &[]), ["a", "b"]);
        assert_eq!(ids(&["a"], &["b"]), ["split"]);
        assert_eq!(ids(&["a", "b"], &["split"]), ["merged"]);
    }
}
