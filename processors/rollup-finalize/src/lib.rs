//! `rollup-finalize`: recomputes the 1m rows of every window that changed.
//!
//! - **Trigger**: the contributions table's stream (keys only), batched so that a window is computed once per pass; and
//!   a schedule every minute, the sweep, since a trigger can be lost.
//! - **Input**: which windows; everything else it reads itself, consistently.
//! - **Output**: rows in the rollups table, each under the condition that its version is the higher one.
//! - **Failure**: the first trigger of the first window that could not be computed is reported, and everything from
//!   there is delivered again; a window computed twice costs reads. Triggers are never dropped. A sweep that fails is
//!   an error; the next ticks cover the same windows.
//!
//! A window whose contributions this version cannot read is an error in the log and is left to the sweep: it must not
//! keep the stream from all others.
//!
//! TTL deletions (`REMOVE`) do not trigger: a window must not be recomputed from what is left of it.

mod trigger;

pub use trigger::Keys;

use aws_lambda_events::event::streams::DynamoDbEventResponse;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use lambda_runtime::{Error, LambdaEvent};
use std::time::SystemTime;
use tokio::sync::OnceCell;
use trigger::Touched;
use weir_aws::batch_line::BatchLine;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation, optional, resource, within};
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::contributions_table;
use weir_aws::rows::RollupsTable;
use weir_aws::scratch::{InScratch, row_tables};
use weir_envelope::scratch;
use weir_envelope::triggers::{self, Trigger};
use weir_exact::epochs::Epochs;
use weir_exact::finalize::{FinalizeSettings, Finalizer, WindowReport};
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_exact::progress::Progress;
use weir_exact::sweep;
use weir_telemetry::{Millis, Window};

/// Windows computed at a time: each holds all its contributions in memory.
const WINDOWS_IN_FLIGHT_MAX: usize = 4;

type RowFinalizer = Finalizer<ContributionsTable, RollupsTable>;

/// What one environment keeps between batches.
#[derive(Debug)]
pub struct Handler {
    contributions: ContributionsTable,
    rollups: RollupsTable,
    settings: FinalizeSettings,
    epochs: Epochs<ContributionsTable>,
    /// Built from the first reading of the epoch table, which fixes the generation's layout for its life.
    finalizer: OnceCell<RowFinalizer>,
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
        let series = "a number of series, at least 1 and at most 40000";
        let series_per_window_max = within(
            environment,
            "WEIR_SERIES_PER_WINDOW_MAX",
            series,
            1..=40_000,
            FinalizeSettings::default().series_per_window_max,
        )?;
        let days: u32 = optional(environment, "WEIR_MINUTE_ROW_DAYS", "a number of days; 0 keeps rows", 30)?;
        Ok(Self {
            epochs: Epochs::new(contributions.clone(), generation(environment)?),
            rollups: RollupsTable::new(connection.dynamodb(), rollups),
            settings: FinalizeSettings {
                row_life_ms: (days > 0).then(|| i64::from(days) * 86_400_000),
                series_per_window_max,
                ..FinalizeSettings::default()
            },
            contributions,
            finalizer: OnceCell::new(),
        })
    }

    /// Handles one batch of triggers or one tick of the sweep.
    ///
    /// # Errors
    /// If the payload is neither, if the epoch table or the shards' progress cannot be read, or if a sweep is
    /// incomplete.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<DynamoDbEventResponse, Error> {
        let pass = Pass { begun: SystemTime::now(), deadline: event.context.deadline() };
        let (scratch, payload) = scratch::unwrapped(&event.payload)?;
        let trigger: Trigger<Keys> = serde_json::from_slice(payload)?;
        let is_sweep = matches!(trigger, Trigger::Schedule { .. });
        let mut line = BatchLine::begin(&event.context, if is_sweep { "schedule" } else { "contributions" });
        line.scratch(scratch.as_ref());
        let apart = match scratch {
            Some(generation) => Some(self.finalizer(Some(InScratch::from_now(generation))).await?),
            None => None,
        };
        let finalizer = match &apart {
            Some(apart) => apart,
            None => self.finalizer.get_or_try_init(|| self.finalizer(None)).await?,
        };
        let progress = finalizer.progress().await?;
        line.stage("progress");
        match trigger {
            Trigger::Stream { records } => {
                let touched = trigger::touched(finalizer.layout(), &records)?;
                line.put("batch_size", records.len());
                let oldest = triggers::oldest(&records);
                let failed = pass.run(finalizer, &progress, touched, line, oldest).await;
                Ok(triggers::answer(failed.and_then(|failed| failed.first)))
            }
            Trigger::Schedule { .. } => {
                let touched = sweep::windows_at(clock::now()).into_iter().map(Touched::by_sweep).collect();
                match pass.run(finalizer, &progress, touched, line, None).await {
                    None => Ok(triggers::answer(None)),
                    Some(failed) => Err(format!("the sweep is incomplete from window {}", failed.what).into()),
                }
            }
        }
    }

    async fn finalizer(&self, scratch: Option<InScratch>) -> Result<RowFinalizer, StoreError> {
        let view = self.epochs.view(clock::now()).await?;
        let layout = self.epochs.layout(&view);
        let (contributions, rollups) = row_tables(scratch, &self.contributions, &self.rollups);
        Ok(Finalizer::new(contributions, rollups, layout, self.settings))
    }
}

