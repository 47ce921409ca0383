//! S3 objects through the ledger lane.
//!
//! An object is decoded as it is read and cut into chunks of events; a chunk is one ledger entry per window, under the
//! object's identity and the chunk's number. Whether an object is valid is only known at its end, so a small one is
//! held until then, as rollups, and a large one is read twice: once to validate it, and once to write it chunk by
//! chunk. Either way the chunks are the same, and memory is bounded whatever the object's size.
//!
//! Short objects are read concurrently, long ones one at a time. What was read is written soon, however long the others
//! take: a message that waits for its neighbours' objects would fail with them, and end in the dead-letter queue.
//!
//! An object counts under its version and its `LastModified`, however often it is announced. Without versions the same
//! content put again has the same ETag and another `LastModified`: the first delivery claims its arrival. If a bucket
//! keeps versions and a notification names none, the read returns it.
//!
//! Not here: S3 (`weir-objects`, `weir-aws`), the format of notifications (`weir-telemetry`).

mod alone;
mod beside;
mod chunks;
pub mod memory;
mod read;
mod reading;
mod time;

pub use read::{Content, ObjectAt, ObjectRead, Opened, Pieces, ReadError};
pub use time::Deadline;

use crate::layout::Layout;
use crate::ledger::{self, LedgerOutcome, LedgerPlan, LedgerSettings};
use crate::ports::{ContributionPut, QuarantinePut, StoreError, StoreErrorKind};
use crate::quarantine::QuarantineObject;
use alone::Alone;
use chunks::Chunks;
use futures::channel::mpsc::{Sender, channel};
use futures::future::join;
use reading::Wanted;
use std::collections::{BTreeMap, BTreeSet};
use weir_telemetry::{EpochView, Millis, ObjectTotals, Window};

/// Limits of the lane for objects.
#[derive(Clone, Copy, Debug)]
pub struct ObjectSettings {
    /// The ledger's.
    pub ledger: LedgerSettings,
    /// Objects read concurrently.
    pub objects_in_flight_max: usize,
    /// Length up to which an object is read concurrently, bytes. A longer one is read alone, as is one of unknown
    /// length.
    pub object_beside_bytes_max: u64,
    /// What one object's chunks may take while it is read, bytes; a larger one is read twice. Also what its decoder may
    /// take next to other objects; one that needs more is read alone.
    pub object_held_bytes_max: usize,
    /// How much of objects already read is held before it is written, bytes.
    pub round_bytes_max: usize,
}

/// A message of the landing queue.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When it was sent.
    pub sent_at: Millis,
    /// How often it was received, this time included.
    pub receives: u32,
    /// Its content.
    pub noticed: Noticed,
}

/// What a message of the landing queue holds.
#[derive(Clone, Debug)]
pub enum Noticed {
    /// Objects created; none in a test event.
    Objects(Vec<ObjectAt>),
    /// Not a notification.
    SetAside(QuarantineObject),
}

/// Outcome of a batch of notifications.
#[derive(Debug, Default)]
pub struct ObjectIntake {
    /// What was written and what failed; messages by their place in the batch.
    pub outcome: LedgerOutcome,
    /// Messages delivered.
    pub messages: u64,
    /// Objects announced, each once.
    pub objects: u64,
    /// Objects that were announced before in the batch.
    pub twice: u64,
    /// Objects read to their end and found valid.
    pub sound: u64,
    /// Of these, objects without events.
    pub empty: u64,
    /// Of these, objects read twice because of their size.
    pub large: u64,
    /// Objects read one at a time, whatever their outcome.
    pub alone: u64,
    /// Bytes of the valid objects.
    pub bytes: u64,
    /// Windows touched.
    pub windows: BTreeSet<Window>,
}

/// Handles a batch of notifications. A message fails if any of its objects could not be read or written.
pub async fn intake<S, O, D>(
    store: &S,
    objects: &O,
    layout: &Layout,
    epochs: &EpochView,
    settings: &ObjectSettings,
    deliveries: Vec<Delivery>,
    deadline: &D,
) -> ObjectIntake
where
    S: ContributionPut + QuarantinePut,
    O: ObjectRead,
    D: Deadline,
{
    let lane = Lane { store, objects, layout, epochs, settings, deadline };
    let mut work = Work::of(deliveries);
    let (messages, objects, twice) = (work.messages, work.wanted.len() as u64, work.twice);
    let is_short = |size: Option<u64>| size.is_some_and(|size| size <= settings.object_beside_bytes_max);
    let (beside, mut long): (Vec<_>, Vec<_>) = work.wanted.into_iter().partition(|wanted| is_short(wanted.object.size));
    // The shortest first, so that most are settled. But one that takes all the time would keep those behind it from
    // ever being settled, since they return together: so at the next delivery another is first.
    long.sort_by_key(|wanted| wanted.object.size.unwrap_or(u64::MAX));
    let receives = long.iter().map(|wanted| wanted.receives.saturating_sub(1)).max().unwrap_or(0) as usize;
    let first = receives % long.len().max(1);
    long.rotate_left(first);
    let (mut sender, receiver) = channel(work.places.len());
    let mut outcome = LedgerOutcome::default();
    for wanted in long {
        read_alone(&mut sender, Alone { wanted, judged: None }, &mut outcome);
    }
    let set_aside = std::mem::take(&mut work.set_aside);
    let (beside, alone) = join(lane.side_by_side(beside, set_aside, sender), lane.one_by_one(receiver)).await;
    let mut intake = ObjectIntake { outcome, messages, objects, twice, ..ObjectIntake::default() };
    intake.add(beside);
    intake.add(alone);
    let failed = std::mem::take(&mut intake.outcome.failed);
    intake.outcome.failed = failed.iter().flat_map(|place| work.places[*place].iter().copied()).collect();
    intake
}

