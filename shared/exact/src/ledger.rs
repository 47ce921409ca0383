//! The ledger lane: SQS messages, S3 objects and replays to immutable items that carry identities.
//!
//! An item holds, for one window and lane, a list of (identity, what that message adds to the window), and is put if
//! absent under the digest of the identities inside. Messages are redelivered in different batches and land in other
//! items; the finalizer counts each identity once, whichever items contain it.

mod claim;
mod commit;
mod document;
mod intake;
mod plan;

pub use claim::{Claim, claim};
pub use commit::{LedgerOutcome, LedgerSettings, commit};
pub use document::Document;
pub use intake::{Incoming, Intake, intake, settle};
pub use plan::Planner;

use crate::counted;
use crate::layout::{Lanes, Layout};
use crate::ports::StoreError;
use crate::quarantine::{Origin, QuarantineObject};
use sha2::{Digest, Sha256};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use weir_rollup::{Rollup, SeriesKey};
use weir_telemetry::{
    Batch, Decoded, Epoch, EpochView, Millis, Payload, Rejected, Series, Window, decode_event_alone, decode_payload,
    decode_record,
};

/// Identities of a queue's messages, which share a prefix: each is written over the previous one's end, so only the
/// identity itself is allocated.
#[derive(Clone, Debug)]
pub struct QueueIdentities {
    text: String,
    begins: usize,
}

impl QueueIdentities {
    /// For that queue.
    pub fn of(queue_arn: &str) -> Self {
        let text = ["sqs:", queue_arn, "/"].concat();
        Self { begins: text.len(), text }
    }

    /// [`Identity::sqs`]
    pub fn identity(&mut self, id: &str) -> Identity {
        self.text.truncate(self.begins);
        self.text.push_str(id);
        Identity(self.text.as_str().into())
    }
}

/// What a contribution is counted under, once. Cheap to clone: a plan has one per window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Arc<str>);

impl Identity {
    /// A message of a queue: `id` is the message's, or the producer's own (`weir-id`).
    pub fn sqs(queue_arn: &str, id: &str) -> Self {
        QueueIdentities::of(queue_arn).identity(id)
    }

    /// An S3 object: `content` is its version or, on a bucket without versions, its ETag. A key has up to 1,024 bytes
    /// and a sort key no more, so a long identity ends in its digest instead. The two never collide: only a digested
    /// one is longer than what is kept unchanged.
    pub fn s3(bucket: &str, key: &str, content: &str) -> Self {
        let text = format!("s3:{bucket}/{key}@{content}");
        if text.len() <= S3_BYTES_MAX {
            return Self(text.into());
        }
        let digest = digest([bucket, key, content]);
        Self(format!("{}~{digest}", &text[..text.floor_char_boundary(S3_BYTES_MAX)]).into())
    }

    /// The n-th chunk of an object counted under `self`.
    pub(crate) fn chunk(&self, number: u64) -> Self {
        Self(format!("{self}#{number}").into())
    }

    /// Another body sent under the same id.
    pub(crate) fn other_body(&self, digest: &str) -> Self {
        Self(format!("{self}!{digest}").into())
    }

    pub(crate) fn of(text: String) -> Self {
        Self(text.into())
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

/// Longest identity of an object that is kept unchanged, bytes. Far above what buckets and keys usually have.
const S3_BYTES_MAX: usize = 512;

/// One message with its identity settled.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// What it is counted under.
    pub identity: Identity,
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
    groups: BTreeMap<(Window, u16), Vec<Planned<'m>>>,
    /// By [`Name`].
    names: Vec<SeriesKey>,
    lanes: Lanes,
    quarantine: Vec<(usize, QuarantineObject)>,
    /// Places of messages that this batch cannot settle, and why.
    left: Vec<(usize, StoreError)>,
    empty: u64,
}

#[derive(Debug)]
struct Planned<'m> {
    message: usize,
    events: u64,
    identity: Cow<'m, Identity>,
    series: Counts,
}

/// A contributor to windows, always in the same lane.
pub(crate) struct Contributor<'m> {
    message: usize,
    identity: Cow<'m, Identity>,
    lane: u16,
}

/// The name of a series in a plan: [`LedgerPlan::name`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name(usize);

/// What is counted under one identity in one window: by series, ascending. A message usually has one.
pub(crate) type Counts = SmallVec<[(Name, Rollup); 1]>;

/// What a chunk of an object adds to each window.
pub(crate) type Windows = BTreeMap<Window, BTreeMap<SeriesKey, Rollup>>;

impl<'m> LedgerPlan<'m> {
    /// Registers a contributor: the message at `place`, under `identity`.
    pub(crate) fn contributor(
        &mut self,
        layout: &Layout,
        place: usize,
        identity: Cow<'m, Identity>,
    ) -> Contributor<'m> {
        let lane = self.lanes.of(layout, identity.as_str());
        Contributor { message: place, identity, lane }
    }

    /// Registers a series' name, which is then known by its number.
    pub(crate) fn name(&mut self, key: SeriesKey) -> Name {
        self.names.push(key);
        Name(self.names.len() - 1)
    }

    /// Adds what is counted under an identity in one window: `count` puts it in its place, with the series ascending.
    #[inline]
    pub(crate) fn contribute(
        &mut self,
        by: &Contributor<'m>,
        window: Window,
        record_bytes_max: usize,
        count: impl FnOnce(&mut Counts),
    ) {
        let group = self.groups.entry((window, by.lane)).or_default();
        let (message, identity) = (by.message, by.identity.clone());
        let planned = group.push_mut(Planned { message, events: 0, identity, series: Counts::new() });
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
        self.groups.len() + self.quarantine.len()
    }

    /// Quarantines a message that has no place in the lane: it is not decoded.
    pub fn set_aside(&mut self, message: usize, object: QuarantineObject) {
        self.quarantine.push((message, object));
    }

    /// Events and rejected messages in it.
    pub fn received(&self) -> u64 {
        self.groups.values().flatten().map(|planned| planned.events).sum::<u64>() + self.quarantine.len() as u64
    }

    /// Messages without events.
    pub fn empty(&self) -> u64 {
        self.empty
    }

    /// Windows it touches, ascending, possibly repeated.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        self.groups.keys().map(|(window, _)| *window)
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
