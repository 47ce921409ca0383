use super::*;
use crate::compact::{CompactSettings, Compactor};
use crate::fenced::{FencedLane, FencedSettings, Record};
use crate::finalize::{FinalizeSettings, Finalizer};
use crate::ledger::{self, Held, Identity, Incoming, LedgerSettings, Message};
use crate::memory::MemoryStore;
use crate::ports::QuarantinePut;
use crate::quarantine::{Coordinates, Origin, QuarantineObject};
use crate::row::{Resolution, RowWindow, SUMMARY};
use crate::sequence::Shard;
use futures::executor::block_on;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_rollup::SeriesKey;
use weir_telemetry::{EpochTable, EpochView, Generation, Millis, Reason, Rejected};

/// 2026-11-21T01:30:05Z.
const ARRIVAL: Millis = Millis(1_795_224_605_000);
/// Long after every trigger.
const LATER: Millis = Millis(ARRIVAL.0 + 3_600_000);

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 1, partitions: 2 })
}

fn hour() -> RowWindow {
    RowWindow::containing(Resolution::Hour, ARRIVAL)
}

fn kinesis(store: &MemoryStore, sequences: std::ops::Range<u64>) {
    kinesis_at(store, sequences, ARRIVAL);
}

fn kinesis_at(store: &MemoryStore, sequences: std::ops::Range<u64>, arrived_at: Millis) {
    let shard = Shard { stream: "s".into(), created_at: ARRIVAL, id: "shardId-0".into() };
    let data = br#"{"service":"s","endpoint":"/a","status":500,"user_id":"u","duration_ms":2}"#.to_vec();
    let record =
        |n: u64| Record { sequence: SequenceNumber::parse(&n.to_string()).unwrap(), arrived_at, data: (&data).into() };
    let epochs = EpochView::new(EpochTable::genesis(), arrived_at);
    let lane = FencedLane::new(store, FencedSettings::default());
    let outcome = block_on(lane.process(&layout(), &shard, sequences.map(record).collect(), &epochs, &|| false));
    assert_eq!(outcome.failed_from, None);
}

fn sqs(store: &MemoryStore, id: &str) {
    let message = Message {
        identity: Identity::sqs("q", id),
        arrived_at: ARRIVAL,
        rules_at: ARRIVAL,
        origin: Origin::Queue { queue: "q", message_id: "m" },
        data: br#"{"service":"s","endpoint":"/b","status":200}"#.to_vec().into(),
        held: Held::Payload,
    };
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let incoming = vec![(0, Incoming::Message(message))];
    let intake = block_on(ledger::intake(store, &layout(), &epochs, LedgerSettings::default(), incoming, &|| false));
    assert!(intake.outcome.failed.is_empty());
}

fn finalize(store: &MemoryStore) {
    let finalizer = Finalizer::new(store, store, layout(), FinalizeSettings::default());
    block_on(finalizer.finalize(Window::containing(ARRIVAL), &[], ARRIVAL, true, &|| false)).unwrap();
}

fn compact(store: &MemoryStore) {
    let compactor = Compactor::new(store, store, layout(), CompactSettings::default());
    for window in [Some(hour()), hour().above()].into_iter().flatten() {
        block_on(compactor.sweep(window, ARRIVAL, &|| false)).unwrap();
    }
}

/// Four events of a shard, two messages, all rows.
fn fleet() -> MemoryStore {
    let store = MemoryStore::default();
    kinesis(&store, 1..5);
    sqs(&store, "m1");
    sqs(&store, "m2");
    finalize(&store);
    compact(&store);
    store
}

fn windows() -> Vec<Subject> {
    let minute = RowWindow::from(Window::containing(ARRIVAL));
    [Some(minute), Some(hour()), hour().above()].into_iter().flatten().map(Subject::from).collect()
}

