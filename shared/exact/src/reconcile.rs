//! Conservation, checked on stored state: every row equals a recomputation from what is below it, every shard's
//! progress accounts for the events in its items, and no document that was quarantined whole counts.
//!
//! Counters of attempts prove nothing, since attempts repeat; state does. What is judged here is one reading. In a
//! fleet at rest every finding is a fault; while a batch is in flight its items are ahead of its shard's progress, and
//! rows are behind their contributions. [`Auditor`] reads a live fleet, and distinguishes late from wrong.

mod auditor;
mod finding;
mod set_aside;

pub use auditor::{Audit, Auditor, Covers, FROM_AGE_MS_MAX, Standing, Subject, Verdict};
pub use finding::Finding;
pub use set_aside::{KEYS_LISTED_MAX, SetAside};

use crate::finalize::{Catalog, Computed, fold, rows};
use crate::layout::Layout;
use crate::ports::{Item, StoreError};
use crate::progress::Progress;
use crate::row::{Row, RowKey};
use crate::sequence::{Fence, SequenceNumber};
use std::collections::BTreeMap;
use weir_rollup::{Body, Rollup};
use weir_telemetry::Window;

/// What a shard's items hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardItems {
    /// Events.
    pub events: u64,
    /// Highest fence.
    pub fence: Option<SequenceNumber>,
}

impl ShardItems {
    /// Adds other items of the same shard.
    pub fn add(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.fence = self.fence.take().max(other.fence);
    }
}

/// What fenced contributions hold for each shard.
///
/// # Errors
/// Unreadable if an item is of a format that this version does not know.
pub fn by_shard(items: &[Item]) -> Result<BTreeMap<String, ShardItems>, StoreError> {
    let mut shards: BTreeMap<String, ShardItems> = BTreeMap::new();
    for item in items {
        let (Some(shard), Some(fence)) = (Layout::shard_of(&item.key.sk), &item.fence) else { continue };
        let body = Body::decode(&item.body).map_err(|error| StoreError::unreadable_contribution(item, &error))?;
        let events = body.series.values().map(|series| series.rollup.events()).sum();
        let fence = Fence::parse(fence).map_err(|error| StoreError::unreadable_contribution(item, &error))?;
        let held = ShardItems { events, fence: Some(fence.sequence) };
        shards.entry(shard.to_owned()).or_default().add(held);
    }
    Ok(shards)
}

/// Compares each shard's progress with the events in its items. `items` are all fenced contributions since the shard
/// began: once the first have passed their TTL the difference only grows, and must be taken between two times.
///
/// # Errors
/// Unreadable if an item is of a format that this version does not know.
pub fn shards(items: &[Item], progress: &[Item]) -> Result<Vec<Finding>, StoreError> {
    let mut held = by_shard(items)?;
    let mut findings = vec![];
    for item in progress {
        let accepted = Progress::from_item(item)?.totals.accepted;
        let events = held.remove(&item.key.sk).unwrap_or_default().events;
        if accepted != events {
            findings.push(Finding::Shard { shard: item.key.sk.clone(), accepted, events });
        }
    }
    let ahead = held.into_iter().map(|(shard, held)| Finding::Shard { shard, accepted: 0, events: held.events });
    findings.extend(ahead);
    Ok(findings)
}

/// Compares the rows of a window with a recomputation from all its contributions. `catalog` is the window's; `None` if
/// there is none: then no row was ever put.
///
/// # Errors
/// Unreadable if an item is of a format that this version does not know.
pub fn window(
    window: Window,
    items: &[Item],
    catalog: Option<&Item>,
    stand: &BTreeMap<RowKey, Row>,
) -> Result<Vec<Finding>, StoreError> {
    Ok(compare(&minute_rows(window, items, catalog)?.0, stand))
}

/// The rows that contributions yield, and the copies that count nothing.
fn minute_rows(window: Window, items: &[Item], catalog: Option<&Item>) -> Result<(Vec<Computed>, u64), StoreError> {
    let totals = fold(items)?;
    let copies = totals.duplicate_copies;
    let totals = match catalog {
        Some(catalog) => {
            let mut catalog = Catalog::from_item(catalog)?;
            // A series added since is admitted by the next computation, unless the catalog is closed.
            catalog.admit(&totals, u32::MAX);
            totals.under(&catalog).0
        }
        None => totals,
    };
    Ok((rows(window, totals), copies))
}

/// Compares rows with what they should be, in both directions.
fn compare(should: &[Computed], stand: &BTreeMap<RowKey, Row>) -> Vec<Finding> {
    let mut surplus: BTreeMap<&RowKey, &Row> = stand.iter().collect();
    let mut findings = vec![];
    for row in should {
        match surplus.remove(&row.key) {
            Some(stands) => findings.extend(differs(row, stands)),
            None => {
                let (events, revision) = (row.rollup.events(), row.revision);
                findings.push(Finding::Missing { row: row.key.clone(), events, revision });
            }
        }
    }
    let surplus = surplus.into_iter();
    findings.extend(surplus.map(|(key, row)| Finding::Surplus { row: key.clone(), events: row.rollup.events() }));
    findings
}

fn differs(should: &Computed, row: &Row) -> Option<Finding> {
    let (key, stands, revision) = (row.key.clone(), row.version.revision, should.revision);
    let events = (row.rollup.events(), should.rollup.events());
    if stands < revision {
        return Some(Finding::Behind { row: key, stands, should: revision, events });
    }
    if stands > revision {
        return Some(Finding::Ahead { row: key, stands, should: revision, events });
    }
    let names = |top: &Option<Vec<(String, u64)>>| format!("{top:?}");
    let (what, stands, should) = content(&row.rollup, &should.rollup).or_else(|| {
        (row.top_endpoints != should.top_endpoints)
            .then(|| ("top_endpoints".to_owned(), names(&row.top_endpoints), names(&should.top_endpoints)))
    })?;
    Some(Finding::Differs { row: key, what, stands, should })
}

/// The first count in which two rollups differ, with both numbers.
fn content(stands: &Rollup, should: &Rollup) -> Option<(String, String, String)> {
    if stands == should {
        return None;
    }
    let differ =
        |what: &str, stands: String, should: String| (stands != should).then(|| (what.to_owned(), stands, should));
    let statuses = |rollup: &Rollup| -> String {
        rollup.statuses().map(|(status, n)| format!("{} × {n}", status.label())).collect::<Vec<_>>().join(", ")
    };
    let durations = |rollup: &Rollup| {
        rollup.durations().map_or("none".to_owned(), |all| {
            format!("{} of {} ms in all, {} to {} ms", all.count(), all.sum_ms(), all.min_ms(), all.max_ms())
        })
    };
    let users = |rollup: &Rollup| format!("about {:.0}", rollup.users().estimate());
    differ("events", stands.events().to_string(), should.events().to_string())
        .or_else(|| differ("status_counts", statuses(stands), statuses(should)))
        .or_else(|| differ("duration_ms", durations(stands), durations(should)))
        .or_else(|| {
            (stands.durations() != should.durations())
                .then(|| ("duration_histogram".to_owned(), durations(stands), "the same in other bins".to_owned()))
        })
        .or_else(|| differ("unique_users", users(stands), users(should)))
        .or_else(|| Some(("users_sketch".to_owned(), users(stands), "as many in another sketch".to_owned())))
}

#[cfg(test)]
mod tests;
