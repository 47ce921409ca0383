//! The traffic behind the goldens, and the writing of new ones.

use crate::{attributes, directory};
use futures::executor::block_on;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use weir_exact::epochs::item_of;
use weir_exact::fenced::{FencedLane, FencedSettings, Record};
use weir_exact::finalize::{self, Catalog};
use weir_exact::layout::{Layout, expires_at};
use weir_exact::ledger::{Claim, Identity};
use weir_exact::memory::MemoryStore;
use weir_exact::ports::Item;
use weir_exact::row::{ALGORITHM, Row, RowVersion, State};
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_exact::skips::{Entry, SkipList};
use weir_rollup::{Ledger, LedgerEntry, Rollup, SeriesKey, Status};
use weir_telemetry::{Accepted, Decoded, Epoch, EpochTable, EpochView, Millis, Window, decode_payload};

/// Of the goldens that [`write_goldens`] makes. The next format is the next number.
pub(crate) const NUMBER: u32 = 1;
/// 2026-11-21T01:30:05Z.
pub(crate) const ARRIVAL: Millis = Millis(1_795_224_605_000);
/// What the older version had seen of [`RECORDS`] and [`MESSAGES`].
pub(crate) const RECORDS_BEFORE: usize = 12;
pub(crate) const RECORDS: usize = 24;
pub(crate) const MESSAGES: usize = 8;

pub(crate) fn layout() -> Layout {
    Layout::new("live", EpochTable::genesis().generation)
}

pub(crate) fn window() -> Window {
    Window::containing(ARRIVAL)
}

pub(crate) fn shard() -> Shard {
    let (stream, id) = ("weir-telemetry".to_owned(), "shardId-000000000000".to_owned());
    Shard { stream, created_at: Millis(1_795_200_000_000), id }
}

/// Parts so small that the older version closed one.
pub(crate) fn lane(store: &MemoryStore) -> FencedLane<&MemoryStore> {
    FencedLane::new(store, FencedSettings { item_bytes_max: 170, ..FencedSettings::default() })
}

pub(crate) fn epochs() -> EpochView {
    EpochView::new(EpochTable::genesis(), ARRIVAL)
}

/// One event; every sixth has another in a service of its own, and the eighth one that is set aside.
fn payload(n: usize) -> String {
    let (status, endpoint) = ([200, 404, 503][n % 3], ["/login", "/users/17", "Billing.Charge"][n % 3]);
    let first = format!(
        r#"{{"service":"checkout","endpoint":"{endpoint}","status":{status},"duration_ms":{n}.125,"user_id":"user-{}"}}"#,
        n % 7
    );
    match n {
        7 => format!("{first}\n{{\"status\":\"no\"}}"),
        _ if n % 6 == 5 => format!("{first}\n{{\"service\":\"search\"}}"),
        _ => first,
    }
}

/// Records of the shard, by number.
pub(crate) fn records(range: Range<usize>) -> Vec<Record<'static>> {
    let record = |n: usize| Record {
        sequence: SequenceNumber::parse(&format!("49590338271490256608559692538361571095921575989136{n:06}")).unwrap(),
        arrived_at: ARRIVAL,
        data: payload(n).into_bytes().into(),
    };
    range.map(record).collect()
}

pub(crate) fn decoded(n: usize) -> Decoded {
    decode_payload(payload(n).as_bytes(), ARRIVAL, &Epoch::genesis())
}

/// Counts an event, one at a time.
pub(crate) fn count(series: &mut BTreeMap<SeriesKey, Rollup>, event: &Accepted) {
    let key = SeriesKey { service: event.series.service.clone(), endpoint: event.series.endpoint.clone() };
    let status = event.status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
    series.entry(key).or_default().add(status, event.duration_us, event.user.as_deref().map(str::as_bytes));
}

/// A ledger item of the messages of these numbers; a message holds what the record of its number holds.
pub(crate) fn ledger_item(messages: &[usize], digest: &str) -> Item {
    let entry = |n: &usize| {
        let mut series = BTreeMap::new();
        decoded(*n).accepted.iter().for_each(|event| count(&mut series, event));
        let queue = "arn:aws:sqs:us-east-1:000000000000:weir-telemetry";
        LedgerEntry { identity: Identity::sqs(queue, &format!("message-{n}")).to_string(), series }
    };
    let ledger = Ledger { entries: messages.iter().map(entry).collect() };
    let key = layout().ledger(window(), 7, digest);
    Item { key, fence: None, body: ledger.encode(), expires_at: Some(expires_at(window().end())) }
}

