//! DynamoDB as the protocol sees it: conditional puts, consistent reads page by page, a stream, TTL.

use crate::rules::Rule;
use crate::seen::Seen;
use crate::world::World;
use std::collections::BTreeMap;
use std::ops::Bound;
use weir_exact::ports::{Expected, Item, ItemKey, PutOutcome, RowOutcome};
use weir_exact::row::{Row, RowKey, RowVersion};
use weir_exact::sequence::{Fence, SequenceNumber};
use weir_telemetry::Millis;

/// How long an eventually consistent read may show what was there before, milliseconds.
const EVENTUAL_MS: i64 = 2_000;

/// The contributions table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    items: BTreeMap<ItemKey, Item>,
    /// What stood before the last write, and when that was: for a reader that does not ask for consistency.
    before: BTreeMap<ItemKey, (Millis, Option<Item>)>,
}

impl Table {
    pub(crate) fn get(&self, key: &ItemKey) -> Option<Item> {
        self.items.get(key).cloned()
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    pub(crate) fn partition(&self, pk: &str) -> Vec<Item> {
        self.items.values().filter(|item| item.key.pk == pk).cloned().collect()
    }

    /// A write without a condition: an operator's, not the fleet's.
    pub(crate) fn overwrite(&mut self, item: Item) {
        self.items.insert(item.key.clone(), item);
    }
}

/// A conditional put, `ALL_OLD` on failure.
pub(crate) fn put(world: &mut World, item: &Item, expected: &Expected) -> PutOutcome {
    let stands = world.state.table.items.get(&item.key);
    if !holds(world.state.left_out, item, expected, stands) {
        world.state.seen.once(Seen::Conflicts);
        return PutOutcome::Conflict(stands.cloned());
    }
    let closes = item.fence.as_ref().is_some_and(|fence| fence.ends_with('+'));
    world.state.seen.add(Seen::ClosedParts, u64::from(closes));
    let now = world.now;
    let old = world.state.table.items.insert(item.key.clone(), item.clone());
    world.state.table.before.insert(item.key.clone(), (now, old));
    if let Some(expires_at) = item.expires_at {
        expire(world, item.key.clone(), expires_at);
    }
    if item.key.sk == "catalog" {
        world.state.catalogs.insert(item.key.clone(), item.clone());
    }
    if world.state.layout.window_of(&item.key.pk).is_some() {
        crate::finalizer::touched(world, &item.key.pk);
    }
    PutOutcome::Written
}

fn holds(left_out: Option<Rule>, item: &Item, expected: &Expected, stands: Option<&Item>) -> bool {
    let fence_of = |item: &Item| item.fence.clone();
    match (left_out, expected) {
        (Some(Rule::Condition), _) => true,
        (Some(Rule::CatalogCondition), _) if item.key.sk == "catalog" => true,
        (Some(Rule::ConditionOnObserved), Expected::Fence(_)) if is_chain(item) => {
            let number = |fence: String| Fence::parse(&fence).ok().map(|fence| fence.sequence);
            let sequence = |item: &Item| fence_of(item).and_then(number);
            stands.is_none_or(|stands| sequence(stands) < sequence(item))
        }
        (Some(Rule::ClosingChangesFence), Expected::Fence(fence)) => {
            let plain = |fence: String| fence.trim_end_matches('+').to_owned();
            stands.and_then(fence_of).map(plain) == Some(plain(fence.clone()))
        }
        (_, Expected::Absent) => stands.is_none(),
        (_, Expected::Fence(fence)) => stands.and_then(fence_of).as_ref() == Some(fence),
    }
}

/// Whether it is part of a fenced chain, and not a shard's progress.
fn is_chain(item: &Item) -> bool {
    item.key.sk.starts_with("f#") && item.fence.as_ref().is_some_and(|fence| SequenceNumber::parse(fence).is_ok())
}

/// One page of a partition.
pub(crate) fn page(world: &mut World, pk: &str, after: Option<&str>, items_max: usize) -> Vec<Item> {
    let from = ItemKey { pk: pk.to_owned(), sk: after.unwrap_or_default().to_owned() };
    let (eventually, now) = (world.state.left_out == Some(Rule::ConsistentQuery), world.now);
    let mut page = vec![];
    for (key, item) in world.state.table.items.range((Bound::Excluded(from), Bound::Unbounded)) {
        if key.pk != pk || page.len() >= items_max {
            break;
        }
        match world.state.table.before.get(key) {
            Some((written_at, before)) if eventually && now.0 - written_at.0 < EVENTUAL_MS => {
                let stale = world.choices.happens(500);
                page.extend(if stale { before.clone() } else { Some(item.clone()) });
            }
            _ => page.push(item.clone()),
        }
    }
    page
}

/// TTL: gone some time in the 48 hours after it has passed, unless a rewrite has moved it.
fn expire(world: &mut World, key: ItemKey, expires_at: i64) {
    if !world.state.expiring.insert((key.clone(), expires_at)) {
        return;
    }
    let late_ms = i64::from(world.choices.below(48)) * 3_600_000;
    world.at(Millis(expires_at * 1_000 + late_ms), move |world| {
        if world.state.table.items.get(&key).is_some_and(|item| item.expires_at.is_some_and(|at| at <= expires_at)) {
            world.state.table.items.remove(&key);
            world.state.seen.once(Seen::Expired);
        }
    });
}

/// The rollups table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: BTreeMap<RowKey, Row>,
    /// The version that stood before: reads of versions need not be consistent.
    before: BTreeMap<RowKey, RowVersion>,
}

impl Rows {
    /// The versions as some replica knows them: of every other row the one before.
    pub(crate) fn versions(&self, keys: &[RowKey]) -> BTreeMap<RowKey, RowVersion> {
        let version = |(place, key): (usize, &RowKey)| {
            let stands = self.rows.get(key)?.version;
            let stale = self.before.get(key).copied().filter(|_| place % 2 == 1);
            Some((key.clone(), stale.unwrap_or(stands)))
        };
        keys.iter().enumerate().filter_map(version).collect()
    }
}

/// One page of a series' rows, read consistently.
pub(crate) fn rows_page(world: &World, from: Bound<&RowKey>, last: &RowKey, rows_max: usize) -> Vec<Row> {
    let rows = world.state.rows.rows.range((from, Bound::Included(last)));
    rows.map(|(_, row)| row.clone()).take(rows_max).collect()
}

/// A row, if its version is above the one that stands.
pub(crate) fn put_row(world: &mut World, row: &Row) -> RowOutcome {
    let rows = &mut world.state.rows;
    let stands = rows.rows.get(&row.key);
    let superseded = stands.is_some_and(|stands| match world.state.left_out {
        Some(Rule::RowCondition) => false,
        Some(Rule::RowConditionOnRevision) => {
            let by_events = |row: &Row| (row.rollup.events(), row.version.algorithm, row.version.state);
            by_events(stands) >= by_events(row)
        }
        _ => stands.version >= row.version,
    });
    if superseded {
        world.state.seen.once(Seen::Superseded);
        return RowOutcome::Superseded;
    }
    let old = rows.rows.insert(row.key.clone(), row.clone());
    rows.before.extend(old.map(|old| (old.key, old.version)));
    crate::compactor::moved(world, &row.key);
    RowOutcome::Written
}
