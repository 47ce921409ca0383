//! What producers send, and what operators do meanwhile: all of it drawn before or as it happens.

use crate::choices::Choices;
use crate::client::Client;
use crate::landing::{self, Deed};
use crate::queue::{self, Body, LANDING, REPLAYS, Sent, TELEMETRY};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::weather::Weather;
use crate::world::{World, lock};
use crate::{check, finalizer, kinesis};
use md5::{Digest, Md5};
use weir_exact::epochs::announce as announce_epoch;
use weir_telemetry::{Epoch, EpochTable, Limits, Millis, ObjectLimits, Rules, Template, Window};

const DAY_MS: i64 = 86_400_000;
/// Payloads of a run at most.
const PAYLOADS_MAX: u32 = 20;
/// Choices that a payload takes at most: when, where, and two bodies of five events with seven fields.
const CHOICES_A_PAYLOAD: usize = 84;
/// From here on there are no more faults; what is dead then is put back in time, since replays and redrives may be
/// asked for until 14 days after arrival. Milliseconds after the beginning.
const CALM_AFTER_MS: i64 = 13 * DAY_MS;
/// Everything has settled, and no contribution has passed its TTL. Milliseconds after the beginning.
pub(crate) const SETTLED_AFTER_MS: i64 = 18 * DAY_MS + 20 * 3_600_000;

/// Puts a whole run on the agenda.
pub(crate) fn begin(world: &mut World) {
    world.weather = Weather::drawn(&mut world.choices);
    let calm_from = world.now.plus(CALM_AFTER_MS);
    world.at(calm_from, |world| world.weather = Weather::calm());
    // One shard, one minute and small items: every writer meets every other in one long chain.
    let crowded = world.choices.below(4) == 3;
    if crowded {
        world.state.settings.fenced.item_bytes_max = world.choices.one_of(&[160, 110]);
        world.state.settings.batch_max = 3;
    }
    let shards = if crowded { 1 } else { 1 + world.choices.below(3) };
    kinesis::create(world, shards);
    // Stream and queue, stream alone, queue alone, objects alone, all.
    let lanes = if crowded { 1 } else { world.choices.one_of(&[0, 1, 2, 0, 1, 2, 3, 4]) };
    let mut at_ms = 0;
    let density = if crowded { world.choices.one_of(&[600, 999]) } else { world.choices.one_of(&[300, 600, 999]) };
    // Few windows that many batches meet in, or many.
    let gaps_ms = world.choices.one_of(&[
        [10, 500, 2_000, 20_000, 60_000, 300_000, 960_000],
        [10, 10, 10, 100, 500, 500, 5_000],
        [10, 10, 500, 500, 2_000, 20_000, 1_000_000],
    ]);
    let gaps_ms = if crowded { [10, 10, 10, 50, 200, 500, 1_000] } else { gaps_ms };
    let spread = if crowded { 2 } else { world.choices.one_of(&[6, 2]) };
    for place in 0..PAYLOADS_MAX {
        let begun = world.now;
        let number = world.number();
        let sendings = world.choices.stretch(CHOICES_A_PAYLOAD, |choices| {
            let there = choices.happens(density) || place == 0;
            at_ms += choices.one_of(&gaps_ms);
            let way = match lanes {
                0 => choices.one_of(&[Way::Stream, Way::Queue]),
                1 => Way::Stream,
                2 => Way::Queue,
                3 => Way::Object,
                _ => choices.one_of(&[Way::Stream, Way::Queue, Way::Object]),
            };
            if there { produced(choices, begun.plus(at_ms), spread, way, number) } else { vec![] }
        });
        sendings.into_iter().for_each(|sending| sending.plan(world));
    }
    interfere(world, at_ms);
}

