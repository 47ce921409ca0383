//! The functions of a template outside Lambda: the same bootstraps, fed from sources that somebody else runs.
//!
//! Where [`crate::Plane`] also is AWS, a worker only delivers: it reads the streams and queues that the caller's clients reach,
//! and the functions write where their environment says. Several workers may read one shard at once, or one beside Lambda:
//! nothing here is exclusive, there is no lease. That a record is then delivered twice costs work, and counts once where the
//! functions see to it, as weir's fence does.
//!
//! What a worker does not remember it reads again from the mapping's starting position, unless it is given a file to
//! keep its place in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use weir_local_lambda::{
    Checkpoints, Host, HostOptions, LogSink, MappingStats, Runner, RunnerOptions, ScheduleRunner, scheduled_event,
    start_schedule,
};
use weir_local_template::{Plan, Settings};

use crate::clients::Clients;
use crate::code::CodeStore;
use crate::error::StartError;
use crate::plane::publish;
use crate::{opt, wire};

/// Pause between reads of a shard that has nothing more: as often as Lambda reads it ("Using Lambda to process records from
/// Amazon Kinesis Data Streams"). A shard takes five reads a second of all its consumers together.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What to run, and against what.
pub struct WorkerOptions {
    /// The SAM template.
    pub template: PathBuf,
    /// What its names are resolved for: the stack, account and region whose resources are meant.
    pub settings: Settings,
    /// Executable of each binary the template names.
    pub bootstraps: BTreeMap<String, PathBuf>,
    /// Logical ids of the functions to run; all where there is none.
    pub functions: BTreeSet<String>,
    /// What mappings read with.
    pub clients: Clients,
    /// Where the queues are: their URLs begin with it.
    pub queue_base_url: String,
    /// Every function's variables beside the template's own: where AWS is, and how to sign. `AWS_ACCESS_KEY_ID` among them.
    pub environment: BTreeMap<String, String>,
    /// Where shards stand.
    pub checkpoints: Checkpoints,
    /// Receives the functions' log lines.
    pub logs: Arc<dyn LogSink>,
    /// Concurrency of functions without `ReservedConcurrentExecutions`.
    pub concurrency_default: u32,
}

/// A running worker. Dropping it ends it in the middle of whatever it does, which loses nothing.
pub struct Worker {
    plan: Plan,
    host: Host,
    runners: Vec<(String, Runner)>,
    schedules: Vec<ScheduleRunner>,
    /// Held, so that the executables stay what they were.
    _code: CodeStore,
}

impl Worker {
    /// Reads the template, and starts its functions, mappings and schedules.
    ///
    /// # Errors
    /// [`StartError`], one line; nothing keeps running then.
    pub async fn start(options: WorkerOptions) -> Result<Self, StartError> {
        let mut plan = weir_local_template::read(&options.template, &options.settings)?;
        restrict(&mut plan, &options.functions)?;
        let code = CodeStore::default();
        let spec = |function| {
            let opt = opt::of(&plan, function, &options.template, &code)?;
            wire::function(function, &options.bootstraps, options.concurrency_default, &code, opt)
        };
        let specs = plan.functions.iter().map(spec).collect::<Result<Vec<_>, _>>()?;
        opt::warn(&mut plan);
        let host = Host::new(HostOptions {
            region: plan.region.clone(),
            account: plan.account.clone(),
            environment: options.environment,
            timeout_linger: Duration::ZERO,
            enforce_memory: false,
            logs: options.logs,
        });
        for (spec, function) in specs.into_iter().zip(&plan.functions) {
            host.add_function(spec);
            publish(&host, function)
                .map_err(|reason| StartError::Version { function: function.logical_id.clone(), reason })?;
        }
        let mut worker = Self { plan, host, runners: vec![], schedules: vec![], _code: code };
        match worker.deliver(&options.clients, &options.queue_base_url, &options.checkpoints).await {
            Ok(()) => Ok(worker),
            Err(error) => {
                worker.shutdown(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    async fn deliver(
        &mut self,
        clients: &Clients,
        base_url: &str,
        checkpoints: &Checkpoints,
    ) -> Result<(), StartError> {
        let Plan { region, account, .. } = &self.plan;
        for mapping in self.plan.mappings.iter().filter(|mapping| mapping.enabled) {
            let source = wire::source(clients, &self.plan, base_url, mapping).await?;
            let spec = wire::mapping(mapping, wire::target_of(&self.plan, &mapping.function))?;
            let on_failure = wire::on_failure(clients, &self.plan, base_url, mapping);
            let (checkpoints, poll_interval) = (checkpoints.clone(), POLL_INTERVAL);
            let options = RunnerOptions { on_failure, checkpoints, poll_interval, ..RunnerOptions::default() };
            let runner = Runner::start(self.host.clone(), spec, source, options)?;
            self.runners.push((mapping.logical_id.clone(), runner));
        }
        for schedule in self.plan.schedules.iter().filter(|schedule| schedule.enabled) {
            let (region, account) = (region.clone(), account.clone());
            let (rule, input) = (format!("{}-{}", self.plan.stack, schedule.logical_id), schedule.input.clone());
            let target = wire::target_of(&self.plan, &schedule.function);
            let every = Duration::from_secs(schedule.every_seconds);
            self.schedules.push(start_schedule(self.host.clone(), target, every, move |tick| match &input {
                Some(input) => input.clone().into(),
                None => scheduled_event(tick, &region, &account, &rule),
            }));
        }
        Ok(())
    }

    /// What runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What each mapping has done, by its logical id.
    pub fn mapping_stats(&self) -> Vec<(String, MappingStats)> {
        self.runners.iter().map(|(id, runner)| (id.clone(), runner.stats())).collect()
    }

    /// Stops in order: what is being delivered may settle within `grace`, and is delivered again by others if it does not.
    pub async fn shutdown(self, grace: Duration) {
        let schedules = join_all(self.schedules.into_iter().map(ScheduleRunner::stop));
        let runners = join_all(self.runners.into_iter().map(|(_, runner)| runner.stop()));
        if tokio::time::timeout(grace, futures::future::join(schedules, runners)).await.is_err() {
            tracing::warn!("mappings did not settle in time; their batches are delivered again");
        }
        self.host.shutdown().await;
    }
}

/// Leaves the functions of these logical ids alone in the plan, and what invokes them.
fn restrict(plan: &mut Plan, functions: &BTreeSet<String>) -> Result<(), StartError> {
    let known = |id: &String| plan.functions.iter().any(|function| function.logical_id == *id);
    if let Some(unknown) = functions.iter().find(|id| !known(id)) {
        let all: Vec<&str> = plan.functions.iter().map(|function| function.logical_id.as_str()).collect();
        let reason = format!("the template has no such function; it has {}", all.join(", "));
        return Err(StartError::Resource { resource: unknown.clone(), reason });
    }
    if !functions.is_empty() {
        plan.functions.retain(|function| functions.contains(&function.logical_id));
        plan.mappings.retain(|mapping| functions.contains(&mapping.function));
        plan.schedules.retain(|schedule| functions.contains(&schedule.function));
    }
    Ok(())
}
