//! Stored format 1: whatever is written is read, in the same bytes, for ever.

mod support;

use std::path::PathBuf;

use proptest::prelude::*;
use support::{Event, events, rollup, status};
use weir_rollup::stored::{self, FORMAT};
use weir_rollup::{Body, DecodeError, Ledger, LedgerEntry, Rollup, SeriesBody, SeriesKey, Status};

fn any_rollup() -> impl Strategy<Value = Rollup> {
    let sizes = prop_oneof![Just((0, 1)), Just((1, 1)), (1..50usize, 1..50usize), (300..900usize, 300..900usize)];
    let of_burst = (sizes, any::<u64>()).prop_map(|((n, users), seed)| rollup(&events(seed, n, users)));
    let odd = (prop::option::of(0..1000u16), prop::option::of(any::<u64>()), prop::option::of(".{0,9}"));
    let odd = odd.prop_map(|(number, us, user)| Event(number.map_or(Status::UNKNOWN, status), us, user));
    prop_oneof![of_burst, prop::collection::vec(odd, 0..20).prop_map(|events| rollup(&events))]
}

fn any_key() -> impl Strategy<Value = SeriesKey> {
    ("[ab]?|.{0,6}", "/[a-c]{0,2}|~other|.{0,6}").prop_map(|(service, endpoint)| SeriesKey { service, endpoint })
}

fn any_body() -> impl Strategy<Value = Body> {
    let series = (any_rollup(), any::<u64>()).prop_map(|(rollup, touches)| SeriesBody { rollup, touches });
    prop::collection::btree_map(any_key(), series, 0..8).prop_map(|series| Body { series })
}

fn any_ledger() -> impl Strategy<Value = Ledger> {
    let series = prop::collection::btree_map(any_key(), any_rollup(), 0..5);
    let entry = (".{0,20}", series).prop_map(|(identity, series)| LedgerEntry { identity, series });
    prop::collection::vec(entry, 0..6).prop_map(|entries| Ledger { entries })
}

/// Whether a record is folded is decided by these numbers: they never change.
#[test]
fn the_bound_of_a_series_never_changes() {
    let key = SeriesKey { service: "checkout".to_owned(), endpoint: "/pay".to_owned() };
    let bound = |events: &[Event]| stored::bytes_max(&key, &rollup(events));
    let event = |us, user: &str| Event(status(200), us, Some(user.to_owned()));
    assert_eq!(bound(&[]), 64 + 12);
    assert_eq!(bound(&[event(Some(5), "a")]), stored::EVENT_BYTES + 12);
    assert_eq!(bound(&[event(Some(5), "a"), event(Some(5), "a"), event(Some(500), "b")]), 64 + 12 + 3 * 8 + 2 * 4);
    let many: Vec<Event> = (0..400).map(|n| event(None, &n.to_string())).collect();
    assert_eq!(bound(&many), 64 + 12 + 8 + 3_072);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bodies_are_read_as_written(body in any_body()) {
        let bytes = stored::encode(&body);
        prop_assert_eq!(bytes[0], FORMAT);
        let read = stored::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &body);
        prop_assert_eq!(stored::encode(&read), bytes);
    }

    #[test]
    fn ledgers_are_read_as_written(ledger in any_ledger()) {
        let bytes = ledger.encode();
        prop_assert_eq!(bytes[0], FORMAT);
        let read = Ledger::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &ledger);
        prop_assert_eq!(read.encode(), bytes);
    }

    /// What decides whether a record is folded holds for every encoder: it may never promise too little.
    #[test]
    fn a_body_takes_no_more_than_its_bound(body in any_body()) {
        let series = body.series.iter();
        let bound: usize = series.map(|(key, series)| stored::bytes_max(key, &series.rollup)).sum();
        let bytes = stored::encode(&body).len();
        prop_assert!(bytes <= bound + stored::ITEM_BYTES, "{bytes} bytes, bound {bound}");
    }

    /// The frame has a checksum, so no damage reads as another body.
    #[test]
    fn damage_is_an_error(body in any_body(), at: prop::sample::Index, flip in 1..=u8::MAX) {
        let mut bytes = stored::encode(&body);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        match stored::decode(&bytes) {
            // Bits of the frame's header that say nothing may change without harm.
            Ok(read) => prop_assert_eq!(read, body),
            Err(DecodeError::UnknownFormat(format)) => prop_assert_eq!((at, format), (0, FORMAT ^ flip)),
            Err(_) => {}
        }
    }

    #[test]
    fn parts_and_excess_are_errors(body in any_body(), cut: prop::sample::Index, excess in prop::collection::vec(any::<u8>(), 1..20)) {
        let bytes = stored::encode(&body);
        prop_assert!(stored::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(stored::decode(&[bytes.clone(), excess].concat()).is_err());
        prop_assert!(stored::decode(&[&bytes[..], &bytes[1..]].concat()).is_err(), "a second frame");
    }

    #[test]
    fn any_bytes_are_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), ours: bool) {
        if let (true, Some(first)) = (ours, bytes.first_mut()) {
            *first = FORMAT;
        }
        let _ = stored::decode(&bytes);
        let _ = stored::decode_ledger(&bytes);
    }
}

