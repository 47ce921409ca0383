//! The fenced lane: Kinesis records to one item per (window, shard, split), each event in it once.
//!
//! A batch is planned without I/O ([`plan`]) and committed group by group ([`FencedLane::commit`]). A group
//! is merged into its item and put with `fence = :observed`, or `attribute_not_exists` where none was
//! observed; records at or below the fence were applied before and are dropped. The condition is on the
//! *observed* fence, never `fence < :max`: a delayed write of records 1–100 would land on top of a bisected
//! 1–50 and count them twice.
//!
//! An item that is full is closed (its fence gets another text, so that every condition on the old one
//! fails for ever) and the chain goes on in the next part, whose floor is the closed fence.

use crate::item_cache::ItemCache;
use crate::layout::{FencedKey, Layout, expires_at};
use crate::ports::{
    ContributionGet, ContributionPut, Expected, Item, ItemKey, PutOutcome, QuarantinePut, StoreError, StoreErrorKind,
};
use crate::progress::{self, Tally};
use crate::quarantine::{Coordinates, QuarantineObject};
use crate::sequence::{Fence, SequenceNumber, Shard};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::{Body, SeriesKey, Status};
use weir_telemetry::{Accepted, EpochError, EpochView, Millis, OTHER, Reason, Series, decode_payload};

/// One Kinesis record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// `ApproximateArrivalTimestamp`.
    pub arrived_at: Millis,
    /// Its payload.
    pub data: Vec<u8>,
}

/// What is to be done with a batch of one shard.
#[derive(Debug)]
pub struct FencedPlan {
    shard: Shard,
    tallies: Vec<Tally>,
    groups: Vec<Group>,
    quarantine: Vec<(SequenceNumber, QuarantineObject)>,
}

/// The events of one item chain, ascending by record.
#[derive(Debug)]
struct Group {
    key: FencedKey,
    first: SequenceNumber,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    sequence: SequenceNumber,
    accepted: Accepted,
}

/// Decodes a batch. Records may come in any order and twice; what counts is their sequence numbers.
///
/// # Errors
/// [`EpochError`] when the rules of a record are not known here and now: the batch must be retried.
pub fn plan(shard: &Shard, mut records: Vec<Record>, epochs: &EpochView) -> Result<FencedPlan, EpochError> {
    records.sort_by(|a, b| a.sequence.cmp(&b.sequence));
    records.dedup_by(|a, b| a.sequence == b.sequence);
    let mut groups: BTreeMap<FencedKey, Vec<Event>> = BTreeMap::new();
    let mut plan = FencedPlan { shard: shard.clone(), tallies: vec![], groups: vec![], quarantine: vec![] };
    for record in records {
        let epoch = epochs.epoch_for(record.arrived_at)?;
        let decoded = decode_payload(&record.data, record.arrived_at, epoch);
        plan.tallies.push(Tally {
            sequence: record.sequence.clone(),
            arrived_at: record.arrived_at,
            accepted: decoded.accepted.len() as u64,
            rejected: decoded.rejected.len() as u64,
        });
        for accepted in decoded.accepted {
            let split = accepted.series.split(epoch.splits);
            let key = FencedKey { window: accepted.window, shard: shard.clone(), epoch: epoch.number, split };
            groups.entry(key).or_default().push(Event { sequence: record.sequence.clone(), accepted });
        }
        for rejected in decoded.rejected {
            let coordinates = coordinates(shard, &record.sequence);
            let object = QuarantineObject { coordinates, arrived_at: record.arrived_at, rejected };
            plan.quarantine.push((record.sequence.clone(), object));
        }
    }
    plan.groups = groups.into_iter().filter_map(|(key, events)| Group::new(key, events)).collect();
    // The lowest record first, so that running out of time still settles a prefix.
    plan.groups.sort_by(|a, b| a.first.cmp(&b.first));
    Ok(plan)
}

fn coordinates(shard: &Shard, sequence: &SequenceNumber) -> Coordinates {
    Coordinates {
        source: "kinesis",
        path: vec![
            ("stream", format!("{}@{}", shard.stream, shard.created_at.0)),
            ("shard", shard.id.clone()),
            ("sequence_number", sequence.to_string()),
        ],
    }
}

