//! SQS and its event source mapping: messages that come back in other company, twice at once, or from a dead-letter
//! queue; and notices of objects and requests to put back what was set aside, which travel the same way.

use crate::functions::{self, Environment, LedgerFunction, PoolOf, environment, invoke};
use crate::landing;
use crate::rules::Rule;
use crate::seen::Seen;
use crate::world::World;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weir_exact::ledger::{Held, Identity, Incoming, Message, intake};
use weir_exact::objects::ObjectAt;
use weir_exact::ports::StoreError;
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_exact::replay::{self, Replay, Settled};
use weir_telemetry::Millis;

/// The telemetry queue's ARN.
pub(crate) const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// A standard queue with its dead-letter queue and everything that was ever sent to it.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) sent: Vec<Sent>,
    /// What is still there, by place in `sent`.
    waiting: BTreeMap<usize, Waiting>,
    dead: Vec<usize>,
}

/// A message as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) sent_at: Millis,
    pub(crate) body: Body,
    /// The producer's own id and, of a redrive, its arrival; of a request's redrive, when it was asked for.
    pub(crate) own_id: Option<String>,
    pub(crate) own_arrival: Option<Millis>,
}

/// What a message holds.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Telemetry.
    Payload(Vec<u8>),
    /// A notice of an object.
    Notice(Box<ObjectAt>),
    /// A request to put an object back.
    Replay(Box<QuarantineObject>),
}

/// A request to put an object back.
#[derive(Clone, Debug)]
pub(crate) struct Replayed {
    pub(crate) object: QuarantineObject,
    pub(crate) requested_at: Millis,
}

#[derive(Debug)]
struct Waiting {
    hidden_until: Millis,
    receives: u32,
    /// Whether an invocation works on it now.
    in_flight: u32,
}

/// After so many receives a message comes back by its visibility timeout alone. A large object takes so many requests
/// that in the worst weather one reading of some hundred succeeds, and readings at once do not end.
const EAGER_RECEIVES_MAX: u32 = 200;

impl Waiting {
    fn is_worn(&self) -> bool {
        self.receives >= EAGER_RECEIVES_MAX
    }
}

/// The shell of a function behind a queue: answers the places in the batch of the messages that failed.
type Handler =
    fn(Arc<Environment<LedgerFunction>>, Vec<(usize, Sent)>, Millis) -> BoxFuture<'static, Option<BTreeSet<usize>>>;

/// Which queue: the telemetry's, the landing bucket's or the replays'.
#[derive(Clone, Copy)]
pub(crate) struct Which {
    pub(crate) of: fn(&mut crate::state::State) -> &mut Queue,
    pool: PoolOf<LedgerFunction>,
    function: &'static str,
    handler: Handler,
}

pub(crate) const TELEMETRY: Which =
    Which { of: |state| &mut state.queue, pool: |fleet| &mut fleet.queue, function: "sqs-rollup", handler: handle };
pub(crate) const LANDING: Which = Which {
    of: |state| &mut state.notices,
    pool: |fleet| &mut fleet.landing,
    function: "s3-rollup",
    handler: landing::handle,
};
pub(crate) const REPLAYS: Which = Which {
    of: |state| &mut state.replays,
    pool: |fleet| &mut fleet.replay,
    function: "quarantine-replay",
    handler: handle,
};

impl Sent {
    /// What the message counts under.
    pub(crate) fn identity(&self, place: usize) -> Identity<'static> {
        Identity::sqs(QUEUE_ARN, &self.name(place))
    }

    fn name(&self, place: usize) -> String {
        self.own_id.clone().unwrap_or_else(|| message_id(place))
    }

    /// Where quarantine says it came from: under the producer's id, where it has one.
    pub(crate) fn coordinates(&self, place: usize) -> Coordinates {
        Coordinates::new("sqs", [("queue", "q"), ("message_id", &*self.name(place))])
    }

    /// The arrival that it names, or its sending.
    pub(crate) fn arrived_at(&self) -> Millis {
        self.own_arrival.unwrap_or(self.sent_at)
    }
}

/// The id that the queue gives.
pub(crate) fn message_id(place: usize) -> String {
    format!("m{place}")
}

/// Sends a message.
pub(crate) fn send(world: &mut World, which: Which, sent: Sent) {
    let text = world.schedule.text(|| match &sent.body {
        Body::Payload(body) => format!("{}: {}", sent.own_id.as_deref().unwrap_or("-"), String::from_utf8_lossy(body)),
        Body::Notice(at) => format!("notice of {}", at.identity()),
        Body::Replay(object) => format!("replay {}", object.key()),
    });
    let queue = (which.of)(&mut world.state);
    let another_body = |other: &Sent| match (&other.body, &sent.body) {
        (Body::Payload(other_body), Body::Payload(body)) => other.own_id == sent.own_id && other_body != body,
        _ => false,
    };
    let reused = sent.own_id.is_some() && queue.sent.iter().any(another_body);
    queue.sent.push(sent);
    let place = queue.sent.len() - 1;
    queue.waiting.insert(place, Waiting { hidden_until: world.now, receives: 0, in_flight: 0 });
    world.state.seen.add(Seen::IdsReused, u64::from(reused));
    world.say(|| format!("send message {} under {text}", message_id(place)));
    wake(world, which);
}

