//! Any bytes as the public sketches of a row: what is read as ours is ours to the byte, and merges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_rollup::{Durations, Histogram, UserSketch, otlp};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(users) = UserSketch::from_datasketches_bytes(bytes) {
        assert_eq!(users.to_datasketches_bytes(), bytes);
        assert!(users.estimate().is_finite() && users.estimate() >= 0.0);
        let mut twice = users.clone();
        twice.merge(&users);
        assert_eq!(twice, users, "the same users again");
        let mut more = users.clone();
        more.add(b"one more");
        assert!(UserSketch::from_datasketches_bytes(&more.to_datasketches_bytes()).as_ref() == Ok(&more));
    }
    if let Ok(point) = otlp::parse_data_point(bytes) {
        merges(&point.histogram);
        round_trip(&point);
    }
});

fn merges(histogram: &Histogram) {
    let mut other = Histogram::default();
    [0, 1, 1_000, u64::MAX].into_iter().for_each(|us| other.record(us));
    let (mut one, mut two) = (histogram.clone(), other.clone());
    one.merge(&other);
    two.merge(histogram);
    assert_eq!(one, two, "the order of merging never shows");
    assert_eq!(one.count(), histogram.count().saturating_add(4));
}

/// A foreign writer's data point whose sum and extremes are whole microseconds is written again as it was.
fn round_trip(point: &otlp::DataPoint) {
    let us = |ms: Option<f64>| ms.map(|ms| (ms * 1_000.0).round()).filter(|us| (0.0..1e15).contains(us));
    let (Some(sum), Some(min), Some(max)) = (us(point.sum_ms), us(point.min_ms), us(point.max_ms)) else { return };
    let Ok(durations) = Durations::from_parts(sum as u128, min as u64, max as u64, point.histogram.clone()) else {
        return;
    };
    let bytes = otlp::data_point(&durations, point.start_unix_nano, point.end_unix_nano);
    let again = otlp::parse_data_point(&bytes).expect("our own data point");
    assert_eq!(again.histogram, point.histogram);
    assert_eq!((again.start_unix_nano, again.end_unix_nano), (point.start_unix_nano, point.end_unix_nano));
}