impl Group {
    fn new(key: FencedKey, events: Vec<Event>) -> Option<Self> {
        let first = events.first()?.sequence.clone();
        Some(Self { key, first, events })
    }
}

impl FencedPlan {
    /// Records in the batch.
    pub fn records(&self) -> usize {
        self.tallies.len()
    }

    /// Records without any event.
    pub fn empty(&self) -> usize {
        self.tallies.iter().filter(|tally| tally.accepted + tally.rejected == 0).count()
    }

    /// Item chains that the batch touches.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Reasons of what is set aside, with their counts.
    pub fn rejected(&self) -> BTreeMap<Reason, u64> {
        let mut reasons = BTreeMap::new();
        for (_, object) in &self.quarantine {
            *reasons.entry(object.rejected.reason).or_default() += 1;
        }
        reasons
    }
}

/// Bounds of the fenced lane. Not part of an epoch: they change how items are cut, not what is counted.
#[derive(Clone, Copy, Debug)]
pub struct FencedSettings {
    /// Encoded bytes of one item; beyond it the chain goes on in a new part. DynamoDB takes 400 KB.
    pub item_bytes_max: usize,
    /// Encoded bytes of items that an environment remembers.
    pub cache_bytes_max: usize,
    /// Writes in flight.
    pub writes_in_flight_max: usize,
}

impl Default for FencedSettings {
    fn default() -> Self {
        Self { item_bytes_max: 380_000, cache_bytes_max: 16 << 20, writes_in_flight_max: 16 }
    }
}

/// What a commit came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FencedOutcome {
    /// The lowest record that is not settled: report it, and everything from it on is delivered again.
    pub failed_from: Option<SequenceNumber>,
    /// Events that were applied now.
    pub applied: u64,
    /// Events that had been applied before.
    pub duplicate: u64,
    /// Objects set aside.
    pub quarantined: u64,
    /// Conditions that failed because another writer was there first.
    pub conflicts: u64,
    /// What went wrong, one text each.
    pub errors: Vec<StoreError>,
}

impl FencedOutcome {
    fn fail(&mut self, at: SequenceNumber, error: StoreError) {
        self.failed_from = Some(self.failed_from.take().map_or(at.clone(), |failed| failed.min(at)));
        self.errors.push(error);
    }
}

/// The open end of a fenced item chain, as the store last told it.
#[derive(Clone, Debug)]
pub(crate) struct OpenPart {
    part: u32,
    /// What the next put is conditioned on; none: the part does not exist yet.
    observed: Option<Fence>,
    /// Records up to here are in this or an earlier part.
    floor: Option<SequenceNumber>,
    body: Body,
    /// Encoded size, for the cache's bound.
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
struct GroupOutcome {
    applied: u64,
    duplicate: u64,
    conflicts: u64,
}

/// Commits batches of any shard, and remembers the items it wrote.
#[derive(Debug)]
pub struct FencedLane<S> {
    store: S,
    settings: FencedSettings,
    cache: ItemCache,
}

/// How often a group starts again from what stands there before it is reported as failed.
const CONFLICTS_MAX: u64 = 16;

impl<S: ContributionGet + ContributionPut + QuarantinePut> FencedLane<S> {
    /// A lane over `store`.
    pub fn new(store: S, settings: FencedSettings) -> Self {
        Self { store, settings, cache: ItemCache::new(settings.cache_bytes_max) }
    }