fn wake(world: &mut World, which: Which) {
    let ms = world.choices.one_of(&[0, 0, 200, 1_000]);
    world.after(ms, move |world| poll(world, which));
}

fn poll(world: &mut World, which: Which) {
    let (now, handed_out_twice) = (world.now, world.weather.handed_out_twice);
    let receives_max = world.state.settings.receives_max;
    let queue = (which.of)(&mut world.state);
    // Too often received: to the dead-letter queue, when the next poll comes to it.
    let worn: Vec<usize> = queue
        .waiting
        .iter()
        .filter(|(_, waiting)| waiting.hidden_until <= now && waiting.receives >= receives_max)
        .map(|(place, _)| *place)
        .collect();
    for place in &worn {
        queue.waiting.remove(place);
        queue.dead.push(*place);
    }
    let all: Vec<(usize, bool, bool)> =
        queue.waiting.iter().map(|(place, waiting)| (*place, waiting.hidden_until <= now, waiting.is_worn())).collect();
    let mut batch = vec![];
    for (place, visible, worn) in all {
        if visible || (!worn && world.choices.happens(handed_out_twice / 4)) {
            batch.push(place);
        }
    }
    let most = (batch.len() as u32).min(world.state.settings.batch_max);
    if most == 0 {
        return;
    }
    // Any of them, in any order.
    let size = most - world.choices.below(most);
    let picked: Vec<usize> = (0..size)
        .map(|_| {
            let at = world.choices.below(batch.len() as u32) as usize;
            batch.remove(at)
        })
        .collect();
    deliver(world, which, picked);
    wake(world, which);
}

fn deliver(world: &mut World, which: Which, batch: Vec<usize>) {
    let Some(environment) = environment(world, which.function, which.pool, functions::ledger_function) else { return };
    let hidden_until = world.now.plus(world.state.settings.visibility_ms);
    let queue = (which.of)(&mut world.state);
    let mut twice = 0;
    for place in &batch {
        if let Some(waiting) = queue.waiting.get_mut(place) {
            twice += u64::from(waiting.in_flight > 0);
            waiting.in_flight += 1;
            waiting.receives += 1;
            waiting.hidden_until = hidden_until;
        }
    }
    let messages: Vec<(usize, Sent)> = batch.iter().map(|place| (*place, queue.sent[*place].clone())).collect();
    world.state.seen.add(Seen::HandedOutTwice, twice);
    world.at(hidden_until.plus(1), move |world| poll(world, which));
    let (name, begun) = (environment.name.clone(), world.now);
    world.say(|| {
        let names: Vec<String> = batch.iter().map(|place| message_id(*place)).collect();
        format!("{name}: batch {}", names.join(" "))
    });
    let handler = (which.handler)(environment.clone(), messages, begun);
    let done = move |world: &mut World, answer: Option<BTreeSet<usize>>| settled(world, which, &batch, answer);
    invoke(world, environment, which.pool, handler, done);
}

impl Queue {
    /// How often a message was handed out that is waiting still.
    pub(crate) fn receives(&self, place: usize) -> u32 {
        self.waiting.get(&place).map_or(1, |waiting| waiting.receives)
    }
}

/// The shell of `sqs-rollup` and of `quarantine-replay`: places in the batch of the messages that failed.
fn handle(
    environment: Arc<Environment<LedgerFunction>>,
    messages: Vec<(usize, Sent)>,
    begun: Millis,
) -> BoxFuture<'static, Option<BTreeSet<usize>>> {
    Box::pin(handled(environment, messages, begun))
}

