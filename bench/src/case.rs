//! A piece of work beside the least that it could cost, in turns.
//!
//! Both on one core and on the same input, so that whatever else the machine does meets both; what is printed is the
//! median of the turns' ratios. The same figures as JSON go to `target/bench/<name>.json`.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Turns of a case.
const CASE_TIME: Duration = Duration::from_millis(1_500);
const TURNS_MIN: usize = 15;

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
}

/// Figures of a case.
struct Figures {
    name: String,
    events: usize,
    bytes: usize,
    floor_us: f64,
    fleet_us: f64,
    ratio: f64,
}

/// Measures the cases whose names hold the command line's word, prints them and writes them to a file.
///
/// # Panics
/// Without a target directory to write to.
#[expect(clippy::print_stdout, reason = "a benchmark speaks on the terminal")]
pub fn run(benchmark: &str, cases: Vec<Case>) {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut all = vec![];
    println!(
        "{:<26}{:>9}{:>11}{:>12}{:>12}{:>10}{:>9}",
        "case", "events", "bytes", "floor µs", "fleet µs", "ns/event", "÷ floor"
    );
    for case in cases.into_iter().filter(|case| case.name.contains(&only)) {
        let figures = measure(case);
        let ns = figures.fleet_us * 1e3 / figures.events as f64;
        let Figures { name, events, bytes, floor_us, fleet_us, ratio } = &figures;
        println!("{name:<26}{events:>9}{bytes:>11}{floor_us:>12.1}{fleet_us:>12.1}{ns:>10.0}{ratio:>9.2}");
        all.push(figures);
    }
    println!("\n{}", write_json(benchmark, &all).display());
}

fn measure(mut case: Case) -> Figures {
    let time = |work: &mut dyn FnMut() -> usize| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed().as_secs_f64() * 1e6
    };
    let (mut floors, mut fleets, mut ratios) = (vec![], vec![], vec![]);
    // Once to warm up.
    time(&mut case.floor);
    time(&mut case.fleet);
    let begun = Instant::now();
    while ratios.len() < TURNS_MIN || begun.elapsed() < CASE_TIME {
        let (floor, fleet) = (time(&mut case.floor), time(&mut case.fleet));
        floors.push(floor);
        fleets.push(fleet);
        ratios.push(fleet / floor);
    }
    let Case { name, events, bytes, .. } = case;
    Figures { name, events, bytes, floor_us: median(floors), fleet_us: median(fleets), ratio: median(ratios) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn write_json(benchmark: &str, all: &[Figures]) -> std::path::PathBuf {
    let cases: Vec<_> = all
        .iter()
        .map(|figures| {
            serde_json::json!({
                "case": figures.name, "events": figures.events, "bytes": figures.bytes,
                "floor_us": figures.floor_us, "fleet_us": figures.fleet_us, "ratio": figures.ratio,
            })
        })
        .collect();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../target".into(), std::path::PathBuf::from);
    let file = target.join("bench").join(benchmark).with_extension("json");
    let text = serde_json::to_string_pretty(&cases).expect("numbers and names");
    std::fs::create_dir_all(target.join("bench"))
        .and_then(|()| std::fs::write(&file, text))
        .expect("a target directory");
    file
}
