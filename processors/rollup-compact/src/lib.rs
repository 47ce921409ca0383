//! `rollup-compact`: hours from minutes, days from hours.
//!
//! - **Trigger**: the rollups table's stream (keys only), batched so that an hour is computed once for many of its
//!   minutes; and a schedule every five minutes, the sweep, since a trigger can be lost.
//! - **Input**: which rows changed; everything else it reads itself, consistently.
//! - **Output**: 1h and 1d rows, each under the condition that its version is the higher one; before each row an entry
//!   in the directory that lists its series.
//! - **Failure**: the first trigger of the first window that could not be computed is reported, and everything from
//!   there is delivered again; a window computed twice costs reads. A sweep that fails is an error; the next ticks
//!   cover the same windows.
//!
//! A window with a row that this version cannot read is an error in the log and is left to the sweep: it must not keep
//! the stream from all others. TTL deletions (`REMOVE`) do not trigger.

mod trigger;

pub use trigger::Keys;

use aws_lambda_events::event::streams::DynamoDbEventResponse;
use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent};
use std::collections::BTreeSet;
use std::time::SystemTime;
use tokio::sync::OnceCell;
use trigger::Touched;
use weir_aws::batch_line::BatchLine;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation, optional, resource};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::contributions_table;
use weir_aws::rows::RollupsTable;
use weir_aws::scratch::{InScratch, row_tables};
use weir_envelope::scratch;
use weir_envelope::triggers::{self, Trigger};
use weir_exact::compact::{CompactReport, CompactSettings, Compactor};
use weir_exact::epochs::Epochs;
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_exact::sweep;
use weir_telemetry::Millis;

type RowCompactor = Compactor<ContributionsTable, RollupsTable>;

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    contributions: ContributionsTable,
    rollups: RollupsTable,
    settings: CompactSettings,
    epochs: Epochs<ContributionsTable>,
    /// Built from the first reading of the epoch table, which fixes the generation's layout for its life.
    compactor: OnceCell<RowCompactor>,
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
        let expected = "a number of days; 0 keeps rows";
        let life_ms = |name, otherwise| -> Result<Option<i64>, ConfigError> {
            let days: u32 = optional(environment, name, expected, otherwise)?;
            Ok((days > 0).then(|| i64::from(days) * 86_400_000))
        };
        Ok(Self {
            epochs: Epochs::new(contributions.clone(), generation(environment)?),
            rollups: RollupsTable::new(connection.dynamodb(), rollups),
            settings: CompactSettings {
                hour_life_ms: life_ms("WEIR_HOUR_ROW_DAYS", 400)?,
                day_life_ms: life_ms("WEIR_DAY_ROW_DAYS", 0)?,
                ..CompactSettings::default()
            },
            contributions,
            compactor: OnceCell::new(),
        })
    }

    /// Handles one batch of triggers or one tick of the sweep.
    ///
    /// # Errors
    /// If the payload is neither, if the epoch table cannot be read, or if a sweep is incomplete.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<DynamoDbEventResponse, Error> {
        let pass = Pass { begun: SystemTime::now(), deadline: event.context.deadline() };
        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        let trigger: Trigger<Keys> = serde_json::from_slice(payload)?;
        let is_sweep = matches!(trigger, Trigger::Schedule { .. });
        let mut line = BatchLine::begin(&event.context, if is_sweep { "schedule" } else { "rollups" });
        line.scratch(scratch.as_ref());
        let apart = match scratch {
            Some(generation) => Some(self.compactor(Some(InScratch::from_now(generation))).await?),
            None => None,
        };
        let compactor = match &apart {
            Some(apart) => apart,
            None => self.compactor.get_or_try_init(|| self.compactor(None)).await?,
        };
        match trigger {
            Trigger::Stream { records } => {
                line.put("batch_size", records.len());
                let oldest = triggers::oldest(&records);
                let failed = pass.run(compactor, trigger::touched(&records)?, line, oldest).await;
                Ok(triggers::answer(failed.and_then(|failed| failed.first)))
            }
            Trigger::Schedule { .. } => {
                let windows = sweep::compacted_at(clock::now()).into_iter().map(Touched::by_sweep).collect();
                match pass.run(compactor, windows, line, None).await {
                    None => Ok(triggers::answer(None)),
                    Some(failed) => Err(format!("the sweep is incomplete from window {}", failed.what).into()),
                }
            }
        }
    }

    async fn compactor(&self, scratch: Option<InScratch>) -> Result<RowCompactor, StoreError> {
        let view = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&view);
        let (contributions, rollups) = row_tables(scratch, &self.contributions, &self.rollups);
        Ok(Compactor::new(contributions, rollups, layout, self.settings))
    }
}

/// One invocation's work.
struct Pass {
    begun: SystemTime,
    deadline: SystemTime,
}

impl Pass {
    /// Computes the windows one after the other, ascending by first trigger, hours of a sweep before days; returns the
    /// first that could not be computed.
    async fn run(
        &self,
        compactor: &RowCompactor,
        touched: Vec<Touched>,
        mut line: BatchLine,
        oldest: Option<Millis>,
    ) -> Option<Touched> {
        line.count("windows", touched.len() as u64);
        let mut errors = 0_u64;
        let mut failed: Option<Touched> = None;
        let mut total = CompactReport::default();
        for touched in touched {
            match self.compute(compactor, &touched).await {
                Ok(report) => total = total.plus(report),
                Err(error) => {
                    errors += 1;
                    tracing::error!(window = %touched.what, %error, retryable = error.is_retryable(), "not compacted");
                    // Not reported: the stream would serve no other window. The sweep retries it.
                    let left = error.kind() == StoreErrorKind::Unreadable && touched.first.is_some();
                    if !left && failed.is_none() {
                        failed = Some(touched);
                    }
                }
            }
        }
        let CompactReport { series, written, superseded, behind } = total;
        line.stage("compute").put("series", series).put("superseded", superseded).put("behind", behind);
        line.count("written", written).count("errors", errors);
        // From the first row changed to the hours and days that count it; if they were current, an earlier pass
        // reported it.
        if let Some(oldest) = oldest.filter(|_| failed.is_none() && written > 0) {
            line.lag_since(oldest);
        }
        line.write();
        failed
    }

    async fn compute(&self, compactor: &RowCompactor, touched: &Touched) -> Result<CompactReport, StoreError> {
        let out_of_time = || clock::out_of_time(self.begun, self.deadline);
        let now = clock::now();
        if touched.first.is_none() {
            return compactor.sweep(touched.what, now, &out_of_time).await;
        }
        let series: BTreeSet<_> = touched.parts.iter().cloned().collect();
        compactor.compact(touched.what, &series, now, &out_of_time).await
    }
}