/// What the older version put: the fenced chain, the shard's progress, two ledger items, the epoch table, a claim, the
/// window's catalog, the skip list; and what it set aside.
fn written() -> (Vec<(&'static str, Item)>, MemoryStore) {
    let store = MemoryStore::default();
    let outcome = block_on(lane(&store).process(&layout(), &shard(), records(0..RECORDS_BEFORE), &epochs(), &|| false));
    assert_eq!(outcome.failed_from, None, "{outcome:?}");
    let mut items = vec![];
    for item in store.items() {
        let name = match (item.key.pk.as_str(), item.fence.as_deref()) {
            ("live#progress", _) => "progress",
            (_, Some(fence)) if fence.ends_with('+') => "fenced-closed",
            _ => "fenced-open",
        };
        items.push((name, item));
    }
    let names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["progress", "fenced-closed", "fenced-open"], "one of each");
    items.push(("ledger", ledger_item(&[0, 1, 2, 3], "0123456789abcdef0123456789abcdef")));
    items.push(("ledger-again", ledger_item(&[2, 4], "fedcba9876543210fedcba9876543210")));
    let later = Epoch { number: 2, from_ms: ARRIVAL.0 + 86_400_000, splits: 4, ..Epoch::genesis() };
    let table = EpochTable { epochs: vec![Epoch::genesis(), later], ..EpochTable::genesis() };
    items.push(("epochs", item_of(&table)));
    let own = Identity::sqs("arn:aws:sqs:us-east-1:000000000000:weir-telemetry", "order-17");
    items.push(("claim", Claim::new(ARRIVAL, payload(1).as_bytes()).to_item(&layout(), &own)));
    let contributions: Vec<Item> = items.iter().map(|(_, item)| item.clone()).filter(is_contribution).collect();
    let mut catalog = Catalog::default();
    assert!(catalog.admit(&finalize::fold(&contributions).expect("items of today's"), 10_000));
    items.push(("catalog", catalog.to_item(&layout(), window())));
    let entry = Entry {
        shard: shard().to_string(),
        sequence_number: "49590338271490256608559692538361571095921575989136000007".to_owned(),
        arrived_at_ms: ARRIVAL.0,
        from_ms: ARRIVAL.0 + 1_020_000,
    };
    let mut skips = SkipList::default();
    skips.entries.push(entry);
    items.push(("skips", skips.to_item(3)));
    (items, store)
}

fn is_contribution(item: &Item) -> bool {
    layout().window_of(&item.key.pk).is_some()
}

/// Writes goldens that are not there yet under [`NUMBER`]; none is ever written over.
#[test]
#[ignore = "adds goldens of a new format: tests/formats/README.md"]
fn write_goldens() {
    let (items, store) = written();
    for (name, item) in &items {
        keep("item", name, &attributes::to_json(&attributes::of_item(item)));
    }
    for object in store.quarantined().values() {
        keep("quarantine", "kinesis-event", &object.body());
    }
    let contributions: Vec<Item> = items.into_iter().map(|(_, item)| item).filter(is_contribution).collect();
    let totals = finalize::fold(&contributions).expect("items of today's");
    for computed in finalize::rows(window(), totals) {
        let name = match (computed.key.service.as_str(), computed.key.endpoint.as_str()) {
            ("checkout", "*") => "summary",
            ("checkout", "/login") => "endpoint",
            ("search", "unknown") => "without-durations-and-users",
            _ => continue,
        };
        let version = RowVersion { revision: computed.revision, algorithm: ALGORITHM, state: State::Complete };
        let finalize::Computed { key, rollup, top_endpoints, .. } = computed;
        let expires_at = Some(window().end().0 / 1_000 + 30 * 86_400);
        let row = Row { key, rollup, top_endpoints, version, updated_at: window().end(), expires_at };
        keep("row", name, &attributes::to_json(&weir_aws::rows::attributes(&row)));
    }
}

fn keep(format: &str, name: &str, bytes: &[u8]) {
    let path = directory(format).join(format!("{NUMBER}-{name}.json"));
    match std::fs::File::create_new(&path) {
        Ok(mut file) => file.write_all(bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => panic!("{}: {error}", path.display()),
    }
}
