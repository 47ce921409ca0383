//! The fenced lane: Kinesis records to one item per (window, shard, split), each event in it once.
//!
//! Records are planned without I/O and committed group by group ([`FencedLane::process`]). A group is merged into its
//! item and put with `fence = :observed`, or `attribute_not_exists` if none was observed; records at or below the fence
//! were applied before and are dropped. The condition is on the *observed* fence, never `fence < :max`: a delayed write
//! of records 1–100 would land on top of a bisected 1–50 and count them twice.
//!
//! A full item is closed (its fence gets a different text, so that every condition on the old one fails from then on)
//! and the chain continues in the next part, whose floor is the closed fence.

mod part;
mod plan;

pub(crate) use part::OpenPart;

use crate::item_cache::ItemCache;
use crate::layout::{FencedKey, Layout};
use crate::ports::{ContributionGet, ContributionPut, Item, PutOutcome, QuarantinePut, StoreError, StoreErrorKind};
use crate::progress::{self, Tally};
use crate::sequence::{SequenceNumber, Shard};
use crate::skips::SkipView;
use futures::stream::{self, StreamExt};
use part::{Part, Target, merged};
use plan::{Group, Plan};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::Body;
use weir_telemetry::{Batch, EpochView, Millis, Reason, Window};

/// One Kinesis record.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// `ApproximateArrivalTimestamp`.
    pub arrived_at: Millis,
    /// Its payload.
    pub data: Cow<'a, [u8]>,
}

/// Limits of the fenced lane. Not part of an epoch: except for one they change how items are cut, not what is counted.
#[derive(Clone, Copy, Debug)]
pub struct FencedSettings {
    /// Encoded bytes of one item; beyond it the chain continues in a new part. A single record may take more.
    pub item_bytes_max: usize,
    /// Bound on one record's series in one item ([`weir_rollup::stored::bytes_max`]); if it is exceeded, all series of
    /// that window and split count under `~other`. Less than the 400 KB of a DynamoDB item. Part of the protocol: two
    /// versions that disagree would count a record under different names, so it changes with the decoder.
    pub record_bytes_max: usize,
    /// Encoded bytes of items that an environment caches. Decoded they are up to thirty times as large.
    pub cache_bytes_max: usize,
    /// Writes in flight.
    pub writes_in_flight_max: usize,
    /// Events decoded before they are committed: about 200 bytes each.
    pub commit_events_max: usize,
    /// Objects quarantined in one commit: with more, settling records must not depend on all of them.
    pub commit_quarantine_max: usize,
}

impl Default for FencedSettings {
    fn default() -> Self {
        Self {
            item_bytes_max: 380_000,
            record_bytes_max: 300_000,
            cache_bytes_max: 4 << 20,
            writes_in_flight_max: 16,
            commit_events_max: 200_000,
            commit_quarantine_max: 500,
        }
    }
}

/// Outcome of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FencedOutcome {
    /// The lowest unsettled record: report it, and everything from it on is delivered again.
    pub failed_from: Option<SequenceNumber>,
    /// Records decoded.
    pub records: u64,
    /// Of these, records without events.
    pub empty: u64,
    /// Records not decoded, which are delivered again.
    pub left: u64,
    /// Events and rejected records decoded: applied, duplicate, quarantined or returned.
    pub received: u64,
    /// Of these, those not settled, which are delivered again.
    pub returned: u64,
    /// Item chains to write.
    pub groups: u64,
    /// Windows they belong to.
    pub windows: BTreeSet<Window>,
    /// Events applied now.
    pub applied: u64,
    /// Events applied before.
    pub duplicate: u64,
    /// Objects quarantined now, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
    /// Conditions that failed because another writer came first.
    pub conflicts: u64,
    /// Errors, one text each.
    pub errors: Vec<StoreError>,
}

impl FencedOutcome {
    fn fail(&mut self, at: &SequenceNumber, error: StoreError) {
        if self.failed_from.as_ref().is_none_or(|failed| at < failed) {
            self.failed_from = Some(at.clone());
        }
        self.errors.push(error);
    }
}

#[derive(Debug, Default)]
struct GroupOutcome {
    applied: u64,
    duplicate: u64,
    conflicts: u64,
}