async fn handled(
    environment: Arc<Environment<LedgerFunction>>,
    messages: Vec<(usize, Sent)>,
    begun: Millis,
) -> Option<BTreeSet<usize>> {
    let LedgerFunction { client, rules } = &environment.inner;
    let (view, layout) = rules.view(functions::now(client)).await.ok()?;
    let out_of_time = || functions::out_of_time(client, begun);
    let (left_out, settings, now) = {
        let world = crate::world::lock(&client.world);
        (world.state.left_out, world.state.settings.ledger, world.now)
    };
    let mut incoming = vec![];
    let mut failed = BTreeSet::new();
    for (at, (place, sent)) in messages.into_iter().enumerate() {
        let settled = match &sent.body {
            Body::Payload(body) => Ok(Some(telemetry(place, &sent, body, left_out, now))),
            Body::Replay(object) => {
                let (requested_at, sent_at) = (sent.arrived_at(), sent.sent_at);
                let replay = Replay { object: (**object).clone(), requested_at, sent_at };
                put_back(client, &layout, &view, replay, left_out).await
            }
            Body::Notice(_) => Ok(None),
        };
        match settled {
            Ok(Some(message)) => incoming.push((at, message)),
            Ok(None) => {}
            Err(_) => drop(failed.insert(at)),
        }
    }
    let intake = intake(client, &layout, &view, settings, incoming, &out_of_time).await;
    failed.extend(intake.outcome.failed);
    Some(failed)
}

fn telemetry(place: usize, sent: &Sent, body: &[u8], left_out: Option<Rule>, now: Millis) -> Incoming<'static> {
    let arrived_at = if left_out == Some(Rule::ArrivalDecides) { now } else { sent.arrived_at() };
    let message = Message {
        identity: sent.identity(place),
        arrived_at,
        rules_at: arrived_at,
        origin: sent.coordinates(place).into(),
        data: body.to_vec().into(),
        held: Held::Payload,
    };
    if sent.own_id.is_none() || left_out == Some(Rule::IdClaimed) {
        return Incoming::Message(message);
    }
    Incoming::Claiming { message, sent_at: sent.sent_at }
}

/// None when the request is too old.
async fn put_back(
    client: &crate::client::Client,
    layout: &weir_exact::layout::Layout,
    view: &weir_telemetry::EpochView,
    replay: Replay,
    left_out: Option<Rule>,
) -> Result<Option<Incoming<'static>>, StoreError> {
    let (requested_at, object) = (replay.requested_at, replay.object.clone());
    let Settled::Message(mut message) = replay::settle(client, layout, view, replay).await? else { return Ok(None) };
    if left_out == Some(Rule::ReplayClaimed) {
        message.rules_at = requested_at;
    }
    if left_out == Some(Rule::ReplayIdentity)
        && let Some((_, id)) = object.coordinates.path.iter().find(|(name, _)| *name == "message_id")
    {
        message.identity = Identity::sqs(QUEUE_ARN, id);
    }
    Ok(Some(Incoming::Message(message)))
}

/// What the mapping does after an invocation: deletes what did not fail; the rest shows itself again.
fn settled(world: &mut World, which: Which, batch: &[usize], answer: Option<BTreeSet<usize>>) {
    let not_deleted = world.choices.happens(world.weather.redelivered);
    let now = world.now;
    let at_once = world.choices.happens(world.weather.cut);
    let queue = (which.of)(&mut world.state);
    for (at, place) in batch.iter().enumerate() {
        let Some(waiting) = queue.waiting.get_mut(place) else { continue };
        waiting.in_flight = waiting.in_flight.saturating_sub(1);
        let done = answer.as_ref().is_some_and(|failed| !failed.contains(&at));
        if done && !not_deleted {
            queue.waiting.remove(place);
        } else if at_once && !waiting.is_worn() {
            waiting.hidden_until = now;
        }
    }
    wake(world, which);
}

/// Puts every dead message back under its own identity and arrival, as `weir redrive` does; some of them twice, when
/// it is interrupted between sending and deleting.
pub(crate) fn redrive(world: &mut World, which: Which) {
    let dead = std::mem::take(&mut (which.of)(&mut world.state).dead);
    for place in dead {
        world.state.seen.once(Seen::Redriven);
        let sent = (which.of)(&mut world.state).sent[place].clone();
        let own_id = match sent.body {
            Body::Payload(_) => Some(sent.name(place)),
            // A request says itself what it asks for and since when, a notice of what.
            Body::Replay(_) | Body::Notice(_) => None,
        };
        let (own_arrival, body) = (Some(sent.arrived_at()), sent.body.clone());
        let again = Sent { sent_at: world.now, own_id, own_arrival, body };
        let times = 1 + u32::from(world.choices.happens(world.weather.redelivered));
        (0..times).for_each(|_| send(world, which, again.clone()));
    }
}

/// Asks for an object to be put back.
pub(crate) fn request(world: &mut World, object: &QuarantineObject) {
    let sent_at = world.now;
    world.state.seen.once(Seen::Replays);
    world.state.replayed.push(Replayed { object: object.clone(), requested_at: sent_at });
    let body = Body::Replay(Box::new(object.clone()));
    send(world, REPLAYS, Sent { sent_at, body, own_id: None, own_arrival: None });
}

/// Whether nothing is waiting, under way or dead.
pub(crate) fn drained(queue: &Queue) -> bool {
    queue.waiting.is_empty() && queue.dead.is_empty()
}
