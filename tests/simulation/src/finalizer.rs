//! The contributions table's stream and the schedule, and `rollup-finalize` behind them.

use crate::client::Client;
use crate::functions::{self, Environment, environment, invoke};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::triggers;
use crate::world::World;
use std::collections::BTreeSet;
use std::sync::Arc;
use weir_exact::finalize::Finalizer;
use weir_exact::sweep;
use weir_telemetry::{Millis, Window};

/// How often the schedule calls, milliseconds.
const SWEEP_EVERY_MS: i64 = 60_000;

/// Windows to compute again.
pub(crate) type Triggers = triggers::Triggers<Window, ()>;

/// A contribution of this partition was written.
pub(crate) fn touched(world: &mut World, pk: &str) {
    let Some(window) = world.state.layout.window_of(pk) else { return };
    if world.state.triggers.touched.insert(window) && world.state.left_out != Some(Rule::Sweep) {
        // At all other minutes the schedule finds nothing to do.
        let ticks = world.state.triggers.new_ticks(world.now, window.end(), sweep::AGES_MS, SWEEP_EVERY_MS);
        ticks.into_iter().for_each(|at| world.at(at, tick));
    }
    if world.choices.happens(world.weather.trigger_lost) {
        world.state.seen.once(Seen::TriggersLost);
        return;
    }
    world.state.triggers.push(window, ());
    let ms = world.choices.one_of(&[0, 500, 5_000]);
    world.after(ms, poll);
}

fn tick(world: &mut World) {
    if world.choices.happens(world.weather.tick_lost) {
        return;
    }
    let touched = &world.state.triggers.touched;
    let windows: BTreeSet<Window> =
        sweep::windows_at(world.now).into_iter().filter(|window| touched.contains(window)).collect();
    finalize(world, windows.into_iter().collect(), true, |_, _| {});
}

fn poll(world: &mut World) {
    let Some(batch) = world.state.triggers.take(&mut world.choices) else { return };
    let mut windows: Vec<Window> = vec![];
    batch.records.iter().for_each(|(window, ())| {
        if !windows.contains(window) {
            windows.push(*window);
        }
    });
    finalize(world, windows, false, move |world, answer| {
        world.state.triggers.answered(&batch, answer);
        let ms = world.choices.one_of(&[0, 1_000, 61_000]) + world.state.triggers.backoff_ms();
        world.after(ms, poll);
    });
}

/// Computes windows; `done` hears which failed first.
pub(crate) fn finalize(
    world: &mut World,
    windows: Vec<Window>,
    ask: bool,
    done: impl FnOnce(&mut World, Option<Option<Window>>) + Send + 'static,
) {
    let finalizers = environment(world, "rollup-finalize", |fleet| &mut fleet.finalize, functions::finalize_function);
    let Some(environment) = finalizers else { return };
    let name = environment.name.clone();
    world.say(|| {
        let names: Vec<String> = windows.iter().map(ToString::to_string).collect();
        format!("{name}: {}{}", if ask { "sweep " } else { "" }, names.join(" "))
    });
    let handler = handle(environment.clone(), world.shared(), windows, ask, world.now);
    invoke(world, environment, |fleet| &mut fleet.finalize, handler, done);
}

/// The shell of `rollup-finalize`.
async fn handle(
    environment: Arc<Environment<Finalizer<Client, Client>>>,
    world: Option<crate::world::Shared>,
    windows: Vec<Window>,
    ask: bool,
    begun: Millis,
) -> Option<Option<Window>> {
    let client =
        Client { world: world?, name: environment.name.clone(), version: environment.version, far: false, attempts: 1 };
    let finalizer = &environment.inner;
    let progress = finalizer.progress().await.ok()?;
    let out_of_time = || functions::out_of_time(&client, begun);
    for window in windows {
        let now = functions::now(&client);
        if finalizer.finalize(window, &progress, now, ask, &out_of_time).await.is_err() {
            return Some(Some(window));
        }
    }
    Some(None)
}
