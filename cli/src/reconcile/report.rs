//! How the verdict is reported.

use super::advice;
use super::queues::Queue;
use crate::failure::{Failure, many};
use crate::terminal::{print_json, shown, written};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use weir_exact::layout::Layout;
use weir_exact::reconcile::{Finding, KEYS_LISTED_MAX, Verdict};
use weir_telemetry::Millis;

/// Findings of one kind that are listed; JSON has all.
const TOLD_MAX: usize = 20;

/// What is known of the stack now.
pub(super) struct Report<'a> {
    pub(super) stack: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) from: Millis,
    pub(super) to: Millis,
    pub(super) all: bool,
    pub(super) windows: BTreeMap<&'static str, usize>,
    pub(super) queues: Vec<Queue>,
    pub(super) verdict: Verdict,
}

#[derive(Serialize)]
struct Json<'a> {
    verdict: &'a str,
    from: String,
    to: String,
    all: bool,
    windows: &'a BTreeMap<&'static str, usize>,
    rows: u64,
    events: u64,
    duplicate_copies: u64,
    set_aside: SetAside,
    shards: Vec<Shard<'a>>,
    queues: &'a [Queue],
    mismatches: Vec<Told>,
    settling: Vec<Told>,
}

/// What was set aside whole and held against what counts.
#[derive(Serialize)]
struct SetAside {
    documents: u64,
    /// Whether quarantine has more keys than are listed: then documents of earlier days are left out.
    cut: bool,
}

#[derive(Serialize)]
struct Shard<'a> {
    shard: &'a str,
    records: u64,
    empty: u64,
    accepted: u64,
    rejected: u64,
    /// Whether its progress was held against its items.
    compared: bool,
}

#[derive(Serialize)]
struct Told {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    next: String,
}

impl Report<'_> {
    /// Whether nothing is wrong: no finding, and no dead letter.
    pub(super) fn is_equal(&self) -> bool {
        self.verdict.is_equal() && self.queues.iter().all(|queue| queue.dead == 0)
    }

    fn word(&self) -> &'static str {
        match (self.is_equal(), self.verdict.settling.is_empty() && self.queues.iter().all(|queue| queue.waiting == 0))
        {
            (false, _) => "mismatch",
            (true, false) => "settling",
            (true, true) => "equal",
        }
    }

    /// On standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return print_json(&self.json());
        }
        written(self.write(&mut BufWriter::new(std::io::stdout().lock())))
    }

    fn json(&self) -> Json<'_> {
        let Verdict { rows, events, duplicate_copies, shards, shards_compared, .. } = &self.verdict;
        let shards = shards.iter().map(|(shard, totals)| Shard {
            shard,
            records: totals.records,
            empty: totals.empty,
            accepted: totals.accepted,
            rejected: totals.rejected,
            compared: shards_compared.contains(shard),
        });
        let mut mismatches = self.told(&self.verdict.mismatches);
        mismatches.extend(self.queues.iter().filter(|queue| queue.dead > 0).map(|queue| self.dead(queue)));
        Json {
            verdict: self.word(),
            from: self.from.to_string(),
            to: self.to.to_string(),
            all: self.all,
            windows: &self.windows,
            rows: *rows,
            events: *events,
            duplicate_copies: *duplicate_copies,
            set_aside: SetAside { documents: self.verdict.documents_set_aside, cut: self.verdict.set_aside_is_cut },
            shards: shards.collect(),
            queues: &self.queues,
            mismatches,
            settling: self.told(&self.verdict.settling),
        }
    }

    fn told(&self, findings: &[Finding]) -> Vec<Told> {
        let told = |finding: &Finding| {
            let (actual, expected) = finding.both().unzip();
            Told {
                kind: finding.kind(),
                series: finding.row().map(|row| row.series()),
                window: finding.row().map(|row| row.window_text()),
                what: finding.to_string(),
                actual,
                expected,
                next: advice::next(finding, self.stack, self.layout),
            }
        };
        findings.iter().map(told).collect()
    }

    fn dead(&self, queue: &Queue) -> Told {
        let (stack, name, dead) = (self.stack, queue.queue, queue.dead);
        Told {
            kind: "dead_letters",
            series: None,
            window: None,
            what: format!("queue {stack}-{name}-dlq: {}, not counted or counted only in part", many(dead, "message")),
            actual: Some(dead.to_string()),
            expected: Some("0".to_owned()),
            next: format!(
                "weir redrive --stack {stack} --queue {name}, once the cause is fixed; RUNBOOK.md: dead letters"
            ),
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let verdict = &self.verdict;
        let windows: Vec<String> = self.windows.iter().map(|(name, count)| format!("{count} of {name}")).collect();
        let range = if self.all { "everything since" } else { "since" };
        writeln!(
            out,
            "range     {range} {}, to {}: {}{}",
            self.from,
            self.to,
            many(verdict.windows, "window"),
            if windows.is_empty() { String::new() } else { format!(" ({})", windows.join(", ")) }
        )?;
        for (name, totals) in &verdict.shards {
            let weir_exact::progress::Totals { records, empty, accepted, rejected, .. } = totals;
            let compared = if verdict.shards_compared.contains(name) {
                ""
            } else {
                " (not compared; use --all for streams younger than 18 days)"
            };
            writeln!(
                out,
                "shard     {}: {records} records, {accepted} events applied, {rejected} quarantined, {empty} empty{compared}",
                shown(name)
            )?;
        }
        for Queue { queue, waiting, dead } in &self.queues {
            writeln!(out, "queue     {queue}: {waiting} messages in flight, {dead} in the DLQ")?;
        }
        writeln!(
            out,
            "rows      {} rows over {} events; {} duplicate copies of messages counted once",
            verdict.rows, verdict.events, verdict.duplicate_copies
        )?;
        let cut = if verdict.set_aside_is_cut {
            format!(" (of the latest days: more than {KEYS_LISTED_MAX} objects; --from and --to take fewer days)")
        } else {
            String::new()
        };
        writeln!(
            out,
            "set aside {} quarantined whole, compared with what is counted{cut}",
            many(verdict.documents_set_aside, "document")
        )?;
        self.write_findings(out, "settling", &self.told(&verdict.settling), false)?;
        let mismatches = self.json().mismatches;
        self.write_findings(out, "mismatch", &mismatches, true)?;
        match self.word() {
            "mismatch" if mismatches.len() == 1 => writeln!(out, "verdict   1 mismatch")?,
            "mismatch" => writeln!(out, "verdict   {} mismatches", mismatches.len())?,
            "settling" => writeln!(out, "verdict   equal so far; some of it is still settling, run it again")?,
            _ => writeln!(
                out,
                "verdict   equal: everything that arrived is applied, a duplicate or quarantined, and every row equals its parts"
            )?,
        }
        out.flush()
    }

    fn write_findings(&self, out: &mut impl Write, word: &str, told: &[Told], next: bool) -> std::io::Result<()> {
        for finding in told.iter().take(TOLD_MAX) {
            writeln!(out, "{word:<9} {}", shown(&finding.what))?;
            if next {
                writeln!(out, "  next    {}", shown(&finding.next))?;
            }
        }
        match told.len().saturating_sub(TOLD_MAX) {
            0 => Ok(()),
            more => writeln!(out, "{word:<9} and {more} more: --json lists all"),
        }
    }
}
