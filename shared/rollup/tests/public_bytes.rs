//! What other languages read: the sketch of users and the histogram of durations.
//!
//! The files in `goldens/` are what `read_sketch.py` read with the Python libraries; this test pins
//! the bytes, so that its verdict stands. `cargo test -p weir-rollup --test public_bytes --
//! --ignored` writes them anew: then run the script again.

mod support;

use std::path::PathBuf;

use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use proptest::prelude::*;
use support::{Event, rollup};
use weir_rollup::{Histogram, Rollup, Status, UserSketch, otlp};

const USERS: [u32; 9] = [0, 1, 7, 8, 100, 384, 385, 2_000, 100_000];
const START_UNIX_NANO: u64 = 1_795_224_600_000_000_000;
const END_UNIX_NANO: u64 = START_UNIX_NANO + 60_000_000_000;

/// As `read_sketch.py` names them, too. Not all ASCII: what is hashed is UTF-8.
fn name(user: u32) -> String {
    format!("usér-{user}")
}

fn sketch(users: u32) -> UserSketch {
    let mut sketch = UserSketch::default();
    (0..users).for_each(|user| sketch.add(name(user).as_bytes()));
    sketch
}

fn durations() -> Rollup {
    let us = (0..1_000u64).map(|i| i * i * i * 53);
    rollup(&us.map(|us| Event(Status::UNKNOWN, Some(us), None)).collect::<Vec<_>>())
}

fn goldens() -> Vec<(PathBuf, Vec<u8>)> {
    let path = |name: String| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    let sketches = USERS.map(|users| (path(format!("users_{users}.hll")), sketch(users).to_datasketches_bytes()));
    let point = otlp::data_point(durations().durations().unwrap(), START_UNIX_NANO, END_UNIX_NANO);
    sketches.into_iter().chain([(path("durations.otlp".into()), point)]).collect()
}

#[test]
fn bytes_are_those_that_python_read() {
    for (path, bytes) in goldens() {
        assert!(std::fs::read(&path).unwrap() == bytes, "{} differs", path.display());
    }
}

#[test]
#[ignore = "writes the goldens"]
fn write_goldens() {
    for (path, bytes) in goldens() {
        std::fs::write(path, bytes).unwrap();
    }
}

/// Ours and the `datasketches` crate's of the same users must be one sketch to that crate.
#[test]
fn the_library_makes_the_same_sketch() {
    for users in USERS.into_iter().chain([383, 386, 24, 25, 48, 49, 400, 3_000, 20_000, 1_000_000]) {
        let ours = sketch(users);
        let mut theirs = HllSketch::new(12, HllType::Hll4).unwrap();
        (0..users).for_each(|user| theirs.update(raw_bytes::from_str(&name(user))));
        let read = HllSketch::deserialize(&ours.to_datasketches_bytes()).unwrap();
        assert_eq!(read.estimate(), theirs.composite_estimate(), "{users} users");
        assert_eq!(ours.estimate(), read.estimate(), "{users} users");

        let mut union = HllUnion::new(12).unwrap();
        union.update(&read);
        union.update(&theirs);
        assert_eq!(union.composite_estimate(), ours.estimate(), "{users} users grow in a union");
        assert_eq!(UserSketch::from_datasketches_bytes(&ours.to_datasketches_bytes()), Ok(ours));
    }
}

#[test]
fn exceptions_of_four_bits() {
    // With enough users the smallest register is above zero and some are 15 above it.
    let bytes = sketch(1_000_000).to_datasketches_bytes();
    assert!(bytes[6] > 0 && bytes.len() > 40 + 2_048);
}

#[test]
fn empty_names_are_skipped_as_the_libraries_do() {
    let mut sketch = UserSketch::default();
    sketch.add(b"");
    assert_eq!(sketch, UserSketch::default());
    assert_eq!(sketch.estimate(), 0.0);
}

#[test]
fn foreign_images_are_refused() {
    let mut theirs = HllSketch::new(12, HllType::Hll8).unwrap();
    (0..1_000).for_each(|user| theirs.update(raw_bytes::from_str(&name(user))));
    assert!(UserSketch::from_datasketches_bytes(&theirs.serialize()).is_err());
    assert!(UserSketch::from_datasketches_bytes(&[]).is_err());
}

proptest! {
    #[test]
    fn any_image_is_read_or_refused(mut at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), users in prop::sample::select(vec![0, 5, 30, 384, 385, 9_000])) {
        let mut bytes = sketch(users).to_datasketches_bytes();
        for (index, byte) in at.drain(..) {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(sketch) = UserSketch::from_datasketches_bytes(&bytes) {
            prop_assert_eq!(sketch.to_datasketches_bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_point_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = otlp::parse_data_point(&bytes);
        let _ = UserSketch::from_datasketches_bytes(&bytes);
    }

    #[test]
    fn points_are_read_back(us in prop::collection::vec(prop_oneof![Just(0), 0..5_000_000u64, any::<u64>()], 1..50), start: u64, end: u64) {
        let rollup = rollup(&us.iter().map(|&us| Event(Status::UNKNOWN, Some(us), None)).collect::<Vec<_>>());
        let durations = rollup.durations().unwrap();
        let point = otlp::parse_data_point(&otlp::data_point(durations, start, end)).unwrap();
        prop_assert_eq!(&point.histogram, durations.histogram());
        prop_assert_eq!((point.start_unix_nano, point.end_unix_nano), (start, end));
        prop_assert_eq!((point.sum_ms, point.min_ms, point.max_ms), (Some(durations.sum_ms()), Some(durations.min_ms()), Some(durations.max_ms())));
    }
}

#[test]
fn a_point_of_another_scale_is_refused() {
    // Field 6, scale, as zigzag 3 → −2; then no scale at all, which is 0.
    assert!(matches!(otlp::parse_data_point(&[0x30, 3]), Err(otlp::ParseError::Scale(-2))));
    assert!(matches!(otlp::parse_data_point(&[]), Err(otlp::ParseError::Scale(0))));
    let empty = otlp::parse_data_point(&[0x30, 10]).unwrap();
    assert_eq!(empty.histogram, Histogram::default());
}