    /// Makes a planned batch durable. `out_of_time` is asked before each write that is not begun yet: when
    /// true, what is settled stays settled and the rest is reported.
    pub async fn commit(
        &self,
        layout: &Layout,
        plan: FencedPlan,
        out_of_time: &(dyn Fn() -> bool + Sync),
    ) -> FencedOutcome {
        let FencedPlan { shard, tallies, groups, quarantine } = plan;
        let mut outcome = FencedOutcome::default();
        let in_flight = self.settings.writes_in_flight_max;

        let mut kept = stream::iter(quarantine.into_iter().map(|(sequence, object)| async move {
            let result = if out_of_time() { Err(no_time()) } else { self.store.quarantine(&object).await };
            (sequence, result)
        }))
        .buffer_unordered(in_flight);
        while let Some((sequence, result)) = kept.next().await {
            match result {
                Ok(()) => outcome.quarantined += 1,
                Err(error) => outcome.fail(sequence, error),
            }
        }
        drop(kept);

        let mut written = stream::iter(groups.into_iter().map(|group| async move {
            let first = group.first.clone();
            let result = if out_of_time() { Err(no_time()) } else { self.apply(layout, group).await };
            (first, result)
        }))
        .buffer_unordered(in_flight);
        while let Some((first, result)) = written.next().await {
            match result {
                Ok(group) => {
                    outcome.applied += group.applied;
                    outcome.duplicate += group.duplicate;
                    outcome.conflicts += group.conflicts;
                }
                Err(error) => outcome.fail(first, error),
            }
        }
        drop(written);

        let below = |failed: &SequenceNumber| tallies.partition_point(|tally| tally.sequence < *failed);
        let settled = outcome.failed_from.as_ref().map_or(tallies.len(), below);
        if let Err(error) = progress::advance(&self.store, layout, &shard, &tallies[..settled]).await
            && let Some(first) = tallies.first()
        {
            outcome.fail(first.sequence.clone(), error);
        }
        outcome
    }

    /// Applies one group: start from the cache or a consistent read, start again from whatever a failed
    /// condition returns.
    async fn apply(&self, layout: &Layout, group: Group) -> Result<GroupOutcome, StoreError> {
        let key = &group.key;
        let mut outcome = GroupOutcome::default();
        let mut open = match self.cache.take(key) {
            Some(open) => open,
            None => self.read_open_part(layout, key, OpenPart::absent(0, None)).await?,
        };
        loop {
            let applied_before = |floor: &SequenceNumber| group.events.partition_point(|e| e.sequence <= *floor);
            let fresh = &group.events[open.floor.as_ref().map_or(0, applied_before)..];
            let Some(first) = fresh.first() else {
                self.cache.put(key.clone(), open);
                // Whatever this delivery did not apply, an earlier or a concurrent one did.
                outcome.duplicate = group.events.len() as u64 - outcome.applied;
                return Ok(outcome);
            };
            let next = next_put(layout, key, &open, first, fresh, self.settings.item_bytes_max);
            match self.store.put(&next.item, &open.expected()).await? {
                PutOutcome::Written => {
                    outcome.applied += next.events as u64;
                    open = next.then;
                }
                PutOutcome::Conflict(stands) => {
                    outcome.conflicts += 1;
                    if outcome.conflicts > CONFLICTS_MAX {
                        let what = format!("{}: {CONFLICTS_MAX} conflicts in a row", next.item.key.sk);
                        return Err(StoreError::new(StoreErrorKind::Unavailable, what));
                    }
                    open = match stands {
                        Some(item) => self.follow(layout, key, open.part, &item).await?,
                        None => self.read_open_part(layout, key, OpenPart::absent(0, None)).await?,
                    };
                }
            }
        }
    }

    /// Walks the chain from `from` to its open end with consistent reads.
    async fn read_open_part(&self, layout: &Layout, key: &FencedKey, from: OpenPart) -> Result<OpenPart, StoreError> {
        let mut open = from;
        while let Some(item) = self.store.get(&layout.fenced(key, open.part)).await? {
            match OpenPart::from_item(open.part, &item)? {
                Part::Open(open) => return Ok(open),
                Part::Closed(floor) => open = OpenPart::absent(open.part + 1, Some(floor)),
            }
        }
        Ok(open)
    }

    /// From an item that a failed condition returned to the chain's open end.
    async fn follow(&self, layout: &Layout, key: &FencedKey, part: u32, item: &Item) -> Result<OpenPart, StoreError> {
        match OpenPart::from_item(part, item)? {
            Part::Open(open) => Ok(open),
            Part::Closed(floor) => self.read_open_part(layout, key, OpenPart::absent(part + 1, Some(floor))).await,
        }
    }
}

fn no_time() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the deadline is near: left for the next delivery")
}

enum Part {
    Open(OpenPart),
    Closed(SequenceNumber),
}

impl OpenPart {
    fn absent(part: u32, floor: Option<SequenceNumber>) -> Self {
        Self { part, observed: None, floor, body: Body::default(), bytes: 0 }
    }

