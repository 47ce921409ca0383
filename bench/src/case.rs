//! A piece of work beside the least that it could cost, and beside the same in other languages, in turns.
//!
//! All on one core and on the same input, so that whatever else the machine does meets all; what is printed is the
//! median of the turns' ratios. The same figures as JSON go to `target/bench/<name>.json`.

use crate::peers::{self, Peer};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rounds of a case: floor and fleet in turns, then each peer.
const ROUNDS: usize = 5;
const ROUND_TIME: Duration = Duration::from_millis(300);
const ROUND_TURNS_MIN: usize = 3;

/// A piece of work and its floor, on the same input.
pub struct Case {
    /// What it is called.
    pub name: String,
    /// Events in it; of what counts none, the series.
    pub events: usize,
    /// Bytes of its input.
    pub bytes: usize,
    /// The least; what it returns keeps it from being optimised away.
    pub floor: Box<dyn FnMut() -> usize>,
    /// The fleet's.
    pub fleet: Box<dyn FnMut() -> usize>,
    /// The peers' handler that does the same, and the input; of what they do not do, none.
    pub alike: Option<(&'static str, Vec<u8>)>,
}

/// Figures of a case, medians.
#[derive(Serialize)]
struct Figures {
    case: String,
    events: usize,
    bytes: usize,
    floor_us: f64,
    fleet_us: f64,
    ratio: f64,
    /// By peer: how much longer than the fleet.
    times: BTreeMap<String, f64>,
}

/// Measures the cases whose names hold the command line's word, prints them and writes them to a file.
///
/// # Panics
/// Without a target directory to write to, or when a peer fails or leaves events out.
pub fn run(benchmark: &str, cases: Vec<Case>) {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name.contains(&only)).collect();
    let directory = directory();
    // Before this process is bound to a core: a compiler likes several.
    let peers = if cases.iter().any(|case| case.alike.is_some()) { find_peers(&directory) } else { vec![] };
    bind_to_one_core();
    let figures: Vec<Figures> = print(cases.into_iter().map(|case| measure(case, &peers, &directory)), &peers);
    let file = directory.join(benchmark).with_extension("json");
    let text = serde_json::to_string_pretty(&figures).expect("numbers and names");
    std::fs::write(&file, text).expect("a target directory");
    println(format_args!("\n{}", file.display()));
}

fn print(all: impl Iterator<Item = Figures>, peers: &[Peer]) -> Vec<Figures> {
    let names: String = peers.iter().map(|peer| format!("{:>18}", format!("× {}", peer.name))).collect();
    println(format_args!(
        "{:<26}{:>9}{:>11}{:>12}{:>12}{:>10}{:>9}{names}",
        "case", "events", "bytes", "floor µs", "fleet µs", "ns/event", "÷ floor"
    ));
    let printed = all.inspect(|figures| {
        let ns = figures.fleet_us * 1e3 / figures.events as f64;
        let Figures { case, events, bytes, floor_us, fleet_us, ratio, times } = figures;
        let times =
            peers.iter().map(|peer| times.get(&peer.name).map_or_else(String::new, |times| format!("{times:.1}")));
        let times: String = times.map(|times| format!("{times:>18}")).collect();
        println(format_args!(
            "{case:<26}{events:>9}{bytes:>11}{floor_us:>12.1}{fleet_us:>12.1}{ns:>10.0}{ratio:>9.2}{times}"
        ));
    });
    printed.collect()
}

fn measure(mut case: Case, peers: &[Peer], directory: &Path) -> Figures {
    let time = |work: &mut dyn FnMut() -> usize| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed().as_secs_f64() * 1e6
    };
    let payload = directory.join("payload.json");
    if let Some((_, input)) = &case.alike {
        std::fs::write(&payload, input).expect("a target directory");
    }
    let (mut floors, mut fleets, mut ratios) = (vec![], vec![], vec![]);
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    // Once to warm up.
    time(&mut case.floor);
    time(&mut case.fleet);
    for _ in 0..ROUNDS {
        let (begun, first) = (Instant::now(), fleets.len());
        while fleets.len() < first + ROUND_TURNS_MIN || begun.elapsed() < ROUND_TIME {
            let (floor, fleet) = (time(&mut case.floor), time(&mut case.fleet));
            floors.push(floor);
            fleets.push(fleet);
            ratios.push(fleet / floor);
        }
        let Some((handler, _)) = case.alike else { continue };
        let fleet_us = median(fleets[first..].to_vec());
        for peer in peers {
            let measured = peer.measure(handler, &payload, ROUND_TIME).expect("a peer");
            assert_eq!(measured.events(), Some(case.events as u64), "{} leaves events out", peer.name);
            times.entry(peer.name.clone()).or_default().push(measured.median_ns / 1e3 / fleet_us);
        }
    }
    let Case { name: case, events, bytes, .. } = case;
    let times = times.into_iter().map(|(peer, times)| (peer, median(times))).collect();
    Figures { case, events, bytes, floor_us: median(floors), fleet_us: median(fleets), ratio: median(ratios), times }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Where figures go, and what the peers are built to.
fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), PathBuf::from);
    let directory = target.join("bench");
    std::fs::create_dir_all(&directory).expect("a target directory");
    std::path::absolute(directory).expect("a working directory")
}

/// Those of `bench/peers` that are there; of the others it is said why not.
fn find_peers(into: &Path) -> Vec<Peer> {
    let program = |variable: &str, name: &str| std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
    let found = [
        peers::go(&program("GO", "go"), &source("go"), into),
        peers::python(&program("PYTHON", "python3"), &source("python"), into),
    ];
    let said = |why: String| println(format_args!("{why}"));
    found.into_iter().filter_map(|peer| peer.map_err(said).ok()).collect()
}

/// Cargo runs a benchmark in its package's directory.
fn source(language: &str) -> PathBuf {
    std::path::absolute(Path::new("peers").join(language)).expect("a working directory")
}

/// The peers inherit it.
#[cfg(target_os = "linux")]
fn bind_to_one_core() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let mut one = CpuSet::new();
    if let Some(core) = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)) {
        one.set(core);
    }
    if sched_setaffinity(None, &one).is_err() {
        println(format_args!("not bound to one core: the peers may use several"));
    }
}

#[cfg(not(target_os = "linux"))]
fn bind_to_one_core() {
    println(format_args!("not bound to one core, as this system has no such call: the peers may use several"));
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks on the terminal")]
fn println(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
