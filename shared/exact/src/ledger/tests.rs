use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::finalize::fold;
use crate::layout::Layout;
use crate::memory::MemoryStore;
use crate::ports::{ContributionPut, Item, QuarantinePut};
use crate::quarantine::Coordinates;
use crate::retention::RETURN_MS_MAX;
use futures::executor::block_on;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Mutex;
use weir_telemetry::{EpochTable, Generation, Reason};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn message(id: usize, data: &str) -> Message<'static> {
    Message {
        identity: Identity::sqs("arn:aws:sqs:us-east-1:000000000000:q", &format!("m{id}")),
        arrived_at: ARRIVAL,
        rules_at: ARRIVAL,
        origin: Coordinates::new("sqs", [("message_id", format!("m{id}"))]).into(),
        data: data.as_bytes().to_vec().into(),
        held: Held::Payload,
    }
}

fn deliver<S: ContributionPut + QuarantinePut>(
    store: &S,
    settings: LedgerSettings,
    messages: &[Message],
) -> LedgerOutcome {
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let incoming = messages.iter().cloned().map(Incoming::Message).enumerate().collect();
    let outcome = block_on(intake(store, &layout(), &epochs, settings, incoming, &|| false)).outcome;
    let quarantined = outcome.quarantined.values().sum::<u64>();
    assert_eq!(outcome.received, outcome.put + outcome.duplicate + quarantined + outcome.returned, "{outcome:?}");
    outcome
}

