//! What an older version wrote and what today's adds come to the rollup of all events in one pass: while a version is
//! replaced, both write into one window.

use crate::write::{self, ARRIVAL, MESSAGES, RECORDS, RECORDS_BEFORE};
use crate::{attributes, goldens};
use futures::executor::block_on;
use std::collections::{BTreeMap, BTreeSet};
use weir_exact::finalize::fold;
use weir_exact::memory::MemoryStore;
use weir_exact::ports::{ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome};
use weir_exact::progress::Progress;
use weir_rollup::{Body, Ledger, LedgerEntry, Rollup, SeriesBody, SeriesKey, Status};

/// Numbers of the goldens of whole items.
fn numbers() -> BTreeSet<String> {
    goldens("item").iter().filter_map(|(name, _)| name.split_once('-').map(|(number, _)| number.to_owned())).collect()
}

/// The fleet of today goes on where the older one stopped: in the same chain, from the same progress, with messages that
/// it delivered before.
#[test]
fn a_window_is_carried_on_by_todays_version() {
    for number in numbers() {
        let store = MemoryStore::default();
        let put = |item: Item| {
            let outcome = block_on(store.put(&item, &Expected::Absent));
            assert_eq!(outcome, Ok(PutOutcome::Written), "{:?}", item.key);
        };
        for (name, bytes) in goldens("item") {
            if name.starts_with(&format!("{number}-")) {
                put(attributes::item(&attributes::from_json(&bytes)));
            }
        }
        // Everything is delivered once more from the start.
        let lane = write::lane(&store);
        let batch = write::records(0..RECORDS);
        let outcome = block_on(lane.process(&write::layout(), &write::shard(), batch, &write::epochs(), &|| false));
        assert_eq!(outcome.failed_from, None, "format {number}: {:?}", outcome.errors);
        let events =
            |records: std::ops::Range<usize>| -> u64 { records.map(|n| write::decoded(n).accepted.len() as u64).sum() };
        assert_eq!(outcome.duplicate, events(0..RECORDS_BEFORE), "format {number}: known by the older fence");
        assert_eq!(outcome.applied, events(RECORDS_BEFORE..RECORDS), "format {number}");
        put(write::ledger_item(&[1, 5, 6, 7], "today"));

        let mut expected: BTreeMap<SeriesKey, Rollup> = BTreeMap::new();
        for n in (0..RECORDS).chain(0..MESSAGES) {
            write::decoded(n).accepted.iter().for_each(|event| write::count(&mut expected, event));
        }
        let layout = write::layout();
        let items: Vec<Item> =
            store.items().into_iter().filter(|item| layout.window_of(&item.key.pk) == Some(write::window())).collect();
        let totals = fold(&items).unwrap_or_else(|error| panic!("{error}"));
        let found: BTreeMap<SeriesKey, Rollup> =
            totals.series.into_iter().map(|(key, (rollup, _))| (key, rollup)).collect();
        assert_eq!(found, expected, "format {number}");
        assert_eq!(totals.duplicate_copies, 2, "format {number}: messages 1 and 2 stand twice");
        progress(&store, &number);
    }
}

fn progress(store: &MemoryStore, number: &str) {
    let items = block_on(store.query(&write::layout().progress_pk())).expect("a query");
    let [item] = items.as_slice() else { panic!("format {number}: the progress of one shard, found {items:?}") };
    let totals = Progress::from_item(item).expect("progress").totals;
    let decoded: Vec<_> = (0..RECORDS).map(write::decoded).collect();
    let accepted: usize = decoded.iter().map(|decoded| decoded.accepted.len()).sum();
    let rejected: usize = decoded.iter().map(|decoded| decoded.rejected.len()).sum();
    assert_eq!((totals.records, totals.empty, totals.arrived_at_ms), (RECORDS as u64, 0, ARRIVAL.0), "format {number}");
    assert_eq!((totals.accepted, totals.rejected), (accepted as u64, rejected as u64), "format {number}");
}

fn item(fence: Option<&str>, body: Vec<u8>) -> Item {
    let key = ItemKey { pk: "live#w#2026-11-21T01:30:00Z#0".to_owned(), sk: "s".to_owned() };
    Item { key, fence: fence.map(str::to_owned), body, expires_at: None }
}

/// An event for every series, as today's version adds it.
fn one_more() -> Rollup {
    let mut one = Rollup::default();
    one.add(Status::new(418).expect("a status"), Some(77), Some(b"one more"));
    one
}

fn folded(items: &[Item]) -> BTreeMap<SeriesKey, (Rollup, u64)> {
    fold(items).unwrap_or_else(|error| panic!("{error}")).series
}

/// Every branch of the encoding, with an event of today's in each series, before it and after it.
#[test]
fn every_body_merges() {
    for (name, bytes) in goldens("body") {
        let older = Body::decode(&bytes).expect("a golden");
        let mut today = Body::default();
        let mut expected = BTreeMap::new();
        for (key, series) in older.series {
            today.series.insert(key.clone(), SeriesBody { rollup: one_more(), touches: 0 });
            let mut sum = series.rollup;
            sum.merge(&one_more());
            expected.insert(key, (sum, series.touches));
        }
        let (older, today) = (item(Some("9"), bytes), item(Some("10"), today.encode()));
        assert_eq!(folded(&[older.clone(), today.clone()]), expected, "{name}");
        assert_eq!(folded(&[today, older]), expected, "{name}");
    }
}

#[test]
fn every_ledger_merges() {
    for (name, bytes) in goldens("ledger") {
        let older = Ledger::decode(&bytes).expect("a golden");
        let mut expected: BTreeMap<SeriesKey, (Rollup, u64)> = BTreeMap::new();
        for (key, rollup) in older.entries.iter().flat_map(|entry| &entry.series) {
            let (sum, revision) = expected.entry(key.clone()).or_default();
            sum.merge(rollup);
            *revision += 1;
        }
        for (sum, revision) in expected.values_mut() {
            sum.merge(&one_more());
            // Each series stands twice more: once new, once again under an identity of the golden's.
            *revision += 2;
        }
        let series: BTreeMap<SeriesKey, Rollup> = expected.keys().map(|key| (key.clone(), one_more())).collect();
        let new = LedgerEntry { identity: "sqs:today/1".to_owned(), series };
        let again = LedgerEntry { identity: older.entries[0].identity.clone(), ..new.clone() };
        let today = Ledger { entries: vec![again, new] };
        assert_eq!(folded(&[item(None, bytes), item(None, today.encode())]), expected, "{name}");
    }
}
