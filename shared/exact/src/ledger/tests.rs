use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::finalize::fold;
use crate::memory::MemoryStore;
use crate::ports::{ContributionPut, Item, QuarantinePut};
use futures::executor::block_on;
use proptest::prelude::*;
use std::sync::Mutex;
use weir_telemetry::{EpochTable, Generation, Reason};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn message(id: usize, data: &str) -> Message {
    Message {
        identity: Identity::sqs("arn:aws:sqs:us-east-1:000000000000:q", &format!("m{id}")),
        arrived_at: ARRIVAL,
        rules_at: ARRIVAL,
        coordinates: Coordinates::new("sqs", [("message_id", format!("m{id}"))]),
        data: data.as_bytes().to_vec(),
        held: Held::Payload,
    }
}

fn deliver<S: ContributionPut + QuarantinePut>(
    store: &S,
    settings: LedgerSettings,
    messages: &[Message],
) -> LedgerOutcome {
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let placed: Vec<(usize, Message)> = messages.iter().cloned().enumerate().collect();
    let planned = plan(&layout(), &placed, &epochs, &settings);
    let outcome = block_on(commit(store, &layout(), settings, planned, &|| false));
    let quarantined = outcome.quarantined.values().sum::<u64>();
    assert_eq!(outcome.received, outcome.put + outcome.duplicate + quarantined + outcome.returned, "{outcome:?}");
    outcome
}

fn counted(store: &MemoryStore) -> u64 {
    let mut windows: BTreeMap<Window, Vec<Item>> = BTreeMap::new();
    for item in store.items() {
        // What is left are claims.
        if let Some(window) = layout().window_of(&item.key.pk) {
            windows.entry(window).or_default().push(item);
        }
    }
    let events =
        |items: &Vec<Item>| fold(items).unwrap().series.values().map(|(rollup, _)| rollup.events()).sum::<u64>();
    windows.values().map(events).sum()
}

#[test]
fn a_message_counts_once_in_whatever_company_it_comes_back() {
    let store = MemoryStore::default();
    let messages: Vec<Message> = (0..6).map(|id| message(id, "[{},{}]")).collect();
    deliver(&store, LedgerSettings::default(), &messages[..4]);
    deliver(&store, LedgerSettings::default(), &messages[2..]);
    let again = deliver(&store, LedgerSettings::default(), &messages[2..]);
    assert_eq!((again.put, again.duplicate), (0, 8));
    assert_eq!(counted(&store), 12);
}

#[test]
fn the_same_identity_twice_in_one_batch_is_one_and_shares_its_fate() {
    let store = FailingStore::new(MemoryStore::default(), |request: &Request| {
        if matches!(request, Request::Put(_)) { Fault::Before } else { Fault::None }
    });
    let twice = [message(0, "{}"), message(0, "{}")];
    assert_eq!(deliver(&store, LedgerSettings::default(), &twice).failed, BTreeSet::from([0, 1]));
    deliver(&store.inner, LedgerSettings::default(), &twice);
    assert_eq!(counted(&store.inner), 1);
}

#[test]
fn a_message_fails_if_any_of_its_writes_failed() {
    let two_windows = format!("[{{}},{{\"timestamp\":{}}}]", ARRIVAL.0 - 60_000);
    let old = Window::containing(ARRIVAL.plus(-60_000)).to_string();
    let store = FailingStore::new(MemoryStore::default(), |request: &Request| match request {
        Request::Put(key) if key.pk.contains(&old) => Fault::Before,
        _ => Fault::None,
    });
    let outcome = deliver(
        &store,
        LedgerSettings::default(),
        &[message(0, "{}"), message(1, &two_windows), message(2, "nonsense")],
    );
    assert_eq!(outcome.failed, BTreeSet::from([1]));
    assert_eq!(outcome.quarantined.values().sum::<u64>(), 1);
}

