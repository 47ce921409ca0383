//! The rollups table's stream and its schedule, and `rollup-compact` behind them: hours from minutes, days from hours.

use crate::client::Client;
use crate::functions::{self, Environment, environment, invoke};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::triggers;
use crate::world::{Shared, World};
use std::collections::BTreeSet;
use std::sync::Arc;
use weir_exact::compact::Compactor;
use weir_exact::row::{RowKey, RowWindow};
use weir_exact::sweep;
use weir_rollup::SeriesKey;

/// Hours and days to compute again, and the series that moved in them.
pub(crate) type Triggers = triggers::Triggers<RowWindow, SeriesKey>;
/// An hour or a day, and what moved in it; none: all of it.
type Work = (RowWindow, Option<BTreeSet<SeriesKey>>);

/// A row was written.
pub(crate) fn moved(world: &mut World, key: &RowKey) {
    let Some(above) = key.window.above().filter(|_| world.state.settings.compacts) else { return };
    if world.state.moved.touched.insert(above) && world.state.left_out != Some(Rule::CompactSweep) {
        let ages_ms = sweep::compacted_after_ms(above.resolution());
        let ticks = world.state.moved.new_ticks(world.now, above.end(), ages_ms, sweep::COMPACT_EVERY_MS);
        ticks.into_iter().for_each(|at| world.at(at, tick));
    }
    if world.choices.happens(world.weather.trigger_lost) {
        world.state.seen.once(Seen::TriggersLost);
        return;
    }
    world.state.moved.push(above, SeriesKey { service: key.service.clone(), endpoint: key.endpoint.clone() });
    let ms = world.choices.one_of(&[60_000, 30_000, 3_000]);
    world.after(ms, poll);
}

fn tick(world: &mut World) {
    if world.choices.happens(world.weather.tick_lost) {
        return;
    }
    let touched = &world.state.moved.touched;
    let windows = sweep::compacted_at(world.now).into_iter().filter(|window| touched.contains(window));
    let work: Vec<Work> = windows.map(|window| (window, None)).collect();
    compact(world, work, |_, _| {});
}

fn poll(world: &mut World) {
    let Some(batch) = world.state.moved.take(&mut world.choices) else { return };
    let mut work: Vec<Work> = vec![];
    for (window, key) in &batch.records {
        match work.iter_mut().find(|(other, _)| other == window) {
            Some((_, Some(series))) => drop(series.insert(key.clone())),
            _ => work.push((*window, Some(BTreeSet::from([key.clone()])))),
        }
    }
    compact(world, work, move |world, answer| {
        world.state.moved.answered(&batch, answer);
        let ms = world.choices.one_of(&[0, 1_000, 61_000]) + world.state.moved.backoff_ms();
        world.after(ms, poll);
    });
}

/// Computes windows; `done` hears which failed first.
fn compact(
    world: &mut World,
    work: Vec<Work>,
    done: impl FnOnce(&mut World, Option<Option<RowWindow>>) + Send + 'static,
) {
    let made = environment(world, "rollup-compact", |fleet| &mut fleet.compact, functions::compact_function);
    let Some(environment) = made else { return };
    let name = environment.name.clone();
    world.say(|| {
        let names: Vec<String> = work.iter().map(|(window, _)| window.to_string()).collect();
        format!("{name}: {}", names.join(" "))
    });
    let handler = handle(environment.clone(), world.shared(), work, world.now);
    invoke(world, environment, |fleet| &mut fleet.compact, handler, done);
}

/// The shell of `rollup-compact`: all windows are tried, and the first that failed is reported.
async fn handle(
    environment: Arc<Environment<Compactor<Client, Client>>>,
    world: Option<Shared>,
    work: Vec<Work>,
    begun: weir_telemetry::Millis,
) -> Option<Option<RowWindow>> {
    let client =
        Client { world: world?, name: environment.name.clone(), version: environment.version, far: false, attempts: 1 };
    let (compactor, out_of_time) = (&environment.inner, || functions::out_of_time(&client, begun));
    let mut failed = None;
    for (window, series) in work {
        let now = functions::now(&client);
        let computed = match &series {
            Some(series) => compactor.compact(window, series, now, &out_of_time).await,
            None => compactor.sweep(window, now, &out_of_time).await,
        };
        if computed.is_err() && failed.is_none() {
            failed = Some(window);
        }
    }
    Some(failed)
}