/// Commits batches of any shard, and caches the items it wrote.
#[derive(Debug)]
pub struct FencedLane<S> {
    store: S,
    settings: FencedSettings,
    cache: ItemCache,
}

/// How often a group restarts from the stored item before it is reported as failed.
const CONFLICTS_MAX: u64 = 16;

type OutOfTime<'a> = &'a (dyn Fn() -> bool + Sync);

impl<S: ContributionGet + ContributionPut + QuarantinePut> FencedLane<S> {
    /// A lane over `store`.
    pub fn new(store: S, settings: FencedSettings) -> Self {
        Self { store, settings, cache: ItemCache::new(settings.cache_bytes_max) }
    }

    /// The store it writes to.
    pub fn into_store(self) -> S {
        self.store
    }

    /// A lane with the same limits over another store, with an empty cache.
    pub fn elsewhere(&self, store: impl FnOnce(&S) -> S) -> Self {
        Self::new(store(&self.store), self.settings)
    }

    /// Makes a batch of one shard durable, in commits of consecutive records: usually one. Records may come in any
    /// order and twice; only their sequence numbers matter. `out_of_time` is asked before each write is begun: once
    /// true, what is settled stays settled and the rest is reported.
    pub async fn process(
        &self,
        layout: &Layout,
        shard: &Shard,
        records: Vec<Record<'_>>,
        epochs: &EpochView,
        out_of_time: OutOfTime<'_>,
    ) -> FencedOutcome {
        self.process_past(layout, shard, records, epochs, &SkipView::default(), out_of_time).await
    }

    /// The same, honouring a skip list.
    pub async fn process_past(
        &self,
        layout: &Layout,
        shard: &Shard,
        mut records: Vec<Record<'_>>,
        epochs: &EpochView,
        skips: &SkipView,
        out_of_time: OutOfTime<'_>,
    ) -> FencedOutcome {
        in_order(&mut records);
        let mut outcome = FencedOutcome::default();
        let mut rest = records.as_slice();
        while let Some(first) = rest.first()
            && outcome.failed_from.is_none()
        {
            if outcome.records > 0 && out_of_time() {
                outcome.fail(&first.sequence, StoreError::out_of_time());
                break;
            }
            match plan::plan(shard, rest, epochs, skips, &self.settings) {
                Ok(plan) => {
                    rest = &rest[plan.tallies.len()..];
                    self.commit(layout, shard, plan, out_of_time, &mut outcome).await;
                }
                Err(error) => outcome.fail(&first.sequence, error),
            }
        }
        outcome.left = rest.len() as u64;
        outcome
    }

    async fn commit(
        &self,
        layout: &Layout,
        shard: &Shard,
        plan: Plan,
        out_of_time: OutOfTime<'_>,
        outcome: &mut FencedOutcome,
    ) {
        let Plan { tallies, groups, quarantine, names } = plan;
        outcome.records += tallies.len() as u64;
        outcome.empty += tallies.iter().filter(|tally| tally.accepted + tally.rejected == 0).count() as u64;
        outcome.received += tallies.iter().map(|tally| tally.accepted + tally.rejected).sum::<u64>();
        outcome.groups += groups.len() as u64;
        outcome.windows.extend(groups.iter().map(|group| group.key.window));
        let in_flight = self.settings.writes_in_flight_max;

        let mut kept = stream::iter(quarantine.into_iter().map(|(record, object)| async move {
            let result =
                if out_of_time() { Err(StoreError::out_of_time()) } else { self.store.quarantine(&object).await };
            (record, result.map(|()| object.rejected.reason))
        }))
        .buffer_unordered(in_flight);
        while let Some((record, result)) = kept.next().await {
            match result {
                Ok(reason) => *outcome.quarantined.entry(reason).or_default() += 1,
                Err(error) => {
                    outcome.returned += 1;
                    outcome.fail(&tallies[record as usize].sequence, error);
                }
            }
        }
        drop(kept);

        let mut written = stream::iter(groups.into_iter().map(|group| {
            let (tallies, names) = (&tallies, &names);
            async move {
                let (first, events) = (group.first(), group.events.len() as u64);
                (first, events, self.apply(layout, tallies, names, group, out_of_time).await)
            }
        }))
        .buffer_unordered(in_flight);
        while let Some((first, events, result)) = written.next().await {
            match result {
                Ok(group) => {
                    outcome.applied += group.applied;
                    outcome.duplicate += group.duplicate;
                    outcome.conflicts += group.conflicts;
                }
                Err(error) if left_out!(SuccessDespiteFailedGroup) => outcome.errors.push(error),
                Err(error) => {
                    // Whatever was applied before it failed is a duplicate the next time.
                    outcome.returned += events;
                    outcome.fail(&tallies[first as usize].sequence, error);
                }
            }
        }
        drop(written);

        let below = |failed: &SequenceNumber| tallies.partition_point(|tally| tally.sequence < *failed);
        let settled = outcome.failed_from.as_ref().map_or(tallies.len(), below);
        if let Err(error) = progress::advance(&self.store, layout, shard, &tallies[..settled]).await
            && let Some(first) = tallies.first()
        {
            outcome.fail(&first.sequence, error);
        }
    }

