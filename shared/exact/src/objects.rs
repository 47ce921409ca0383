//! Objects of S3 through the ledger lane.
//!
//! An object is decoded as it is read and cut into chunks of events; a chunk is one entry of the ledger a window, under
//! the object's identity and its own number. Whether an object is sound is known at its end, so a small one is held
//! until then, as rollups, and a large one is read twice: once to judge it, and once to write it chunk by chunk. Either
//! way the chunks are the same, and memory is bounded whatever the object's size.
//!
//! An object counts under its version and its `LastModified`, however often it is noticed. Without versions the same
//! content put again has the same ETag and another `LastModified`: the first delivery claims its arrival.
//!
//! Not here: S3 (`weir-objects`, `weir-aws`), what a notice looks like (`weir-telemetry`).

mod chunks;
pub mod memory;
mod read;
mod reading;

pub use read::{Content, ObjectAt, ObjectRead, Opened, Pieces, ReadError};

use crate::layout::Layout;
use crate::ledger::{self, LedgerOutcome, LedgerPlan, LedgerSettings};
use crate::ports::{ContributionPut, QuarantinePut};
use crate::quarantine::QuarantineObject;
use chunks::Chunks;
use futures::stream::{self, StreamExt};
use reading::{First, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use weir_telemetry::{EpochView, Millis, ObjectTotals};

/// How long before its notice an object may have been created: as for a replay, so that its windows still have their
/// contributions ([`crate::replay::REPLAY_AGE_MS_MAX`]). Milliseconds.
pub const OBJECT_AGE_MS_MAX: i64 = crate::replay::REPLAY_AGE_MS_MAX;

/// Bounds of the lane for objects.
#[derive(Clone, Copy, Debug)]
pub struct ObjectSettings {
    /// Of the ledger.
    pub ledger: LedgerSettings,
    /// Objects read at a time.
    pub objects_in_flight_max: usize,
    /// What one object's chunks may take while it is read, bytes; a larger one is read twice.
    pub object_held_bytes_max: usize,
    /// What is held of objects that were read before it is written, bytes.
    pub round_bytes_max: usize,
}

/// A message of the landing queue.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When it was sent.
    pub sent_at: Millis,
    /// What it holds.
    pub noticed: Noticed,
}

/// What a message of the landing queue holds.
#[derive(Clone, Debug)]
pub enum Noticed {
    /// Objects that were created; none in a test event.
    Objects(Vec<ObjectAt>),
    /// No notice.
    SetAside(QuarantineObject),
}

/// What a batch of notices came to.
#[derive(Debug, Default)]
pub struct ObjectIntake {
    /// What was written and what failed; messages by their place in the batch.
    pub outcome: LedgerOutcome,
    /// Messages delivered.
    pub messages: u64,
    /// Objects noticed, each once.
    pub objects: u64,
    /// Objects that were noticed before in the batch.
    pub twice: u64,
    /// Objects read to their end and found sound.
    pub sound: u64,
    /// Of these, objects without any event.
    pub empty: u64,
    /// Of these, objects read twice for their size.
    pub large: u64,
    /// Bytes of the sound objects.
    pub bytes: u64,
}

/// Handles a batch of notices. A message fails if any of its objects could not be read or written. `out_of_time` is
/// asked before each piece and each write that is not begun yet.
pub async fn intake<S, O>(
    store: &S,
    objects: &O,
    layout: &Layout,
    epochs: &EpochView,
    settings: &ObjectSettings,
    deliveries: Vec<Delivery>,
    out_of_time: &(dyn Fn() -> bool + Sync),
) -> ObjectIntake
where
    S: ContributionPut + QuarantinePut,
    O: ObjectRead,
{
    let lane = Lane { store, objects, layout, epochs, settings, out_of_time };
    let mut work = Work::of(deliveries);
    let mut intake = ObjectIntake {
        messages: work.messages,
        objects: work.wanted.len() as u64,
        twice: work.twice,
        ..ObjectIntake::default()
    };
    let (mut plan, mut held) = (LedgerPlan::default(), 0);
    for (place, object) in std::mem::take(&mut work.set_aside) {
        plan.set_aside(place, object);
    }
    let lane = &lane;
    let reading = work.wanted.into_iter().map(|wanted| async move {
        let first = lane.first(&wanted).await;
        (wanted, first)
    });
    let mut read = stream::iter(reading).buffer_unordered(settings.objects_in_flight_max);
    let mut large = vec![];
    while let Some((wanted, first)) = read.next().await {
        match first {
            Ok(First::Sound { totals, arrived_at, mut chunks }) => {
                intake.count(&totals);
                held += chunks.bytes();
                lane.plan(&mut plan, &wanted, arrived_at, &mut chunks);
            }
            Ok(First::Large { totals, arrived_at }) => large.push((wanted, totals, arrived_at)),
            Ok(First::SetAside(object)) => plan.set_aside(wanted.place, object),
            Err(error) => intake.outcome.fail(&[wanted.place], error),
        }
        if held >= settings.round_bytes_max || plan.writes() >= settings.ledger.commit_writes_max {
            lane.commit(&mut plan, &mut intake).await;
            held = 0;
        }
    }
    drop(read);
    lane.commit(&mut plan, &mut intake).await;
    // One at a time: each takes as much memory as it may.
    for (wanted, totals, arrived_at) in large {
        match lane.second(&wanted, totals, arrived_at, &mut intake).await {
            Ok(()) => {
                intake.large += 1;
                intake.count(&totals);
            }
            Err(error) => intake.outcome.fail(&[wanted.place], error),
        }
    }
    let failed = std::mem::take(&mut intake.outcome.failed);
    intake.outcome.failed = failed.iter().flat_map(|place| work.places[*place].iter().copied()).collect();
    intake
}

impl ObjectIntake {
    fn count(&mut self, totals: &ObjectTotals) {
        self.sound += 1;
        self.empty += u64::from(totals.accepted + totals.rejected == 0);
        self.bytes += totals.bytes;
    }
}

/// What everything in a batch needs.
struct Lane<'a, S, O> {
    store: &'a S,
    objects: &'a O,
    layout: &'a Layout,
    epochs: &'a EpochView,
    settings: &'a ObjectSettings,
    out_of_time: &'a (dyn Fn() -> bool + Sync),
}

impl<S: ContributionPut + QuarantinePut, O: ObjectRead> Lane<'_, S, O> {
    /// Plans to write what is ready.
    fn plan(&self, plan: &mut LedgerPlan, wanted: &Wanted, arrived_at: Millis, chunks: &mut Chunks) {
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

    /// Writes what is planned; whether all of it is durable.
    async fn commit(&self, plan: &mut LedgerPlan, intake: &mut ObjectIntake) -> bool {
        let plan = std::mem::take(plan);
        let outcome = ledger::commit(self.store, self.layout, self.settings.ledger, plan, self.out_of_time).await;
        let durable = outcome.failed.is_empty();
        intake.outcome.merge(outcome);
        durable
    }
}

/// A batch as work to do: each object once, for all messages that notice it.
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
        for (message, Delivery { sent_at, noticed }) in deliveries.into_iter().enumerate() {
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
                        work.wanted.push(Wanted { place, object, noticed_at: sent_at });
                    }
                }
            }
        }
        work
    }
}

#[cfg(test)]
mod tests;
