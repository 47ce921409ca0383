//! From messages to the writes they need, without I/O, in rounds of bounded work.

use super::{Identity, Incoming, LedgerPlan, LedgerSettings, Message};
use crate::counted;
use crate::layout::Layout;
use crate::ports::{StoreError, StoreErrorKind};
use crate::quarantine::QuarantineObject;
use foldhash::fast::FixedState;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::{Batch, BatchEvent, EpochView, Millis, SeriesId, Window};

/// Plans the messages of one batch, round by round: each round is made durable before the next is planned, so that a
/// batch that does not fit the function's time settles part of itself on every delivery.
#[derive(Debug)]
pub struct Planner<'a> {
    layout: &'a Layout,
    epochs: &'a EpochView,
    settings: &'a LedgerSettings,
    /// By identity, the place of its first message and the time whose rules apply to it.
    seen: HashMap<&'a Identity, (usize, Millis), FixedState>,
    /// Places of messages whose identity was already there, and the place of the first.
    twice: Vec<(usize, usize)>,
    batch: Batch,
    keys: Keys,
}

impl<'a> Planner<'a> {
    /// For one batch.
    pub fn new(layout: &'a Layout, epochs: &'a EpochView, settings: &'a LedgerSettings) -> Self {
        let seen = HashMap::with_hasher(FixedState::default());
        let (twice, batch, keys) = (vec![], Batch::default(), Keys::default());
        Self { layout, epochs, settings, seen, twice, batch, keys }
    }

    /// Plans messages, each with its place, until they need [`LedgerSettings::commit_writes_max`] writes or run out.
    ///
    /// A message whose rules (its epoch) are not known at present is left for another delivery. The same identity twice
    /// in a batch counts once, and the later message shares the fate of the first ([`Self::twice`]): acknowledging one
    /// delivery of a message acknowledges them all. Under other rules it is not the same, and left: a replay that was
    /// requested while nothing of its object was accepted claims nothing, and one behind it in the batch may just have
    /// claimed the identity (ARCHITECTURE.md has the schedule).
    pub fn round<'m: 'a>(&mut self, messages: &mut impl Iterator<Item = &'a (usize, Incoming<'m>)>) -> LedgerPlan {
        let mut plan = LedgerPlan::default();
        self.seen.reserve(messages.size_hint().0);
        while plan.writes() < self.settings.commit_writes_max
            && let Some((place, incoming)) = messages.next()
        {
            match incoming {
                Incoming::Message(message) | Incoming::Claiming { message, .. } => self.add(&mut plan, *place, message),
                Incoming::SetAside(object) => plan.set_aside(*place, object.clone()),
            }
        }
        plan
    }

    /// Places of messages whose identity was already in the batch, each with the place of the first: it settles with
    /// that one.
    pub fn twice(&self) -> &[(usize, usize)] {
        &self.twice
    }

    fn add(&mut self, plan: &mut LedgerPlan, place: usize, message: &'a Message<'_>) {
        match self.seen.entry(&message.identity) {
            Entry::Vacant(vacant) => drop(vacant.insert((place, message.rules_at))),
            Entry::Occupied(held) => {
                let (first, rules_at) = held.get();
                if *rules_at == message.rules_at {
                    return self.twice.push((place, *first));
                }
                let what = "the batch holds its identity under other rules: left for another delivery";
                return plan.left.push((place, StoreError::new(StoreErrorKind::Unavailable, what)));
            }
        }
        self.batch.clear();
        let rejected = match message.add_to(&mut self.batch, self.epochs) {
            Ok(rejected) => rejected,
            Err(error) => return plan.left.push((place, error)),
        };
        plan.empty += u64::from(self.batch.events().is_empty() && rejected.is_empty());
        let (by, record_bytes_max) =
            (plan.contributor(self.layout, place, &message.identity), self.settings.record_bytes_max);
        let batch = &self.batch;
        if let [event] = batch.events() {
            // The usual message, without maps: its rollup is too large to be moved around.
            plan.contribute(&by, event.window, record_bytes_max, |series| {
                series.push((self.keys.of(batch, event.series), Rollup::default()));
                series.iter_mut().for_each(|(_, rollup)| count(rollup, batch, event));
            });
        } else {
            for (window, series) in by_window(batch) {
                plan.contribute(&by, window, record_bytes_max, |named| {
                    named.extend(series.into_iter().map(|(id, rollup)| (self.keys.of(batch, id), rollup)));
                    named.sort_by(|(a, _), (b, _)| a.cmp(b));
                });
            }
        }
        for rejected in rejected {
            let coordinates = message.origin.coordinates();
            plan.set_aside(place, QuarantineObject { coordinates, arrived_at: message.arrived_at, rejected });
        }
    }
}

/// The names of a batch's series, shared by what is stored.
#[derive(Debug, Default)]
struct Keys(Vec<Option<Arc<SeriesKey>>>);

impl Keys {
    fn of(&mut self, batch: &Batch, id: SeriesId) -> Arc<SeriesKey> {
        if self.0.len() <= id.index() {
            self.0.resize(batch.all_series().len(), None);
        }
        let key = || Arc::new(counted::series_key(batch.series(id).clone()));
        Arc::clone(self.0[id.index()].get_or_insert_with(key))
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
