use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::fenced::{FencedLane, FencedSettings, Record};
use crate::ledger::{self, Held, Identity, Incoming, LedgerSettings, Message};
use crate::memory::MemoryStore;
use crate::quarantine::Origin;
use crate::retention::SEALED_AFTER_MS;
use crate::row::SUMMARY;
use crate::sequence::{SequenceNumber, Shard};
use futures::executor::block_on;
use weir_telemetry::{EpochTable, EpochView, Generation};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 1, partitions: 2 })
}

fn window() -> Window {
    Window::containing(ARRIVAL)
}

fn kinesis(store: &MemoryStore, sequences: std::ops::Range<u64>) {
    let shard = Shard { stream: "s".into(), created_at: Millis(0), id: "shardId-0".into() };
    let data = br#"{"service":"s","endpoint":"/a","status":500,"user_id":"u","duration_ms":2}"#.to_vec();
    let record = |n: u64| Record {
        sequence: SequenceNumber::parse(&n.to_string()).unwrap(),
        arrived_at: ARRIVAL,
        data: (&data).into(),
    };
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let lane = FencedLane::new(store, FencedSettings::default());
    let records = sequences.map(record).collect();
    let outcome = block_on(lane.process(&layout(), &shard, records, &epochs, &|| false));
    assert_eq!(outcome.failed_from, None);
}

fn sqs(store: &MemoryStore, ids: &[&str]) {
    let message = |id: &&str| Message {
        identity: Identity::sqs("q", id),
        arrived_at: ARRIVAL,
        rules_at: ARRIVAL,
        origin: Origin::Queue { queue: "q", message_id: "m" },
        data: br#"{"service":"s","endpoint":"/b","status":200}"#.to_vec().into(),
        held: Held::Payload,
    };
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let incoming = ids.iter().map(message).map(Incoming::Message).enumerate().collect();
    let intake = block_on(ledger::intake(store, &layout(), &epochs, LedgerSettings::default(), incoming, &|| false));
    assert!(intake.outcome.failed.is_empty());
}

fn finalizer(store: &MemoryStore) -> Finalizer<&MemoryStore, &MemoryStore> {
    Finalizer::new(store, store, layout(), FinalizeSettings::default())
}

/// One line per row: `series revision events errors state top`.
fn shown(store: &MemoryStore) -> String {
    let line = |row: Row| {
        let RowVersion { revision, state, .. } = row.version;
        let top = row.top_endpoints.map(|top| format!(" {top:?}")).unwrap_or_default();
        format!(
            "{} r{revision} {} {} {}{top}\n",
            row.key.series(),
            row.rollup.events(),
            row.rollup.errors(),
            state.name()
        )
    };
    store.rows().into_values().map(line).collect()
}

#[test]
fn rows_hold_both_lanes_each_identity_once() {
    let store = MemoryStore::default();
    kinesis(&store, 1..4);
    sqs(&store, &["a", "b"]);
    sqs(&store, &["a"]);
    let finalizer = finalizer(&store);
    let report = block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap();
    assert_eq!(report.written, 3);
    let expect = "s#* r4 5 3 open [(\"/a\", 3), (\"/b\", 2)]\ns#/a r1 3 3 open\ns#/b r3 2 0 open\n";
    assert_eq!(shown(&store), expect);

    // Nothing changed: no writes. One more batch: its series and the summary change, the other does not.
    assert_eq!(block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap().written, 0);
    kinesis(&store, 4..5);
    let report = block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap();
    assert_eq!((report.written, report.unmoved), (2, 1));
}

#[test]
fn a_late_write_of_an_older_computation_changes_nothing() {
    let store = MemoryStore::default();
    kinesis(&store, 1..4);
    let early = MemoryStore::default();
    let racing = Finalizer::new(&store, &early, layout(), FinalizeSettings::default());
    block_on(racing.finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap();
    kinesis(&store, 4..9);
    block_on(finalizer(&store).finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap();
    for row in early.rows().into_values() {
        assert_eq!(block_on(store.put_row(&row)), Ok(RowOutcome::Superseded));
    }
    assert!(shown(&store).contains("s#/a r2 8 8 open"));
}

#[test]
fn a_sweep_asks_first_and_writes_only_what_moved() {
    let store = MemoryStore::default();
    kinesis(&store, 1..4);
    block_on(finalizer(&store).finalize(window(), &[], ARRIVAL, false, &|| false)).unwrap();
    let counting = FailingStore::new(&store, |request: &Request| {
        assert!(!matches!(request, Request::PutRow(_)), "nothing moved");
        Fault::None
    });
    let sweeping = Finalizer::new(&store, &counting, layout(), FinalizeSettings::default());
    assert_eq!(block_on(sweeping.finalize(window(), &[], ARRIVAL, true, &|| false)).unwrap().unmoved, 2);
}

#[test]
fn a_failed_row_fails_the_window_and_the_rest_stands() {
    let store = MemoryStore::default();
    kinesis(&store, 1..4);
    let failing = FailingStore::new(&store, |request: &Request| match request {
        Request::PutRow(key) if key.endpoint == SUMMARY => Fault::Before,
        _ => Fault::None,
    });
    let finalizer = Finalizer::new(&store, &failing, layout(), FinalizeSettings::default());
    assert!(block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &|| false)).is_err());
    assert_eq!(store.rows().len(), 1);
}

#[test]
fn a_row_becomes_complete_and_sealed_without_its_counts_moving() {
    let store = MemoryStore::default();
    kinesis(&store, 1..4);
    let finalizer = finalizer(&store);
    let at = |now: Millis| {
        let progress = block_on(finalizer.progress()).unwrap();
        block_on(finalizer.finalize(window(), &progress, now, true, &|| false)).unwrap();
        shown(&store).lines().last().unwrap_or_default().to_owned()
    };
    let end = window().end();
    assert_eq!(at(end.plus(6 * 60_000)), "s#/a r1 3 3 open", "the shard has not passed the window's end");
    assert_eq!(at(end.plus(3_600_000)), "s#/a r1 3 3 complete", "the shard is idle");
    assert_eq!(at(end.plus(60_000)), "s#/a r1 3 3 complete", "a row does not go back");
    assert_eq!(at(end.plus(SEALED_AFTER_MS)), "s#/a r1 3 3 sealed");
}

/// If reading a window takes all the time there is, a row is put anyway: the next delivery has fewer to put.
#[test]
fn a_window_that_was_read_gets_a_row_forward() {
    let store = MemoryStore::default();
    kinesis(&store, 1..3);
    let finalizer = finalizer(&store);
    let asked = std::sync::atomic::AtomicU32::new(0);
    let after_reading = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
    let result = block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &after_reading));
    assert_eq!((result.is_err(), store.rows().len()), (true, 1));
    asked.store(0, std::sync::atomic::Ordering::Relaxed);
    let again = block_on(finalizer.finalize(window(), &[], ARRIVAL, false, &after_reading));
    assert_eq!((again.is_ok(), store.rows().len()), (true, 2));
}
