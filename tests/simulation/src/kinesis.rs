//! Kinesis and its event source mapping: shards that are split and merged, batches cut in any way, a second poller.

use crate::functions::{self, Environment, StreamFunction, environment, invoke};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::world::World;
use std::sync::Arc;
use weir_exact::fenced::Record;
use weir_exact::ports::StoreErrorKind;
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_telemetry::Millis;

/// A stream with all shards it ever had.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) shards: Vec<ShardLog>,
    pollers: Vec<Poller>,
    created_at: i64,
    next_sequence: u64,
}

/// A shard and its records.
pub(crate) struct ShardLog {
    pub(crate) shard: Shard,
    pub(crate) records: Vec<Record<'static>>,
    closed: bool,
    /// Children are read when their parents are.
    parents: Vec<usize>,
}

/// Reads one shard in order, one batch at a time.
struct Poller {
    shard: usize,
    at: usize,
    busy: bool,
    /// Records of the next batch at most, after a failure.
    cut_to: Option<u32>,
    /// With two batches of a shard at once: which of the two this is.
    half: Option<usize>,
    /// Deliveries in a row that failed.
    failures: u32,
    /// A second poller beside the mapping's own; children wait for the first only.
    second: bool,
}

/// Creates the stream with this many shards.
pub(crate) fn create(world: &mut World, shards: u32) {
    let stream = &mut world.state.stream;
    stream.created_at = if world.state.left_out == Some(Rule::ShardOfOneStream) { 5 } else { world.now.0 };
    // So that numbers soon have a digit more: they are compared as integers, not as text.
    stream.next_sequence = 95;
    stream.shards.iter_mut().for_each(|log| log.closed = true);
    for id in 0..shards {
        open(world, id as usize, vec![]);
    }
}

fn open(world: &mut World, id: usize, parents: Vec<usize>) {
    let stream = &mut world.state.stream;
    let shard = Shard {
        stream: "telemetry".to_owned(),
        created_at: Millis(stream.created_at),
        id: format!("shardId-{id:012}"),
    };
    stream.shards.push(ShardLog { shard, records: vec![], closed: false, parents });
    let shard = stream.shards.len() - 1;
    if world.state.left_out == Some(Rule::OneBatchPerShard) {
        (0..2).for_each(|half| poll_from(world, shard, 0, Some(half), false));
    } else {
        poll_from(world, shard, 0, None, false);
    }
}

fn poll_from(world: &mut World, shard: usize, at: usize, half: Option<usize>, second: bool) {
    world.state.stream.pollers.push(Poller { shard, at, busy: false, cut_to: None, half, failures: 0, second });
    wake(world, world.state.stream.pollers.len() - 1);
}

/// Puts a record into one of the open shards.
pub(crate) fn put(world: &mut World, data: Vec<u8>) {
    let now = world.now;
    let stream = &mut world.state.stream;
    let open: Vec<usize> = (0..stream.shards.len()).filter(|shard| !stream.shards[*shard].closed).collect();
    let shard = world.choices.one_of(&open);
    let stream = &mut world.state.stream;
    let Ok(sequence) = SequenceNumber::parse(&stream.next_sequence.to_string()) else { return };
    let log = &mut stream.shards[shard];
    let text = world
        .schedule
        .text(|| format!("put record {sequence} into {}: {}", log.shard.id, String::from_utf8_lossy(&data)));
    log.records.push(Record { sequence, arrived_at: now, data: data.into() });
    stream.next_sequence += 1 + u64::from(world.choices.below(3));
    world.say(|| text);
    for poller in 0..world.state.stream.pollers.len() {
        if world.state.stream.pollers[poller].shard == shard {
            wake(world, poller);
        }
    }
}

/// Splits an open shard in two, or merges two into one.
pub(crate) fn reshard(world: &mut World) {
    let shards = &world.state.stream.shards;
    let open_shards: Vec<usize> = (0..shards.len()).filter(|shard| !shards[*shard].closed).collect();
    let created_at = world.state.stream.created_at;
    let ids = shards.iter().filter(|log| log.shard.created_at.0 == created_at).count();
    let merge = open_shards.len() > 1 && world.choices.below(2) == 1;
    let parents: Vec<usize> = open_shards.into_iter().take(if merge { 2 } else { 1 }).collect();
    world.say(|| format!("{} of shards {parents:?}", if merge { "merge" } else { "split" }));
    world.state.seen.once(Seen::Reshards);
    parents.iter().for_each(|parent| world.state.stream.shards[*parent].closed = true);
    for child in 0..if merge { 1 } else { 2 } {
        open(world, ids + child, parents.clone());
    }
    (0..world.state.stream.pollers.len()).for_each(|poller| wake(world, poller));
}

/// Deletes a stream that is read to its end and creates it again, under the same name, with the same shard ids and
/// sequence numbers.
pub(crate) fn recreate(world: &mut World) {
    if drained(world) {
        world.say(|| "the stream is deleted and created again".to_owned());
        world.state.seen.once(Seen::Recreated);
        world.state.stream.pollers.clear();
        create(world, 1);
    }
}

/// Another poller on a shard: a lease that two hold, or a mapping that begins again at TRIM_HORIZON.
pub(crate) fn second_poller(world: &mut World) {
    let shards = world.state.stream.shards.len() as u32;
    let shard = world.choices.below(shards) as usize;
    // Never beyond what the mapping has settled: a checkpoint is behind, not ahead. Whoever begins ahead of it skips
    // records, and no fence can know.
    let own = world.state.stream.pollers.iter().filter(|poller| poller.shard == shard && !poller.second);
    let settled = own.map(|poller| poller.at).min().unwrap_or(0) as u32;
    let at = world.choices.below(settled + 1) as usize;
    world.state.seen.once(Seen::SecondPollers);
    world.say(|| format!("a second poller reads shard {shard} from its record {at}"));
    poll_from(world, shard, at, None, true);
}