/// Passes an object on to be read alone. The channel holds all objects of the batch, and its receiver outlives all
/// senders; otherwise the message would have to be returned.
fn read_alone(alone: &mut Sender<Alone>, object: Alone, outcome: &mut LedgerOutcome) {
    if let Err(refused) = alone.try_send(object) {
        let what = format!("objects are no longer read one at a time ({refused})");
        outcome.fail(&[refused.into_inner().wanted.place], StoreError::new(StoreErrorKind::Unavailable, what));
    }
}

impl ObjectIntake {
    fn count(&mut self, totals: &ObjectTotals) {
        self.sound += 1;
        self.empty += u64::from(totals.accepted + totals.rejected == 0);
        self.bytes += totals.bytes;
    }

    /// Adds the outcome of another part of the batch.
    fn add(&mut self, part: Self) {
        let Self { outcome, messages, objects, twice, sound, empty, large, alone, bytes, windows } = part;
        self.outcome.merge(outcome);
        self.messages += messages;
        self.objects += objects;
        self.twice += twice;
        self.sound += sound;
        self.empty += empty;
        self.large += large;
        self.alone += alone;
        self.bytes += bytes;
        self.windows.extend(windows);
    }
}

/// What everything in a batch needs.
struct Lane<'a, S, O, D> {
    store: &'a S,
    objects: &'a O,
    layout: &'a Layout,
    epochs: &'a EpochView,
    settings: &'a ObjectSettings,
    deadline: &'a D,
}

impl<S: ContributionPut + QuarantinePut, O: ObjectRead, D: Deadline> Lane<'_, S, O, D> {
    /// Plans to write what is ready.
    fn plan(&self, plan: &mut LedgerPlan<'_>, wanted: &Wanted, arrived_at: Millis, chunks: &mut Chunks) {
        let (ready, rejected) = chunks.drain();
        let identity = wanted.object.identity();
        for chunk in ready {
            chunk.plan(plan, self.layout, wanted.place, &identity, self.settings.ledger.record_bytes_max);
        }
        for rejected in rejected {
            let coordinates = wanted.object.coordinates();
            plan.set_aside(wanted.place, QuarantineObject { coordinates, arrived_at, rejected });
        }
    }

    /// Writes what is planned; returns whether all of it is durable.
    async fn commit(&self, plan: &mut LedgerPlan<'_>, intake: &mut ObjectIntake) -> bool {
        let plan = std::mem::take(plan);
        intake.windows.extend(plan.windows());
        let out_of_time = || self.deadline.writing_is_over();
        let outcome = ledger::commit(self.store, self.layout, self.settings.ledger, plan, &out_of_time).await;
        let durable = outcome.failed.is_empty();
        intake.outcome.merge(outcome);
        durable
    }
}

/// A batch as work: each object once, for all messages that announce it.
#[derive(Default)]
struct Work {
    messages: u64,
    twice: u64,
    /// The messages that each place stands for.
    places: Vec<BTreeSet<usize>>,
    wanted: Vec<Wanted>,
    set_aside: Vec<(usize, QuarantineObject)>,
}

impl Work {
    fn of(deliveries: Vec<Delivery>) -> Self {
        let mut work = Self { messages: deliveries.len() as u64, ..Self::default() };
        let mut known = BTreeMap::new();
        for (message, Delivery { sent_at, receives, noticed }) in deliveries.into_iter().enumerate() {
            match noticed {
                Noticed::SetAside(object) => {
                    work.set_aside.push((work.places.len(), object));
                    work.places.push(BTreeSet::from([message]));
                }
                Noticed::Objects(objects) => {
                    for object in objects {
                        let place = *known.entry(object.identity()).or_insert(work.places.len());
                        if let Some(messages) = work.places.get_mut(place) {
                            messages.insert(message);
                            work.twice += 1;
                            continue;
                        }
                        work.places.push(BTreeSet::from([message]));
                        work.wanted.push(Wanted { place, object, noticed_at: sent_at, receives });
                    }
                }
            }
        }
        work
    }
}

#[cfg(test)]
mod tests;