    /// Applies one group: starts from the cache or a consistent read, and restarts from whatever a failed condition
    /// returns.
    async fn apply(
        &self,
        layout: &Layout,
        tallies: &[Tally],
        names: &Batch,
        group: Group,
        out_of_time: OutOfTime<'_>,
    ) -> Result<GroupOutcome, StoreError> {
        let key = &group.key;
        let target = Target { layout, key, tallies, names, item_bytes_max: self.settings.item_bytes_max };
        let mut outcome = GroupOutcome::default();
        let mut open = match self.cache.take(key) {
            Some(open) => open,
            None if out_of_time() => return Err(StoreError::out_of_time()),
            None => self.read_open_part(layout, key, OpenPart::absent(0, None)).await?,
        };
        loop {
            if left_out!(RecordsNotDropped) && outcome.applied == 0 {
                open.floor = None;
            }
            let applied_before = |floor: &SequenceNumber| {
                group.events.partition_point(|event| tallies[event.record as usize].sequence <= *floor)
            };
            let fresh = &group.events[open.floor.as_ref().map_or(0, applied_before)..];
            let Some(first) = fresh.first() else {
                self.cache.put(key.clone(), open);
                // Whatever this delivery did not apply, an earlier or a concurrent one did.
                outcome.duplicate = (group.events.len() as u64).saturating_sub(outcome.applied);
                return Ok(outcome);
            };
            if out_of_time() {
                return Err(StoreError::out_of_time());
            }
            let next = target.next_put(&open, first, fresh);
            if left_out!(CachedBeforeAcknowledged) {
                self.cache.put(key.clone(), next.then.clone());
            }
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

    /// Walks from an item returned by a failed condition to the chain's open end.
    async fn follow(&self, layout: &Layout, key: &FencedKey, part: u32, item: &Item) -> Result<OpenPart, StoreError> {
        match OpenPart::from_item(part, item)? {
            Part::Open(open) => Ok(open),
            Part::Closed(floor) => self.read_open_part(layout, key, OpenPart::absent(part + 1, Some(floor))).await,
        }
    }
}

/// Ascending, without duplicates.
fn in_order(records: &mut Vec<Record<'_>>) {
    records.sort_by(|a, b| a.sequence.cmp(&b.sequence));
    records.dedup_by(|a, b| a.sequence == b.sequence);
}

/// What records add to each item chain, as [`FencedLane::process`] would commit it to an empty store: to inspect or
/// time what is decided without I/O. Covers only the first commit.
///
/// # Errors
/// If the rules of the first record are not known at present.
pub fn planned(
    shard: &Shard,
    mut records: Vec<Record<'_>>,
    epochs: &EpochView,
    settings: &FencedSettings,
) -> Result<Vec<(FencedKey, Body)>, StoreError> {
    in_order(&mut records);
    let Plan { groups, names, .. } = plan::plan(shard, &records, epochs, &SkipView::default(), settings)?;
    let body = |group: Group| (merged(&Body::default(), &group.events, &names, false), group.key);
    Ok(groups.into_iter().map(body).map(|(body, key)| (key, body)).collect())
}

#[cfg(test)]
mod tests;
