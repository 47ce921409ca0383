//! Measures what the module documentation of `stored` says. Not a check, hence ignored:
//! `cargo test -p weir-rollup --test sizes -- --ignored --nocapture`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

mod support;

use std::time::Instant;

use support::{events, rollup};
use weir_rollup::{Body, Ledger, LedgerEntry, Rollup, SeriesBody, SeriesKey, UserSketch, otlp, stored};

fn key(at: usize) -> SeriesKey {
    let verbs = ["login", "search", "checkout", "profile", "feed", "orders", "carts", "items"];
    SeriesKey {
        service: format!("service-{}", at / 20),
        endpoint: format!("/v1/{}/{{id}}/{}", verbs[at % 8], at * 7919 % 1000),
    }
}

fn body(series: usize, n: usize, users: usize) -> Body {
    let series = (0..series).map(|at| {
        // Each series has users of its own, as a hash of another name would give.
        let mut events = events(at as u64, n, users);
        events.iter_mut().for_each(|event| event.2 = event.2.take().map(|user| format!("{user}-{at}")));
        (key(at), SeriesBody { rollup: rollup(&events), touches: 1 + at as u64 % 12 })
    });
    Body { series: series.collect() }
}

#[test]
#[ignore = "a measurement"]
fn bytes_per_series() {
    println!("{:>8} {:>8} {:>8} | {:>8} {:>9}", "events", "users", "series", "bytes", "per serie");
    for (n, users) in [(1, 1), (10, 10), (100, 100), (1000, 384), (2000, 2000), (20000, 20000), (200000, 100000)] {
        for series in [1, 10, 100] {
            if n * series > 2_000_000 {
                continue;
            }
            let body = body(series, n, users);
            let bytes = stored::encode(&body);
            let start = Instant::now();
            for _ in 0..10 {
                std::hint::black_box(stored::encode(&body));
            }
            let encode = start.elapsed() / 10;
            let start = Instant::now();
            for _ in 0..10 {
                std::hint::black_box(stored::decode(&bytes)).unwrap();
            }
            let decode = start.elapsed() / 10;
            let one = body.series.values().next().unwrap();
            println!(
                "{n:>8} {users:>8} {series:>8} | {:>8} {:>9} sketch {:>5} point {:>5} encode {encode:?} decode {decode:?}",
                bytes.len(),
                bytes.len() / series,
                one.rollup.users().to_datasketches_bytes().len(),
                otlp::data_point(one.rollup.durations().unwrap(), 1 << 60, 1 << 60).len(),
            );
        }
    }
    let encoded = |rollup: Rollup| {
        let series = [(key(0), SeriesBody { rollup, touches: 1 })].into();
        stored::encode(&Body { series }).len()
    };
    for users in [1, 10, 100, 384, 385, 1_000, 2_000, 5_000, 20_000, 100_000, 1_000_000] {
        let mut with = events(1, users, users);
        with.iter_mut().for_each(|event| event.1 = None);
        let mut without = with.clone();
        without.iter_mut().for_each(|event| event.2 = None);
        println!("{users} users alone: {} bytes", encoded(rollup(&with)) - encoded(rollup(&without)));
    }
    for n in [1, 10, 100, 1_000, 10_000, 100_000] {
        let mut with = events(1, n, 0);
        with.iter_mut().for_each(|event| event.2 = None);
        let mut without = with.clone();
        without.iter_mut().for_each(|event| event.1 = None);
        println!("{n} durations alone: {} bytes", encoded(rollup(&with)) - encoded(rollup(&without)));
    }
    for per_entry in [1, 10] {
        let entries = (0..100).map(|at| LedgerEntry {
            identity: format!(
                "sqs:arn:aws:sqs:us-east-1:000000000000:weir-telemetry/{:032x}",
                u128::from(support::Seed(at).next()) << 64 | u128::from(support::Seed(at + 1000).next())
            ),
            series: (0..per_entry).map(|s| (key(s), rollup(&events(at * 100 + s as u64, 1, 1)))).collect(),
        });
        let ledger = Ledger { entries: entries.collect() };
        println!("ledger of 100 entries of {per_entry} series: {} bytes", ledger.encode().len());
    }
}

#[test]
#[ignore = "a measurement"]
fn time_per_event() {
    let events = events(1, 200_000, 5_000);
    for _ in 0..3 {
        let start = Instant::now();
        let rollup = rollup(&events);
        let add = start.elapsed() / events.len() as u32;
        let start = Instant::now();
        for _ in 0..1000 {
            let mut other = Rollup::clone(std::hint::black_box(&rollup));
            other.merge(&rollup);
            std::hint::black_box(other);
        }
        let merge = start.elapsed() / 1000;
        let start = Instant::now();
        for _ in 0..100 {
            std::hint::black_box(rollup.users().estimate());
        }
        println!("add {add:?}, clone and merge of dense {merge:?}, estimate {:?}", start.elapsed() / 100);
        let mut sketch = UserSketch::default();
        let start = Instant::now();
        for event in &events[..380] {
            sketch.add(event.2.as_deref().unwrap_or_default().as_bytes());
        }
        println!("add while sparse {:?}", start.elapsed() / 380);
    }
}
