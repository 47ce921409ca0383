//! From records to what is to be written, without I/O.

use super::{FencedSettings, Record};
use crate::layout::FencedKey;
use crate::progress::Tally;
use crate::quarantine::{Coordinates, QuarantineObject};
use crate::sequence::{SequenceNumber, Shard};
use std::collections::BTreeMap;
use weir_rollup::{Rollup, SeriesKey, Status, stored};
use weir_telemetry::{
    Accepted, ENDPOINT_BYTES_MAX, EpochError, EpochView, SERVICE_BYTES_MAX, Series, Window, decode_record,
};

/// What is to be done with consecutive records of one shard.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One a record, ascending.
    pub(super) tallies: Vec<Tally>,
    /// One an item chain, ascending by first record.
    pub(super) groups: Vec<Group>,
    /// What is set aside, with the place of its record in `tallies`.
    pub(super) quarantine: Vec<(u32, QuarantineObject)>,
}

/// The events of one item chain, ascending by record.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: FencedKey,
    pub(super) events: Vec<Event>,
}

/// An event and the place of its record in [`Plan::tallies`].
#[derive(Debug)]
pub(super) struct Event {
    pub(super) record: u32,
    pub(super) accepted: Accepted,
}

impl Group {
    /// Place of the first record.
    pub(super) fn first(&self) -> u32 {
        self.events.first().map_or(0, |event| event.record)
    }
}

/// Plans as many of the records, ascending, as fit the settings' bounds on one commit, at least one.
///
/// # Errors
/// [`EpochError`] when the rules of the first record are not known here and now. A later record of which that is so
/// ends the plan before it.
pub(super) fn plan(
    shard: &Shard,
    records: &[Record],
    epochs: &EpochView,
    settings: &FencedSettings,
) -> Result<Plan, EpochError> {
    let mut groups: BTreeMap<(Window, u32, u16), Vec<Event>> = BTreeMap::new();
    let mut plan = Plan::default();
    let mut events = 0;
    for (place, record) in (0_u32..).zip(records) {
        let epoch = match epochs.epoch_for(record.arrived_at) {
            Ok(epoch) => epoch,
            Err(error) if place == 0 => return Err(error),
            Err(_) => break,
        };
        let decoded = decode_record(&record.data, record.arrived_at, epoch);
        plan.tallies.push(Tally {
            sequence: record.sequence.clone(),
            arrived_at: record.arrived_at,
            accepted: decoded.accepted.len() as u64,
            rejected: decoded.rejected.len() as u64,
        });
        events += decoded.accepted.len();
        for ((window, split), accepted) in apart(decoded.accepted, epoch.splits, settings.record_bytes_max) {
            let group = groups.entry((window, epoch.number, split)).or_default();
            group.extend(accepted.into_iter().map(|accepted| Event { record: place, accepted }));
        }
        for rejected in decoded.rejected {
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

/// A record's events by window and split, which are its items. What one of them could not hold, in whatever company
/// and whoever encodes it, is counted under one series: a function of the record alone, so that every delivery and
/// every version of the code names the series of an event alike.
fn apart(
    accepted: Vec<Accepted>,
    splits: u16,
    record_bytes_max: usize,
) -> impl Iterator<Item = ((Window, u16), Vec<Accepted>)> {
    let mut items: BTreeMap<(Window, u16), Vec<Accepted>> = BTreeMap::new();
    for accepted in accepted {
        items.entry((accepted.window, accepted.series.split(splits))).or_default().push(accepted);
    }
    items.into_iter().map(move |(item, mut accepted)| {
        if !fits(&accepted, record_bytes_max) {
            accepted.iter_mut().for_each(|event| event.series = Series::other());
        }
        (item, accepted)
    })
}

fn fits(accepted: &[Accepted], record_bytes_max: usize) -> bool {
    // The usual record is small: no need to look closer.
    if accepted.len() * (stored::EVENT_BYTES + SERVICE_BYTES_MAX + ENDPOINT_BYTES_MAX) <= record_bytes_max {
        return true;
    }
    let mut series: BTreeMap<SeriesKey, Rollup> = BTreeMap::new();
    for event in accepted {
        let rollup = series.entry(series_key(&event.series)).or_default();
        rollup.add(status(event), event.duration_us, event.user.as_deref().map(str::as_bytes));
    }
    series.iter().map(|(key, rollup)| stored::bytes_max(key, rollup)).sum::<usize>() <= record_bytes_max
}

/// The name under which a series is stored.
pub(super) fn series_key(series: &Series) -> SeriesKey {
    SeriesKey { service: series.service.clone(), endpoint: series.endpoint.clone() }
}

/// The status under which an event counts.
pub(super) fn status(event: &Accepted) -> Status {
    event.status.and_then(Status::new).unwrap_or(Status::UNKNOWN)
}

fn coordinates(shard: &Shard, sequence: &SequenceNumber) -> Coordinates {
    Coordinates {
        source: "kinesis",
        path: vec![
            ("stream", format!("{}@{}", shard.stream, shard.created_at.0)),
            ("shard", shard.id.clone()),
            ("sequence_number", sequence.to_string()),
        ],
    }
}