/// `between` runs before each further reading.
fn audit_between(store: &MemoryStore, now: Millis, between: impl Fn() + Sync) -> Verdict {
    let auditor = Auditor::new(store, store, layout());
    let covers = Covers { from: Millis(0), before: block_on(auditor.standing()).unwrap() };
    let set_aside = block_on(SetAside::list(store, &windows(), now)).unwrap();
    let audit = Audit { subjects: windows(), covers: Some(covers), set_aside, readings_again: 3 };
    // On another thread: an executor does not run within another.
    let between = || std::thread::scope(|scope| scope.spawn(&between).join().unwrap());
    block_on(auditor.run(audit, || now, async |_, _| between())).unwrap()
}

fn audit(store: &MemoryStore) -> Verdict {
    audit_between(store, LATER, || {})
}

fn mismatches(verdict: &Verdict) -> Vec<String> {
    verdict.mismatches.iter().map(ToString::to_string).collect()
}

fn row(endpoint: &str, window: RowWindow) -> RowKey {
    RowKey { service: "s".into(), endpoint: endpoint.into(), window }
}

fn minute() -> RowWindow {
    Window::containing(ARRIVAL).into()
}

#[test]
fn a_sound_fleet_is_equal() {
    let verdict = audit(&fleet());
    assert_eq!((verdict.mismatches.len(), verdict.settling.len()), (0, 0), "{verdict:?}");
    assert_eq!((verdict.windows, verdict.rows, verdict.events), (3, 9, 6));
    assert_eq!(verdict.shards_compared, BTreeSet::from([format!("s@{}/shardId-0", ARRIVAL.0)]));
    assert_eq!(verdict.shards.values().map(|shard| shard.accepted).sum::<u64>(), 4);
}

/// Choosing the windows of a large table takes longer than a minute.
#[test]
fn a_minute_that_begins_while_the_windows_are_chosen_is_no_mismatch() {
    let store = fleet();
    let auditor = Auditor::new(&store, &store, layout());
    let before = block_on(auditor.standing()).unwrap();
    let subjects = windows();
    kinesis_at(&store, 5..8, ARRIVAL.plus(60_000));
    let covers = Some(Covers { from: Millis(0), before });
    let audit = Audit { subjects, covers, set_aside: SetAside::default(), readings_again: 1 };
    let verdict = block_on(auditor.run(audit, || LATER, async |_, _| {})).unwrap();
    assert_eq!(mismatches(&verdict), Vec::<String>::new());
}

#[test]
fn a_row_that_was_altered_is_named_with_both_numbers() {
    let store = fleet();
    let mut altered = store.rows()[&row("/a", minute())].clone();
    altered.rollup = Rollup::default();
    store.overwrite(altered);
    let name = "row s#/a 1m#2026-11-21T01:30:00Z";
    let mismatches = mismatches(&audit(&store));
    assert_eq!(mismatches[0], format!("{name}: events is 0, what is below adds up to 4"));
    // What is computed from the row differs from it, too.
    assert!(mismatches[2].starts_with("row s#/a 1h#2026-11-21T01:00:00Z: events is 4"), "{mismatches:?}");
}

#[test]
fn a_row_that_is_gone_is_missing_once_it_cannot_be_late() {
    for key in [row("/a", minute()), row(SUMMARY, hour())] {
        let store = fleet();
        store.remove_row(&key);
        let verdict = audit(&store);
        let expect = format!("row {} {}: missing, with", key.series(), key.window_text());
        assert!(verdict.mismatches[0].to_string().starts_with(&expect), "{verdict:?}");
    }
}

#[test]
fn a_contribution_that_is_gone_is_seen_by_its_rows_and_its_shard() {
    let store = fleet();
    let fenced = store.items().into_iter().find(|item| item.key.sk.starts_with("f#")).unwrap();
    store.remove(&fenced.key);
    let verdict = audit(&store);
    let kinds: BTreeSet<&str> = verdict.mismatches.iter().map(Finding::kind).collect();
    assert_eq!(kinds, BTreeSet::from(["shard", "surplus", "ahead"]), "{verdict:?}");
    let shard = format!("shard s@{}/shardId-0: progress has accepted 4 events, its items hold 0", ARRIVAL.0);
    assert!(mismatches(&verdict).contains(&shard), "{verdict:?}");
}

