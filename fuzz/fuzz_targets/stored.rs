//! Any bytes as a stored contribution: what can be read can be written and read again as the same value, and merges as
//! if it had been counted event by event.
//!
//! A stored frame has a checksum, which chance does not meet; so the mutator changes what the frame holds.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use weir_rollup::{Body, Ledger, Rollup, UserSketch, otlp, stored};

/// Bound of what is mutated below the frame, bytes.
const PLAIN_BYTES_MAX: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = Body::decode(bytes) {
        let encoded = body.encode();
        assert_eq!(Body::decode(&encoded).as_ref(), Ok(&body), "written and read again");
        assert_eq!(Body::decode(&encoded).map(|body| body.encode()), Ok(encoded), "one value has one form");
        laws(body.series.values().map(|series| &series.rollup));
    }
    if let Ok(ledger) = Ledger::decode(bytes) {
        let encoded = ledger.encode();
        assert_eq!(Ledger::decode(&encoded).as_ref(), Ok(&ledger), "written and read again");
        assert_eq!(Ledger::decode(&encoded).map(|ledger| ledger.encode()), Ok(encoded), "one value has one form");
        laws(ledger.entries.iter().flat_map(|entry| entry.series.values()));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // One time in eight the frame itself.
    let plain = (seed % 8 != 0).then(|| plain(&data[..size])).flatten();
    let Some(mut plain) = plain else { return fuzzer_mutate(data, size, max_size) };
    let length = plain.len();
    plain.resize(PLAIN_BYTES_MAX, 0);
    let length = fuzzer_mutate(&mut plain, length, PLAIN_BYTES_MAX);
    let Ok(frame) = zstd::bulk::compress(&plain[..length], 1) else { return size };
    if frame.len() + 1 > max_size {
        return size;
    }
    data[0] = stored::FORMAT;
    data[1..=frame.len()].copy_from_slice(&frame);
    frame.len() + 1
});

/// What the frame of a stored item holds; nothing yet of an empty input.
fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    let frame = bytes.strip_prefix(&[stored::FORMAT]).unwrap_or_default();
    if bytes.is_empty() { Some(vec![]) } else { zstd::bulk::decompress(frame, PLAIN_BYTES_MAX).ok() }
}

fn laws<'a>(rollups: impl Iterator<Item = &'a Rollup> + Clone) {
    let fold = |rollups: &mut dyn Iterator<Item = &'a Rollup>| {
        rollups.fold(Rollup::default(), |mut sum, rollup| {
            sum.merge(rollup);
            sum
        })
    };
    let rollups: Vec<&Rollup> = rollups.collect();
    let forwards = fold(&mut rollups.iter().copied());
    assert_eq!(forwards, fold(&mut rollups.iter().rev().copied()), "the order of merging never shows");
    for rollup in rollups.into_iter().chain([&forwards]) {
        public_bytes(rollup);
    }
}

fn public_bytes(rollup: &Rollup) {
    let users = rollup.users();
    assert_eq!(UserSketch::from_datasketches_bytes(&users.to_datasketches_bytes()).as_ref(), Ok(users));
    assert!(users.estimate() >= 0.0, "{}", users.estimate());
    assert!(rollup.errors() <= rollup.events());
    let Some(durations) = rollup.durations() else { return };
    let bytes = otlp::data_point(durations, 0, 60_000_000_000);
    let point = otlp::parse_data_point(&bytes).expect("our own data point");
    assert_eq!(&point.histogram, durations.histogram());
    let quantiles = [0.0, 0.5, 0.9, 0.99, 1.0].map(|q| durations.quantile_ms(q));
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    assert!(durations.min_ms() <= quantiles[0] && quantiles[4] <= durations.max_ms(), "{quantiles:?}");
}
