//! How fast payloads decode: `cargo run --release -p weir-telemetry --example decode_speed`. The best of several
//! passes, since the machine has other work too.
//!
//! With `-- 2000` it also decodes one gzip object of 2,000 MB as it would be read, and says what memory that took.

#![allow(clippy::print_stdout, reason = "an example speaks on the terminal")]

use std::io::Write;
use std::time::Instant;
use weir_telemetry::{Epoch, Millis, ObjectDecoder, ObjectEvent, Rules, Template, decode_payload};

const ARRIVAL: Millis = Millis(1_795_224_605_000);
const EVENTS: usize = 200_000;
const PASSES: usize = 9;
/// As a body of S3 comes, bytes.
const CHUNK_BYTES: usize = 64 << 10;

fn main() {
    // First, while the process has not yet held anything larger.
    if let Some(megabytes) = std::env::args().nth(1).and_then(|argument| argument.parse().ok()) {
        large_object(megabytes);
    }
    let epoch = Epoch::genesis();
    let singles: Vec<Vec<u8>> = (0..EVENTS).map(|n| event(n).into_bytes()).collect();
    let lines: Vec<Vec<u8>> = singles.chunks(1_000).map(|events| events.join(&b'\n')).collect();
    let arrays: Vec<Vec<u8>> =
        singles.chunks(1_000).map(|events| [&b"["[..], &events.join(&b','), b"]"].concat()).collect();
    let packed: Vec<Vec<u8>> = lines.iter().map(|lines| gzip(lines)).collect();
    for (name, payloads) in [
        ("single events", &singles),
        ("lines of 1,000", &lines),
        ("arrays of 1,000", &arrays),
        ("gzip lines of 1,000", &packed),
    ] {
        report(name, || payloads.iter().map(|payload| decode_payload(payload, ARRIVAL, &epoch).accepted.len()).sum());
    }
    let with_templates = Epoch { rules: templates(), ..Epoch::genesis() };
    report("single, 200 templates", || {
        singles.iter().map(|payload| decode_payload(payload, ARRIVAL, &with_templates).accepted.len()).sum()
    });
    let array = [&b"["[..], &singles.join(&b','), b"]"].concat();
    for (name, object) in [("object of lines", lines.join(&b'\n')), ("object, an array", array)] {
        report(name, || object_events(object.chunks(CHUNK_BYTES), &epoch));
    }
}

fn templates() -> Rules {
    let template = |n| Template { path: format!("/{}/{{id}}/part-{n}", ["users", "orders"][n % 2]), service: None };
    let all = (0..199_usize).map(template).chain([Template { path: "/users/{id}/orders".to_owned(), service: None }]);
    Rules::new(true, all.collect()).expect("sound templates")
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn object_events<'c>(chunks: impl Iterator<Item = &'c [u8]>, epoch: &Epoch) -> usize {
    let mut events = 0;
    let mut decoder = ObjectDecoder::new(ARRIVAL, epoch);
    for chunk in chunks {
        decoder.push(chunk, |event| events += usize::from(matches!(event, ObjectEvent::Accepted(_))));
    }
    let totals = decoder.finish(|event| events += usize::from(matches!(event, ObjectEvent::Accepted(_))));
    assert_eq!(totals.expect("a sound object").accepted, events as u64);
    events
}

fn large_object(megabytes: usize) {
    let epoch = Epoch::genesis();
    // Members of 1,000 events, again and again: what an object of this size is made of is not held either.
    let member = gzip((0..1_000).map(|n| event(n) + "\n").collect::<String>().as_bytes());
    let members = megabytes * 1_000_000 / member.len();
    let begun = Instant::now();
    let chunks = std::iter::repeat_n(&member[..], members).flat_map(|member| member.chunks(CHUNK_BYTES));
    let events = object_events(chunks, &epoch);
    let seconds = begun.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("{megabytes} MB of gzip: {events} events in {seconds:.0} s; peak of memory {peak}");
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
