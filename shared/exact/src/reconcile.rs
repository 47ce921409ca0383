//! Conservation, checked on what is stored: every row equals a recomputation from its contributions, and every shard's
//! progress accounts for the events in its items.
//!
//! Counters of attempts prove nothing, since attempts repeat; state does. The checks hold for a fleet at rest: while a
//! batch is under way its items are ahead of its shard's progress, and rows are behind their contributions.

use crate::finalize::{Catalog, fold, rows};
use crate::layout::Layout;
use crate::ports::{Item, StoreError};
use crate::progress::Progress;
use crate::row::{Row, RowKey};
use std::collections::BTreeMap;
use std::fmt;
use weir_rollup::Body;
use weir_telemetry::Window;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A shard's progress counts other than its items hold.
    Shard {
        /// The shard.
        shard: String,
        /// Events accepted by its progress.
        accepted: u64,
        /// Events in its items.
        events: u64,
    },
    /// Contributions stand, and their row does not.
    Missing(RowKey),
    /// A row stands on nothing.
    Surplus(RowKey),
    /// A row is not what its contributions add up to.
    Differs {
        /// The row.
        row: RowKey,
        /// What differs, with what stands and what should.
        what: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |key: &RowKey| format!("{} {}", key.series(), key.window_text());
        match self {
            Self::Shard { shard, accepted, events } => {
                write!(f, "shard {shard}: progress has accepted {accepted} events, its items hold {events}")
            }
            Self::Missing(key) => write!(f, "row {}: missing", name(key)),
            Self::Surplus(key) => write!(f, "row {}: stands on no contribution", name(key)),
            Self::Differs { row, what } => write!(f, "row {}: {what}", name(row)),
        }
    }
}

/// Holds each shard's progress against the events in its items. `items` are all the fenced contributions since the
/// shard began: once the first have passed their TTL the difference only grows, and must be taken between two times.
///
/// # Errors
/// Unreadable when an item is of a format that this version does not know.
pub fn shards(items: &[Item], progress: &[Item]) -> Result<Vec<Finding>, StoreError> {
    let mut events: BTreeMap<&str, u64> = BTreeMap::new();
    for item in items {
        if let Some(shard) = Layout::shard_of(&item.key.sk) {
            let body = Body::decode(&item.body).map_err(|error| StoreError::unreadable_contribution(item, &error))?;
            *events.entry(shard).or_default() += body.series.values().map(|series| series.rollup.events()).sum::<u64>();
        }
    }
    let mut findings = vec![];
    for item in progress {
        let accepted = Progress::from_item(item)?.totals.accepted;
        let events = events.remove(item.key.sk.as_str()).unwrap_or(0);
        if accepted != events {
            findings.push(Finding::Shard { shard: item.key.sk.clone(), accepted, events });
        }
    }
    let ahead =
        events.into_iter().map(|(shard, events)| Finding::Shard { shard: shard.to_owned(), accepted: 0, events });
    findings.extend(ahead);
    Ok(findings)
}

/// Holds the rows of a window against a recomputation from all its contributions. `catalog` is the window's, none where
/// there is none: then no row was ever put.
///
/// # Errors
/// Unreadable when an item is of a format that this version does not know.
pub fn window(
    window: Window,
    items: &[Item],
    catalog: Option<&Item>,
    stand: &BTreeMap<RowKey, Row>,
) -> Result<Vec<Finding>, StoreError> {
    let mut findings = vec![];
    let mut surplus: BTreeMap<&RowKey, &Row> = stand.iter().collect();
    let totals = fold(items)?;
    let totals = match catalog {
        Some(catalog) => totals.under(&Catalog::from_item(catalog)?).0,
        None => totals,
    };
    for row in rows(window, totals) {
        let Some(stands) = surplus.remove(&row.key) else {
            findings.push(Finding::Missing(row.key));
            continue;
        };
        let differs = |name: &str, stands: String, should: String| {
            (stands != should).then(|| format!("{name} is {stands}, its contributions make {should}"))
        };
        let rollup = |name: &str, stands: &weir_rollup::Rollup, should: &weir_rollup::Rollup| {
            (stands != should).then(|| format!("{name} differs from its contributions'"))
        };
        let what = differs("events", stands.rollup.events().to_string(), row.rollup.events().to_string())
            .or_else(|| differs("revision", stands.version.revision.to_string(), row.revision.to_string()))
            .or_else(|| rollup("a status, duration or user", &stands.rollup, &row.rollup))
            .or_else(|| {
                differs("top_endpoints", format!("{:?}", stands.top_endpoints), format!("{:?}", row.top_endpoints))
            });
        findings.extend(what.map(|what| Finding::Differs { row: row.key, what }));
    }
    findings.extend(surplus.into_keys().cloned().map(Finding::Surplus));
    Ok(findings)
}
