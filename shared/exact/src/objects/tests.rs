use super::memory::{FailingObjects, MemoryObjects, ReadFault};
use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::finalize::fold;
use crate::ledger::Identity;
use crate::memory::MemoryStore;
use crate::ports::{Expected, Item, PutOutcome, StoreError};
use futures::executor::block_on;
use proptest::prelude::*;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use weir_telemetry::{Epoch, EpochTable, Generation, ObjectLimits, Window};

const CREATED: Millis = Millis(1_795_224_605_000);
const EVENTS_PER_CHUNK: u32 = 5;

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn epochs() -> EpochView {
    // An object is decoded as it comes once it is longer than one event may be.
    let object_limits =
        ObjectLimits { events_per_chunk: EVENTS_PER_CHUNK, event_bytes_max: 60, ..ObjectLimits::default() };
    let epoch = Epoch { object_limits, ..Epoch::genesis() };
    EpochView::new(EpochTable { epochs: vec![epoch], ..EpochTable::genesis() }, CREATED)
}

fn settings(object_held_bytes_max: usize) -> ObjectSettings {
    let ledger = LedgerSettings::default();
    ObjectSettings { ledger, objects_in_flight_max: 3, object_held_bytes_max, round_bytes_max: 1 << 20 }
}

fn object(key: &str, content: Content) -> ObjectAt {
    ObjectAt { bucket: "b".into(), key: key.into(), content, size: None }
}

fn version(number: usize) -> ObjectAt {
    object(&format!("in/{number}"), Content::Version("v1".into()))
}

fn delivery(objects: &[ObjectAt]) -> Delivery {
    Delivery { sent_at: CREATED.plus(1_000), noticed: Noticed::Objects(objects.to_vec()) }
}

/// As many events over two minutes, and with `bad` one that is none.
fn body(events: usize, bad: bool) -> String {
    let lines = (0..events).map(|n| format!("{{\"timestamp\":{}}}\n", CREATED.0 - 60_000 * (n as i64 % 2)));
    lines.chain(bad.then(|| "{\"status\":true}\n".to_owned())).collect()
}

fn deliver<S, O>(store: &S, objects: &O, held_bytes_max: usize, deliveries: Vec<Delivery>) -> ObjectIntake
where
    S: ContributionPut + QuarantinePut,
    O: ObjectRead,
{
    let settings = settings(held_bytes_max);
    block_on(intake(store, objects, &layout(), &epochs(), &settings, deliveries, &|| false))
}

/// Events counted, by window.
fn counted(store: &MemoryStore) -> BTreeMap<Window, u64> {
    let mut windows: BTreeMap<Window, Vec<Item>> = BTreeMap::new();
    for item in store.items() {
        // What is left are claims.
        if let Some(window) = layout().window_of(&item.key.pk) {
            windows.entry(window).or_default().push(item);
        }
    }
    let events =
        |items: Vec<Item>| fold(&items).unwrap().series.values().map(|(rollup, _)| rollup.events()).sum::<u64>();
    windows.into_iter().map(|(window, items)| (window, events(items))).collect()
}

/// The identities in the ledger.
fn identities(store: &MemoryStore) -> BTreeSet<String> {
    let items = store.items().into_iter().filter(|item| layout().window_of(&item.key.pk).is_some());
    let entries = items.flat_map(|item| weir_rollup::Ledger::decode(&item.body).unwrap().entries);
    entries.map(|entry| entry.identity).collect()
}

fn reasons(store: &MemoryStore) -> Vec<String> {
    store.quarantined().into_values().map(|object| object.rejected.reason.to_string()).collect()
}

#[test]
fn chunks_are_the_object_s_whether_it_is_read_once_or_twice() {
    let held = |bytes_max: usize, piece_bytes: usize| {
        let (store, objects) = (MemoryStore::default(), MemoryObjects::new(piece_bytes));
        objects.put(&version(0), CREATED, body(12, true));
        let intake = deliver(&store, &objects, bytes_max, vec![delivery(&[version(0)])]);
        assert_eq!(intake.outcome.failed, BTreeSet::new(), "{:?}", intake.outcome.errors);
        assert_eq!((intake.sound, intake.large, intake.outcome.put), (1, u64::from(bytes_max == 0), 12));
        assert_eq!(reasons(&store), ["invalid_status"]);
        (identities(&store), counted(&store))
    };
    let whole = held(1 << 20, 1_000);
    let chunk = |n: usize| format!("s3:b/in/0@v1#{n}");
    assert_eq!(whole.0, BTreeSet::from([chunk(0), chunk(1), chunk(2)]));
    for piece_bytes in [1, 7, 64] {
        assert_eq!(held(0, piece_bytes), whole, "read twice, in pieces of {piece_bytes}");
    }
}

