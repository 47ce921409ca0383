//! The account of every event: what was sent against what is stored.

use super::explain;
use super::oracle::{Oracle, SentThrough};
use super::tally::Trouble;
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::rows::{self, Attributes};
use serde::Serialize;
use std::collections::BTreeMap;
use weir_aws::contributions::ContributionsTable;
use weir_exact::ports::ContributionQuery;
use weir_exact::progress::Progress;
use weir_exact::row::{Row, RowKey, RowVersion, SUMMARY, State};
use weir_local::Plane;
use weir_rollup::Rollup;
use weir_telemetry::Millis;

/// Differences named one by one.
const DIFFERENCES_SHOWN_MAX: usize = 20;

/// What was sent, what is stored, and where the two differ.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Account {
    pub(crate) seed: u64,
    pub(crate) settled: bool,
    pub(crate) sending_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) sent: SentThrough,
    pub(crate) events_sent: u64,
    pub(crate) events_in_rows: u64,
    pub(crate) rows_expected: u64,
    pub(crate) rows_found: u64,
    pub(crate) quarantined_expected: BTreeMap<String, u64>,
    pub(crate) quarantined_found: BTreeMap<String, u64>,
    /// Up to twenty, in words.
    pub(crate) differences: Vec<String>,
    pub(crate) differences_count: u64,
    /// For as many rows: what the contributions say, so that it is known which side of them to look at.
    pub(crate) causes: Vec<String>,
    pub(crate) deliveries: u64,
    pub(crate) faults_injected: u64,
    pub(crate) bootstraps_killed: u64,
    /// With `--chaos`: how often each kind of trouble struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chaos: Option<BTreeMap<Trouble, u64>>,
}

/// Reads the tables and the bucket and holds them against the oracle.
pub(crate) async fn account(aws: &Aws, oracle: &Oracle) -> Result<Account, Failure> {
    let rows = oracle.all_rows();
    let mut account = Account {
        sent: oracle.sent,
        events_sent: oracle.sent.stream_events + oracle.sent.queue_events + oracle.sent.object_events,
        rows_expected: rows.len() as u64,
        quarantined_expected: oracle.quarantined.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        ..Account::default()
    };
    account.compare_progress(aws, oracle).await?;
    let wrong = account.compare_rows(&rows::all(aws, false).await?, &rows);
    account.explain(aws, &wrong).await?;
    account.quarantined_found = quarantined(aws).await?;
    if account.quarantined_found != account.quarantined_expected {
        account.differs(format!("quarantine: expected {:?}", account.quarantined_expected));
    }
    Ok(account)
}

/// Attributes that say when and how often a row was written, not what it counts.
const NOT_COMPARED: [&str; 5] = ["revision", "algorithm", "state", "updated_at", "expires_at"];

impl Account {
    /// Whether every event is where it belongs.
    pub(crate) fn is_exact(&self) -> bool {
        self.settled && self.differences_count == 0
    }

    /// Exact, and the chaos was what it says: every kind of trouble struck.
    pub(crate) fn is_good(&self) -> bool {
        self.is_exact() && self.absent().is_empty()
    }