#[test]
fn a_batch_of_too_many_windows_settles_what_fits_on_each_delivery() {
    let body =
        |id: i64| (0..20).map(|n| format!("{{\"timestamp\":{}}}\n", ARRIVAL.0 - 60_000 * (20 * id + n))).collect();
    let messages: Vec<Message> = (0..5)
        .map(|id| {
            let body: String = body(id);
            message(id as usize, &body)
        })
        .collect();
    let settings = LedgerSettings { commit_items_max: 30, ..LedgerSettings::default() };
    let store = MemoryStore::default();
    let first = deliver(&store, settings, &messages);
    assert_eq!(first.failed, BTreeSet::from([2, 3, 4]));
    deliver(&store, settings, &messages[2..]);
    deliver(&store, settings, &messages[4..]);
    assert_eq!(counted(&store), 100);
}

#[test]
fn a_message_of_an_epoch_not_known_fails_alone() {
    let late = Message { rules_at: ARRIVAL.plus(EpochTable::NOTICE_MS + 1), ..message(1, "{}") };
    let outcome =
        deliver(&MemoryStore::default(), LedgerSettings::default(), &[message(0, "{}"), late, message(2, "{}")]);
    assert_eq!((outcome.put, outcome.failed), (2, BTreeSet::from([1])));
}

#[test]
fn the_first_delivery_of_a_producer_s_id_stands() {
    let store = MemoryStore::default();
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL.plus(60_000));
    let send = |sending: usize, later_ms: i64, data: &str| {
        let arrived_at = ARRIVAL.plus(later_ms);
        let sent_as = Coordinates::new("sqs", [("message_id", format!("sending {sending}"))]);
        let incoming = Incoming::Claiming { message: Message { arrived_at, ..message(0, data) }, sent_as };
        let settings = LedgerSettings::default();
        block_on(intake(&store, &layout(), &epochs, settings, vec![incoming], &|| false))
    };
    assert_eq!(send(0, 0, "{}").outcome.put, 1);
    assert_eq!(send(1, 61_000, "{}").outcome.duplicate, 1, "an event without a timestamp stays in the first window");
    assert_eq!(send(2, 61_000, "[{},{}]").outcome.quarantined, BTreeMap::from([(Reason::IdReused, 1)]));
    assert_eq!(counted(&store), 1);
    let key = store.quarantined().into_keys().next();
    assert_eq!(key.as_deref(), Some("id_reused/2026/11/21/sqs/sending%202!record.json"));
}

proptest! {
    #[test]
    fn any_deliveries_and_faults_count_each_event_once(
        sizes in proptest::collection::vec(0..4_usize, 1..20),
        deliveries in proptest::collection::vec(proptest::collection::vec(0..20_usize, 1..10), 0..12),
        faults in proptest::collection::vec(prop_oneof![
            2 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After), 1 => Just(Fault::Twice)], 1..30),
        item_bytes_max in prop_oneof![Just(200_usize), Just(380_000_usize)],
    ) {
        let settings = LedgerSettings { item_bytes_max, ..LedgerSettings::default() };
        let messages: Vec<Message> = sizes.iter().enumerate().map(|(id, size)| {
            let events: Vec<String> = (0..*size).map(|n| format!("{{\"timestamp\":{}}}", ARRIVAL.0 - 60_000 * n as i64)).collect();
            message(id, &events.join("\n"))
        }).collect();
        let next = Mutex::new(faults.iter().cycle());
        let store = FailingStore::new(MemoryStore::default(), |_: &Request| *next.lock().unwrap().next().unwrap());
        for delivery in deliveries {
            let batch: Vec<Message> = delivery.iter().filter_map(|at| messages.get(*at).cloned()).collect();
            deliver(&store, settings, &batch);
        }
        prop_assert!(deliver(&store.inner, settings, &messages).failed.is_empty());
        prop_assert_eq!(counted(&store.inner), sizes.iter().sum::<usize>() as u64);
    }
}