/// What happens besides, each at some time: announcements, reshards, second pollers, redrives, replays, late finalizers.
fn interfere(world: &mut World, traffic_ms: i64) {
    let during = |world: &mut World| world.choices.between(0, traffic_ms.min(i64::from(i32::MAX)));
    for _ in 0..world.choices.below(3) {
        let at = during(world);
        world.after(at, announce);
    }
    for _ in 0..world.choices.below(3) {
        let at = during(world);
        world.after(at, kinesis::reshard);
    }
    for _ in 0..world.choices.below(4) {
        let most = world.choices.one_of(&[traffic_ms, traffic_ms + 60_000, 3 * DAY_MS]);
        let at = world.choices.between(0, most);
        world.after(at, kinesis::second_poller);
    }
    if world.choices.below(4) == 3 {
        world.after(traffic_ms + 6 * 3_600_000, |world| {
            kinesis::recreate(world);
            let begun = world.now;
            for n in 0..4 {
                let produced = produced(&mut world.choices, begun.plus(n * 700), 6, Way::Stream, 0);
                produced.into_iter().for_each(|sending| sending.plan(world));
            }
        });
    }
    // Redrives and replays as long as they are allowed; the last ones in calm weather, so that nothing stays dead.
    let hour = 3_600_000;
    // A batch that touches more windows than a commit takes leaves messages, which may die of it: round after round.
    let calm = (1..20).map(|hours| CALM_AFTER_MS + hours * hour);
    for at in [hour, DAY_MS, 10 * DAY_MS].into_iter().chain(calm) {
        world.after(at, |world| {
            queue::redrive(world, TELEMETRY);
            queue::redrive(world, LANDING);
            queue::redrive(world, REPLAYS);
        });
    }
    for minutes in [1, 4, 14, 150, 60 * 25] {
        world.after(traffic_ms + minutes * 60_000, |world| {
            if let Err(wrong) = check::disjoint(world).and_then(|_| check::when_quiet(world)) {
                world.state.violation = Some(wrong);
            }
        });
    }
    for _ in 0..world.choices.below(3) {
        let most = world.choices.one_of(&[traffic_ms + 60_000, 13 * DAY_MS]);
        let at = world.choices.between(0, most);
        world.after(at, replay_some);
    }
    for _ in 0..world.choices.below(3) {
        // In quarters of an hour, up to and beyond the contributions' TTL.
        let at = i64::from(world.choices.below(24 * 24 * 4)) * (hour / 4);
        world.after(at, late_finalizer);
    }
}

/// Announces an epoch, for as soon as it may be.
fn announce(world: &mut World) {
    let margin_ms = if world.state.left_out == Some(Rule::AnnouncedInTime) { 0 } else { EpochTable::WRITE_MS };
    let epoch = next_epoch(world, margin_ms);
    let Some(shared) = world.shared() else { return };
    let client = Client { world: shared, name: "operator".into(), version: 2, far: true, attempts: 1 };
    world.say(|| {
        let Epoch { number, from_ms, decoder, splits, limits, rules, .. } = &epoch;
        let templates: Vec<&str> = rules.templates().iter().map(|template| template.path.as_str()).collect();
        let (from, patterns) = (Millis(*from_ms), rules.patterns());
        let Limits { events_per_record_max, series_per_record_max, rejected_per_record_max, .. } = limits;
        format!(
            "operator: announce epoch {number} from {from}: decoder {decoder}, {splits} splits, at most \
             {events_per_record_max} events, {series_per_record_max} series, {rejected_per_record_max} rejected, \
             templates {templates:?}, patterns {patterns}"
        )
    });
    let (from, now) = (Millis(epoch.from_ms), world.now);
    // What the announcement believes the time to be: late enough for its epoch to be announced.
    let believed = now.plus(margin_ms - EpochTable::WRITE_MS);
    world.spawn(async move {
        if announce_epoch(&client, epoch, believed, &[1, 2]).await.is_ok() {
            lock(&client.world).state.seen.once(Seen::Epochs);
        }
    });
    if world.choices.below(3) == 2 {
        storm(world, from);
    }
    if world.choices.below(2) == 1 {
        // Somebody asks just before the new rules come into force, and whoever was waiting for them at once.
        world.at(from.plus(-2_000), replay_some);
        world.at(from.plus(1_000), replay_some);
    }
    // Records when the old rules are read for the last time, and when the new ones come into force.
    for at in [now.plus(5), now.plus(2_000), from.plus(-1), from.plus(10), from.plus(3_000)] {
        let produced = world.choices.stretch(CHOICES_A_PAYLOAD, |choices| match choices.below(4) {
            0 => vec![],
            _ => produced(choices, at, 2, Way::Stream, 0),
        });
        produced.into_iter().for_each(|sending| sending.plan(world));
    }
}

