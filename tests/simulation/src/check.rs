//! Whether a run came out right: at rest, and once more when TTL has taken the contributions away.

use crate::finalizer;
use crate::oracle::{Oracle, is_loss_of};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::state::State;
use crate::world::World;
use crate::{kinesis, queue};
use std::collections::BTreeMap;
use weir_exact::finalize::{self, Catalog, Totals, fold};
use weir_exact::ports::Item;
use weir_exact::progress::Progress;
use weir_exact::reconcile::{self, SetAside};
use weir_exact::row::{Row, RowKey, SUMMARY, State as RowState};
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::Window;

/// All sources have come to rest, and every contribution still stands.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn at_rest(world: &mut World) -> Result<(), String> {
    if !kinesis::drained(world) {
        return Err("stuck: the stream is not read to its end".to_owned());
    }
    let State { queue: telemetry, notices, replays, .. } = &world.state;
    if ![telemetry, notices, replays].into_iter().all(queue::drained) {
        return Err("stuck: messages are left in a queue".to_owned());
    }
    let oracle = Oracle::of(&world.state)?;
    contributions(world, &oracle)?;
    shards(world, &oracle)?;
    quarantine(world, &oracle)?;
    let documents = disjoint(world)?;
    world.state.seen.add(Seen::SetAsideWhole, documents);
    world.state.seen.add(Seen::Events, oracle.events);
    let lost = world.state.bucket.values().filter(|stands| oracle.lost.iter().any(|lost| is_loss_of(stands, lost)));
    let lost = lost.count() as u64;
    world.state.seen.add(Seen::ObjectsLost, lost);
    world.state.seen.add(Seen::ObjectsClaimed, oracle.put_again);
    world.state.seen.add(Seen::Quarantined, world.state.bucket.len() as u64);
    // Half the time an operator computes everything now; else the sweep alone must.
    if world.choices.below(2) == 1 {
        let windows: Vec<Window> = world.state.triggers.touched.iter().copied().collect();
        finalizer::finalize(world, windows, true, |world, _| {
            if let Err(wrong) = reconciled(world) {
                world.state.violation = Some(wrong);
            }
        });
    }
    world.state.oracle = Some(oracle);
    Ok(())
}

/// Nothing is under way, and no trigger was lost: then rows are what contributions add up to, without any sweep.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn when_quiet(world: &mut World) -> Result<(), String> {
    if world.is_busy()
        || world.weather.trigger_lost > 0
        || world.weather.old_algorithm > 0
        || !world.state.triggers.drained()
    {
        return Ok(());
    }
    world.state.seen.once(Seen::Quiet);
    reconciled(world)?;
    if world.state.moved.drained() { compacted(world, None) } else { Ok(()) }
}

/// All windows are sealed, and most contributions are gone.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn at_the_end(world: &mut World) -> Result<(), String> {
    let Some(oracle) = world.state.oracle.take() else { return Err("the run never came to rest".to_owned()) };
    let mut stand = world.state.rows.rows.clone();
    for (window, series) in &oracle.windows {
        let totals = Totals {
            series: series.iter().map(|(key, rollup)| (key.clone(), (rollup.clone(), 0))).collect(),
            duplicate_copies: 0,
        };
        let (totals, overflowed) = admitted(world, *window, totals)?;
        world.state.seen.add(Seen::Overflowed, overflowed);
        for expect in finalize::rows(*window, totals) {
            let name = format!("row {} {}", expect.key.series(), expect.key.window_text());
            let row = stand.remove(&expect.key).ok_or_else(|| format!("{name} is missing"))?;
            equal(&name, &row.rollup, &expect.rollup)?;
            if row.top_endpoints != expect.top_endpoints {
                return Err(format!("{name}: top {:?}, expected {:?}", row.top_endpoints, expect.top_endpoints));
            }
            if row.version.state != RowState::Sealed {
                return Err(format!("{name} is {}, not sealed", row.version.state.name()));
            }
        }
    }
    stand.retain(|key, _| key.window.minute().is_some());
    compacted(world, Some(RowState::Sealed))?;
    none_left("row", stand.into_keys().map(|key| format!("{} {}", key.series(), key.window_text())))
}

