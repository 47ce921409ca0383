//! The ledger lane: SQS messages, S3 objects and replays to immutable items that carry identities.
//!
//! An item holds, for one window and lane, a list of (identity, what that message adds to the window), and
//! is put if absent under the digest of the identities inside. Messages come back in other company and
//! land in other items; the finalizer counts each identity once, whichever items it stands in.

use crate::layout::{CONTRIBUTION_LIFE_MS, Layout, expires_at};
use crate::ports::{ContributionPut, Expected, Item, PutOutcome, QuarantinePut, StoreError, StoreErrorKind};
use crate::quarantine::{Coordinates, QuarantineObject};
use futures::stream::{self, StreamExt};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use weir_rollup::{Ledger, LedgerEntry, Rollup, SeriesKey, Status};
use weir_telemetry::{Decoded, EpochView, Millis, OTHER, Reason, Window, decode_payload};

/// What a contribution is counted under, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// A message of a queue: `id` is the message's, or the producer's own (`weir-id`).
    pub fn sqs(queue_arn: &str, id: &str) -> Self {
        Self(format!("sqs:{queue_arn}/{id}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message with its identity settled.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is counted under.
    pub identity: Identity,
    /// Its arrival: event time of events that name none, and what lateness is measured from.
    pub arrived_at: Millis,
    /// Where it came from, for quarantine.
    pub coordinates: Coordinates,
    /// Its payload.
    pub data: Vec<u8>,
}

/// What is to be done with a batch of messages. Messages are known by the place that the caller gave them.
#[derive(Debug, Default)]
pub struct LedgerPlan {
    groups: BTreeMap<(Window, u16), Vec<Planned>>,
    quarantine: Vec<(usize, QuarantineObject)>,
    /// Place of a message whose identity stood in the batch before, and the place where it stood.
    twice: Vec<(usize, usize)>,
    /// Places of messages that this batch cannot settle, and why.
    left: Vec<(usize, StoreError)>,
    empty: u64,
}

#[derive(Debug)]
struct Planned {
    message: usize,
    events: u64,
    entry: LedgerEntry,
}

/// Decodes a batch of messages, each with its place. A message whose rules are not known here and now (its epoch), or
/// for which the batch has no room ([`LedgerSettings::commit_items_max`]), is left for another delivery. The same identity twice in one batch is one, and the later message shares the fate of
/// the first: acknowledging one delivery of a message acknowledges them all.
pub fn plan(
    layout: &Layout,
    messages: &[(usize, Message)],
    epochs: &EpochView,
    settings: &LedgerSettings,
) -> LedgerPlan {
    let mut plan = LedgerPlan::default();
    let mut seen: BTreeMap<&Identity, usize> = BTreeMap::new();
    for (place, message) in messages {
        if let Some(first) = seen.get(&message.identity) {
            plan.twice.push((*place, *first));
            continue;
        }
        seen.insert(&message.identity, *place);
        if plan.groups.len() >= settings.commit_items_max {
            let what = "the batch touches too many windows at once: left for another delivery";
            plan.left.push((*place, StoreError::new(StoreErrorKind::Unavailable, what)));
            continue;
        }
        let epoch = match epochs.epoch_for(message.arrived_at) {
            Ok(epoch) => epoch,
            Err(error) => {
                plan.left.push((*place, StoreError::new(StoreErrorKind::Unavailable, error.to_string())));
                continue;
            }
        };
        let decoded = decode_payload(&message.data, message.arrived_at, epoch);
        plan.empty += u64::from(decoded.accepted.is_empty() && decoded.rejected.is_empty());
        plan.add(layout, *place, message, decoded);
    }
    plan
}

impl LedgerPlan {
    fn add(&mut self, layout: &Layout, place: usize, message: &Message, decoded: Decoded) {
        let lane = layout.lane(message.identity.as_str());
        let mut windows: BTreeMap<Window, BTreeMap<SeriesKey, Rollup>> = BTreeMap::new();
        for accepted in decoded.accepted {
            let key = SeriesKey { service: accepted.series.service, endpoint: accepted.series.endpoint };
            let status = accepted.status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
            let rollup = windows.entry(accepted.window).or_default().entry(key).or_default();
            rollup.add(status, accepted.duration_us, accepted.user.as_deref().map(str::as_bytes));
        }
        for (window, series) in windows {
            let events = series.values().map(Rollup::events).sum();
            let entry = LedgerEntry { identity: message.identity.to_string(), series };
            self.groups.entry((window, lane)).or_default().push(Planned { message: place, events, entry });
        }
        for rejected in decoded.rejected {
            let coordinates = message.coordinates.clone();
            let object = QuarantineObject { coordinates, arrived_at: message.arrived_at, rejected };
            self.quarantine.push((place, object));
        }
    }

    /// Sets a message aside that has no place in the lane: it is not decoded.
    pub fn set_aside(&mut self, message: usize, object: QuarantineObject) {
        self.quarantine.push((message, object));
    }

    /// Messages without any event.
    pub fn empty(&self) -> u64 {
        self.empty
    }

    /// Messages that stood in the batch before.
    pub fn twice(&self) -> u64 {
        self.twice.len() as u64
    }

    /// Windows that the batch touches.
    pub fn windows(&self) -> usize {
        self.groups.keys().map(|(window, _)| window).collect::<BTreeSet<_>>().len()
    }

    /// Reasons of what is set aside, with their counts.
    pub fn rejected(&self) -> BTreeMap<Reason, u64> {
        let mut reasons = BTreeMap::new();
        for (_, object) in &self.quarantine {
            *reasons.entry(object.rejected.reason).or_default() += 1;
        }
        reasons
    }
}

/// Bounds of the ledger lane.
#[derive(Clone, Copy, Debug)]
pub struct LedgerSettings {
    /// Encoded bytes of one item. DynamoDB takes 400 KB.
    pub item_bytes_max: usize,
    /// Writes in flight.
    pub writes_in_flight_max: usize,
    /// (Window, lane) pairs after which a batch takes no further message: what does not fit the time would otherwise
    /// fail all messages alike, on every delivery.
    pub commit_items_max: usize,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { item_bytes_max: 380_000, writes_in_flight_max: 16, commit_items_max: 3_000 }
    }
}

/// What a commit came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LedgerOutcome {
    /// Places of the messages that are not settled: report them, and they are delivered again.
    pub failed: BTreeSet<usize>,
    /// Events put in items that were new. An identity may already stand in another item: only the
    /// finalizer knows what is counted.
    pub put: u64,
    /// Events whose very item stood already.
    pub duplicate: u64,
    /// Objects set aside.
    pub quarantined: u64,
    /// What went wrong, one text each.
    pub errors: Vec<StoreError>,
}