/// Half a minute in which reading the new rules fails as often as not and deliveries are made again, just when the new
/// rules come into force.
fn storm(world: &mut World, from: Millis) {
    world.at(from.plus(-2_000), |world| {
        let before = world.weather.clone();
        world.weather = Weather { refused: 400, redelivered: 400, fresh_environment: 300, ..before.clone() };
        world.after(30_000, |world| world.weather = before);
    });
}

fn next_epoch(world: &mut World, margin_ms: i64) -> Epoch {
    let choices = &mut world.choices;
    let limits = Limits {
        events_per_record_max: choices.one_of(&[100_000, 3, 2]),
        series_per_record_max: choices.one_of(&[1_000, 1]),
        rejected_per_record_max: choices.one_of(&[1_000, 0]),
        json_depth_max: choices.one_of(&[32, 1]),
        ..Epoch::genesis().limits
    };
    let splits = choices.one_of(&[1, 2, 3]);
    // One that names another series, one that names none, or the patterns alone.
    let templates = choices.one_of(&[None, Some("/users/{user}"), Some("/{anything}")]);
    let templates = templates.map(|path| Template { path: path.to_owned(), service: None });
    let rules = Rules::new(choices.below(2) == 0, templates.into_iter().collect()).unwrap_or_default();
    // Announced once a version is live that implements it.
    let decoder = choices.one_of(if world.weather.second_version > 0 { &[1, 1, 2] } else { &[1] });
    let more_notice_ms = choices.one_of(&[0, 60_000]);
    let from_ms = world.now.0 + EpochTable::NOTICE_MS + margin_ms + more_notice_ms;
    let object_limits = object_limits(&mut world.choices);
    let number = world.state.epochs().epochs.last().map_or(1, |last| last.number + 1);
    Epoch { number, from_ms, decoder, splits, limits, object_limits, rules }
}

fn replay_some(world: &mut World) {
    let objects: Vec<_> = world.state.bucket.values().cloned().collect();
    for object in objects {
        // One, several, or the same twice in a row.
        for _ in 0..world.choices.one_of(&[1, 0, 2]) {
            queue::request(world, &object);
        }
    }
}

/// Somebody has a window computed although nothing moved, perhaps when half of it has passed its TTL.
fn late_finalizer(world: &mut World) {
    let windows: Vec<Window> = world.state.triggers.touched.iter().copied().collect();
    if !windows.is_empty() {
        let window = world.choices.one_of(&windows);
        let ask = world.choices.below(2) == 1;
        finalizer::finalize(world, vec![window], ask, |_, _| {});
    }
}

/// One record, message or object at its time.
enum Sending {
    Record(Millis, Vec<u8>),
    Message(Sent),
    Object(Millis, Deed),
}

impl Sending {
    fn plan(self, world: &mut World) {
        match self {
            Self::Record(at, body) => world.at(at, |world| kinesis::put(world, body)),
            Self::Object(at, deed) => world.at(at, |world| landing::act(world, deed)),
            Self::Message(sent) => world.at(sent.sent_at, |world| queue::send(world, TELEMETRY, sent)),
        }
    }
}

/// Where a payload goes.
#[derive(Clone, Copy)]
enum Way {
    Stream,
    Queue,
    Object,
}

/// One payload; on the queue sometimes sent twice under the producer's own id, or that id used for another body.
fn produced(choices: &mut Choices, at: Millis, spread: u32, way: Way, number: u64) -> Vec<Sending> {
    let body = payload(choices, at, spread);
    match way {
        Way::Stream => return vec![Sending::Record(at, body)],
        Way::Object => return deeds(choices, at, spread, body, number),
        Way::Queue => {}
    }
    let kind = choices.below(8);
    let own_id = (kind >= 5).then(|| format!("own-{number}"));
    let sent = Sent { sent_at: at, body: Body::Payload(body), own_id, own_arrival: None };
    if kind < 6 {
        return vec![Sending::Message(sent)];
    }
    // The producer heard no answer and sends again, later.
    let later = at.plus(choices.one_of(&[10, 2_000, 61_000]));
    let body = if kind == 7 { Body::Payload(payload(choices, later, spread)) } else { sent.body.clone() };
    let again = Sent { sent_at: later, body, ..sent.clone() };
    vec![Sending::Message(sent), Sending::Message(again)]
}