fn counted(store: &MemoryStore) -> u64 {
    let mut windows: BTreeMap<Window, Vec<Item>> = BTreeMap::new();
    for item in store.items() {
        // The rest are claims.
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

/// Ten payloads of 16 MiB that are rejected whole are as much as a function's memory has room for, once.
#[test]
fn what_is_planned_keeps_no_payload() {
    let set_aside = || {
        let rejected = Rejected { reason: Reason::NotJson, detail: "d".into(), event_index: None, payload: vec![b'x'] };
        QuarantineObject { coordinates: Coordinates::new("sqs", [("queue", "q")]), arrived_at: ARRIVAL, rejected }
    };
    let incoming = [Incoming::Message(message(0, "[{},")), Incoming::SetAside(set_aside())];
    let mut incoming: Vec<_> = incoming.into_iter().enumerate().collect();
    let (layout, epochs, settings) =
        (layout(), EpochView::new(EpochTable::genesis(), ARRIVAL), LedgerSettings::default());
    let plan = Planner::new(&layout, &epochs, &settings).round(&mut &mut incoming[..]);
    let payloads: Vec<_> = plan.quarantine.iter().map(|(_, object)| &*object.rejected.payload).collect();
    assert_eq!(payloads, [&b"[{},"[..], b"x"]);
    for (_, incoming) in incoming {
        match incoming {
            Incoming::Message(message) | Incoming::Claiming { message, .. } => assert!(message.data.bytes().is_empty()),
            Incoming::SetAside(object) => assert!(object.rejected.payload.is_empty()),
        }
    }
}

/// Identities are hashed several at a time, whatever stands beside them in the batch.
#[test]
fn every_message_is_in_the_lane_of_its_identity() {
    let (layout, store) = (layout(), MemoryStore::default());
    let (epochs, settings) = (EpochView::new(EpochTable::genesis(), ARRIVAL), LedgerSettings::default());
    let mut incoming: Vec<Incoming<'_>> = vec![];
    for id in 0..23 {
        let queue = if id % 7 < 5 { "one" } else { "another-queue" };
        let identity = Identity::sqs(queue, &"x".repeat(id));
        incoming.push(Incoming::Message(Message { identity, ..message(id, "{}") }));
        if id % 9 == 8 {
            let rejected =
                Rejected { reason: Reason::NotJson, detail: String::new(), event_index: None, payload: vec![] };
            let coordinates = Coordinates::new("sqs", [("message_id", format!("m{id}"))]);
            incoming.push(Incoming::SetAside(QuarantineObject { coordinates, arrived_at: ARRIVAL, rejected }));
        }
    }
    let incoming = incoming.into_iter().enumerate().collect();
    assert_eq!(block_on(intake(&store, &layout, &epochs, settings, incoming, &|| false)).outcome.put, 23);
    let mut counted = 0;
    for item in store.items() {
        for entry in weir_rollup::Ledger::decode(&item.body).unwrap().entries {
            let lane = weir_telemetry::stable_hash(entry.identity.as_bytes()) % 4;
            assert!(item.key.sk.starts_with(&format!("l#{lane:05}#")), "{} in {:?}", entry.identity, item.key);
            counted += 1;
        }
    }
    assert_eq!(counted, 23);
}

/// Five messages of twenty events each, every event in a minute of its own, or every one invalid.
fn large(event: impl Fn(i64) -> String) -> Vec<Message<'static>> {
    let body = |id: i64| (0..20).map(|n| event(20 * id + n) + "\n").collect::<String>();
    (0..5).map(|id| message(id as usize, &body(id))).collect()
}

/// A deadline that passes after this many writes.
fn deliver_for(store: &MemoryStore, writes_max: usize, messages: &[Message]) -> LedgerOutcome {
    let settings = LedgerSettings { commit_writes_max: 30, writes_in_flight_max: 1, ..LedgerSettings::default() };
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let incoming = messages.iter().cloned().map(Incoming::Message).enumerate().collect();
    let before = store.items().len() + store.quarantined().len();
    let out_of_time = || store.items().len() + store.quarantined().len() >= before + writes_max;
    block_on(intake(store, &layout(), &epochs, settings, incoming, &out_of_time)).outcome
}

#[test]
fn a_batch_of_many_windows_settles_as_many_messages_as_there_is_time_for() {
    let messages = large(|minute| format!("{{\"timestamp\":{}}}", ARRIVAL.0 - 60_000 * minute));
    let store = MemoryStore::default();
    assert_eq!(deliver_for(&store, 1_000, &messages).failed, BTreeSet::new(), "a round is no limit of a batch");
    assert_eq!(counted(&store), 100);
    // In the second round one message was settled, and the last was not begun.
    let store = MemoryStore::default();
    let first = deliver_for(&store, 60, &messages);
    assert_eq!((first.failed, first.put, first.returned), (BTreeSet::from([2, 4]), 60, 20));
    assert_eq!(deliver_for(&store, 60, &[messages[2].clone(), messages[4].clone()]).failed, BTreeSet::new());
    assert_eq!(counted(&store), 100);
}

/// A producer that sends half of its events malformed: each message is quarantined event by event, and the rest counts.
#[test]
fn bad_events_in_every_message_do_not_keep_all_from_being_settled() {
    let messages = large(|n| if n % 2 == 0 { "{}".to_owned() } else { "{\"status\":\"200\"}".to_owned() });
    let store = MemoryStore::default();
    let (mut left, mut deliveries): (Vec<Message>, usize) = (messages, 0);
    while !left.is_empty() {
        let failed = deliver_for(&store, 40, &left).failed;
        assert!(failed.len() < left.len(), "nothing was settled");
        left = failed.iter().map(|place| left[*place].clone()).collect();
        deliveries += 1;
    }
    assert_eq!((counted(&store), store.quarantined().len(), deliveries), (50, 50, 2));
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
    let send = |later_ms: i64, data: &str| {
        let sent_at = ARRIVAL.plus(later_ms);
        let incoming = Incoming::Claiming { message: Message { arrived_at: sent_at, ..message(0, data) }, sent_at };
        let settings = LedgerSettings::default();
        block_on(intake(&store, &layout(), &epochs, settings, vec![(0, incoming)], &|| false))
    };
    assert_eq!(send(0, "{}").outcome.put, 1);
    assert_eq!(send(61_000, "{}").outcome.duplicate, 1, "an event without a timestamp stays in the first window");
    assert_eq!(send(61_000, "[{},{}]").outcome.quarantined, BTreeMap::from([(Reason::IdReused, 1)]));
    // A day later it is still the same object.
    assert_eq!(send(86_400_000, "[{},{}]").outcome.quarantined, BTreeMap::from([(Reason::IdReused, 1)]));
    assert_eq!(counted(&store), 1);
    let keys: Vec<String> = store.quarantined().into_keys().collect();
    assert_eq!(keys, [format!("id_reused/2026/11/21/sqs/m0!{}!record.json", digest_of(b"[{},{}]"))]);
}

/// Its contributions may have expired: counted again it would count twice, or replace what was sealed.
#[test]
fn what_was_first_sent_long_ago_is_not_counted_again() {
    let store = MemoryStore::default();
    let send = |later_ms: i64| {
        let sent_at = ARRIVAL.plus(later_ms);
        let epochs = EpochView::new(EpochTable::genesis(), sent_at);
        let incoming = Incoming::Claiming { message: Message { arrived_at: sent_at, ..message(0, "{}") }, sent_at };
        block_on(intake(&store, &layout(), &epochs, LedgerSettings::default(), vec![(0, incoming)], &|| false)).outcome
    };
    assert_eq!(send(0).put, 1);
    assert_eq!(send(RETURN_MS_MAX).duplicate, 1);
    assert_eq!(send(RETURN_MS_MAX + 1).quarantined, BTreeMap::from([(Reason::MessageTooOld, 1)]));
    let kept = store.quarantined().into_values().next().expect("it is kept");
    assert_eq!(kept.arrived_at, ARRIVAL, "so a replay is refused for its age");
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
