//! `weir reconcile`: conservation on a live stack, read and never written.
//!
//! What is compared, and how a fleet at work is read, is in `weir_exact::reconcile`; here are the choice of windows, the
//! contents of the queues, how many objects each shard has in quarantine, and the report.

mod advice;
mod census;
mod queues;
mod report;
mod state;

use crate::args::{Reconcile, Selection};
use crate::aws::{Aws, GENERATION};
use crate::failure::Failure;
use crate::{plane, quarantine, state_file};
use report::Report;
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;
use weir_aws::clock;
use weir_aws::contributions::ContributionsTable;
use weir_aws::quarantine::QuarantineBucket;
use weir_aws::rows::RollupsTable;
use weir_exact::epochs::table_of;
use weir_exact::layout::Layout;
use weir_exact::ports::ContributionGet;
use weir_exact::quarantine::Key;
use weir_exact::reconcile::{Audit, Auditor, Covers, Finding, SetAside, Verdict};
use weir_telemetry::Millis;

/// Between two readings of what was found: longer than a read and a write are apart.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Objects are kept in quarantine for at least 15 days (`QuarantineDays`), milliseconds.
const QUARANTINE_LIFE_MS: i64 = 14 * 86_400_000;

pub(crate) async fn run(asked: Reconcile, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let state = match &asked.state {
        Some(file) => Some((file, state::table(&aws).await?)),
        None => None,
    };
    let equal = state.as_ref().map(|(file, table)| State::read(file, table)).transpose()?.flatten();
    let since_equal = equal.map(|equal| equal.from()).transpose()?;
    let contributions = ContributionsTable::new(aws.dynamodb(), aws.contributions_table());
    let rollups = RollupsTable::new(aws.dynamodb(), aws.rollups_table());
    let epochs = contributions.get(&Layout::epochs()).await?;
    let layout = Layout::new(GENERATION, table_of(epochs.as_ref())?.generation);

    let now = clock::now();
    let spinner = plane::spinner("looking for windows");
    let auditor = Auditor::new(&contributions, &rollups, layout.clone());
    let before = auditor.standing().await?;
    let census = census::take(&aws, &layout, &asked, since_equal, now).await?;
    spinner.set_message("listing the quarantine");
    let quarantine = QuarantineBucket::new(aws.s3(), aws.bucket("quarantine").await?);
    let set_aside = SetAside::list(&quarantine, &census.subjects, now).await?;
    spinner.set_message(format!("reading {} windows", census.subjects.len()));
    let windows = windows_by_resolution(&census);
    let looks = (asked.patience / i64::try_from(LOOK_INTERVAL.as_millis()).unwrap_or(i64::MAX)).max(1);
    let audit = Audit {
        subjects: census.subjects,
        // Events may be ahead of now.
        covers: (census.to >= now.plus(crate::args::AHEAD_MS)).then_some(Covers { from: census.from, before }),
        set_aside,
        readings_again: u32::try_from(looks).unwrap_or(u32::MAX),
    };
    let pause = async |_, open: usize| {
        spinner.set_message(format!("checking {open} windows again"));
        tokio::time::sleep(LOOK_INTERVAL).await;
    };
    let mut verdict = auditor.run(audit, clock::now, pause).await?;
    if census.all {
        spinner.set_message("counting what shards have set aside");
        verdict.mismatches.splice(0..0, quarantined(&aws, &verdict, now).await?);
    }
    let queues = queues::read(&aws).await?;
    spinner.finish_and_clear();

    let report =
        Report { stack, layout: &layout, from: census.from, to: census.to, all: census.all, windows, queues, verdict };
    report.print(asked.json)?;
    // What is settling, in a queue or on a shard is within what the next run reads; days that were not listed are not.
    if let Some((file, table)) = state.filter(|_| report.is_equal() && !report.verdict.set_aside_is_cut) {
        state_file::write(file, &State::of(&table, now))?;
    }
    Ok(ExitCode::from(u8::from(!report.is_equal())))
}

fn windows_by_resolution(census: &census::Census) -> BTreeMap<&'static str, usize> {
    let mut windows = BTreeMap::new();
    for subject in &census.subjects {
        *windows.entry(subject.window.resolution().name()).or_default() += 1;
    }
    windows
}

/// Shards of whose rejected events objects are missing. An object is durable before the progress that accounts for it,
/// and exists as long as its bucket keeps it; a replay may add others of the same record.
async fn quarantined(aws: &Aws, verdict: &Verdict, now: Millis) -> Result<Vec<Finding>, Failure> {
    let young = |shard: &str| {
        let created = shard.rsplit_once('/').and_then(|(stream, _)| stream.rsplit_once('@')?.1.parse().ok());
        created.is_some_and(|at: i64| at > now.plus(-QUARANTINE_LIFE_MS).0)
    };
    let shards: Vec<_> = verdict.shards.iter().filter(|(shard, totals)| totals.rejected > 0 && young(shard)).collect();
    if shards.is_empty() {
        return Ok(vec![]);
    }
    let selection = Selection { reason: None, source: Some("kinesis".to_owned()), since: None, from: None, to: None };
    let found = quarantine::select(aws, &selection, now).await?;
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for id in found.iter().filter_map(|object| Some(Key::parse(&object.key)?.id)) {
        let mut parts = id.splitn(3, '!');
        if let (Some(stream), Some(shard)) = (parts.next(), parts.next()) {
            ids.entry(format!("{stream}/{shard}")).or_default().insert(id);
        }
    }
    let lacking = shards.into_iter().filter_map(|(shard, totals)| {
        let objects = ids.get(shard).map_or(0, |ids| ids.len() as u64);
        (objects < totals.rejected).then(|| Finding::Quarantine {
            shard: shard.clone(),
            rejected: totals.rejected,
            objects,
        })
    });
    Ok(lacking.collect())
}