/// An object; sometimes put again, overwritten, overwritten and put back, or deleted, soon or much later.
fn deeds(choices: &mut Choices, at: Millis, spread: u32, body: Vec<u8>, number: u64) -> Vec<Sending> {
    let (kind, versioned) = (choices.below(8), choices.below(2) == 0);
    let deed = |bytes| Deed { key: format!("in/{number}"), versioned, bytes };
    let later = at.plus(choices.one_of(&[40, 1_100, 61_000, 7_200_000]));
    let first = Sending::Object(at, deed(Some(body.clone())));
    let next = |bytes| Sending::Object(later, deed(bytes));
    match kind {
        0..4 => vec![first],
        4 => vec![first, next(Some(body))],
        5 => vec![first, next(Some(payload(choices, later, spread)))],
        6 => {
            let other = next(Some(payload(choices, later, spread)));
            vec![first, other, Sending::Object(later.plus(2_000), deed(Some(body)))]
        }
        _ => vec![first, next(None)],
    }
}

/// Rules of objects: chunks of few events, or of all; and how much is held before events are taken as they come.
pub(crate) fn object_limits(choices: &mut Choices) -> ObjectLimits {
    let limits = ObjectLimits::default();
    let event_bytes_max = choices.one_of(&[limits.event_bytes_max, 110, 60]);
    ObjectLimits {
        events_per_chunk: choices.one_of(&[limits.events_per_chunk, 2, 1]),
        event_bytes_max,
        kept_bytes_max: limits.kept_bytes_max.min(event_bytes_max),
        ..limits
    }
}

/// Some events as one, a line each, or an array; sometimes empty or no telemetry at all.
fn payload(choices: &mut Choices, at: Millis, spread: u32) -> Vec<u8> {
    let form = choices.below(13);
    match form {
        10 => return b" \n".to_vec(),
        11 => return b"nonsense".to_vec(),
        _ => {}
    }
    let count = choices.one_of(&[1, 1, 2, 3, 5]);
    let events: Vec<String> = (0..count).map(|_| event(choices, at, spread)).collect();
    match (count, form) {
        // An aggregate on the stream; on the queue it has no place.
        (_, 12) => aggregate(&events),
        (1, _) => events.concat().into_bytes(),
        (_, 0 | 2 | 4 | 6 | 8) => events.join("\n").into_bytes(),
        _ => format!("[{}]", events.join(",")).into_bytes(),
    }
}

/// A KPL aggregate of one event a user record. Lengths below 128 only, so that a length is a byte.
fn aggregate(events: &[String]) -> Vec<u8> {
    let mut message = vec![];
    for event in events.iter().filter(|event| event.len() < 120) {
        let data = event.as_bytes();
        message.extend([0x1a, data.len() as u8 + 4, 0x08, 0x00, 0x1a, data.len() as u8]);
        message.extend(data);
    }
    let digest = Md5::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2], message.as_slice(), digest.as_slice()].concat()
}

fn event(choices: &mut Choices, at: Millis, spread: u32) -> String {
    let mut fields = vec![];
    match choices.one_of(&["/a", "/b", "/users/17", "/c", ""]) {
        "" => {}
        endpoint => fields.push(format!(r#""endpoint":"{endpoint}""#)),
    }
    match choices.one_of(&["", "s", "t"]) {
        "" => {}
        service => fields.push(format!(r#""service":"{service}""#)),
    }
    match choices.one_of(&["200", "503", "", "\"x\""]) {
        "" => {}
        status => fields.push(format!(r#""status":{status}"#)),
    }
    match choices.below(40) {
        0..20 => {}
        n => fields.push(format!(r#""duration_ms":{n}.25"#)),
    }
    match choices.below(12) {
        0..4 => {}
        n => fields.push(format!(r#""user_id":"u{n}""#)),
    }
    if choices.below(6) == 5 {
        fields.push(r#""more":{"than":[1]}"#.to_owned());
    }
    // None, now, minutes ago, so long ago that the clock would decide otherwise, too late, in the future.
    let hour = 3_600_000;
    let all_ms = [None, Some(0), Some(61_000), Some(48 * hour - 500), Some(48 * hour + 500), Some(-11 * 60_000)];
    let ago_ms = all_ms[choices.below(spread) as usize];
    if let Some(ago_ms) = ago_ms {
        fields.push(format!(r#""timestamp":{}"#, at.0 - ago_ms));
    }
    format!("{{{}}}", fields.join(","))
}

/// When a run begins: shortly before a minute is over.
pub(crate) const BEGUN: Millis = Millis(1_795_224_655_000);
