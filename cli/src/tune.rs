//! `weir tune`: which memory size a function should have, from what `weir bench memory` measured.
//!
//! The three answers are those of AWS Lambda Power Tuning: the cheapest size, the fastest, and the balanced one, whose
//! time and cost, each as a share of the worst size's, come to the least together.

use crate::args::Tune;
use crate::bench::{FILE, Memory, Results, Work};
use crate::failure::{Failure, say};
use crate::terminal::print_json;
use serde::Serialize;
use std::process::ExitCode;

/// Of a function's peak, how much of its memory may be taken: beyond, the next larger batch ends it.
const FULL_AT: f64 = 0.8;
/// Sizes whose times differ by less than this share are equally fast, and the smaller is named: two runs differ by as much.
const SAME_WITHIN: f64 = 0.05;

/// What is recommended for one function.
#[derive(Debug, PartialEq, Serialize)]
struct Advice {
    function: &'static str,
    template_mb: u32,
    cheapest: Choice,
    fastest: Choice,
    balanced: Choice,
    /// Sizes that were left out, since what the function takes does not fit.
    too_small_mb: Vec<u32>,
}

/// A size and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Choice {
    memory_mb: u32,
    /// Average of a warm invocation.
    ms: f64,
    usd_per_million_invocations: f64,
}

pub(crate) fn run(tune: &Tune) -> Result<ExitCode, Failure> {
    let path = tune.results.clone().unwrap_or_else(|| std::path::Path::new("target/bench").join(FILE));
    let results = Results::read(&path)?;
    let advice: Vec<Advice> = Work::ALL.into_iter().filter_map(|work| advise(work, &results.memory)).collect();
    if advice.is_empty() {
        let what = format!("{} holds no memory sizes: run `weir bench memory`", path.display());
        return Err(Failure::Failed(results.notes.iter().fold(what, |what, note| format!("{what}\n  {note}"))));
    }
    match tune.json {
        true => print_json(&advice)?,
        false => print(&advice),
    }
    say(&format!("measured {}; confirm on AWS with Lambda Power Tuning (docs/benchmarks.md)", results.taken_at));
    Ok(ExitCode::SUCCESS)
}

/// `None` where the function was not measured.
fn advise(work: Work, rows: &[Memory]) -> Option<Advice> {
    let ours = || rows.iter().filter(|row| row.work == work && row.name == "weir");
    let fits = |row: &&Memory| row.peak_bytes as f64 <= FULL_AT * f64::from(row.memory_mb) * 1_048_576.0;
    // More memory than the machine has CPUs for was measured with less than it would have: it says nothing.
    let sound = || ours().filter(fits).filter(|row| row.cpus_had >= row.cpus);
    let choice = |row: &Memory| Choice {
        memory_mb: row.memory_mb,
        ms: row.warm.avg,
        usd_per_million_invocations: row.usd_per_million_invocations,
    };
    let least = |of: &dyn Fn(&Memory) -> f64| {
        let least = sound().map(of).min_by(f64::total_cmp)?;
        sound().filter(|row| of(row) <= least * (1.0 + SAME_WITHIN)).min_by_key(|row| row.memory_mb).map(choice)
    };
    let worst = |of: fn(&Memory) -> f64| sound().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let (slowest, dearest) = (worst(|row| row.warm.avg), worst(|row| row.usd_per_million_invocations));
    Some(Advice {
        function: work.binary(),
        template_mb: ours().next()?.template_mb,
        cheapest: least(&|row| row.usd_per_million_invocations)?,
        fastest: least(&|row| row.warm.avg)?,
        balanced: least(&|row| row.warm.avg / slowest + row.usd_per_million_invocations / dearest)?,
        too_small_mb: ours().filter(|row| !fits(row)).map(|row| row.memory_mb).collect(),
    })
}

fn print(all: &[Advice]) {
    println!("{:<16}{:<10}{:>8}{:>10}{:>14}", "function", "wanted", "MB", "avg ms", "$ per M inv.");
    for Advice { function, template_mb, cheapest, fastest, balanced, too_small_mb } in all {
        for (wanted, Choice { memory_mb, ms, usd_per_million_invocations }) in
            [("cheapest", cheapest), ("fastest", fastest), ("balanced", balanced)]
        {
            println!("{function:<16}{wanted:<10}{memory_mb:>8}{ms:>10.2}{usd_per_million_invocations:>14.2}");
        }
        println!("{function:<16}{:<10}{template_mb:>8}", "template");
        if !too_small_mb.is_empty() {
            println!("{function:<16}too small for its peak: {too_small_mb:?} MB");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Figures;

    /// Sizes as (MB, CPUs had less than wanted, average ms, dollars, peak MiB).
    fn rows(sizes: &[(u32, bool, f64, f64, u64)]) -> Vec<Memory> {
        let row = |(memory_mb, short, ms, usd, peak): &(u32, bool, f64, f64, u64)| Memory {
            work: Work::Sqs,
            name: "weir".into(),
            events: 1_000,
            memory_mb: *memory_mb,
            cpus: 2.0,
            cpus_had: if *short { 1.0 } else { 2.0 },
            cold: Figures::of(vec![1.0]),
            warm: Figures::of(vec![*ms]),
            peak_bytes: peak << 20,
            usd_per_million_invocations: *usd,
            usd_per_million_events: 0.0,
            template_mb: 512,
        };
        sizes.iter().map(row).collect()
    }

    fn check(sizes: &[(u32, bool, f64, f64, u64)], expect: Option<(u32, u32, u32)>) {
        let advice = advise(Work::Sqs, &rows(sizes));
        let got = advice.map(|advice| (advice.cheapest.memory_mb, advice.fastest.memory_mb, advice.balanced.memory_mb));
        assert_eq!(got, expect, "{sizes:?}");
    }

    #[test]
    fn cheapest_fastest_and_between() {
        check(
            &[(128, false, 100.0, 1.0, 9), (512, false, 20.0, 1.2, 9), (2_048, false, 10.0, 4.0, 9)],
            Some((128, 2_048, 512)),
        );
        // As fast and as cheap as makes no difference: the smaller.
        check(&[(128, false, 10.0, 1.0, 9), (256, false, 9.9, 0.99, 9)], Some((128, 128, 128)));
    }

    #[test]
    fn what_does_not_fit_or_was_not_measured_is_not_recommended() {
        check(
            &[(128, false, 1.0, 0.1, 127), (256, false, 2.0, 0.2, 127), (3_008, true, 0.1, 0.1, 127)],
            Some((256, 256, 256)),
        );
        check(&[(128, false, 1.0, 0.1, 127)], None);
        check(&[], None);
        assert_eq!(advise(Work::Burst, &rows(&[(128, false, 1.0, 0.1, 9)])), None);
    }
}