/// One invocation's work.
struct Pass {
    begun: SystemTime,
    deadline: SystemTime,
}

impl Pass {
    /// Computes the windows, ascending by first trigger; returns the first that could not be computed.
    async fn run(
        &self,
        finalizer: &RowFinalizer,
        progress: &[Option<Progress>],
        touched: Vec<Touched>,
        mut line: BatchLine,
        oldest: Option<Millis>,
    ) -> Option<Touched> {
        // What no trigger named, another invocation may have computed.
        let ask = touched.iter().any(|touched| touched.first.is_none());
        line.count("windows", touched.len() as u64);
        let mut computed = stream::iter(touched.into_iter().map(|touched| async move {
            let result = self.compute(finalizer, progress, touched.what, ask).await;
            (touched, result)
        }))
        .buffer_unordered(WINDOWS_IN_FLIGHT_MAX);
        let mut failed: Option<Touched> = None;
        let mut errors = 0_u64;
        let mut total = WindowReport::default();
        while let Some((touched, result)) = computed.next().await {
            match result {
                Ok(report) => {
                    if report.overflowed > 0 {
                        let (window, series) = (touched.what, report.overflowed);
                        let series_max = finalizer.settings().series_per_window_max;
                        tracing::warn!(%window, series, series_max, "series counted under ~other: the window has too many");
                    }
                    total = total.plus(report);
                }
                Err(error) => {
                    errors += 1;
                    tracing::error!(window = %touched.what, %error, retryable = error.is_retryable(), "not finalized");
                    // Not reported: the stream would serve no other window. The sweep retries it.
                    if error.kind() == StoreErrorKind::Unreadable && !ask {
                        continue;
                    }
                    if failed.as_ref().is_none_or(|failed| touched.first < failed.first) {
                        failed = Some(touched);
                    }
                }
            }
        }
        let WindowReport { items, written, unmoved, superseded, overflowed } = total;
        line.stage("compute").put("items", items).put("unchanged", unmoved).put("superseded", superseded);
        line.put("overflowed", overflowed).count("written", written).count("errors", errors);
        // From the first change to the rows that count it; if they were current, an earlier pass reported it.
        if let Some(oldest) = oldest.filter(|_| failed.is_none() && written > 0) {
            line.lag_since(oldest);
        }
        line.write();
        failed
    }

    async fn compute(
        &self,
        finalizer: &RowFinalizer,
        progress: &[Option<Progress>],
        window: Window,
        ask: bool,
    ) -> Result<WindowReport, StoreError> {
        let out_of_time = || clock::out_of_time(self.begun, self.deadline);
        finalizer.finalize(window, progress, clock::now(), ask, &out_of_time).await
    }
}
