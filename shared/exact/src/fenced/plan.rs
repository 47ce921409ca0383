//! From records to the writes they need, without I/O.

use super::{FencedSettings, Record};
use crate::counted;
use crate::layout::FencedKey;
use crate::ports::{StoreError, StoreErrorKind};
use crate::progress::Tally;
use crate::quarantine::{Coordinates, QuarantineObject};
use crate::sequence::{SequenceNumber, Shard};
use crate::skips::{Skip, SkipView};
use std::collections::BTreeMap;
use weir_rollup::{Rollup, SeriesKey, Status, User};
use weir_telemetry::{Batch, BatchEvent, Epoch, EpochView, Reason, Rejected, Series, SeriesId, Window};

/// What to do with consecutive records of one shard.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One per record, ascending.
    pub(super) tallies: Vec<Tally>,
    /// One per item chain, ascending by first record.
    pub(super) groups: Vec<Group>,
    /// What is quarantined, with the place of its record in `tallies`.
    pub(super) quarantine: Vec<(u32, QuarantineObject)>,
    /// Names of the events' series.
    pub(super) names: Batch,
}

/// The events of one item chain, ascending by record.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: FencedKey,
    pub(super) events: Vec<Event>,
}

/// An event and the place of its record in [`Plan::tallies`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) record: u32,
    series: SeriesId,
    status: Status,
    user: Option<User>,
    duration_us: Option<u64>,
}

impl Event {
    #[inline]
    fn of(record: u32, event: &BatchEvent, batch: &Batch) -> Self {
        let (status, user) = (counted::status(event.status), batch.user(event).and_then(User::of));
        Self { record, series: event.series, status, user, duration_us: event.duration_us }
    }

    #[inline]
    pub(super) fn count_in(&self, rollup: &mut Rollup) {
        rollup.add_hashed(self.status, self.duration_us, self.user);
    }
}

/// Events summed by series.
pub(super) fn by_series(events: &[Event], names: &Batch) -> Vec<(SeriesKey, Rollup)> {
    // By number: an index, where names would need several comparisons.
    let mut rollups = vec![Rollup::default(); names.all_series().len()];
    events.iter().for_each(|event| event.count_in(&mut rollups[event.series.index()]));
    let named = names.all_series().iter().zip(rollups).filter(|(_, rollup)| !rollup.is_empty());
    named.map(|(series, rollup)| (counted::series_key(series.clone()), rollup)).collect()
}

impl Group {
    /// Place of the first record.
    pub(super) fn first(&self) -> u32 {
        self.events.first().map_or(0, |event| event.record)
    }
}

/// Plans as many of the records, ascending, as fit the settings' limits on one commit, at least one.
///
/// # Errors
/// If the first record cannot be decided at present: its rules are not known, or the skip list holds it. A later record
/// of that kind ends the plan before it.
pub(super) fn plan(
    shard: &Shard,
    records: &[Record<'_>],
    epochs: &EpochView,
    skips: &SkipView,
    settings: &FencedSettings,
) -> Result<Plan, StoreError> {
    let mut groups: BTreeMap<(Window, u32, u16), Vec<Event>> = BTreeMap::new();
    let mut plan = Plan::default();
    let mut events = 0;
    for (place, record) in (0_u32..).zip(records) {
        let skip = skips.decide(shard, &record.sequence);
        let epoch = match decidable(record, skip, epochs) {
            Ok(epoch) => epoch,
            Err(error) if place == 0 => return Err(error),
            Err(_) => break,
        };
        if skip == Skip::Yes {
            plan.skip(shard, place, record);
            continue;
        }
        let names = &mut plan.names;
        names.clear();
        let rejected = names.add_record(&record.data, record.arrived_at, epoch);
        let accepted = names.events().len();
        plan.tallies.push(Tally {
            sequence: record.sequence.clone(),
            arrived_at: record.arrived_at,
            accepted: accepted as u64,
            rejected: rejected.len() as u64,
        });
        events += accepted;
        for event in names.events() {
            let key = (event.window, epoch.number, names.split(event.series, epoch.splits));
            groups.entry(key).or_default().push(Event::of(place, event, names));
        }
        if !counted::fit_anyhow(accepted as u64, settings.record_bytes_max) {
            groups.values_mut().for_each(|group| fold_if_too_large(group, names, place, settings.record_bytes_max));
        }
        for rejected in rejected {
            let coordinates = coordinates(shard, &record.sequence);
            plan.quarantine.push((place, QuarantineObject { coordinates, arrived_at: record.arrived_at, rejected }));
        }
        if events >= settings.commit_events_max || plan.quarantine.len() >= settings.commit_quarantine_max {
            break;
        }
    }
    let group = |((window, epoch, split), events)| {
        let key = FencedKey { window, shard: shard.clone(), epoch, split };
        Group { key, events }
    };
    plan.groups = groups.into_iter().map(group).collect();
    // The lowest record first, so that running out of time still settles a prefix.
    plan.groups.sort_by_key(Group::first);
    Ok(plan)
}

/// The epoch of a record that can be decided now.
fn decidable<'e>(record: &Record, skip: Skip, epochs: &'e EpochView) -> Result<&'e Epoch, StoreError> {
    match skip {
        Skip::HeldUntil(until) => {
            let what = format!("record {} is on the skip list and held until {until}", record.sequence);
            Err(StoreError::new(StoreErrorKind::Unavailable, what))
        }
        Skip::No | Skip::Yes => Ok(epochs.epoch_for(record.arrived_at)?),
    }
}

impl Plan {
    /// Quarantines a record without decoding it.
    fn skip(&mut self, shard: &Shard, place: u32, record: &Record) {
        let Record { sequence, arrived_at, data } = record.clone();
        let coordinates = coordinates(shard, &sequence);
        let detail = "the record is on the skip list: nothing of it was decoded".to_owned();
        let rejected = Rejected { reason: Reason::Skipped, detail, event_index: None, payload: data.into_owned() };
        self.tallies.push(Tally { sequence, arrived_at, accepted: 0, rejected: 1 });
        self.quarantine.push((place, QuarantineObject { coordinates, arrived_at, rejected }));
    }
}

/// Counts a record's events in one group, its last, under one series if an item could not hold theirs.
fn fold_if_too_large(group: &mut [Event], names: &mut Batch, record: u32, record_bytes_max: usize) {
    let first = group.partition_point(|event| event.record < record);
    let own = &mut group[first..];
    let series = by_series(own, names);
    if !counted::fits(series.iter().map(|(key, rollup)| (key, rollup)), record_bytes_max) {
        let other = names.id_of(Series::other());
        own.iter_mut().for_each(|event| event.series = other);
    }
}

fn coordinates(shard: &Shard, sequence: &SequenceNumber) -> Coordinates {
    let stream = format!("{}@{}", shard.stream, shard.created_at.0);
    Coordinates::new(
        "kinesis",
        [("stream", &*stream), ("shard", &*shard.id), ("sequence_number", &*sequence.to_string())],
    )
}