    fn from_item(part: u32, item: &Item) -> Result<Part, StoreError> {
        let unreadable = |why: String| unreadable(&item.key, &why);
        let fence = item.fence.as_deref().ok_or_else(|| unreadable("it has no fence".to_owned()))?;
        let fence = Fence::parse(fence).map_err(|error| unreadable(error.to_string()))?;
        if fence.closed {
            return Ok(Part::Closed(fence.sequence));
        }
        let body = Body::decode(&item.body).map_err(|error| unreadable(error.to_string()))?;
        let floor = Some(fence.sequence.clone());
        Ok(Part::Open(Self { part, observed: Some(fence), floor, body, bytes: item.body.len() }))
    }

    fn expected(&self) -> Expected {
        self.observed.as_ref().map_or(Expected::Absent, |fence| Expected::Fence(fence.to_string()))
    }
}

fn unreadable(key: &ItemKey, why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unreadable, format!("contribution {} {} cannot be read: {why}", key.pk, key.sk))
}

/// A put, how many of the fresh events it applies, and what stands once it is acknowledged.
struct NextPut {
    item: Item,
    events: usize,
    then: OpenPart,
}

/// Decides the next put of `fresh`, which begins with `first`: the longest prefix of records that fits the
/// item; else closing a part that has something in it; else, in an empty part, the first record folded into
/// [`OTHER`], so that no record can block its shard by its size.
fn next_put(
    layout: &Layout,
    key: &FencedKey,
    open: &OpenPart,
    first: &Event,
    fresh: &[Event],
    bytes_max: usize,
) -> NextPut {
    let put = |applied: &[Event], through: &SequenceNumber, body: Body, bytes: Vec<u8>| {
        let fence = Fence { sequence: through.clone(), closed: false };
        let (size, floor) = (bytes.len(), Some(through.clone()));
        let item = item(layout, key, open.part, &fence, bytes);
        let then = OpenPart { part: open.part, observed: Some(fence), floor, body, bytes: size };
        NextPut { item, events: applied.len(), then }
    };
    let mut prefix = fresh;
    while let [.., last] = prefix {
        let body = merged(&open.body, prefix, false);
        let bytes = body.encode();
        if bytes.len() <= bytes_max {
            return put(prefix, &last.sequence, body, bytes);
        }
        prefix = whole_records(prefix, prefix.len() / 2);
    }
    if let Some(observed) = open.observed.clone() {
        let fence = Fence { closed: true, ..observed };
        let item = item(layout, key, open.part, &fence, open.body.encode());
        return NextPut { item, events: 0, then: OpenPart::absent(open.part + 1, Some(fence.sequence)) };
    }
    let record = &fresh[..fresh.partition_point(|event| event.sequence <= first.sequence)];
    let body = merged(&open.body, record, true);
    let bytes = body.encode();
    put(record, &first.sequence, body, bytes)
}

fn item(layout: &Layout, key: &FencedKey, part: u32, fence: &Fence, body: Vec<u8>) -> Item {
    Item {
        key: layout.fenced(key, part),
        fence: Some(fence.to_string()),
        body,
        expires_at: Some(expires_at(key.window.end())),
    }
}

/// The longest prefix of at most `events` events that does not cut a record; shorter than `fresh` if
/// `events` is.
fn whole_records(fresh: &[Event], events: usize) -> &[Event] {
    match fresh.get(events) {
        Some(next) => &fresh[..fresh.partition_point(|event| event.sequence < next.sequence)],
        None => fresh,
    }
}

/// `body` with `events` in it; every series changed counts one touch, once for the whole write.
fn merged(body: &Body, events: &[Event], fold: bool) -> Body {
    let mut body = body.clone();
    let mut touched: BTreeSet<SeriesKey> = BTreeSet::new();
    for event in events {
        let accepted = &event.accepted;
        let key = if fold {
            SeriesKey { service: OTHER.to_owned(), endpoint: OTHER.to_owned() }
        } else {
            series_key(&accepted.series)
        };
        let status = accepted.status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
        let series = body.series.entry(key.clone()).or_default();
        series.rollup.add(status, accepted.duration_us, accepted.user.as_deref().map(str::as_bytes));
        if touched.insert(key) {
            series.touches += 1;
        }
    }
    body
}

pub(crate) fn series_key(series: &Series) -> SeriesKey {
    SeriesKey { service: series.service.clone(), endpoint: series.endpoint.clone() }
}

#[cfg(test)]
mod tests;