#[test]
fn an_object_is_read_once_for_all_messages_of_a_batch_that_notice_it() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    objects.put(&version(0), CREATED, body(2, false));
    objects.put(&version(1), CREATED, " \n");
    let opened = Mutex::new(0);
    let objects = FailingObjects::new(objects, |_: &ObjectAt| {
        *opened.lock().unwrap() += 1;
        ReadFault::None
    });
    let both = delivery(&[version(0), version(1)]);
    let intake = deliver(&store, &objects, 1 << 20, vec![both, delivery(&[version(0)]), delivery(&[])]);
    assert_eq!((intake.messages, intake.objects, intake.twice, intake.empty), (3, 2, 1, 1));
    assert_eq!(*opened.lock().unwrap(), 2);
    assert_eq!(counted(&store).values().sum::<u64>(), 2);
}

#[test]
fn a_message_fails_with_any_of_its_objects_and_no_other_does() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    (0..3).for_each(|number| objects.put(&version(number), CREATED, body(2, false)));
    let broken = |at: &ObjectAt| if at == &version(1) { ReadFault::BrokenAfter(1) } else { ReadFault::None };
    let objects = FailingObjects::new(objects, broken);
    let deliveries = vec![delivery(&[version(0), version(1)]), delivery(&[version(2)]), delivery(&[version(1)])];
    let intake = deliver(&store, &objects, 1 << 20, deliveries);
    assert_eq!(intake.outcome.failed, BTreeSet::from([0, 2]));
    assert_eq!(intake.sound, 2, "an object that broke is not one that was read");
    assert_eq!(counted(&store).values().sum::<u64>(), 4);
}

#[test]
fn what_cannot_be_read_is_set_aside_under_its_reason() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    let etag = |tag: &str| object("in/e", Content::Etag(tag.into()));
    objects.put(&etag("old"), CREATED, body(1, false));
    objects.put(&etag("new"), CREATED, body(1, false));
    let old = CREATED.plus(1_000 - OBJECT_AGE_MS_MAX - 1);
    objects.put(&version(1), old, body(1, false));
    objects.put(&version(2), CREATED, &b"[{}"[..]);
    let all = [version(0), etag("old"), version(1), version(2)];
    let intake = deliver(&store, &objects, 1 << 20, all.map(|object| delivery(&[object])).to_vec());
    assert_eq!(intake.outcome.failed, BTreeSet::new());
    assert_eq!(reasons(&store), ["not_json", "object_changed", "object_missing", "object_too_old"]);
    let keys: Vec<String> = store.quarantined().into_keys().collect();
    assert!(keys.contains(&"object_changed/2026/11/21/s3/b!in%2Fe!old!record.json".to_owned()), "{keys:?}");
    assert_eq!(counted(&store), BTreeMap::new());
}

#[test]
fn the_same_content_put_again_without_versions_counts_where_it_counted_first() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    let at = object("in/e", Content::Etag("tag".into()));
    objects.put(&at, CREATED, "{}");
    deliver(&store, &objects, 1 << 20, vec![delivery(std::slice::from_ref(&at))]);
    objects.put(&at, CREATED.plus(90_000), "{}");
    let again = deliver(&store, &objects, 1 << 20, vec![delivery(&[at])]);
    assert_eq!(again.outcome.duplicate, 1);
    assert_eq!(counted(&store), BTreeMap::from([(Window::containing(CREATED), 1)]));
}

#[test]
fn nothing_is_begun_out_of_time() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    objects.put(&version(0), CREATED, body(2, false));
    let settings = settings(1 << 20);
    let deliveries = vec![delivery(&[version(0)])];
    let intake = block_on(intake(&store, &objects, &layout(), &epochs(), &settings, deliveries, &|| true));
    assert_eq!(intake.outcome.failed, BTreeSet::from([0]));
    assert_eq!(store.items(), []);
}

