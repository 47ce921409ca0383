//! The ledger lane: SQS messages, S3 objects and replays to immutable items that carry identities.
//!
//! An item holds, for one window and lane, a list of (identity, what that message adds to the window), and is put if
//! absent under the digest of the identities inside. Messages are redelivered in different batches and land in other
//! items; the finalizer counts each identity once, whichever items contain it.

mod claim;
mod commit;
mod document;
mod identity;
mod intake;
mod plan;

pub use claim::{Claim, claim};
pub use commit::{LedgerOutcome, LedgerSettings, commit};
pub use document::Document;
pub use identity::{Identity, QueueIdentities};
pub use intake::{Incoming, Intake, intake, settle};
pub use plan::Planner;

use crate::counted;
use crate::ports::StoreError;
use crate::quarantine::{Origin, QuarantineObject};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};
use smallvec::{SmallVec, smallvec};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::{
    Batch, Decoded, Epoch, EpochView, Millis, Payload, Rejected, Series, Window, decode_event_alone, decode_payload,
    decode_record,
};

/// One message with its identity settled.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// What it is counted under.
    pub identity: Identity<'a>,
    /// Its arrival: the event time of events without one, and the reference for lateness.
    pub arrived_at: Millis,
    /// The time that selects the epoch: its arrival, or for a replay the time of its request.
    pub rules_at: Millis,
    /// Where it came from, for quarantine.
    pub origin: Origin<'a>,
    /// Its payload.
    pub data: Payload<'a>,
    /// What the payload is.
    pub held: Held,
}

/// What a message's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A payload in any form but a KPL aggregate.
    Payload,
    /// In a replay: a Kinesis record that was quarantined whole.
    Record,
    /// In a replay: exactly one event, the n-th of its record.
    Event(u32),
}

impl Held {
    /// Decodes it as of that arrival, under the rules of `epoch`.
    pub(crate) fn decode(self, data: &[u8], arrived_at: Millis, epoch: &Epoch) -> Decoded {
        match self {
            Self::Payload => decode_payload(data, arrived_at, epoch),
            Self::Record => decode_record(data, arrived_at, epoch),
            Self::Event(index) => decode_event_alone(data, index, arrived_at, epoch),
        }
    }

    /// The same into `batch`; what is rejected is returned.
    fn add_to(self, batch: &mut Batch, data: &Payload<'_>, arrived_at: Millis, epoch: &Epoch) -> Vec<Rejected> {
        match self {
            Self::Payload => batch.add_held(data, arrived_at, epoch),
            Self::Record => batch.add_record(&data.bytes(), arrived_at, epoch),
            Self::Event(index) => batch.add_event_alone(&data.bytes(), index, arrived_at, epoch),
        }
    }
}

impl Message<'_> {
    /// Decodes it into `batch`, if the rules that apply are known at present, and returns what is rejected.
    pub(crate) fn add_to(&self, batch: &mut Batch, epochs: &EpochView) -> Result<Vec<Rejected>, StoreError> {
        let epoch = epochs.epoch_for(self.rules_at)?;
        Ok(self.held.add_to(batch, &self.data, self.arrived_at, epoch))
    }
}

/// What to do with messages of a batch. Messages are known by the place the caller gave them.
#[derive(Debug, Default)]
pub struct LedgerPlan<'m> {
    contributors: Vec<Contributor<'m>>,
    planned: Vec<Planned>,
    /// The windows and lanes of all that is planned.
    items: HashSet<(Window, u16), FixedState>,
    /// By [`Name`].
    names: Vec<SeriesKey>,
    quarantine: Vec<(usize, QuarantineObject)>,
    /// Places of messages that this batch cannot settle, and why.
    left: Vec<(usize, StoreError)>,
    empty: u64,
}

/// What is counted under one identity, always in the same lane.
#[derive(Debug)]
struct Contributor<'m> {
    message: usize,
    under: Under<'m>,
    lane: u16,
}

/// The identity that something is counted under.
#[derive(Debug)]
pub(crate) enum Under<'m> {
    /// A message's own.
    Message(&'m Identity<'m>),
    /// That of an object's chunk, made for the plan.
    Chunk(Box<Identity<'static>>),
}

