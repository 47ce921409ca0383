use super::memory::{FailingObjects, MemoryObjects, MemoryPieces, ReadFault};
use super::*;
use crate::failing::{FailingStore, Fault, Request};
use crate::finalize::fold;
use crate::ledger::{Document, Identity};
use crate::memory::MemoryStore;
use crate::ports::{Expected, Item, PutOutcome, StoreError};
use crate::quarantine::Key;
use crate::retention::RETURN_MS_MAX;
use bytes::Bytes;
use futures::executor::block_on;
use proptest::prelude::*;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use weir_telemetry::{Epoch, EpochTable, Generation, ObjectLimits, Window};

const CREATED: Millis = Millis(1_795_224_605_000);
const EVENTS_PER_CHUNK: u32 = 5;

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn epochs() -> EpochView {
    // An object is decoded as it arrives once it is longer than one event may be.
    let object_limits =
        ObjectLimits { events_per_chunk: EVENTS_PER_CHUNK, event_bytes_max: 60, ..ObjectLimits::default() };
    let epoch = Epoch { object_limits, ..Epoch::genesis() };
    EpochView::new(EpochTable { epochs: vec![epoch], ..EpochTable::genesis() }, CREATED)
}

fn settings(object_held_bytes_max: usize) -> ObjectSettings {
    let ledger = LedgerSettings::default();
    ObjectSettings {
        ledger,
        objects_in_flight_max: 3,
        object_beside_bytes_max: SHORT,
        object_held_bytes_max,
        round_bytes_max: 1 << 20,
    }
}

/// Length in the notification of an object that is read concurrently, and of one that is not. Bytes.
const SHORT: u64 = 1_000;
const LONG: u64 = 1_001;

fn object(key: &str, content: Content) -> ObjectAt {
    ObjectAt { bucket: "b".into(), key: key.into(), content, size: Some(SHORT) }
}

fn long(number: usize) -> ObjectAt {
    ObjectAt { size: Some(LONG), ..version(number) }
}

/// Time that passes whenever somebody waits for it, and with each piece read.
#[derive(Default)]
struct Clock {
    passed: AtomicU64,
    reading_ends_at: u64,
    writing_ends_at: u64,
}

impl Clock {
    fn endless() -> Self {
        Self::until(u64::MAX, u64::MAX)
    }

    fn until(reading_ends_at: u64, writing_ends_at: u64) -> Self {
        Self { reading_ends_at, writing_ends_at, ..Self::default() }
    }

    fn pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    fn is_before(&self, end: u64) -> bool {
        self.passed.load(Ordering::Relaxed) < end
    }
}

impl Deadline for Clock {
    fn reading_is_over(&self) -> bool {
        !self.is_before(self.reading_ends_at)
    }

    fn writing_is_over(&self) -> bool {
        !self.is_before(self.writing_ends_at)
    }

    async fn a_while(&self) {
        another_poll().await;
        self.pass();
    }
}

fn version(number: usize) -> ObjectAt {
    object(&format!("in/{number}"), Content::Version("v1".into()))
}

fn delivery(objects: &[ObjectAt]) -> Delivery {
    Delivery { sent_at: CREATED.plus(1_000), receives: 1, noticed: Noticed::Objects(objects.to_vec()) }
}

/// A version, as named by a notification that knows only its ETag.
fn by_etag(at: &ObjectAt, bytes: &str) -> ObjectAt {
    ObjectAt { content: Content::Etag(MemoryObjects::etag(bytes.as_bytes())), ..at.clone() }
}

/// This many events over two minutes, and with `bad` one that is invalid.
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
    block_on(intake(store, objects, &layout(), &epochs(), &settings, deliveries, &Clock::endless()))
}

