//! `rollup-reconcile`: holds rows against what they are made of, as `weir reconcile` does, and says what it finds.
//!
//! - **Trigger**: a schedule every quarter of an hour.
//! - **Input**: none; it reads the minutes that are over since some time, and each hour and day once it is over.
//! - **Output**: nothing is written. The count of mismatches is a metric with an alarm; each of the first few is an error
//!   in the log, with both numbers. `weir reconcile` shows all of them, and what to do.
//! - **Failure**: what cannot be read is the function's error, and says nothing about rows. The next tick looks at other
//!   windows: a tick that is lost leaves its own to `weir reconcile --all`.

use lambda_runtime::{Error, LambdaEvent};
use serde::de::IgnoredAny;
use std::time::Duration;
use weir_aws::batch_line::BatchLine;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation, resource, within};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::contributions_table;
use weir_aws::rows::RollupsTable;
use weir_exact::epochs::Epochs;
use weir_exact::reconcile::{Audit, Auditor, Subject, Verdict};
use weir_exact::sweep;

/// Further readings of what was found: what is only late has moved by then.
const READINGS_AGAIN: u32 = 5;
/// Until the last of them, beside the time for which changes gather before rows are written again, seconds.
const PATIENCE_SECONDS: u32 = 15;
/// Longest for which they may gather: `FinalizeSeconds` and `CompactSeconds` of the template, seconds.
const GATHER_SECONDS_MAX: u32 = 300;
/// Findings that are told one by one.
const TOLD_MAX: usize = 10;

/// What one environment keeps between ticks.
#[derive(Debug)]
pub struct Handler {
    contributions: ContributionsTable,
    rollups: RollupsTable,
    epochs: Epochs<ContributionsTable>,
    /// Between two readings.
    look_interval: Duration,
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
        let patience = PATIENCE_SECONDS + gather("WEIR_FINALIZE_SECONDS")? + gather("WEIR_COMPACT_SECONDS")?;
        Ok(Self {
            look_interval: Duration::from_secs(patience.into()) / READINGS_AGAIN,
            epochs: Epochs::new(contributions.clone(), generation(environment)?),
            rollups: RollupsTable::new(connection.dynamodb(), rollups),
            contributions,
        })
    }

    /// Handles one tick.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn handle(&self, event: LambdaEvent<IgnoredAny>) -> Result<(), Error> {
        let mut line = BatchLine::begin(&event.context, "schedule");
        let view = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&view);
        let audit = Audit {
            subjects: sweep::reconciled_at(clock::now()).into_iter().map(Subject::from).collect(),
            covers: None,
            readings_again: READINGS_AGAIN,
        };
        let auditor = Auditor::new(&self.contributions, &self.rollups, layout);
        let verdict = auditor.run(audit, clock::now, async |_| tokio::time::sleep(self.look_interval).await).await?;
        line.stage("check");
        log(&event.context.request_id, line, &verdict);
        Ok(())
    }
}

fn log(request_id: &str, mut line: BatchLine, verdict: &Verdict) {
    for finding in verdict.mismatches.iter().take(TOLD_MAX) {
        tracing::error!(request_id, kind = finding.kind(), %finding, "mismatch");
    }
    line.count("windows", verdict.windows).put("rows", verdict.rows).put("events", verdict.events);
    line.count("mismatches", verdict.mismatches.len() as u64).count("settling", verdict.settling.len() as u64);
    line.write();
}
