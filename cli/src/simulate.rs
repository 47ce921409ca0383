//! `weir simulate`: the protocol under every fault, seed by seed.

use crate::args::Simulate;
use crate::failure::{Failure, failed, say};
use crate::plane;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weir_simulation::{Campaign, Tally, Violation, tell};

/// How often the state is kept, beside at the end: what a power cut may cost.
const SAVED_EVERY: Duration = Duration::from_secs(10);

/// What `--state` keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    first: u64,
    done: u64,
    seconds: f64,
    counts: Vec<u64>,
}

pub(crate) async fn run(simulate: Simulate) -> Result<ExitCode, Failure> {
    if let Some(seed) = simulate.seed {
        return Ok(show(seed));
    }
    let (mut campaign, seconds_before) = begun(&simulate)?;
    let threads = simulate.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let already = campaign.done;
    say(&format!(
        "{} seeds from {}{}, {threads} in parallel",
        campaign.seeds,
        campaign.first,
        if already > 0 { format!(", {already} of them already done") } else { String::new() },
    ));
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let work = {
        let (stop, bar, path) = (stop.clone(), progress_bar(campaign.seeds), simulate.state.clone());
        let saved = Mutex::new(Instant::now());
        tokio::task::spawn_blocking(move || {
            let violations = campaign.go_on(threads, &stop, &|campaign| {
                bar.set_position(campaign.done);
                if let (Some(path), Ok(mut saved)) = (&path, saved.lock())
                    && saved.elapsed() > SAVED_EVERY
                {
                    *saved = Instant::now();
                    // At the end it is written again, and then a failure is one.
                    let _ = save(path, campaign, seconds_before + begun.elapsed().as_secs_f64());
                }
            });
            bar.finish_and_clear();
            (campaign, violations)
        })
    };
    tokio::pin!(work);
    let mut interrupted = false;
    let ended = loop {
        tokio::select! {
            ended = &mut work => break ended,
            () = plane::interrupted(), if !interrupted => {
                interrupted = true;
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let (campaign, violations) = ended.map_err(|error| failed("the simulation", &error))?;
    let seconds = seconds_before + begun.elapsed().as_secs_f64();
    if let Some(path) = &simulate.state {
        save(path, &campaign, seconds)?;
    }
    report(&simulate, &campaign, &violations, seconds)?;
    Ok(match (violations.is_empty(), interrupted) {
        (false, _) => ExitCode::from(1),
        (true, true) => ExitCode::from(130),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// A fresh campaign, or the one whose state is kept, with the seconds that it has taken.
fn begun(simulate: &Simulate) -> Result<(Campaign, f64), Failure> {
    let fresh = || Campaign::new(simulate.from.unwrap_or_else(|| u64::from(rand::random::<u32>())), simulate.seeds);
    let Some(path) = simulate.state.as_ref().filter(|path| path.exists()) else { return Ok((fresh(), 0.0)) };
    let unusable = |why: &str| Failure::Usage(format!("--state {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| failed(&format!("reading {}", path.display()), &error))?;
    let state: State = serde_json::from_slice(&text).map_err(|error| unusable(&format!("not a state: {error}")))?;
    if simulate.from.is_some_and(|from| from != state.first) {
        return Err(unusable(&format!("it starts at seed {}; omit --from, or name another file", state.first)));
    }
    let tally = Tally::from_counts(&state.counts)
        .ok_or_else(|| unusable("it belongs to another version of the simulation; name another file"))?;
    Ok((
        Campaign { first: state.first, seeds: simulate.seeds, done: state.done.min(simulate.seeds), tally },
        state.seconds,
    ))
}

fn save(path: &Path, campaign: &Campaign, seconds: f64) -> Result<(), Failure> {
    let counts = campaign.tally.counts().map(|(_, count)| count).collect();
    let state = State { first: campaign.first, done: campaign.done, seconds, counts };
    let text = serde_json::to_vec(&state).map_err(|error| failed("the state", &error))?;
    std::fs::write(path, text).map_err(|error| failed(&format!("writing {}", path.display()), &error))
}

/// One seed, described step by step.
fn show(seed: u64) -> ExitCode {
    println!("{}", tell(seed));
    match weir_simulation::run(seed) {
        Ok(_) => ExitCode::SUCCESS,
        Err(violation) => {
            println!("\nThe shortest schedule found that fails the same way:\n\n{}", violation.shrink());
            ExitCode::from(1)
        }
    }
}

fn report(simulate: &Simulate, campaign: &Campaign, violations: &[Violation], seconds: f64) -> Result<(), Failure> {
    if simulate.json {
        let seen: serde_json::Map<String, serde_json::Value> =
            campaign.tally.counts().map(|(what, count)| (what.to_owned(), count.into())).collect();
        let violations: Vec<_> = violations
            .iter()
            .map(|violation| serde_json::json!({"seed": violation.seed, "what": violation.what}))
            .collect();
        let report = serde_json::json!({
            "first": campaign.first, "seeds": campaign.seeds, "done": campaign.done, "seconds": seconds,
            "violations": violations, "seen": seen,
        });
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| failed("the report", &error))?);
        return Ok(());
    }
    for (what, count) in campaign.tally.counts() {
        println!("{count:>14}  {what}");
    }
    for violation in violations {
        println!("seed {}: {}", violation.seed, violation.what);
    }
    match violations.first() {
        None => println!("{} of {} seeds, every count exact, in {seconds:.0} s", campaign.done, campaign.seeds),
        Some(first) => println!("a count is wrong: weir simulate --seed {} shows how", first.seed),
    }
    Ok(())
}

fn progress_bar(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("simulating {bar:30} {pos}/{len} seeds, {per_sec}, {eta} left");
    ProgressBar::new(seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