#[test]
fn formats_are_told_apart() {
    assert_eq!(stored::decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(stored::decode(&[2, 0, 0]), Err(DecodeError::UnknownFormat(2)));
    assert_eq!(stored::decode_ledger(&[0]), Err(DecodeError::UnknownFormat(0)));
    assert!(matches!(stored::decode(&[FORMAT]), Err(DecodeError::Corrupt(_))));
}

fn key(service: &str, endpoint: &str) -> SeriesKey {
    SeriesKey { service: service.into(), endpoint: endpoint.into() }
}

/// Every branch of the format: no duration, zero alone, zero and others, one bin, many; no user,
/// coupons, registers in either code.
fn golden_rollups() -> Vec<(SeriesKey, Rollup)> {
    let zero = Event(Status::UNKNOWN, Some(0), None);
    let long = Event(status(0), Some(u64::MAX), Some("ada".into()));
    vec![
        (key("default", "unknown"), Rollup::default()),
        (key("shop", "/cart"), rollup(&[Event(status(204), None, None)])),
        (key("shop", "/cart/{id}"), rollup(std::slice::from_ref(&zero))),
        (key("shop", "/login"), rollup(&[zero, long])),
        (key("shop", "/ping"), rollup(&events(1, 1, 1))),
        (key("shop", "/search"), rollup(&events(2, 900, 384))),
        (key("shop", "~other"), rollup(&events(3, 900, 385))),
        (key("Zoë", "/"), rollup(&events(4, 9_000, 9_000))),
    ]
}

fn golden_body() -> Body {
    let series = golden_rollups().into_iter().zip([0, 1, 2, 3, 300, 5, 6, u64::MAX]);
    Body { series: series.map(|((key, rollup), touches)| (key, SeriesBody { rollup, touches })).collect() }
}

fn golden_ledger() -> Ledger {
    let entries = [
        ("sqs:arn:aws:sqs:us-east-1:000000000000:weir-telemetry/b", 0..3),
        ("s3:weir-landing/in/a@v1", 3..3),
        ("replay:x#*", 1..8),
    ];
    let entry = |(identity, range): (&str, std::ops::Range<usize>)| LedgerEntry {
        identity: identity.into(),
        series: golden_rollups()[range].iter().cloned().collect(),
    };
    Ledger { entries: entries.map(entry).into() }
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// Bytes of the first release. Writers may come to compress otherwise, hence only reading is
/// pinned; these files never change, and a format 2 gets files of its own.
#[test]
fn format_1_is_read_for_ever() {
    let body = std::fs::read(golden("body_format_1.bin")).unwrap();
    assert_eq!(stored::decode(&body), Ok(golden_body()));
    let ledger = std::fs::read(golden("ledger_format_1.bin")).unwrap();
    assert_eq!(stored::decode_ledger(&ledger), Ok(golden_ledger()));
}

#[test]
#[ignore = "wrote the goldens, once"]
fn write_goldens() {
    for (name, bytes) in
        [("body_format_1.bin", golden_body().encode()), ("ledger_format_1.bin", golden_ledger().encode())]
    {
        let mut file = std::fs::File::create_new(golden(name)).unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
    }
}