    /// Kinds of trouble that a chaos should have made and did not.
    fn absent(&self) -> Vec<&'static str> {
        let kinds = self.chaos.iter().flatten();
        kinds.filter(|(_, times)| **times == 0).map(|(trouble, _)| trouble.words()).collect()
    }

    fn differs(&mut self, what: String) {
        self.differences_count += 1;
        if self.differences.len() < DIFFERENCES_SHOWN_MAX {
            self.differences.push(what);
        }
    }

    /// Compares, and names the rows that are wrong.
    fn compare_rows(&mut self, found: &[Attributes], expected: &BTreeMap<RowKey, Rollup>) -> Vec<RowKey> {
        self.rows_found = found.len() as u64;
        let name = |row: &Attributes| {
            let text = |name: &str| row.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            (text("series"), text("window"))
        };
        let mut differing = vec![];
        let mut found: BTreeMap<(String, String), &Attributes> = found.iter().map(|row| (name(row), row)).collect();
        for (key, rollup) in expected {
            let name = (key.series(), key.window_text());
            let Some(row) = found.remove(&name) else {
                self.differs(format!("row {} {} is missing", name.0, name.1));
                differing.push(key.clone());
                continue;
            };
            if key.endpoint != SUMMARY && key.window.minute().is_some() {
                let events = row.get("events").and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
                self.events_in_rows += events.unwrap_or(0);
            }
            let expected = weir_aws::rows::attributes(&Row {
                key: key.clone(),
                rollup: rollup.clone(),
                top_endpoints: None,
                version: RowVersion { revision: 0, algorithm: 0, state: State::Open },
                updated_at: Millis(0),
                expires_at: None,
            });
            let compared = expected.iter().filter(|(attribute, _)| !NOT_COMPARED.contains(&attribute.as_str()));
            let mut wrong: Vec<&str> =
                compared.filter(|(name, value)| row.get(*name) != Some(value)).map(|(name, _)| name.as_str()).collect();
            if !wrong.is_empty() {
                wrong.sort_unstable();
                let events = |row: &Attributes| {
                    row.get("events").and_then(|value| value.as_n().ok()).cloned().unwrap_or_default()
                };
                let (is, expected, wrong) = (events(row), events(&expected), wrong.join(", "));
                self.differs(format!("row {} {}: {is} events, expected {expected}; wrong: {wrong}", name.0, name.1));
                differing.push(key.clone());
            }
        }
        for (series, window) in found.into_keys() {
            self.differs(format!("unexpected row {series} {window}"));
        }
        differing
    }

    /// Of rows that are wrong: whether their contributions say the same.
    async fn explain(&mut self, aws: &Aws, wrong: &[RowKey]) -> Result<(), Failure> {
        let windows = wrong.iter().filter_map(|key| key.window.minute()).collect();
        let recomputed = explain::recomputed(aws, &windows).await?;
        for key in wrong {
            let events = recomputed.get(key).copied().unwrap_or(0);
            self.causes.push(format!("{} {}: its contributions add up to {events}", key.series(), key.window_text()));
        }
        self.causes.truncate(DIFFERENCES_SHOWN_MAX);
        Ok(())
    }

    /// The shards' progress counts every record of the stream once.
    async fn compare_progress(&mut self, aws: &Aws, oracle: &Oracle) -> Result<(), Failure> {
        let table = ContributionsTable::new(aws.dynamodb(), aws.contributions_table());
        let items = table.query("live#progress").await.map_err(|error| failed("shards' progress", &error))?;
        let mut totals = [0; 4];
        for item in items {
            let progress = Progress::from_item(&item).map_err(|error| failed("shards' progress", &error))?.totals;
            let counts = [progress.records, progress.empty, progress.accepted, progress.rejected];
            totals = std::array::from_fn(|at| totals[at] + counts[at]);
        }
        let sent = &oracle.sent;
        let expected = [sent.stream_records, sent.stream_records_empty, sent.stream_events, sent.stream_rejected];
        if totals != expected {
            self.differs(format!("progress (records, empty, accepted, rejected): {totals:?}, expected {expected:?}"));
        }
        Ok(())
    }

    /// What the way there was like.
    pub(crate) fn add_stats(&mut self, plane: &Plane) {
        for stats in plane.mapping_stats().values() {
            self.deliveries += stats.batches;
            self.faults_injected += stats.faults;
        }
    }

    pub(crate) fn show(&self) {
        let sent = &self.sent;
        let quarantined: u64 = self.quarantined_found.values().sum();
        println!("sent          {} events to be counted", self.events_sent);
        println!(
            "  stream      {} in {} records, {} of them empty",
            sent.stream_events, sent.stream_records, sent.stream_records_empty
        );
        println!(
            "  queue       {} in {} messages, {} of them sent twice",
            sent.queue_events, sent.queue_messages, sent.queue_messages_again
        );
        println!(
            "  bucket      {} in {} objects, {} of them enqueued twice",
            sent.object_events, sent.objects, sent.objects_noticed_again
        );
        let rejected = sent.stream_rejected + sent.queue_rejected + sent.object_rejected;
        println!("  bad         {rejected} to be quarantined");
        let killed = self.bootstraps_killed;
        // A chaos kills by itself, and says so below.
        let killed =
            if self.chaos.is_some() && killed == 0 { String::new() } else { format!(", {killed} processors killed") };
        println!(
            "delivered     {} batches, {} of them with an injected fault{killed}",
            self.deliveries, self.faults_injected
        );
        for (trouble, times) in self.chaos.iter().flatten() {
            println!("  {times:>10} {}", trouble.words());
        }
        println!(
            "counted       {} events in {} rows (with summaries, hours and days)",
            self.events_in_rows, self.rows_found
        );
        println!("quarantined   {quarantined}");
        for (reason, count) in &self.quarantined_found {
            println!("  {reason:<28}{count:>6}");
        }
        println!(
            "took          {:.1} s, of which {:.1} s sending ({:.0} events/s)",
            self.seconds,
            self.sending_seconds,
            self.events_sent as f64 / self.sending_seconds.max(0.001)
        );
        println!();
        for trouble in self.absent() {
            println!("NO CHAOS: no {trouble}");
        }
        for difference in &self.differences {
            println!("WRONG: {difference}");
        }
        for cause in &self.causes {
            println!("CAUSE: {cause}");
        }
        if self.is_exact() {
            println!(
                "Every row equals what was sent; every bad record is in quarantine; nothing is lost or counted twice."
            );
        } else {
            println!("NOT EXACT: {} differences (seed {})", self.differences_count, self.seed);
        }
    }
}

/// Objects in quarantine by reason, the first part of their keys.
async fn quarantined(aws: &Aws) -> Result<BTreeMap<String, u64>, Failure> {
    let bucket = aws.bucket("quarantine").await?;
    let mut pages = aws.s3().list_objects_v2().bucket(&bucket).into_paginator().send();
    let mut reasons = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed(&format!("s3://{bucket}"), &error))?;
        for object in page.contents() {
            let reason = object.key().unwrap_or_default().split('/').next().unwrap_or_default();
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
    Ok(reasons)
}
