//! What was measured, as it is printed, drawn, kept and read again by `weir tune`.

use super::figures::Figures;
use super::price::Price;
use super::work::Work;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The file in the results' directory.
pub(crate) const FILE: &str = "bench.json";

/// One run. Times are milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// RFC 3339.
    pub(crate) taken_at: String,
    pub(crate) machine: Machine,
    pub(crate) price: Price,
    /// What is left out or not as it should be, and why.
    pub(crate) notes: Vec<String>,
    pub(crate) init: Vec<Start>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) cannon: Vec<Cannon>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) memory_bytes: u64,
    /// Work that others had for the machine when the run began: the load average of a minute.
    pub(crate) load: f64,
}

/// A bootstrap's start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) name: String,
    /// What would be deployed.
    pub(crate) bytes: u64,
    /// Resident after init and an empty invocation.
    pub(crate) resident_bytes: u64,
    /// From the process's start to its asking for work.
    pub(crate) init: Figures,
    /// ÷ the bare hello of the same turn, median.
    pub(crate) to_hello: Option<f64>,
}

/// A piece of work of one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub(crate) work: Work,
    pub(crate) name: String,
    pub(crate) events: usize,
    /// Of the invocation.
    pub(crate) bytes: usize,
    pub(crate) cold: Figures,
    pub(crate) warm: Figures,
    /// ÷ weir in the same turn, median: above 1 weir is faster.
    pub(crate) cold_to_weir: f64,
    pub(crate) warm_to_weir: f64,
    /// Warm, with the memory that buys one whole CPU.
    pub(crate) usd_per_million_invocations: f64,
    pub(crate) usd_per_million_events: f64,
}

/// A piece of work in one memory size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) work: Work,
    pub(crate) name: String,
    pub(crate) events: usize,
    pub(crate) memory_mb: u32,
    /// What Lambda would give, CPUs.
    pub(crate) cpus: f64,
    /// What this machine had of them.
    pub(crate) cpus_had: f64,
    pub(crate) cold: Figures,
    pub(crate) warm: Figures,
    pub(crate) peak_bytes: u64,
    pub(crate) usd_per_million_invocations: f64,
    pub(crate) usd_per_million_events: f64,
    /// What template.yaml gives the function today, MB; 0 for a peer.
    pub(crate) template_mb: u32,
}

/// A long run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cannon {
    pub(crate) name: String,
    pub(crate) events: usize,
    pub(crate) concurrency: u32,
    pub(crate) rounds: usize,
    pub(crate) pause_ms: u64,
    /// From the call to the answer.
    pub(crate) times: Figures,
    /// Median of the second half ÷ median of the first: above 1 it grew slower.
    pub(crate) drift: f64,
    pub(crate) peak_bytes: u64,
}

impl Results {
    /// Reads a run that was kept.
    ///
    /// # Errors
    /// If the file is missing or not a run's results.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::Usage(format!(
                "{}: {error}; run `weir bench memory` to create it, or name another file with --results",
                path.display()
            ))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::Usage(format!("{}: not benchmark results: {error}", path.display())))
    }

    /// Keeps it, as JSON and as a page.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn write(&self, directory: &Path, page: &str) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", directory.display()));
        let json = serde_json::to_string_pretty(self)?;
        fs::create_dir_all(directory).map_err(failed)?;
        fs::write(directory.join(FILE), json).map_err(failed)?;
        fs::write(directory.join("bench.html"), page).map_err(failed)
    }
}

impl Machine {
    /// This one, as far as Linux says.
    pub(crate) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let total = read("/proc/meminfo")
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Self {
            cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned()),
            cpus: cpus(),
            memory_bytes: total.unwrap_or(0) << 10,
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
