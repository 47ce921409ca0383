//! What happens once, at its point of the traffic: a second poller, a split, a merge, and a new version of every
//! function that takes over by weight.

use super::EndpointTrouble;
use crate::aws::Aws;
use crate::demo::tally::{Tally, Trouble};
use crate::failure::{Failure, failed};
use aws_sdk_kinesis::types::{Shard, StreamStatus};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use weir_local::Plane;
use weir_local_lambda::{AliasTarget, VersionError};

/// How long a stream may take to be ACTIVE again.
const ACTIVE_WAIT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
enum Step {
    /// Every function is killed once and paused once, at its next writes.
    Strike,
    /// The stream's mapping gets a second poller that reads from the start.
    PollAgain,
    Split,
    Merge,
    /// Version 2 of every function, with this share of the traffic.
    Publish(f64),
    Shift(f64),
    /// Version 2 alone.
    Finish,
}

/// Percent of the events sent, and what happens then.
const STEPS: [(u64, Step); 13] = [
    (5, Step::Strike),
    (15, Step::Split),
    (20, Step::Publish(0.1)),
    (25, Step::Strike),
    (35, Step::PollAgain),
    (40, Step::Strike),
    (45, Step::Shift(0.5)),
    (55, Step::Strike),
    (60, Step::Merge),
    (70, Step::Strike),
    (75, Step::Finish),
    (80, Step::Strike),
    (88, Step::Strike),
];

/// The steps still to come.
pub(crate) struct Steps {
    next: usize,
    trouble: EndpointTrouble,
    tally: Arc<Tally>,
    /// Executables of version 2 by their names in the template, where it is another build.
    bootstraps_next: Option<PathBuf>,
    /// Invocations of version 1 when version 2 came.
    before: u64,
}

impl Steps {
    pub(crate) fn new(trouble: EndpointTrouble, tally: Arc<Tally>, bootstraps_next: Option<PathBuf>) -> Self {
        Self { next: 0, trouble, tally, bootstraps_next, before: 0 }
    }

    /// Takes the steps that are due.
    pub(crate) async fn at(&mut self, sent: u64, of: u64, plane: &Plane, aws: &Aws) -> Result<(), Failure> {
        while let Some((_, step)) = STEPS.get(self.next).filter(|(percent, _)| sent * 100 >= of * percent) {
            self.next += 1;
            match step {
                Step::Strike => self.trouble.strike_all(),
                Step::PollAgain => poll_again(plane).await?,
                Step::Split => self.split(aws).await?,
                Step::Merge => self.merge(aws).await?,
                Step::Publish(weight) => {
                    self.publish(plane)?;
                    shift(plane, *weight)?;
                }
                Step::Shift(weight) => shift(plane, *weight)?,
                Step::Finish => self.finish(plane)?,
            }
        }
        Ok(())
    }

    /// A copy of every function with something changed: another build, or else a variable.
    fn publish(&mut self, plane: &Plane) -> Result<(), Failure> {
        self.before = invocations(plane, "1");
        for function in &plane.plan().functions {
            let next = self.bootstraps_next.as_ref().map(|directory| directory.join(&function.binary));
            let change = |spec: &mut weir_local_lambda::FunctionSpec| {
                spec.environment.insert("WEIR_DEMO_VERSION".to_owned(), "2".to_owned());
                if let Some(next) = next {
                    spec.bootstrap = next;
                }
            };
            plane.host().update_function(&function.name, change, None).map_err(refused)?;
            plane.host().publish_version(&function.name, "weir demo --chaos", None).map_err(refused)?;
        }
        Ok(())
    }

    fn finish(&self, plane: &Plane) -> Result<(), Failure> {
        self.tally.add(Trouble::OldVersion, invocations(plane, "1") - self.before);
        self.tally.add(Trouble::NewVersion, invocations(plane, "2"));
        point(plane, &AliasTarget::all("2"))
    }

