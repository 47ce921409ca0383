//! Makes a planned batch durable: item by item, each if absent.

use super::{Contributor, Counts, LedgerPlan, Planned, digest, named};
use crate::layout::{Layout, expires_at};
use crate::ports::{ContributionPut, Expected, Item, PutOutcome, QuarantinePut, StoreError};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use weir_rollup::stored::ROLLUPS_MAX;
use weir_rollup::{Ledger, LedgerEntry, SeriesKey};
use weir_telemetry::{Reason, Window};

/// Limits of the ledger lane.
#[derive(Clone, Copy, Debug)]
pub struct LedgerSettings {
    /// Encoded bytes of one item of several messages. A single message may take more.
    pub item_bytes_max: usize,
    /// Bound on one message's series in one window ([`weir_rollup::stored::bytes_max`]); if it is exceeded, all its
    /// series count under `~other`. Less than the 400 KB of a DynamoDB item. Part of the protocol, as in the fenced
    /// lane.
    pub record_bytes_max: usize,
    /// Writes in flight.
    pub writes_in_flight_max: usize,
    /// Writes, of items and to quarantine, after which a round takes no further message: if a batch does not fit the
    /// time, the rounds that did are settled. A single message may need more.
    pub commit_writes_max: usize,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { item_bytes_max: 380_000, record_bytes_max: 300_000, writes_in_flight_max: 16, commit_writes_max: 1_000 }
    }
}

/// Outcome of a commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LedgerOutcome {
    /// Places of unsettled messages: report them, and they are delivered again.
    pub failed: BTreeSet<usize>,
    /// Events and rejected messages decoded: put, duplicate, quarantined or returned.
    pub received: u64,
    /// Of these, those not written. They are delivered again, with everything else in their messages.
    pub returned: u64,
    /// Events put in new items. An identity may already be in another item: only the finalizer knows what is counted.
    pub put: u64,
    /// Events whose exact item already existed.
    pub duplicate: u64,
    /// Objects quarantined, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
    /// Errors, one text each.
    pub errors: Vec<StoreError>,
}

/// An item to put and the places of the messages inside.
struct LedgerPut {
    item: Item,
    messages: Vec<usize>,
    events: u64,
}

/// Makes a planned batch durable. A message fails if any of its writes failed. `out_of_time` is asked before each write
/// is begun.
pub async fn commit<S: ContributionPut + QuarantinePut>(
    store: &S,
    layout: &Layout,
    settings: LedgerSettings,
    plan: LedgerPlan<'_>,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> LedgerOutcome {
    let mut outcome = LedgerOutcome { received: plan.received(), ..LedgerOutcome::default() };
    let mut kept = stream::iter(plan.quarantine.into_iter().map(|(place, object)| async move {
        let result = if out_of_time() { Err(StoreError::out_of_time()) } else { store.quarantine(&object).await };
        (place, result.map(|()| object.rejected.reason))
    }))
    .buffer_unordered(settings.writes_in_flight_max);
    while let Some((place, result)) = kept.next().await {
        match result {
            Ok(reason) => *outcome.quarantined.entry(reason).or_default() += 1,
            Err(error) => {
                outcome.returned += 1;
                outcome.fail(&[place], error);
            }
        }
    }
    drop(kept);

    let LedgerPlan { contributors, planned, names, left, .. } = plan;
    // Boxed, for the compiler to see that the future may move between threads.
    let puts: Box<dyn Iterator<Item = LedgerPut> + Send> =
        Box::new(grouped(&contributors, planned).flat_map(|group| cut(layout, group, &names, settings)));
    let mut written = stream::iter(puts.map(|put| async move {
        let result =
            if out_of_time() { Err(StoreError::out_of_time()) } else { store.put(&put.item, &Expected::Absent).await };
        (put, result)
    }))
    .buffer_unordered(settings.writes_in_flight_max);
    while let Some((put, result)) = written.next().await {
        match result {
            Ok(PutOutcome::Written) => outcome.put += put.events,
            // The key is the digest of the identities inside: the existing item says the same.
            Ok(PutOutcome::Conflict(_)) => outcome.duplicate += put.events,
            Err(error) => {
                outcome.returned += put.events;
                outcome.fail(&put.messages, error);
            }
        }
    }
    drop(written);
    for (place, error) in left {
        outcome.fail(&[place], error);
    }
    outcome
}