/// Events counted, by window.
fn counted(store: &MemoryStore) -> BTreeMap<Window, u64> {
    let mut windows: BTreeMap<Window, Vec<Item>> = BTreeMap::new();
    for item in store.items() {
        // The rest are claims.
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

/// What a check of quarantine relies on: the quarantined event and the chunks that count belong to one document.
#[test]
fn what_counts_has_the_name_that_quarantine_has_for_its_object() {
    for content in [Content::Version("v-1.A_b".into()), Content::Etag("0f-2".into())] {
        let (store, objects) = (MemoryStore::default(), MemoryObjects::new(1_000));
        let object = object("in/a b#1@ü!/c", content);
        objects.put(&object, CREATED, body(12, true));
        deliver(&store, &objects, 1 << 20, vec![delivery(std::slice::from_ref(&object))]);
        let mut set_aside = store.quarantined().into_values().next().expect("the event that is none");
        set_aside.rejected.event_index = None;
        let name = Key::parse(&set_aside.key()).unwrap().name();
        let counted = identities(&store);
        assert_eq!(counted.len(), 3);
        for identity in counted {
            assert_eq!(Document::of(&identity).map(|document| document.name).as_ref(), Some(&name), "{identity}");
        }
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
    let old = CREATED.plus(1_000 - RETURN_MS_MAX - 1);
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

/// In one batch with a notification that names the version, and later; held at once, and read twice.
#[test]
fn a_version_that_is_noticed_by_its_etag_alone_counts_once() {
    for held_bytes_max in [1 << 20, 0] {
        let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
        let bytes = body(12, true);
        objects.put(&version(1), CREATED, bytes.clone());
        let (named, unnamed) = (version(1), by_etag(&version(1), &bytes));
        deliver(
            &store,
            &objects,
            held_bytes_max,
            vec![delivery(&[unnamed.clone(), named.clone()]), delivery(&[unnamed])],
        );
        deliver(&store, &objects, held_bytes_max, vec![delivery(&[named])]);
        assert_eq!(counted(&store).values().sum::<u64>(), 12);
        assert_eq!(identities(&store).len(), 3);
        assert!(
            identities(&store).iter().all(|identity| identity.starts_with("s3:b/in/1@v1#")),
            "{:?}",
            identities(&store)
        );
        assert_eq!(reasons(&store), ["invalid_status"]);
    }
}

#[test]
fn nothing_is_begun_out_of_time() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    objects.put(&version(0), CREATED, body(2, false));
    let settings = settings(1 << 20);
    let deliveries = vec![delivery(&[version(0)])];
    let intake = block_on(intake(&store, &objects, &layout(), &epochs(), &settings, deliveries, &Clock::until(0, 0)));
    assert_eq!(intake.outcome.failed, BTreeSet::from([0]));
    assert_eq!(store.items(), []);
}

/// Short or long, stalled from its first byte or later: everything else in its batch is settled at the first delivery.
#[test]
fn an_object_that_does_not_end_keeps_no_other_from_being_settled() {
    let longest = ObjectAt { size: Some(LONG + 1), ..version(0) };
    for (slow, after) in [(version(0), 0), (version(0), 3), (longest.clone(), 0), (longest, 3)] {
        let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
        (0..6).for_each(|number| objects.put(&version(number), CREATED, body(2, false)));
        let objects = FailingObjects::new(objects, |at: &ObjectAt| {
            if at.key == slow.key { ReadFault::StalledAfter(after) } else { ReadFault::None }
        });
        let batch = [slow.clone(), version(1), version(2), long(3), version(4), long(5)];
        let deliveries = batch.iter().map(|at| delivery(std::slice::from_ref(at))).collect();
        let (clock, settings) = (Clock::until(100, 200), settings(1 << 20));
        let intake = block_on(intake(&store, &objects, &layout(), &epochs(), &settings, deliveries, &clock));
        assert_eq!(intake.outcome.failed, BTreeSet::from([0]), "{slow:?} {after}: {:?}", intake.outcome.errors);
        assert_eq!(counted(&store).values().sum::<u64>(), 10, "{slow:?} {after}");
        assert!(clock.passed.load(Ordering::Relaxed) < 110, "what does not end is given up when reading is over");
    }
}

/// The shortest of several long objects does not end: it is read first, and takes all the time. When all are
/// redelivered together another is first, and only the one that does not end is left.
#[test]
fn another_long_object_is_first_at_the_next_delivery() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(10));
    (0..4).for_each(|number| objects.put(&version(number), CREATED, body(2, false)));
    let stalls = |at: &ObjectAt| if at.key == version(0).key { ReadFault::StalledAfter(1) } else { ReadFault::None };
    let objects = FailingObjects::new(objects, stalls);
    for (receives, failed) in [(1, vec![0, 1, 2, 3]), (2, vec![0])] {
        let batch = (0..4).map(|number| ObjectAt { size: Some(LONG + number as u64), ..version(number) });
        let deliveries = batch.map(|at| Delivery { receives, ..delivery(&[at]) }).collect();
        let (clock, settings) = (Clock::until(100, 200), settings(1 << 20));
        let intake = block_on(intake(&store, &objects, &layout(), &epochs(), &settings, deliveries, &clock));
        assert_eq!(intake.outcome.failed, failed.into_iter().collect(), "received {receives} times");
    }
    assert_eq!(counted(&store).values().sum::<u64>(), 6);
}

/// What was read at the last moment is still written: reading stops while there is time to write.
#[test]
fn what_was_read_in_time_is_written() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(1 << 20));
    (0..3).for_each(|number| objects.put(&version(number), CREATED, body(2, false)));
    let clock = Clock::until(5, 10);
    let objects = Timed { objects: &objects, clock: &clock };
    let settings = ObjectSettings { objects_in_flight_max: 1, ..settings(1 << 20) };
    let deliveries = (0..3).map(|number| delivery(&[version(number)])).collect();
    let intake = block_on(intake(&store, &objects, &layout(), &epochs(), &settings, deliveries, &clock));
    assert_eq!((intake.outcome.failed, intake.sound), (BTreeSet::from([2]), 2), "{:?}", intake.outcome.errors);
    assert_eq!(counted(&store).values().sum::<u64>(), 4);
}