    async fn split(&self, aws: &Aws) -> Result<(), Failure> {
        let (kinesis, stream) = (aws.kinesis(), aws.stream());
        let shards = open_shards(aws).await?;
        let Some((from, shard)) = shards.first() else { return Ok(()) };
        let to = hash_key(shard.hash_key_range().map(|range| range.ending_hash_key()));
        let middle = from + (to - from) / 2;
        let split = kinesis.split_shard().stream_name(&stream).shard_to_split(shard.shard_id());
        let split = split.new_starting_hash_key(middle.to_string()).send().await;
        split.map_err(|error| failed("SplitShard", &error))?;
        self.tally.one(Trouble::ShardSplit);
        Ok(())
    }

    /// The last two neighbours: a child of the split, and a shard from the beginning.
    async fn merge(&self, aws: &Aws) -> Result<(), Failure> {
        active(aws).await?;
        let shards = open_shards(aws).await?;
        let [.., (_, left), (_, right)] = shards.as_slice() else { return Ok(()) };
        let merge = aws.kinesis().merge_shards().stream_name(aws.stream()).shard_to_merge(left.shard_id());
        let merge = merge.adjacent_shard_to_merge(right.shard_id()).send().await;
        merge.map_err(|error| failed("MergeShards", &error))?;
        self.tally.one(Trouble::ShardsMerged);
        Ok(())
    }
}

fn refused(error: VersionError) -> Failure {
    Failure::Failed(error.to_string())
}

fn shift(plane: &Plane, weight: f64) -> Result<(), Failure> {
    point(plane, &AliasTarget { version: "1".to_owned(), additional: Some(("2".to_owned(), weight)) })
}

fn point(plane: &Plane, target: &AliasTarget) -> Result<(), Failure> {
    for function in &plane.plan().functions {
        let alias = function.alias.as_deref().unwrap_or_default();
        let change = |to: &mut AliasTarget, _: &mut String| to.clone_from(target);
        plane.host().update_alias(&function.name, alias, change, None).map_err(refused)?;
    }
    Ok(())
}

fn invocations(plane: &Plane, version: &str) -> u64 {
    let all = plane.host().stats_by_version();
    all.values().filter_map(|versions| versions.get(version)).map(|stats| stats.invocations).sum()
}

async fn poll_again(plane: &Plane) -> Result<(), Failure> {
    let mappings = &plane.plan().mappings;
    let streams = mappings.iter().filter(|mapping| matches!(mapping.source, weir_local_template::Source::Stream(_)));
    for mapping in streams {
        plane.poll_again(&mapping.logical_id).await.map_err(|error| Failure::Failed(error.to_string()))?;
    }
    Ok(())
}

/// Open shards in the order of their hash keys, each with its first.
async fn open_shards(aws: &Aws) -> Result<Vec<(u128, Shard)>, Failure> {
    let listed = aws.kinesis().list_shards().stream_name(aws.stream()).send().await;
    let listed = listed.map_err(|error| failed("ListShards", &error))?.shards.unwrap_or_default();
    let open =
        |shard: &Shard| shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none());
    let from = |shard: &Shard| hash_key(shard.hash_key_range().map(|range| range.starting_hash_key()));
    let mut shards: Vec<_> = listed.into_iter().filter(open).map(|shard| (from(&shard), shard)).collect();
    shards.sort_by_key(|(from, _)| *from);
    Ok(shards)
}

fn hash_key(text: Option<&str>) -> u128 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Waits until the stream is ACTIVE.
async fn active(aws: &Aws) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + ACTIVE_WAIT_MAX;
    loop {
        let summary = aws.kinesis().describe_stream_summary().stream_name(aws.stream()).send().await;
        let summary = summary.map_err(|error| failed("DescribeStreamSummary", &error))?;
        let status = summary.stream_description_summary().map(|summary| summary.stream_status().clone());
        if status == Some(StreamStatus::Active) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::Failed(format!("stream {} does not become ACTIVE", aws.stream())));
        }
        tokio::time::sleep(POLL).await;
    }
}
