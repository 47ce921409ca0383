//! The protocol under every fault that its stores and sources can throw, in virtual time, from one seed.
//!
//! The code that runs is the product's own: `weir-exact`'s lanes, finalizer, sweep, replay and reconcile over
//! `weir-rollup` and `weir-telemetry`. Simulated is what it meets: DynamoDB, S3, Kinesis, SQS and Lambda, which lose,
//! delay and repeat requests, kill processes, cut batches anew, hand messages out twice, split shards, change rules
//! (protocol: ARCHITECTURE.md). An oracle counts what was sent. A run is a function of its seed; a failing
//! one is shrunk to a schedule that a person can read.
//!
//! Not here: HTTP, processes and clocks (`weir demo --chaos`), and another emulator's reading of DynamoDB
//! (`tests/second_witness`).

mod campaign;
mod check;
mod choices;
mod client;
mod compactor;
mod dynamodb;
mod finalizer;
mod functions;
mod kinesis;
mod landing;
mod oracle;
mod queue;
mod rules;
mod schedule;
mod seen;
mod shrink;
mod state;
mod triggers;
mod weather;
mod workload;
mod world;

pub use campaign::Campaign;
pub use rules::Rule;
pub use seen::Tally;

use choices::Choices;
use schedule::Schedule;
use state::State;
use weir_exact::fenced::FencedSettings;
use weir_exact::ledger::LedgerSettings;
use weir_exact::objects::ObjectSettings;
use weir_telemetry::{Epoch, EpochTable, Generation, Limits};
use world::World;

/// A run takes some thousands of actions, and half a million where dozens of large objects meet weather in which one reading
/// of a thousand succeeds, until it calms (seed 789310); one that takes this many does not end.
const ACTIONS_MAX: u64 = 2_000_000;
const ENDLESS: &str = "does not end";

/// Something that the protocol promises and a run did not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What is wrong.
    pub what: String,
    /// The choices of the run, from which it can be played again.
    choices: Vec<u32>,
}

/// Runs one seed; what was seen, or what is wrong.
///
/// # Errors
/// [`Violation`] when something that the protocol promises was not kept.
pub fn run(seed: u64) -> Result<Tally, Violation> {
    run_without(seed, None)
}

/// Runs one seed with a rule of the protocol left out.
///
/// # Errors
/// As [`run`]: here it is what one hopes for.
#[cfg(variants)]
pub fn run_leaving_out(seed: u64, rule: Rule) -> Result<Tally, Violation> {
    run_without(seed, Some(rule))
}

fn run_without(seed: u64, left_out: Option<Rule>) -> Result<Tally, Violation> {
    let (result, choices, _) = play(Choices::seeded(seed), left_out, Schedule::silent());
    result.map_err(|what| Violation { seed, what, choices })
}

impl Violation {
    /// Makes the run as short as it still fails, and says what happens in it.
    pub fn shrink(&self) -> String {
        self.shrink_without(None)
    }

    /// The same, with the rule left out that was.
    #[cfg(variants)]
    pub fn shrink_leaving_out(&self, rule: Rule) -> String {
        self.shrink_without(Some(rule))
    }

    fn shrink_without(&self, left_out: Option<Rule>) -> String {
        // Runs that do not end are another finding, and a dear one to make shorter.
        let is_endless = |what: &str| what.starts_with(ENDLESS);
        let fails = |choices: &[u32]| {
            let (result, ..) = play(Choices::played(choices.to_vec()), left_out, Schedule::silent());
            result.is_err_and(|what| is_endless(&what) == is_endless(&self.what))
        };
        let shortest = shrink::shrink(self.choices.clone(), fails);
        let written = Schedule::written(workload::BEGUN);
        let (result, _, lines) = play(Choices::played(shortest), left_out, written);
        format!("{}\n=> {}", lines.join("\n"), result.err().unwrap_or_default())
    }
}