/// Every row of an hour is what its minutes' rows add up to, and every row of a day its hours'; in runs that compute any.
///
/// # Errors
/// What is wrong, in words.
fn compacted(world: &World, state: Option<RowState>) -> Result<(), String> {
    if !world.state.settings.compacts {
        return Ok(());
    }
    let rows = &world.state.rows.rows;
    let mut expected: BTreeMap<RowKey, Rollup> = BTreeMap::new();
    for (key, row) in rows {
        if let Some(window) = key.window.above() {
            expected.entry(RowKey { window, ..key.clone() }).or_default().merge(&row.rollup);
        }
    }
    for (key, rollup) in &expected {
        let name = format!("row {} {}", key.series(), key.window_text());
        let row = rows.get(key).ok_or_else(|| format!("{name} is missing"))?;
        equal(&name, &row.rollup, rollup)?;
        if state.is_some_and(|state| state != row.version.state) {
            return Err(format!("{name} is {}, not sealed", row.version.state.name()));
        }
        let top = (key.endpoint == SUMMARY).then(|| largest(&expected, key));
        if row.top_endpoints != top {
            return Err(format!("{name}: top {:?}, expected {top:?}", row.top_endpoints));
        }
    }
    let surplus = rows.keys().filter(|key| key.window.minute().is_none() && !expected.contains_key(*key));
    none_left("row", surplus.map(|key| format!("{} {}", key.series(), key.window_text())))
}

/// The ten largest endpoints beside this summary.
fn largest(rows: &BTreeMap<RowKey, Rollup>, summary: &RowKey) -> Vec<(String, u64)> {
    let beside = |key: &RowKey| key.service == summary.service && key.window == summary.window && key != summary;
    let all = rows.iter().filter(|(key, _)| beside(key));
    let mut all: Vec<_> = all.map(|(key, rollup)| (key.endpoint.clone(), rollup.events())).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(10);
    all
}

/// What has a row of its own, and what is under `~other`, by the window's catalog; and that the catalog was needed.
fn admitted(world: &World, window: Window, totals: Totals) -> Result<(Totals, u64), String> {
    let (series, series_max) = (totals.series.len(), world.state.settings.series_per_window_max);
    let catalog = match world.state.catalogs.get(&world.state.layout.catalog(window)) {
        Some(item) => Catalog::from_item(item).map_err(|error| error.to_string())?,
        // The last computation saw everything, and what it chose is what should stand.
        None if world.state.left_out == Some(Rule::SeriesAdmittedOnce) => {
            let mut catalog = Catalog::default();
            catalog.admit(&totals, series_max);
            catalog
        }
        None => return Err(format!("window {window} has no catalog")),
    };
    if catalog.len() != series.min(series_max as usize) {
        return Err(format!("window {window}: {} of {series} series have rows, {series_max} may", catalog.len()));
    }
    Ok(totals.under(&catalog))
}

fn contributions(world: &mut World, oracle: &Oracle) -> Result<(), String> {
    let mut items = by_window(world);
    let mut copies = 0;
    for (window, series) in &oracle.windows {
        let totals = fold(&items.remove(window).unwrap_or_default()).map_err(|error| error.to_string())?;
        copies += totals.duplicate_copies;
        let mut stands: BTreeMap<SeriesKey, Rollup> =
            totals.series.into_iter().map(|(key, (rollup, _))| (key, rollup)).collect();
        for (key, expect) in series {
            let name = format!("contributions of {}#{} {window}", key.service, key.endpoint);
            equal(&name, &stands.remove(key).unwrap_or_default(), expect)?;
        }
        none_left("series", stands.into_keys().map(|key| format!("{}#{} in {window}", key.service, key.endpoint)))?;
    }
    world.state.seen.add(Seen::Copies, copies);
    none_left("window", items.into_keys().map(|window| window.to_string()))
}