/// Whether every shard is read to its end by its own poller.
pub(crate) fn drained(world: &World) -> bool {
    let stream = &world.state.stream;
    stream.pollers.iter().all(|poller| !poller.busy && poller.at >= stream.shards[poller.shard].records.len())
}

fn wake(world: &mut World, poller: usize) {
    let ms = world.choices.one_of(&[0, 0, 200, 1_000]);
    world.after(ms, move |world| poll(world, poller));
}

fn poll(world: &mut World, place: usize) {
    let stream = &world.state.stream;
    let Some(poller) = stream.pollers.get(place) else { return };
    let log = &stream.shards[poller.shard];
    let read = |shard: &usize| {
        let mut own = stream.pollers.iter().filter(|poller| poller.shard == *shard && !poller.second);
        own.all(|poller| poller.at >= stream.shards[*shard].records.len() && !poller.busy)
    };
    if poller.busy || !log.parents.iter().all(read) {
        return;
    }
    let mine = |at: &usize| poller.half.is_none_or(|half| at % 2 == half);
    let rest: Vec<usize> = (poller.at..log.records.len()).filter(mine).collect();
    let most = poller.cut_to.unwrap_or(world.state.settings.batch_max).min(rest.len() as u32);
    if rest.is_empty() {
        world.state.stream.pollers[place].at =
            world.state.stream.shards[world.state.stream.pollers[place].shard].records.len();
        return;
    }
    let size = most - world.choices.below(most);
    deliver(world, place, rest[..size as usize].to_vec());
}

fn deliver(world: &mut World, place: usize, batch: Vec<usize>) {
    let Some(environment) = environment(world, "kinesis-rollup", |fleet| &mut fleet.stream, functions::stream_function)
    else {
        return;
    };
    let shard_at = world.state.stream.pollers[place].shard;
    world.state.stream.pollers[place].busy = true;
    let log = &world.state.stream.shards[shard_at];
    let mut records: Vec<Record> = batch.iter().map(|at| log.records[*at].clone()).collect();
    let shard = log.shard.clone();
    if world.state.left_out == Some(Rule::ArrivalDecides) {
        let now = world.now;
        records.iter_mut().for_each(|record| record.arrived_at = now);
    }
    let name = environment.name.clone();
    world.say(|| {
        let numbers: Vec<&str> = records.iter().map(|record| record.sequence.as_str()).collect();
        format!("{name}: batch {} of {}", numbers.join(" "), shard.id)
    });
    let handler = handle(environment.clone(), shard, records, world.now);
    let done = move |world: &mut World, answer: Option<Option<SequenceNumber>>| settled(world, place, &batch, answer);
    invoke(world, environment, |fleet| &mut fleet.stream, handler, done);
}

/// The shell of `kinesis-rollup`: none when nothing of the batch could be decided.
async fn handle(
    environment: Arc<Environment<StreamFunction>>,
    shard: Shard,
    records: Vec<Record<'static>>,
    begun: Millis,
) -> Option<Option<SequenceNumber>> {
    let StreamFunction { lane, rules } = &environment.inner;
    let (view, layout) = rules.view(functions::now(rules.client())).await.ok()?;
    let out_of_time = || functions::out_of_time(rules.client(), begun);
    let outcome = lane.process(&layout, &shard, records, &view, &out_of_time).await;
    let world = &mut crate::world::lock(&rules.client().world);
    world.state.seen.add(Seen::Dropped, outcome.duplicate);
    let unknown = |text: &str| text.contains("epoch");
    let rules_unknown =
        outcome.errors.iter().any(|error| error.kind() == StoreErrorKind::Unavailable && unknown(&error.to_string()));
    world.state.seen.add(Seen::UnknownRules, u64::from(rules_unknown));
    Some(outcome.failed_from)
}

/// What the mapping does after an invocation: report, bisect, retry, checkpoint.
fn settled(world: &mut World, place: usize, batch: &[usize], answer: Option<Option<SequenceNumber>>) {
    let cut = world.choices.happens(world.weather.cut);
    let lost = world.choices.happens(world.weather.redelivered);
    let stream = &mut world.state.stream;
    let Some(poller) = stream.pollers.get_mut(place) else { return };
    poller.busy = false;
    let records = &stream.shards[poller.shard].records;
    let (first, last) = (batch.first().copied().unwrap_or(poller.at), batch.last().copied().unwrap_or(poller.at));
    let failed_at = match &answer {
        Some(None) => None,
        Some(Some(failed)) => batch.iter().copied().find(|at| records[*at].sequence >= *failed).or(Some(first)),
        None => Some(first),
    };
    poller.at = failed_at.unwrap_or(last + 1);
    poller.cut_to = (failed_at.is_some() && cut).then(|| (batch.len() as u32).div_ceil(2));
    if failed_at.is_none() && lost {
        poller.at = first;
    }
    if failed_at.is_none() {
        poller.failures = 0;
        let children: Vec<usize> = (0..stream.pollers.len()).collect();
        children.into_iter().for_each(|poller| wake(world, poller));
    } else {
        poller.failures += 1;
        // Further and further apart, up to some hours: what nobody can handle now is not asked for all the time.
        let doubled = 1_i64 << poller.failures.min(12).saturating_sub(3);
        let back_off = world.choices.one_of(&[100, 1_000, 61_000]);
        world.after(back_off * doubled, move |world| poll(world, place));
    }
}
