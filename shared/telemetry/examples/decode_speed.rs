//! How fast payloads decode: `cargo run --release -p weir-telemetry --example decode_speed`. The best of several
//! passes, since the machine has other work too.

#![allow(clippy::print_stdout, reason = "an example speaks on the terminal")]

use std::time::Instant;
use weir_telemetry::{Epoch, Millis, decode_payload};

const ARRIVAL: Millis = Millis(1_795_224_605_000);
const EVENTS: usize = 200_000;
const PASSES: usize = 9;

fn main() {
    let epoch = Epoch::genesis();
    let singles: Vec<Vec<u8>> = (0..EVENTS).map(|n| event(n).into_bytes()).collect();
    let lines: Vec<Vec<u8>> = singles.chunks(1_000).map(|events| events.join(&b'\n')).collect();
    let arrays: Vec<Vec<u8>> =
        singles.chunks(1_000).map(|events| [&b"["[..], &events.join(&b','), b"]"].concat()).collect();
    for (name, payloads) in [("single events", &singles), ("lines of 1,000", &lines), ("arrays of 1,000", &arrays)] {
        report(name, || payloads.iter().map(|payload| decode_payload(payload, ARRIVAL, &epoch).accepted.len()).sum());
    }
}

fn event(n: usize) -> String {
    format!(
        r#"{{"service":"web","endpoint":"/users/{n}/orders","status":{},"duration_ms":{}.5,"user_id":"u_{}"}}"#,
        200 + n % 5,
        n % 900,
        n % 5_000
    )
}

/// The best pass, per event.
fn report(name: &str, mut pass: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    for _ in 0..PASSES {
        let begun = Instant::now();
        assert_eq!(pass(), EVENTS, "{name}");
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{name:>22}: {:6.0} ns an event", best * 1e9 / EVENTS as f64);
}
