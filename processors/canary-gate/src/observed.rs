//! The content of a scratch generation, as sorted lines: the notation of goldens and refusals.
//!
//! Lines contain what contract §2 and §3 promise, and nothing in which two correct versions may differ: not the
//! encoding, the cut of items, revisions, or bytes of sketches. Never a user or a payload.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use weir_exact::finalize::fold;
use weir_exact::layout::Layout;
use weir_exact::ports::{Item, StoreError};
use weir_exact::progress::Progress;
use weir_exact::quarantine::{Key, QuarantineObject};
use weir_exact::row::Row;
use weir_exact::scratch::Left;
use weir_rollup::{Rollup, SeriesKey};

/// The lines, ascending. `arrives_now`: without windows.
///
/// # Errors
/// If an item is of a format that this version does not know.
pub fn lines(layout: &Layout, left: &Left, arrives_now: bool) -> Result<Vec<String>, StoreError> {
    let mut windows: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    let mut lines = vec![];
    for item in &left.items {
        match layout.window_of(&item.key.pk) {
            Some(window) => {
                let window = if arrives_now { "now".to_owned() } else { window.to_string() };
                windows.entry(window).or_default().push(item.clone());
            }
            None => lines.extend(other(layout, item)?),
        }
    }
    for (window, items) in windows {
        for (key, (rollup, _)) in fold(&items)?.series {
            lines.push(counted(&window, &key, &rollup));
        }
    }
    lines.extend(left.rows.iter().map(row));
    lines.extend(left.set_aside.iter().map(set_aside));
    lines.sort();
    Ok(lines)
}

/// The total of a series in a window, over all contributions.
pub fn counted(window: &str, key: &SeriesKey, rollup: &Rollup) -> String {
    format!("counted in {window} under {}#{}: {}", key.service, key.endpoint, counts(rollup))
}

/// An item outside windows. Claims, catalogs and directories follow from what is counted.
fn other(layout: &Layout, item: &Item) -> Result<Option<String>, StoreError> {
    if item.key.pk == layout.progress_pk() {
        let totals = Progress::from_item(item)?.totals;
        // `<stream>@<created>/<shard>`: the fleet's stream differs from the golden's.
        let shard = item.key.sk.rsplit('/').next().unwrap_or_default();
        return Ok(Some(format!(
            "progress of {shard}: {} records, {} empty, {} accepted, {} rejected",
            totals.records, totals.empty, totals.accepted, totals.rejected
        )));
    }
    Ok((!layout.is_beside_windows(&item.key.pk)).then(|| format!("of nobody: {} {}", item.key.pk, item.key.sk)))
}

fn row(row: &Row) -> String {
    let mut line = format!("row {} {}: {}", row.key.window_text(), row.key.series(), counts(&row.rollup));
    if let Some(durations) = row.rollup.durations() {
        // To the width of a bin: two correct versions agree on them.
        let _ = write!(line, ", p50 {:.1} ms, p99 {:.1} ms", durations.quantile_ms(0.5), durations.quantile_ms(0.99));
    }
    for (endpoint, events) in row.top_endpoints.iter().flatten() {
        let _ = write!(line, ", {endpoint} {events}");
    }
    line
}

fn set_aside(object: &QuarantineObject) -> String {
    let key = object.key();
    let source = Key::parse(&key).map_or("?", |key| key.source);
    let which = object.rejected.event_index.map_or("whole".to_owned(), |index| format!("event {index}"));
    let path = &object.coordinates.path;
    // The narrowest coordinate; for an object its name, since its version is S3's choice.
    let id = path.iter().find(|(name, _)| *name == "key").or(path.last());
    let id = id.map_or("?", |(_, value)| value.rsplit('/').next().unwrap_or(value));
    format!(
        "set aside from {source} {id}, {which}: {}, {} bytes",
        object.rejected.reason,
        object.rejected.payload.len()
    )
}

fn counts(rollup: &Rollup) -> String {
    let mut text = format!("{} events, {} errors", rollup.events(), rollup.errors());
    for (status, count) in rollup.statuses() {
        let _ = write!(text, ", {} of {}", count, status.label());
    }
    if let Some(durations) = rollup.durations() {
        let (count, sum) = (durations.count(), durations.sum_us());
        let _ =
            write!(text, ", {count} durations of {} to {} us, together {sum}", durations.min_us(), durations.max_us());
    }
    let _ = write!(text, ", {} users", rollup.users().estimate().round());
    text
}
