//! One part of a fenced item chain, and how the next put is cut.

use super::plan::{Event, by_series};
use crate::counted;
use crate::layout::{FencedKey, Layout, expires_at};
use crate::ports::{Expected, Item, StoreError};
use crate::progress::Tally;
use crate::sequence::{Fence, SequenceNumber};
use weir_rollup::stored::ROLLUPS_MAX;
use weir_rollup::{Body, Rollup, SeriesKey};
use weir_telemetry::{Batch, Series};

/// The open end of a fenced item chain, as last returned by the store.
#[derive(Clone, Debug)]
pub(crate) struct OpenPart {
    pub(super) part: u32,
    /// What the next put is conditioned on; `None`: the part does not exist yet.
    observed: Option<Fence>,
    /// Records up to here are in this or an earlier part.
    pub(super) floor: Option<SequenceNumber>,
    body: Body,
    /// Encoded size, for the cache's limit.
    pub(crate) bytes: usize,
}

/// What a stored part turns out to be.
pub(super) enum Part {
    Open(OpenPart),
    /// Full; the chain continues above this floor.
    Closed(SequenceNumber),
}

impl OpenPart {
    pub(super) fn absent(part: u32, floor: Option<SequenceNumber>) -> Self {
        Self { part, observed: None, floor, body: Body::default(), bytes: 0 }
    }

    pub(super) fn from_item(part: u32, item: &Item) -> Result<Part, StoreError> {
        let unreadable = |why: String| StoreError::unreadable_contribution(item, &why);
        let fence = item.fence.as_deref().ok_or_else(|| unreadable("it has no fence".to_owned()))?;
        let fence = Fence::parse(fence).map_err(|error| unreadable(error.to_string()))?;
        if fence.closed {
            return Ok(Part::Closed(fence.sequence));
        }
        let body = Body::decode(&item.body).map_err(|error| unreadable(error.to_string()))?;
        let floor = Some(fence.sequence.clone());
        Ok(Part::Open(Self { part, observed: Some(fence), floor, body, bytes: item.body.len() }))
    }

    pub(super) fn expected(&self) -> Expected {
        self.observed.as_ref().map_or(Expected::Absent, |fence| Expected::Fence(fence.to_string()))
    }
}

/// A put, how many of the fresh events it applies, and the part once it is acknowledged.
pub(super) struct NextPut {
    pub(super) item: Item,
    pub(super) events: usize,
    pub(super) then: OpenPart,
}

/// Largest body of an item, bytes: DynamoDB takes 400 KB with keys, fence and attribute names.
const STORE_BYTES_MAX: usize = 395_000;

/// Where a put goes and its limits.
pub(super) struct Target<'a> {
    pub(super) layout: &'a Layout,
    pub(super) key: &'a FencedKey,
    pub(super) tallies: &'a [Tally],
    pub(super) names: &'a Batch,
    pub(super) item_bytes_max: usize,
}

impl Target<'_> {
    /// Decides the next put of `fresh`, which begins with `first`: the longest prefix of records that fits the item;
    /// else closing a part that is not empty; else, in an empty part, the first record alone.
    pub(super) fn next_put(&self, open: &OpenPart, first: &Event, fresh: &[Event]) -> NextPut {
        let first_record = &fresh[..fresh.partition_point(|event| event.record <= first.record)];
        let mut prefix = fresh;
        loop {
            let through = prefix.last().unwrap_or(first);
            let body = merged(&open.body, prefix, self.names, false);
            let bytes = body.encode();
            if bytes.len() <= self.item_bytes_max && body.series.len() <= ROLLUPS_MAX {
                return self.put(open, prefix.len(), through, body, bytes);
            }
            if prefix.len() <= first_record.len() {
                break;
            }
            // Which series an event counts under must not depend on the cut: the first record is tried alone before
            // anything is closed or folded.
            let half = whole_records(prefix, prefix.len() / 2);
            prefix = if half.is_empty() { first_record } else { half };
        }
        if let Some(observed) = open.observed.clone() {
            let fence = Fence { closed: true, ..observed };
            let item = self.item(open.part, &fence, open.body.encode());
            return NextPut { item, events: 0, then: OpenPart::absent(open.part + 1, Some(fence.sequence)) };
        }
        // Alone in its own part. What the store would refuse is folded: the bound rules out such a record, but none may
        // block its shard by its size.
        let body = merged(&open.body, first_record, self.names, false);
        let bytes = body.encode();
        if bytes.len() <= STORE_BYTES_MAX && body.series.len() <= ROLLUPS_MAX {
            return self.put(open, first_record.len(), first, body, bytes);
        }
        let body = merged(&open.body, first_record, self.names, true);
        let bytes = body.encode();
        self.put(open, first_record.len(), first, body, bytes)
    }

    fn put(&self, open: &OpenPart, events: usize, through: &Event, body: Body, bytes: Vec<u8>) -> NextPut {
        let sequence = self.tallies[through.record as usize].sequence.clone();
        let fence = Fence { sequence: sequence.clone(), closed: false };
        let size = bytes.len();
        let item = self.item(open.part, &fence, bytes);
        let then = OpenPart { part: open.part, observed: Some(fence), floor: Some(sequence), body, bytes: size };
        NextPut { item, events, then }
    }

    fn item(&self, part: u32, fence: &Fence, body: Vec<u8>) -> Item {
        Item {
            key: self.layout.fenced(self.key, part),
            fence: Some(fence.to_string()),
            body,
            expires_at: Some(expires_at(self.key.window.end())),
        }
    }
}

/// The longest prefix of at most `events` events that does not cut a record.
fn whole_records(fresh: &[Event], events: usize) -> &[Event] {
    match fresh.get(events) {
        Some(next) => &fresh[..fresh.partition_point(|event| event.record < next.record)],
        None => fresh,
    }
}

/// `body` with `events` added; every series changed counts one touch for the whole write.
pub(super) fn merged(body: &Body, events: &[Event], names: &Batch, fold: bool) -> Body {
    let mut body = body.clone();
    let mut add = |key: SeriesKey, rollup: Rollup| {
        let series = body.series.entry(key).or_default();
        series.rollup.merge(&rollup);
        series.touches += 1;
    };
    if fold {
        let mut other = Rollup::default();
        events.iter().for_each(|event| event.count_in(&mut other));
        add(counted::series_key(Series::other()), other);
    } else {
        by_series(events, names).into_iter().for_each(|(key, rollup)| add(key, rollup));
    }
    body
}