fn by_window(world: &World) -> BTreeMap<Window, Vec<Item>> {
    let mut windows: BTreeMap<Window, Vec<Item>> = BTreeMap::new();
    for item in world.state.table.items() {
        if let Some(window) = world.state.layout.window_of(&item.key.pk) {
            windows.entry(window).or_default().push(item.clone());
        }
    }
    windows
}

fn shards(world: &World, oracle: &Oracle) -> Result<(), String> {
    let items: Vec<Item> = by_window(world).into_values().flatten().collect();
    let progress = world.state.table.partition(&world.state.layout.progress_pk());
    let findings = reconcile::shards(&items, &progress).map_err(|error| error.to_string())?;
    if let Some(finding) = findings.first() {
        return Err(finding.to_string());
    }
    let mut expected = oracle.shards.clone();
    for item in &progress {
        let totals = Progress::from_item(item).map_err(|error| error.to_string())?.totals;
        let stands = [totals.records, totals.empty, totals.accepted, totals.rejected];
        let expect = expected.remove(&item.key.sk);
        if expect != Some(stands) {
            let what = "[records, empty, accepted, rejected]";
            return Err(format!("progress of {}: {what} {stands:?}, expected {expect:?}", item.key.sk));
        }
    }
    none_left("missing progress of shard", expected.into_keys())
}

fn quarantine(world: &World, oracle: &Oracle) -> Result<(), String> {
    for (key, expect) in &oracle.required {
        let stands = world.state.bucket.get(key).ok_or_else(|| format!("quarantine lacks {key}"))?;
        let replayed = || oracle.allowed.iter().any(|allowed| allowed == stands);
        if stands != expect && !replayed() {
            return Err(format!("quarantine has {stands:?} under {key}, expected {expect:?}"));
        }
    }
    let surplus = world.state.bucket.iter().filter(|(key, stands)| {
        !oracle.required.contains_key(*key)
            && !oracle.allowed.iter().any(|allowed| allowed == *stands)
            && !oracle.lost.iter().any(|lost| is_loss_of(stands, lost))
    });
    none_left("quarantine object", surplus.map(|(key, _)| key.clone()))
}

/// Nothing counts of what was set aside whole, whatever is under way; how many documents that are.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn disjoint(world: &World) -> Result<u64, String> {
    let mut set_aside = SetAside::default();
    for key in world.state.bucket.keys() {
        set_aside.add(key.clone());
    }
    for (window, items) in by_window(world) {
        let findings = set_aside.counted(window, &items).map_err(|error| error.to_string())?;
        if let Some(finding) = findings.first() {
            return Err(format!("reconcile: {finding}"));
        }
    }
    Ok(set_aside.len() as u64)
}

/// Every row equals a recomputation.
fn reconciled(world: &World) -> Result<(), String> {
    if world.state.left_out == Some(Rule::SeriesAdmittedOnce) {
        // It looks at the catalog, which is not there; the oracle looks at rows.
        return Ok(());
    }
    let mut rows: BTreeMap<Window, BTreeMap<RowKey, Row>> = BTreeMap::new();
    for (key, row) in &world.state.rows.rows {
        let Some(minute) = key.window.minute() else { continue };
        rows.entry(minute).or_default().insert(key.clone(), row.clone());
    }
    for (window, items) in by_window(world) {
        let stand = rows.remove(&window).unwrap_or_default();
        let catalog = world.state.table.get(&world.state.layout.catalog(window));
        let findings =
            reconcile::window(window, &items, catalog.as_ref(), &stand).map_err(|error| error.to_string())?;
        if let Some(finding) = findings.first() {
            return Err(format!("reconcile: {finding}"));
        }
    }
    Ok(())
}

fn equal(name: &str, stands: &Rollup, expect: &Rollup) -> Result<(), String> {
    if stands == expect {
        return Ok(());
    }
    if stands.events() != expect.events() {
        return Err(format!("{name}: {} events, expected {}", stands.events(), expect.events()));
    }
    Err(format!("{name}: {stands:?}, expected {expect:?}"))
}

fn none_left(what: &str, mut left: impl Iterator<Item = String>) -> Result<(), String> {
    left.next().map_or(Ok(()), |first| Err(format!("{what} that should not be: {first}")))
}