/// Each takes 40 pieces of time to validate and 40 to write: there is time for one, and not for the first reads of all
/// before it.
#[test]
fn of_several_large_objects_each_delivery_settles_some() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(40));
    let batch = [0, 1, 2].map(long);
    batch.iter().for_each(|at| objects.put(at, CREATED, body(60, false)));
    let mut left: Vec<ObjectAt> = batch.to_vec();
    for delivered in 1..=3 {
        let clock = Clock::until(130, 150);
        let timed = Timed { objects: &objects, clock: &clock };
        let settings = settings(0);
        let deliveries = left.iter().map(|at| delivery(std::slice::from_ref(at))).collect();
        let intake = block_on(intake(&store, &timed, &layout(), &epochs(), &settings, deliveries, &clock));
        let failed: Vec<ObjectAt> = intake.outcome.failed.iter().map(|place| left[*place].clone()).collect();
        assert!(failed.len() < left.len(), "delivery {delivered} settled nothing: {:?}", intake.outcome.errors);
        left = failed;
    }
    assert_eq!((left, counted(&store).values().sum::<u64>()), (vec![], 180));
}

/// A chunk still open when its object ends was never compared with the limit: fifty series of a one-chunk object.
#[test]
fn what_an_object_holds_is_bounded_also_in_an_open_chunk() {
    let object_limits = ObjectLimits { event_bytes_max: 60, ..ObjectLimits::default() };
    let epoch = Epoch { object_limits, ..Epoch::genesis() };
    let epochs = EpochView::new(EpochTable { epochs: vec![epoch], ..EpochTable::genesis() }, CREATED);
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(100));
    let body: String = (0..50).map(|n| format!("{{\"endpoint\":\"/shops/x{n}y\"}}\n")).collect();
    objects.put(&version(0), CREATED, body);
    let run = |bytes_max| {
        let (layout, settings) = (layout(), settings(bytes_max));
        let deliveries = vec![delivery(&[version(0)])];
        block_on(intake(&store, &objects, &layout, &epochs, &settings, deliveries, &Clock::endless()))
    };
    let (roomy, narrow) = (run(1 << 20), run(10_000));
    assert_eq!((roomy.sound, roomy.large, roomy.outcome.put), (1, 0, 50));
    assert_eq!((narrow.sound, narrow.large, narrow.outcome.duplicate), (1, 1, 50), "{:?}", narrow.outcome.errors);
}

/// A zstd frame of one raw block, with a window of 8 MiB (RFC 8878).
fn wide(plain: &str) -> Vec<u8> {
    let block = (plain.len() as u32) << 3 | 1;
    [&b"\x28\xb5\x2f\xfd\x00"[..], &[13 << 3], &block.to_le_bytes()[..3], plain.as_bytes()].concat()
}

#[test]
fn windows_that_do_not_fit_beside_others_are_opened_one_at_a_time() {
    let (store, objects) = (MemoryStore::default(), MemoryObjects::new(1_000));
    // More than the decompressor waits for before it inspects them.
    let body_of_a_block = body(20, false) + &"\n".repeat(40_000);
    (0..3).for_each(|number| objects.put(&version(number), CREATED, wide(&body_of_a_block)));
    objects.put(&version(3), CREATED, body(20, false));
    let deliveries: Vec<Delivery> = (0..4).map(|number| delivery(&[version(number)])).collect();
    let intake = deliver(&store, &objects, 1 << 20, deliveries.clone());
    assert_eq!(intake.outcome.failed, BTreeSet::new(), "{:?}", intake.outcome.errors);
    assert_eq!((intake.sound, intake.alone, intake.large), (4, 3, 0));
    assert_eq!(counted(&store).values().sum::<u64>(), 80);
    // With room for all of them nobody waits.
    let intake = deliver(&store, &objects, 16 << 20, deliveries);
    assert_eq!((intake.sound, intake.alone, counted(&store).values().sum::<u64>()), (4, 0, 80));
}

