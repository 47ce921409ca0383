//! `rollup-reconcile`: compares rows with what they are computed from, and what counts with what was quarantined whole,
//! as `weir reconcile` does, and reports its findings.
//!
//! - **Trigger**: a schedule every quarter of an hour.
//! - **Input**: none; it reads each minute, hour and day soon after it is over, and again when events can no longer be
//!   late (49 h). Of quarantine it lists keys and reads no object.
//! - **Output**: nothing is written. The count of mismatches is a metric with an alarm; each of the first few is an
//!   error in the log, with both numbers. `weir reconcile` shows all of them, and what to do.
//! - **Failure**: what cannot be read is the function's error, and says nothing about rows. The next tick checks other
//!   windows: a lost tick leaves its own to `weir reconcile --all`.

use lambda_runtime::{Error, LambdaEvent};
use serde::de::IgnoredAny;
use std::time::Duration;
use weir_aws::batch_line::BatchLine;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation, resource, within};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::{contributions_table, quarantine_bucket};
use weir_aws::quarantine::QuarantineBucket;
use weir_aws::rows::RollupsTable;
use weir_exact::epochs::Epochs;
use weir_exact::reconcile::{Audit, Auditor, KEYS_LISTED_MAX, SetAside, Subject, Verdict};
use weir_exact::sweep;

/// Further readings of what was found: what is only late has changed by then.
const READINGS_AGAIN: u32 = 5;
/// Interval between them, except before the last: enough to recognise what does not depend on time, if a window is at
/// rest that long.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// Time until the last of them, besides the time for which changes gather before rows are rewritten.
const PATIENCE: Duration = LOOK_INTERVAL.saturating_mul(READINGS_AGAIN);
/// Longest gathering time: `FinalizeSeconds` and `CompactSeconds` of the template, seconds.
const GATHER_SECONDS_MAX: u64 = 300;
/// Findings logged individually.
const TOLD_MAX: usize = 10;

/// What one environment keeps between ticks.
#[derive(Debug)]
pub struct Handler {
    contributions: ContributionsTable,
    rollups: RollupsTable,
    quarantine: QuarantineBucket,
    epochs: Epochs<ContributionsTable>,
    /// How long changes gather before rows are rewritten, for minutes and hours together.
    gather: Duration,
}

impl Handler {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment) -> Result<Self, ConfigError> {
        let connection = Connection::from_environment(environment)?;
        let contributions = ContributionsTable::new(connection.dynamodb(), contributions_table(environment)?);
        let rollups = resource(environment, "WEIR_ROLLUPS_TABLE", "the name of the rollups table")?;
        let gather = |name| within(environment, name, "seconds, 0 to 300", 0..=GATHER_SECONDS_MAX, 0);
        let gather = gather("WEIR_FINALIZE_SECONDS")? + gather("WEIR_COMPACT_SECONDS")?;
        Ok(Self {
            gather: Duration::from_secs(gather),
            epochs: Epochs::new(contributions.clone(), generation(environment)?),
            rollups: RollupsTable::new(connection.dynamodb(), rollups),
            quarantine: QuarantineBucket::new(connection.s3(), quarantine_bucket(environment)?),
            contributions,
        })
    }

    /// Handles one tick.
    ///
    /// # Errors
    /// If a table cannot be read, or quarantine cannot be listed.
    pub async fn handle(&self, event: LambdaEvent<IgnoredAny>) -> Result<(), Error> {
        let mut line = BatchLine::begin(&event.context, "schedule");
        let view = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&view);
        let subjects: Vec<Subject> = sweep::reconciled_at(clock::now()).into_iter().map(Subject::from).collect();
        let set_aside = SetAside::list(&self.quarantine, &subjects, clock::now()).await?;
        line.stage("list");
        let audit = Audit { subjects, covers: None, set_aside, readings_again: READINGS_AGAIN };
        let pause = async |again, _| tokio::time::sleep(pause_before(again, self.gather)).await;
        let auditor = Auditor::new(&self.contributions, &self.rollups, layout);
        let verdict = auditor.run(audit, clock::now, pause).await?;
        line.stage("check");
        log(&event.context.request_id, line, &verdict);
        Ok(())
    }
}

/// Before the n-th further reading, from 1. What is behind is judged at the last, when everything that gathers was
/// written.
fn pause_before(again: u32, gather: Duration) -> Duration {
    if again < READINGS_AGAIN { LOOK_INTERVAL } else { PATIENCE - LOOK_INTERVAL * (READINGS_AGAIN - 1) + gather }
}

fn log(request_id: &str, mut line: BatchLine, verdict: &Verdict) {
    for finding in verdict.mismatches.iter().take(TOLD_MAX) {
        tracing::error!(request_id, kind = finding.kind(), %finding, "mismatch");
    }
    if verdict.set_aside_is_cut {
        tracing::warn!(request_id, keys_listed_max = KEYS_LISTED_MAX, "not all of the quarantine was listed");
    }
    line.put("set_aside", verdict.documents_set_aside);
    line.count("windows", verdict.windows).put("rows", verdict.rows).put("events", verdict.events);
    line.count("mismatches", verdict.mismatches.len() as u64).count("settling", verdict.settling.len() as u64);
    line.write();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gathers_is_waited_for_and_nothing_else_is() {
        let gather = Duration::from_secs(62);
        let pauses: Vec<Duration> = (1..=READINGS_AGAIN).map(|again| pause_before(again, gather)).collect();
        assert!(pauses[..4].iter().all(|pause| *pause == LOOK_INTERVAL), "{pauses:?}");
        assert_eq!(pauses.iter().sum::<Duration>(), PATIENCE + gather);
    }
}