#[test]
fn what_is_behind_settles_while_it_moves() {
    let store = fleet();
    kinesis(&store, 5..9);
    // The finalizer runs before the second reading, the compactor before the third.
    let looks = AtomicU64::new(0);
    let verdict = audit_between(&store, LATER, || {
        if looks.fetch_add(1, Ordering::Relaxed) == 0 { finalize(&store) } else { compact(&store) }
    });
    assert_eq!((verdict.mismatches.len(), verdict.settling.len()), (0, 0), "{verdict:?}");

    // Endless traffic: nothing can be said about the window yet.
    kinesis(&store, 9..10);
    let next = AtomicU64::new(10);
    let verdict = audit_between(&store, LATER, || {
        let next = next.fetch_add(1, Ordering::Relaxed);
        kinesis(&store, next..next + 1);
    });
    assert!(verdict.mismatches.is_empty() && !verdict.settling.is_empty(), "{verdict:?}");
}

#[test]
fn an_hour_may_be_late_for_as_long_as_its_trigger_gathers() {
    let store = fleet();
    kinesis(&store, 5..9);
    finalize(&store);
    let verdict = audit_between(&store, ARRIVAL.plus(60_000), || {});
    assert!(verdict.mismatches.is_empty() && !verdict.settling.is_empty(), "{verdict:?}");
    let verdict = audit(&store);
    let kinds: BTreeSet<&str> = verdict.mismatches.iter().map(Finding::kind).collect();
    assert_eq!((kinds, verdict.settling.len()), (BTreeSet::from(["behind"]), 0), "{verdict:?}");
}

#[test]
fn a_row_that_nobody_knows_of_is_found_where_it_was_seen() {
    let store = fleet();
    let mut strange = store.rows()[&row("/a", minute())].clone();
    strange.key.endpoint = "/strange".into();
    store.overwrite(strange);
    assert!(audit(&store).is_equal(), "only who has seen it looks at it");
    let also = BTreeSet::from([SeriesKey { service: "s".into(), endpoint: "/strange".into() }]);
    let subjects = vec![Subject { window: minute(), also }];
    let audit = Audit { subjects, covers: None, set_aside: SetAside::default(), readings_again: 1 };
    let verdict = block_on(Auditor::new(&store, &store, layout()).run(audit, || LATER, async |_, _| ())).unwrap();
    assert_eq!(mismatches(&verdict), ["row s#/strange 1m#2026-11-21T01:30:00Z: nothing below it, with 4 events"]);
}

#[test]
fn a_document_that_counts_and_was_set_aside_whole_is_wrong_also_while_traffic_flows() {
    let store = fleet();
    let set_aside = |message: &str, event_index: Option<u32>| {
        let rejected = Rejected { reason: Reason::NotJson, detail: String::new(), event_index, payload: vec![] };
        let coordinates = Coordinates::new("sqs", [("queue", "q"), ("message_id", message)]);
        block_on(store.quarantine(&QuarantineObject { coordinates, arrived_at: ARRIVAL, rejected })).unwrap();
    };
    // A message that counts nothing, and an event of one that counts the others.
    set_aside("m3", None);
    set_aside("m1", Some(1));
    let verdict = audit(&store);
    assert_eq!((mismatches(&verdict), verdict.documents_set_aside), (vec![], 1), "{verdict:?}");

    set_aside("m2", None);
    let expect = "document sqs:q/m2: counts with 1 events in the window 2026-11-21T01:30:00Z, and was set aside whole: \
                  not_json/2026/11/21/sqs/q!m2!record.json";
    assert_eq!(mismatches(&audit(&store)), [expect]);
    // Nothing else can be said about the window yet.
    let next = AtomicU64::new(5);
    let verdict = audit_between(&store, LATER, || {
        let next = next.fetch_add(1, Ordering::Relaxed);
        kinesis(&store, next..next + 1);
    });
    assert_eq!(mismatches(&verdict), [expect]);
    assert!(!verdict.settling.is_empty(), "{verdict:?}");
}