/// Objects each of whose pieces takes time.
struct Timed<'c> {
    objects: &'c MemoryObjects,
    clock: &'c Clock,
}

struct TimedPieces<'c> {
    pieces: MemoryPieces,
    clock: &'c Clock,
}

impl<'c> ObjectRead for Timed<'c> {
    type Pieces = TimedPieces<'c>;

    async fn open(&self, object: &ObjectAt) -> Result<Opened<TimedPieces<'c>>, ReadError> {
        let Opened { created_at, version, pieces } = self.objects.open(object).await?;
        Ok(Opened { created_at, version, pieces: TimedPieces { pieces, clock: self.clock } })
    }
}

impl Pieces for TimedPieces<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.clock.pass();
        self.pieces.next().await
    }
}

#[test]
fn identities_fit_a_sort_key_and_never_meet() {
    let long = "é".repeat(512);
    let identity = Identity::s3("b", &long, "v1");
    assert!(identity.to_string().len() < 600, "{}", identity.to_string().len());
    assert_ne!(identity, Identity::s3("b", &long, "v2"));
    assert_ne!(identity, Identity::s3("b", &format!("{long}e"), "v1"));
    assert_eq!(Identity::s3("b", "in/ü", "v1").to_string(), "s3:b/in/ü@v1");
}

/// A store whose every request takes another poll, so that a process can be killed before and after it.
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

/// Polls at most this often; what is not done by then is killed.
fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

proptest! {
    /// Any cutting into pieces, notifications twice and in any batch, lost requests and responses, broken reads,
    /// processes killed at any await: each event once, and the same chunks.
    #[test]
    fn any_deliveries_and_faults_count_each_event_once(
        sizes in proptest::collection::vec((0..23_usize, any::<bool>(), any::<bool>()), 1..6),
        deliveries in proptest::collection::vec(
            (proptest::collection::vec(proptest::collection::vec((0..6_usize, any::<bool>()), 0..3), 1..4), 1..60_usize, any::<bool>()),
            0..12),
        faults in proptest::collection::vec(prop_oneof![
            3 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After), 1 => Just(Fault::Twice)], 1..30),
        reads in proptest::collection::vec(prop_oneof![
            4 => Just(ReadFault::None), 1 => Just(ReadFault::Refused), 1 => (0..5_usize).prop_map(ReadFault::BrokenAfter),
            1 => (0..5_usize).prop_map(ReadFault::StalledAfter)], 1..10),
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
                let objects: Vec<ObjectAt> = numbers.iter().filter_map(|(number, by_version)| {
                    let (at, (events, bad, versioned)) = (at.get(*number)?, sizes.get(*number)?);
                    Some(if *versioned && !by_version { by_etag(at, &body(*events, *bad)) } else { at.clone() })
                }).collect();
                delivery(&objects)
            }).collect();
            let settings = settings(if *small { 0 } else { 1 << 20 });
            let (layout, epochs, store) = (layout(), epochs(), Slow(&failing));
            let clock = Clock::endless();
            let run = intake(&store, &troubled, &layout, &epochs, &settings, batch, &clock);
            poll_at_most(*polls, run);
        }
        let rest: Vec<Delivery> = at.iter().map(|at| delivery(std::slice::from_ref(at))).collect();
        let settled = deliver(&store, &troubled.inner, 1 << 20, rest);
        prop_assert!(settled.outcome.failed.is_empty());
        prop_assert_eq!(counted(&store).values().sum::<u64>(), sizes.iter().map(|(events, ..)| *events as u64).sum::<u64>());
        let chunks: usize = sizes.iter().map(|(events, ..)| events.div_ceil(EVENTS_PER_CHUNK as usize)).sum();
        prop_assert_eq!(identities(&store).len(), chunks);
        // An object of nothing but a malformed line is quarantined event by event like any other.
        prop_assert_eq!(store.quarantined().len(), sizes.iter().filter(|(_, bad, _)| *bad).count());
    }
}