#[test]
fn identities_fit_a_sort_key_and_never_meet() {
    let long = "é".repeat(512);
    let identity = Identity::s3("b", &long, "v1");
    assert!(identity.as_str().len() < 600, "{}", identity.as_str().len());
    assert_ne!(identity, Identity::s3("b", &long, "v2"));
    assert_ne!(identity, Identity::s3("b", &format!("{long}e"), "v1"));
    assert_eq!(Identity::s3("b", "in/ü", "v1").as_str(), "s3:b/in/ü@v1");
}

/// A store of which every request takes another poll, so that a process can be killed before and after it.
struct Slow<'a>(&'a Faulty<'a>);

/// Faults as drawn.
type Faulty<'a> = FailingStore<&'a MemoryStore, Box<dyn Fn(&Request) -> Fault + Sync + 'a>>;

async fn another_poll() {
    let mut polled = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl ContributionPut for Slow<'_> {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        another_poll().await;
        let put = self.0.put(item, expected).await;
        another_poll().await;
        put
    }
}

impl QuarantinePut for Slow<'_> {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        another_poll().await;
        self.0.quarantine(object).await
    }
}

/// Polls at most so often; what is not done by then is killed.
fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

proptest! {
    /// Any cutting into pieces, notices twice and in any company, lost requests and answers, broken readings, processes
    /// killed at any await: each event once, and the same chunks.
    #[test]
    fn any_deliveries_and_faults_count_each_event_once(
        sizes in proptest::collection::vec((0..23_usize, any::<bool>(), any::<bool>()), 1..6),
        deliveries in proptest::collection::vec(
            (proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..3), 1..4), 1..60_usize, any::<bool>()), 0..12),
        faults in proptest::collection::vec(prop_oneof![
            3 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After), 1 => Just(Fault::Twice)], 1..30),
        reads in proptest::collection::vec(prop_oneof![
            4 => Just(ReadFault::None), 1 => Just(ReadFault::Refused), 1 => (0..5_usize).prop_map(ReadFault::BrokenAfter)], 1..10),
        piece_bytes in 1..200_usize,
    ) {
        let store = MemoryStore::default();
        let objects = MemoryObjects::new(piece_bytes);
        let at: Vec<ObjectAt> = sizes.iter().enumerate().map(|(number, (.., versioned))| {
            if *versioned { version(number) } else { object(&format!("in/{number}"), Content::Etag("e".into())) }
        }).collect();
        for (at, (events, bad, _)) in at.iter().zip(&sizes) {
            objects.put(at, CREATED, body(*events, *bad));
        }
        let (next, next_read) = (Mutex::new(faults.iter().cycle()), Mutex::new(reads.iter().cycle()));
        let failing: Faulty<'_> =
            FailingStore::new(&store, Box::new(|_: &Request| *next.lock().unwrap().next().unwrap()));
        let troubled = FailingObjects::new(objects, |_: &ObjectAt| next_read.lock().unwrap().next().unwrap().clone());
        for (messages, polls, small) in &deliveries {
            let batch: Vec<Delivery> = messages.iter().map(|numbers| {
                let objects: Vec<ObjectAt> = numbers.iter().filter_map(|number| at.get(*number).cloned()).collect();
                delivery(&objects)
            }).collect();
            let settings = settings(if *small { 0 } else { 1 << 20 });
            let (layout, epochs, store) = (layout(), epochs(), Slow(&failing));
            let run = intake(&store, &troubled, &layout, &epochs, &settings, batch, &|| false);
            poll_at_most(*polls, run);
        }
        let rest: Vec<Delivery> = at.iter().map(|at| delivery(std::slice::from_ref(at))).collect();
        let settled = deliver(&store, &troubled.inner, 1 << 20, rest);
        prop_assert!(settled.outcome.failed.is_empty());
        prop_assert_eq!(counted(&store).values().sum::<u64>(), sizes.iter().map(|(events, ..)| *events as u64).sum::<u64>());
        let chunks: usize = sizes.iter().map(|(events, ..)| events.div_ceil(EVENTS_PER_CHUNK as usize)).sum();
        prop_assert_eq!(identities(&store).len(), chunks);
        // An object of nothing but a bad line is set aside event by event like any other.
        prop_assert_eq!(store.quarantined().len(), sizes.iter().filter(|(_, bad, _)| *bad).count());
    }
}
