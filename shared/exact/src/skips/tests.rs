use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::fenced::{FencedLane, FencedOutcome, FencedSettings, Record};
use crate::memory::MemoryStore;
use crate::progress::Progress;
use futures::executor::block_on;
use weir_telemetry::{EpochTable, EpochView, Generation, Reason};

const ARRIVAL: Millis = Millis(1_795_224_605_000);
const NOW: Millis = Millis(ARRIVAL.0 + 3_600_000);
const HOLD_MS: i64 = 1_000_000;

fn shard() -> Shard {
    Shard { stream: "s".to_owned(), created_at: Millis(7), id: "shardId-000000000000".to_owned() }
}

fn entry(sequence: &str) -> Entry {
    let (shard, sequence_number) = (shard().to_string(), sequence.to_owned());
    Entry { shard, sequence_number, arrived_at_ms: ARRIVAL.0, from_ms: NOW.0 + HOLD_MS }
}

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn process(store: &MemoryStore, skips: &SkipView) -> FencedOutcome {
    let record = |sequence: u32| Record {
        sequence: SequenceNumber::parse(&sequence.to_string()).unwrap(),
        arrived_at: ARRIVAL,
        data: b"{}".to_vec().into(),
    };
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let lane = FencedLane::new(store, FencedSettings::default());
    let records = (1..=5).map(record).collect();
    block_on(lane.process_past(&layout(), &shard(), records, &epochs, skips, &|| false))
}

#[test]
fn a_record_is_held_and_then_set_aside_and_the_rest_counts_once() {
    let store = MemoryStore::default();
    let list = Arc::new(SkipList { entries: vec![entry("3")], ..SkipList::default() });
    let held = process(&store, &SkipView::new(list.clone(), NOW.plus(HOLD_MS - 1)));
    assert_eq!((held.applied, held.failed_from.as_ref().map(SequenceNumber::as_str)), (2, Some("3")));
    assert!(held.errors[0].to_string().contains("is on the skip list"), "{:?}", held.errors);

    let skipped = process(&store, &SkipView::new(list, NOW.plus(HOLD_MS)));
    assert_eq!((skipped.applied, skipped.duplicate, &skipped.failed_from), (2, 2, &None));
    assert_eq!(skipped.quarantined.get(&Reason::Skipped), Some(&1));
    let object = store.quarantined().into_values().next().unwrap();
    assert_eq!(object.key(), "skipped/2026/11/21/kinesis/s@7!shardId-000000000000!3!record.json");
    assert_eq!(object.rejected.payload, b"{}");

    let progress = block_on(store.get(&layout().progress(&shard()))).unwrap().unwrap();
    let totals = Progress::from_item(&progress).unwrap().totals;
    assert_eq!((totals.records, totals.accepted, totals.rejected, totals.empty), (5, 4, 1, 0));
}

#[test]
fn a_first_record_that_is_held_blocks_the_batch() {
    let list = Arc::new(SkipList { entries: vec![entry("1")], ..SkipList::default() });
    let held = process(&MemoryStore::default(), &SkipView::new(list, NOW));
    assert_eq!((held.applied, held.records), (0, 0));
    assert_eq!(held.failed_from.as_ref().map(SequenceNumber::as_str), Some("1"));
}

#[test]
fn a_list_is_read_when_it_is_old_and_without_it_nothing_is_decoded() {
    let down = std::sync::atomic::AtomicBool::new(false);
    let store = FailingStore::new(MemoryStore::default(), |_: &Request| {
        if down.load(std::sync::atomic::Ordering::Relaxed) { Fault::Before } else { Fault::None }
    });
    let sequence = SequenceNumber::parse("3").unwrap();
    let skips = Skips::new(&store);
    let decide = |now: Millis| block_on(skips.view(now)).map(|view| view.decide(&shard(), &sequence));
    assert_eq!(decide(NOW), Ok(Skip::No));
    block_on(add(&store, entry("3"))).unwrap();
    assert_eq!(decide(NOW.plus(READ_MS - 1)), Ok(Skip::No), "known for a moment only");
    assert_eq!(decide(NOW.plus(READ_MS)), Ok(Skip::HeldUntil(NOW.plus(HOLD_MS))));
    down.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(decide(NOW.plus(3 * READ_MS)).is_err());
    down.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(decide(NOW.plus(HOLD_MS)), Ok(Skip::Yes));
}

#[test]
fn the_list_is_changed_by_one_at_a_time_and_never_forgets_too_early() {
    let store = MemoryStore::default();
    let list = block_on(add(&store, entry("3"))).unwrap();
    assert_eq!(list.entries.len(), 1);
    assert!(matches!(block_on(add(&store, entry("3"))), Err(EditError::Stands { .. })));
    let take_off = |sequence: &str, now: Millis| block_on(remove(&store, &shard().to_string(), sequence, now));
    assert!(matches!(take_off("4", NOW), Err(EditError::Absent { .. })));
    let until = ARRIVAL.plus(FORGET_MS);
    for too_early in [NOW.plus(HOLD_MS - 2 * READ_MS), NOW.plus(HOLD_MS), until] {
        assert_eq!(take_off("3", too_early), Err(EditError::MayComeBack { until }), "{too_early}");
    }
    assert_eq!(take_off("3", until.plus(1)), Ok(SkipList::default()));
    block_on(add(&store, entry("3"))).unwrap();
    assert_eq!(take_off("3", NOW), Ok(SkipList::default()), "nobody skips it yet");

    for sequence in 0..ENTRIES_MAX {
        block_on(add(&store, entry(&sequence.to_string()))).unwrap();
    }
    assert_eq!(block_on(add(&store, entry("1000"))), Err(EditError::Full));
    let item = block_on(store.get(&Layout::skips())).unwrap().unwrap();
    assert!(item.body.len() < 64_000, "{} bytes", item.body.len());
    let later = Item { body: item.body.iter().map(|b| if *b == b'1' { b'2' } else { *b }).collect(), ..item };
    assert!(SkipList::from_item(Some(&later)).unwrap_err().to_string().contains("format 2 is not 1"));
}
