//! Damage below the frame, where its checksum does not look. The rest is in `tests/stored.rs`.

use proptest::prelude::*;

use super::*;
use crate::Status;

fn rollup(events: u64, users: u64) -> Rollup {
    let mut rollup = Rollup::default();
    for i in 0..events {
        let status = Status::new((i * 7 % 600) as u16).unwrap_or(Status::UNKNOWN);
        rollup.add(status, Some(i * i * 31), (i < users).then(|| i.to_be_bytes()).as_ref().map(|user| &user[..]));
    }
    rollup
}

fn key(service: &str, endpoint: &str) -> SeriesKey {
    SeriesKey { service: service.into(), endpoint: endpoint.into() }
}

fn body() -> Body {
    let rollups = [rollup(0, 0), rollup(1, 1), rollup(40, 20), rollup(600, 500)];
    let keys = [key("", ""), key("a", "/"), key("a", "/x"), key("b", "/")];
    let series = keys.into_iter().zip(rollups).zip(0..);
    Body { series: series.map(|((key, rollup), touches)| (key, SeriesBody { rollup, touches })).collect() }
}

fn ledger() -> Ledger {
    let series = |keys: &[(&str, u64)]| keys.iter().map(|&(at, n)| (key("a", at), rollup(n, n))).collect();
    let entry = |identity: &str, keys: &[_]| LedgerEntry { identity: identity.into(), series: series(keys) };
    Ledger {
        entries: vec![entry("sqs:q/2", &[("/", 2), ("/x", 30)]), entry("sqs:q/1", &[]), entry("sqs:q/3", &[("/x", 9)])],
    }
}

/// Bytes changed, cut or added in what `encoded` decompresses to, under an intact frame.
fn damaged(encoded: &[u8], changes: &[(prop::sample::Index, u8)], cut: usize, added: &[u8]) -> Vec<u8> {
    let mut plain = plain(encoded).unwrap();
    for (index, byte) in changes {
        let at = index.index(plain.len());
        plain[at] ^= byte;
    }
    plain.truncate(plain.len() - cut);
    plain.extend_from_slice(added);
    compress(&plain, 0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// What is read from damaged bytes is still a body that events can have made: it survives being
    /// written and read.
    #[test]
    fn damage_is_an_error_or_another_body(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in 0..3usize, added in prop::collection::vec(any::<u8>(), 0..2),
    ) {
        if let Ok(body) = decode(&damaged(&encode(&body()), &changes, cut, &added)) {
            prop_assert_eq!(decode(&encode(&body)).unwrap(), body);
        }
        if let Ok(ledger) = decode_ledger(&damaged(&encode_ledger(&ledger()), &changes, cut, &added)) {
            prop_assert_eq!(decode_ledger(&encode_ledger(&ledger)).unwrap(), ledger);
        }
    }

    #[test]
    fn any_plain_bytes_are_no_panic(plain in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = compress(&plain, 0).unwrap();
        let _ = decode(&framed);
        let _ = decode_ledger(&framed);
    }
}

#[test]
fn bytes_after_the_sections_are_an_error() {
    assert_eq!(decode(&damaged(&encode(&body()), &[], 0, &[])), Ok(body()));
    let added = decode(&damaged(&encode(&body()), &[], 0, &[0]));
    assert_eq!(added, Err(DecodeError::Corrupt("bytes after the last section")));
    let mut bits = plain(&encode(&Body::default())).unwrap();
    assert_eq!(bits, [0, 0, 0, 0]);
    bits.splice(3.., [1, 0]);
    assert_eq!(decode(&compress(&bits, 0).unwrap()), Err(DecodeError::Corrupt("bits of no rollup")));
}

#[test]
fn decompression_is_bounded() {
    let bomb = zstd::bulk::compress(&vec![0; PLAIN_BYTES_MAX + 1], 3).unwrap();
    let bomb = [&[FORMAT], &bomb[..]].concat();
    assert!(bomb.len() < 4_096);
    assert_eq!(decode(&bomb), Err(DecodeError::TooLarge(PLAIN_BYTES_MAX as u64 + 1)));
    // Nor is anything written that the bound would keep from being read.
    assert!(compress(&vec![0; PLAIN_BYTES_MAX + 1], 0).unwrap().len() > PLAIN_BYTES_MAX);
    assert!(compress(&vec![0; PLAIN_BYTES_MAX], 0).unwrap().len() < 4_096);
}

/// Found by fuzzing: 3.6 KB that took over 1.5 GB to read, many series with two durations far apart each.
#[test]
fn a_small_item_asks_for_little_memory() {
    let mut wide = Rollup::default();
    wide.add(Status::UNKNOWN, Some(1), None);
    wide.add(Status::UNKNOWN, Some(86_400_000_000), None);
    let of = |n: usize| {
        let series = (0..n).map(|at| {
            let key = SeriesKey { service: String::new(), endpoint: format!("{at:05}") };
            (key, SeriesBody { rollup: wide.clone(), touches: 1 })
        });
        Body { series: series.collect() }
    };
    let most = encode(&of(ROLLUPS_MAX));
    assert!(most.len() < 200_000, "{} bytes", most.len());
    let read = decode(&most).unwrap();
    let pages: usize = read.series.values().map(|series| series.rollup.durations().unwrap().histogram().bytes()).sum();
    assert!(pages < 12_000_000, "{pages} bytes of bins");
    assert_eq!(decode(&encode(&of(ROLLUPS_MAX + 1))), Err(DecodeError::TooMany(ROLLUPS_MAX + 1)));

    let entry = |(key, series): (SeriesKey, SeriesBody)| LedgerEntry {
        identity: key.endpoint.clone(),
        series: [(key, series.rollup)].into(),
    };
    let ledger = |n| encode_ledger(&Ledger { entries: of(n).series.into_iter().map(entry).collect() });
    assert!(decode_ledger(&ledger(ROLLUPS_MAX)).is_ok());
    assert_eq!(decode_ledger(&ledger(ROLLUPS_MAX + 1)), Err(DecodeError::TooMany(ROLLUPS_MAX + 1)));
}

/// A body of one series with the given durations (min, max over min, sum over mins, zeros, bins).
fn of_durations(durations: (u64, u64, u128, u64, u32), bits: &[u8]) -> Result<Body, DecodeError> {
    let services: [(&str, &[&str]); 1] = [("a", &["/"])];
    let rollup: [(&[(u16, u64)], _, u16); 1] = [(&[(200, 1 << 40)], Some(durations), 0)];
    let small = (services.as_slice(), &[0u64][..], rollup.as_slice());
    let plain = postcard::to_stdvec(&(small, bits)).unwrap();
    decode(&compress(&plain, 0).unwrap())
}

fn two_bins(gap: u64) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0, 8); // both parameters
    bits.put_golomb(0, 0);
    bits.put_golomb(gap, 0);
    bits.put_golomb(0, 0);
    bits.finish()
}

#[test]
fn a_few_bits_cannot_ask_for_much() {
    let near = of_durations((1, 3, 3, 0, 2), &two_bins(63)).unwrap();
    assert_eq!(near.series[&key("a", "/")].rollup.durations().unwrap().max_us(), 4);
    for gap in [2_048, 1 << 40, u64::MAX >> 2] {
        let far = of_durations((1, 3, 3, 0, 2), &two_bins(gap));
        assert_eq!(far, Err(DecodeError::Corrupt("bins end early")), "{gap}");
    }
    let many = of_durations((1, 3, 3, 0, u32::MAX), &[0xff; 64]);
    assert_eq!(many, Err(DecodeError::Corrupt("bins end early")));
}