impl Under<'_> {
    fn identity(&self) -> &Identity<'_> {
        match self {
            Self::Message(identity) => identity,
            Self::Chunk(identity) => identity,
        }
    }
}

/// What a contributor adds to one window.
#[derive(Debug)]
struct Planned {
    by: By,
    window: Window,
    events: u64,
    series: Counts,
}

/// The number of a contributor in a plan: [`LedgerPlan::contributor`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct By(usize);

/// The name of a series in a plan: [`LedgerPlan::name`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name(usize);

/// What is counted under one identity in one window: by series, ascending. A message usually has one.
pub(crate) type Counts = SmallVec<[(Name, Rollup); 1]>;

/// Messages for which a plan makes room ahead: as many as a mapping may deliver ("BatchSize",
/// CreateEventSourceMapping, AWS Lambda API Reference).
const MESSAGES_MAX: usize = 10_000;

/// What a chunk of an object adds to each window.
pub(crate) type Windows = BTreeMap<Window, BTreeMap<SeriesKey, Rollup>>;

impl<'m> LedgerPlan<'m> {
    /// For messages of which likely `messages` are counted, each in one window.
    fn with_room(messages: usize) -> Self {
        let messages = messages.min(MESSAGES_MAX);
        let (contributors, planned) = (Vec::with_capacity(messages), Vec::with_capacity(messages));
        Self { contributors, planned, ..Self::default() }
    }

    /// Registers a contributor: the message at `place`, under an identity with that lane.
    pub(crate) fn contributor(&mut self, place: usize, under: Under<'m>, lane: u16) -> By {
        self.contributors.push(Contributor { message: place, under, lane });
        By(self.contributors.len() - 1)
    }

    /// Registers a series' name, which is then known by its number.
    pub(crate) fn name(&mut self, key: SeriesKey) -> Name {
        self.names.push(key);
        Name(self.names.len() - 1)
    }

    /// Adds what a contributor adds to one window: `count` puts it in its place, with the series ascending.
    #[inline]
    pub(crate) fn contribute(
        &mut self,
        by: By,
        window: Window,
        record_bytes_max: usize,
        count: impl FnOnce(&mut Counts),
    ) {
        self.items.insert((window, self.contributors[by.0].lane));
        let planned = self.planned.push_mut(Planned { by, window, events: 0, series: Counts::new() });
        let series = &mut planned.series;
        count(series);
        planned.events = series.iter().map(|(_, rollup)| rollup.events()).sum();
        let bounds = || named(&self.names, series);
        if !counted::fit_anyhow(planned.events, record_bytes_max) && !counted::fits(bounds(), record_bytes_max) {
            *series = folded(&mut self.names, series);
        }
    }

    /// Writes the plan needs, before items that are too large are cut.
    pub(crate) fn writes(&self) -> usize {
        self.items.len() + self.quarantine.len()
    }

    /// Quarantines a message that has no place in the lane: it is not decoded.
    pub fn set_aside(&mut self, message: usize, object: QuarantineObject) {
        self.quarantine.push((message, object));
    }

    /// Events and rejected messages in it.
    pub fn received(&self) -> u64 {
        self.planned.iter().map(|planned| planned.events).sum::<u64>() + self.quarantine.len() as u64
    }

    /// Messages without events.
    pub fn empty(&self) -> u64 {
        self.empty
    }

    /// Windows it touches, in any order, possibly repeated.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        self.items.iter().map(|(window, _)| *window)
    }
}

/// Series with their names.
fn named<'p>(
    names: &'p [SeriesKey],
    series: &'p [(Name, Rollup)],
) -> impl Iterator<Item = (&'p SeriesKey, &'p Rollup)> {
    series.iter().map(|(name, rollup)| (&names[name.0], rollup))
}

/// All series as one.
fn folded(names: &mut Vec<SeriesKey>, series: &[(Name, Rollup)]) -> Counts {
    let mut other = Rollup::default();
    series.iter().for_each(|(_, rollup)| other.merge(rollup));
    names.push(counted::series_key(Series::other()));
    smallvec![(Name(names.len() - 1), other)]
}

/// 128 bits of SHA-256 over the texts, each with its length, as hexadecimal digits.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize())
}

/// 128 bits of SHA-256 over `bytes`, as hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The first 16 bytes as hexadecimal digits.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
