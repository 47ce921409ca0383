//! From messages to the writes they need, without I/O, in rounds of bounded work.

use super::{Identity, Incoming, LedgerPlan, LedgerSettings, Message, Name, Under};
use crate::counted;
use crate::layout::{Lanes, Layout};
use crate::ports::{StoreError, StoreErrorKind};
use crate::quarantine::QuarantineObject;
use foldhash::fast::FixedState;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use weir_rollup::Rollup;
use weir_telemetry::{Batch, BatchEvent, EpochView, Millis, SeriesId, Window};

/// Plans the messages of one batch, round by round: each round is made durable before the next is planned, so that a
/// batch that does not fit the function's time settles part of itself on every delivery.
#[derive(Debug)]
pub struct Planner<'a> {
    layout: &'a Layout,
    epochs: &'a EpochView,
    settings: &'a LedgerSettings,
    /// By identity, which of `firsts` is its first message.
    seen: HashMap<&'a Identity<'a>, usize, FixedState>,
    /// Places, and the times whose rules apply.
    firsts: Vec<(usize, Millis)>,
    /// Places of messages whose identity was already there, and the place of the first.
    twice: Vec<(usize, usize)>,
    batch: Batch,
    names: Names,
    lanes: Lanes,
}

/// Identities that are hashed together.
const LANES_AT_ONCE: usize = 4;

impl<'a> Planner<'a> {
    /// For one batch.
    pub fn new(layout: &'a Layout, epochs: &'a EpochView, settings: &'a LedgerSettings) -> Self {
        let seen = HashMap::with_hasher(FixedState::default());
        let (twice, batch, names, lanes) = (vec![], Batch::default(), Names::default(), Lanes::default());
        Self { layout, epochs, settings, seen, firsts: vec![], twice, batch, names, lanes }
    }

    /// Plans the first of the waiting messages, each with its place, until they need
    /// [`LedgerSettings::commit_writes_max`] writes or run out.
    ///
    /// A message whose rules (its epoch) are not known at present is left for another delivery. The same identity twice
    /// in a batch counts once, and the later message shares the fate of the first ([`Self::twice`]): acknowledging one
    /// delivery of a message acknowledges them all. Under other rules it is not the same, and left: a replay that was
    /// requested while nothing of its object was accepted claims nothing, and one behind it in the batch may just have
    /// claimed the identity (ARCHITECTURE.md has the schedule).
    pub fn round<'m: 'a>(&mut self, waiting: &mut &'a mut [(usize, Incoming<'m>)]) -> LedgerPlan<'a> {
        let mut plan = LedgerPlan::with_room(waiting.len());
        self.names.0.clear();
        self.seen.reserve(waiting.len());
        self.firsts.reserve(waiting.len());
        while !waiting.is_empty() && plan.writes() < self.settings.commit_writes_max {
            for lane in self.next_lanes(waiting) {
                if plan.writes() < self.settings.commit_writes_max
                    && let Some((place, incoming)) = waiting.split_off_first_mut()
                {
                    self.take(&mut plan, *place, incoming, lane);
                }
            }
        }
        plan
    }

    /// The lanes of the next messages.
    fn next_lanes(&mut self, waiting: &[(usize, Incoming<'_>)]) -> [u16; LANES_AT_ONCE] {
        let identities = std::array::from_fn(|at| match waiting.get(at) {
            Some((_, Incoming::Message(message) | Incoming::Claiming { message, .. })) => Some(&message.identity),
            _ => None,
        });
        Identity::lanes(identities, self.layout, &mut self.lanes)
    }

    fn take(&mut self, plan: &mut LedgerPlan<'a>, place: usize, incoming: &'a mut Incoming<'_>, lane: u16) {
        match incoming {
            Incoming::Message(message) | Incoming::Claiming { message, .. } => self.add(plan, place, message, lane),
            Incoming::SetAside(object) => {
                let payload = std::mem::take(&mut object.rejected.payload);
                let mut taken = object.clone();
                taken.rejected.payload = payload;
                plan.set_aside(place, taken);
            }
        }
    }

    /// Places of messages whose identity was already in the batch, each with the place of the first: it settles with
    /// that one.
    pub fn twice(&self) -> &[(usize, usize)] {
        &self.twice
    }

    fn add(&mut self, plan: &mut LedgerPlan<'a>, place: usize, message: &'a mut Message<'_>, lane: u16) {
        let Message { identity, arrived_at, rules_at, origin, data, held } = message;
        let (identity, arrived_at): (&'a Identity<'_>, _) = (identity, *arrived_at);
        // What is planned needs no payload: the next one may need the memory.
        let data = std::mem::take(data);
        match self.seen.entry(identity) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.firsts.len());
                self.firsts.push((place, *rules_at));
            }
            Entry::Occupied(held) => {
                let (first, its_rules_at) = self.firsts[*held.get()];
                if its_rules_at == *rules_at {
                    return self.twice.push((place, first));
                }
                let what = "the batch holds its identity under other rules: left for another delivery";
                return plan.left.push((place, StoreError::new(StoreErrorKind::Unavailable, what)));
            }
        }
        let by = plan.contributor(place, Under::Message(identity), lane);
        self.batch.clear();
        let rejected = match self.epochs.epoch_for(*rules_at) {
            Ok(epoch) => held.add_to(&mut self.batch, &data, arrived_at, epoch),
            Err(error) => return plan.left.push((place, error.into())),
        };
        plan.empty += u64::from(self.batch.events().is_empty() && rejected.is_empty());
        let (batch, record_bytes_max) = (&self.batch, self.settings.record_bytes_max);
        if let [event] = batch.events() {
            // The usual message: without maps.
            let name = self.names.of(plan, batch, event.series);
            plan.contribute(by, event.window, record_bytes_max, |series| {
                let status = counted::status(event.status);
                series.push((name, Rollup::of(status, event.duration_us, batch.user(event))));
            });
        } else {
            for (window, series) in by_window(batch) {
                let mut named: Vec<_> =
                    series.into_iter().map(|(id, rollup)| (self.names.of(plan, batch, id), rollup)).collect();
                named.sort_by(|(a, _), (b, _)| plan.names[a.0].cmp(&plan.names[b.0]));
                plan.contribute(by, window, record_bytes_max, |series| series.extend(named));
            }
        }
        for rejected in rejected {
            let coordinates = origin.coordinates();
            plan.set_aside(place, QuarantineObject { coordinates, arrived_at, rejected });
        }
    }
}

/// The names in a plan of a batch's series.
#[derive(Debug, Default)]
struct Names(Vec<Option<Name>>);

impl Names {
    #[inline]
    fn of(&mut self, plan: &mut LedgerPlan<'_>, batch: &Batch, id: SeriesId) -> Name {
        if let Some(Some(name)) = self.0.get(id.index()) {
            return *name;
        }
        self.0.resize(batch.all_series().len(), None);
        let name = plan.name(counted::series_key(batch.series(id).clone()));
        self.0[id.index()] = Some(name);
        name
    }
}

/// What events add to each window.
fn by_window(batch: &Batch) -> BTreeMap<Window, BTreeMap<SeriesId, Rollup>> {
    let mut windows: BTreeMap<Window, BTreeMap<SeriesId, Rollup>> = BTreeMap::new();
    for event in batch.events() {
        count(windows.entry(event.window).or_default().entry(event.series).or_default(), batch, event);
    }
    windows
}

#[inline]
fn count(rollup: &mut Rollup, batch: &Batch, event: &BatchEvent) {
    rollup.add(counted::status(event.status), event.duration_us, batch.user(event));
}