/// An item to put and the places of the messages inside.
struct LedgerPut {
    item: Item,
    messages: Vec<usize>,
    events: u64,
}

/// Makes a planned batch durable. A message fails if any of its writes failed. `out_of_time` is asked before
/// each write that is not begun yet.
pub async fn commit<S: ContributionPut + QuarantinePut>(
    store: &S,
    layout: &Layout,
    settings: LedgerSettings,
    plan: LedgerPlan,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> LedgerOutcome {
    let mut outcome = LedgerOutcome::default();
    let mut kept = stream::iter(plan.quarantine.into_iter().map(|(place, object)| async move {
        (place, if out_of_time() { Err(StoreError::out_of_time()) } else { store.quarantine(&object).await })
    }))
    .buffer_unordered(settings.writes_in_flight_max);
    while let Some((place, result)) = kept.next().await {
        match result {
            Ok(()) => outcome.quarantined += 1,
            Err(error) => outcome.fail(&[place], error),
        }
    }
    drop(kept);

    let puts =
        plan.groups.into_iter().flat_map(|((window, lane), planned)| cut(layout, window, lane, planned, settings));
    let mut written = stream::iter(puts.map(|put| async move {
        let result =
            if out_of_time() { Err(StoreError::out_of_time()) } else { store.put(&put.item, &Expected::Absent).await };
        (put, result)
    }))
    .buffer_unordered(settings.writes_in_flight_max);
    while let Some((put, result)) = written.next().await {
        match result {
            Ok(PutOutcome::Written) => outcome.put += put.events,
            // The key is the digest of the identities inside: what stands there says the same.
            Ok(PutOutcome::Conflict(_)) => outcome.duplicate += put.events,
            Err(error) => outcome.fail(&put.messages, error),
        }
    }
    drop(written);
    for (place, error) in plan.left {
        outcome.fail(&[place], error);
    }
    for (place, first) in plan.twice {
        if outcome.failed.contains(&first) {
            outcome.failed.insert(place);
        }
    }
    outcome
}

impl LedgerOutcome {
    fn fail(&mut self, messages: &[usize], error: StoreError) {
        self.failed.extend(messages);
        self.errors.push(error);
    }
}

/// Cuts a group into items that fit, by halves.
fn cut(
    layout: &Layout,
    window: Window,
    lane: u16,
    mut planned: Vec<Planned>,
    settings: LedgerSettings,
) -> Vec<LedgerPut> {
    planned.sort_by(|a, b| a.entry.identity.cmp(&b.entry.identity));
    let mut puts = vec![];
    let mut pieces = vec![planned];
    while let Some(mut piece) = pieces.pop() {
        let body = encode(&piece);
        if body.len() > settings.item_bytes_max && piece.len() > 1 {
            pieces.push(piece.split_off(piece.len() / 2));
            pieces.push(piece);
            continue;
        }
        let body = if body.len() > settings.item_bytes_max { encode(&folded(&piece)) } else { body };
        let key = layout.ledger(window, lane, &digest(piece.iter().map(|planned| planned.entry.identity.as_str())));
        puts.push(LedgerPut {
            item: Item { key, fence: None, body, expires_at: Some(expires_at(window.end())) },
            messages: piece.iter().map(|planned| planned.message).collect(),
            events: piece.iter().map(|planned| planned.events).sum(),
        });
    }
    puts
}

fn encode(piece: &[Planned]) -> Vec<u8> {
    Ledger { entries: piece.iter().map(|planned| planned.entry.clone()).collect() }.encode()
}

/// One message too large for an item: its series folded into [`OTHER`]. A function of the message and the
/// window alone, so every delivery writes the same.
fn folded(piece: &[Planned]) -> Vec<Planned> {
    let fold = |planned: &Planned| {
        let mut other = Rollup::default();
        planned.entry.series.values().for_each(|rollup| other.merge(rollup));
        let key = SeriesKey { service: OTHER.to_owned(), endpoint: OTHER.to_owned() };
        let entry = LedgerEntry { identity: planned.entry.identity.clone(), series: BTreeMap::from([(key, other)]) };
        Planned { message: planned.message, events: planned.events, entry }
    };
    piece.iter().map(fold).collect()
}

/// 128 bits of SHA-256 over the texts, each with its length, as hexadecimal digits.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The arrival of a producer's own id: the first that any delivery of it recorded, `arrived_at` if this is the first.
/// Two sends of one id arrive at two times, or name two; counted each at its own, an event without a timestamp could
/// fall into two windows and be counted in both.
///
/// # Errors
/// When the store fails: the message must be delivered again.
pub async fn first_arrival<S: ContributionPut>(
    store: &S,
    layout: &Layout,
    identity: &Identity,
    arrived_at: Millis,
) -> Result<Millis, StoreError> {
    let key = layout.arrival(identity.as_str());
    let expires_at = Some(arrived_at.plus(CONTRIBUTION_LIFE_MS).0.div_euclid(1_000));
    let item = Item { key, fence: None, body: arrived_at.0.to_string().into_bytes(), expires_at };
    let stands = match store.put(&item, &Expected::Absent).await? {
        PutOutcome::Written => return Ok(arrived_at),
        PutOutcome::Conflict(stands) => stands,
    };
    // Gone between the condition and its answer: the next delivery finds it absent.
    let stands = stands.ok_or_else(|| {
        StoreError::new(StoreErrorKind::Unavailable, format!("the first arrival of {identity} was deleted just now"))
    })?;
    let first = std::str::from_utf8(&stands.body).ok().and_then(|text| text.parse().ok());
    first.map(Millis).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Unreadable, format!("the first arrival of {identity} cannot be read"))
    })
}

#[cfg(test)]
mod tests;