/// Everything that happens under one seed, in words.
pub fn tell(seed: u64) -> String {
    let (result, _, lines) = play(Choices::seeded(seed), None, Schedule::written(workload::BEGUN));
    format!("{}\n=> {}", lines.join("\n"), result.err().unwrap_or_else(|| "as it should be".to_owned()))
}

type Played = (Result<Tally, String>, Vec<u32>, Vec<String>);

fn play(mut choices: Choices, left_out: Option<Rule>, schedule: Schedule) -> Played {
    #[cfg(variants)]
    weir_exact::variants::set(left_out.and_then(Rule::variant));
    let state = draw_state(&mut choices, left_out);
    let world = World::new(workload::BEGUN, choices, schedule, state);
    {
        let mut world = world::lock(&world);
        workload::begin(&mut world);
        world.at(workload::BEGUN.plus(workload::SETTLED_AFTER_MS), |world| {
            if let Err(wrong) = check::at_rest(world) {
                world.state.violation = Some(wrong);
            }
        });
    }
    let ended = world::run(&world, ACTIONS_MAX, |world| world.state.violation.is_some());
    let mut world = world::lock(&world);
    let wrong = match world.state.violation.take() {
        Some(wrong) => Some(wrong),
        None if !ended => Some(format!("{ENDLESS}: {ACTIONS_MAX} actions")),
        None => check::at_the_end(&mut world).err(),
    };
    let tally = world.state.seen.clone();
    let choices = std::mem::replace(&mut world.choices, Choices::played(vec![])).into_made();
    let lines = std::mem::replace(&mut world.schedule, Schedule::silent()).into_lines();
    world.end();
    (wrong.map_or(Ok(tally), Err), choices, lines)
}

/// Stores without anything in them, and bounds that make chains long, caches short and commits small, or not.
fn draw_state(choices: &mut Choices, left_out: Option<Rule>) -> State {
    let fenced = FencedSettings {
        item_bytes_max: choices.one_of(&[380_000, 300, 160, 100]),
        record_bytes_max: choices.one_of(&[300_000, 400, 200]),
        cache_bytes_max: choices.one_of(&[4 << 20, 0, 500]),
        writes_in_flight_max: choices.one_of(&[16, 1]) as usize,
        commit_events_max: choices.one_of(&[200_000, 2]),
        commit_quarantine_max: choices.one_of(&[500, 1]),
    };
    let ledger = LedgerSettings {
        item_bytes_max: choices.one_of(&[380_000, 300, 120]),
        record_bytes_max: choices.one_of(&[300_000, 400, 200]),
        commit_writes_max: choices.one_of(&[1_000, 1]),
        ..LedgerSettings::default()
    };
    let objects = ObjectSettings {
        ledger,
        objects_in_flight_max: choices.one_of(&[4, 1]) as usize,
        object_beside_bytes_max: choices.one_of(&[1 << 20, 0, 100]),
        object_held_bytes_max: choices.one_of(&[1 << 20, 0, 700]),
        round_bytes_max: choices.one_of(&[1 << 20, 0]),
    };
    let settings = state::Settings {
        fenced,
        ledger,
        objects,
        piece_bytes: choices.one_of(&[1 << 20, 50]),
        compacts: choices.below(8) == 7,
        series_per_window_max: choices.one_of(&[10_000, 1, 2, 4]),
        batch_max: choices.one_of(&[10, 3]),
        visibility_ms: choices.one_of(&[180_000, 31_000, 1_000]),
        receives_max: choices.one_of(&[1_000, 5, 2]),
    };
    let generation = Generation { lanes: choices.one_of(&[16, 1, 3]), partitions: choices.one_of(&[4, 1, 2]) };
    // Strict rules first: what they set aside, event by event, later ones may take.
    let limits = Limits { json_depth_max: choices.one_of(&[32, 1]), ..Epoch::genesis().limits };
    let object_limits = workload::object_limits(choices);
    let table = EpochTable { generation, epochs: vec![Epoch { limits, object_limits, ..Epoch::genesis() }] };
    State::new(left_out, settings, &table)
}