impl LedgerOutcome {
    /// Adds the outcome of another commit.
    pub(crate) fn merge(&mut self, other: Self) {
        self.failed.extend(other.failed);
        self.received += other.received;
        self.returned += other.returned;
        self.put += other.put;
        self.duplicate += other.duplicate;
        for (reason, count) in other.quarantined {
            *self.quarantined.entry(reason).or_default() += count;
        }
        self.errors.extend(other.errors);
    }

    pub(crate) fn fail(&mut self, messages: &[usize], error: StoreError) {
        self.failed.extend(messages);
        self.errors.push(error);
    }
}

/// What goes to one window and lane, by identity, ascending.
struct Group<'p> {
    window: Window,
    lane: u16,
    parts: Vec<Part<'p>>,
}

/// What one contributor adds.
struct Part<'p> {
    by: &'p Contributor<'p>,
    events: u64,
    series: Counts,
}

/// What is planned, in its groups by window and lane. Each takes its series, and what these hold goes with it.
fn grouped<'p>(contributors: &'p [Contributor<'_>], mut planned: Vec<Planned>) -> impl Iterator<Item = Group<'p>> {
    let item = |planned: &Planned| (planned.window, contributors[planned.by.0].lane);
    let identity = |planned: &Planned| contributors[planned.by.0].under.identity();
    // By place, since what is planned is too large to be moved around.
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.sort_unstable_by(|a, b| {
        let (a, b) = (&planned[*a], &planned[*b]);
        item(a).cmp(&item(b)).then_with(|| identity(a).cmp(identity(b)))
    });
    let groups = order.chunk_by(|a, b| item(&planned[*a]) == item(&planned[*b]));
    let groups: Vec<Vec<usize>> = groups.map(<[usize]>::to_vec).collect();
    groups.into_iter().filter_map(move |places| {
        let (window, lane) = item(&planned[*places.first()?]);
        let part = |place: usize| {
            let Planned { by, events, series, .. } = &mut planned[place];
            Part { by: &contributors[by.0], events: *events, series: std::mem::take(series) }
        };
        Some(Group { window, lane, parts: places.into_iter().map(part).collect() })
    })
}

/// Cuts a group into items that fit, by halving; a single message fits by its plan.
fn cut(layout: &Layout, group: Group<'_>, names: &[SeriesKey], settings: LedgerSettings) -> Vec<LedgerPut> {
    let Group { window, lane, parts } = group;
    let mut puts = vec![];
    let mut pieces = vec![&parts[..]];
    while let Some(piece) = pieces.pop() {
        let rollups: usize = piece.iter().map(|part| part.series.len()).sum();
        let ledger = ledger_of(piece, names);
        let body = ledger.encode();
        if (body.len() > settings.item_bytes_max || rollups > ROLLUPS_MAX) && piece.len() > 1 {
            let (first, rest) = piece.split_at(piece.len() / 2);
            pieces.extend([rest, first]);
            continue;
        }
        let key = layout.ledger(window, lane, &digest(ledger.entries.iter().map(|entry| &*entry.identity)));
        puts.push(LedgerPut {
            item: Item { key, fence: None, body, expires_at: Some(expires_at(window.end())) },
            messages: piece.iter().map(|part| part.by.message).collect(),
            events: piece.iter().map(|part| part.events).sum(),
        });
    }
    puts
}

fn ledger_of(piece: &[Part<'_>], names: &[SeriesKey]) -> Ledger {
    let entry = |part: &Part<'_>| LedgerEntry {
        identity: part.by.under.identity().text(),
        series: named(names, &part.series).map(|(key, rollup)| (key.clone(), rollup.clone())).collect(),
    };
    Ledger { entries: piece.iter().map(entry).collect() }
}
