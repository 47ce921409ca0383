//! Starting and stopping everything, in order.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::net::TcpListener;
use weir_local_lambda::{
    Checkpoints, DirectorySink, Faults, FunctionStats, Host, HostOptions, LogSink, MappingStats, MemorySink, Runner,
    RunnerOptions, ScheduleRunner, ScheduleStats, scheduled_event, start_schedule,
};
use weir_local_sqs::{Sqs, SqsOptions};
use weir_local_template::{Plan, Settings, Source};

use crate::clients::Clients;
use crate::endpoint::{self, DynamoDb, Endpoint, Functions, Kinesis, ObjectStore, Serving};
use crate::error::StartError;
use crate::s3::{S3Options, Store};
use crate::{create, wire};

/// The port of `weir up` unless told otherwise; LocalStack's, so that tools know it.
pub const PORT_DEFAULT: u16 = 4566;
/// Log lines kept in memory when they go nowhere else.
const LOG_LINES_MAX: usize = 10_000;
/// How long mappings and schedules may take to settle what is running, before their functions are ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often [`Plane::quiesce`] looks.
const QUIESCE_POLL: Duration = Duration::from_millis(50);

/// What to run, and where.
pub struct PlaneOptions {
    /// The SAM template.
    pub template: PathBuf,
    /// `AWS::StackName`, and so the start of physical names.
    pub stack: String,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Keeps streams, queues, objects, tables and checkpoints there, for one plane at a time; `None` keeps all in memory.
    pub data_dir: Option<PathBuf>,
    /// Parameter overrides.
    pub parameters: BTreeMap<String, String>,
    /// Executable of each binary the template names; see [`crate::build`].
    pub bootstraps: BTreeMap<String, PathBuf>,
    /// Added to every function's variables, beneath the template's own.
    pub environment: BTreeMap<String, String>,
    /// Asked before every delivery of every mapping.
    pub faults: Option<Arc<dyn Faults>>,
    /// Receives the functions' log lines; before `log_dir` where both are given.
    pub logs: Option<Arc<dyn LogSink>>,
    /// Writes `<function>.log` there. Without it and `logs` the last 10,000 lines are kept in memory.
    pub log_dir: Option<PathBuf>,
    /// Concurrency of functions without `ReservedConcurrentExecutions`, 1–1,000.
    pub concurrency_default: u32,
}

impl PlaneOptions {
    /// Stack `weir` on port 4566, in memory, without functions' bootstraps yet.
    pub fn new(template: impl Into<PathBuf>) -> Self {
        Self {
            template: template.into(),
            stack: "weir".to_owned(),
            port: PORT_DEFAULT,
            data_dir: None,
            parameters: BTreeMap::new(),
            bootstraps: BTreeMap::new(),
            environment: BTreeMap::new(),
            faults: None,
            logs: None,
            log_dir: None,
            concurrency_default: wire::CONCURRENCY_DEFAULT,
        }
    }

    /// What the template is resolved for, apart from the endpoint's URL, which is known once the port is.
    pub fn settings(&self) -> Settings {
        Settings { parameters: self.parameters.clone(), ..Settings::local(&self.stack) }
    }
}

/// A running plane. [`Plane::shutdown`] ends it in order; dropping it ends it at once.
pub struct Plane {
    plan: Plan,
    endpoint_url: String,
    endpoint: Arc<Endpoint>,
    serving: Serving,
    host: Host,
    runners: Vec<(String, Runner)>,
    schedules: Vec<(String, ScheduleRunner)>,
    sqs: Sqs,
    /// Held, so that no second plane opens the directory.
    _lock: Option<std::fs::File>,
}

impl Plane {
    /// Reads the template, opens the endpoint, creates the resources, and starts functions, mappings and schedules.
    /// Once it returns, `GET /health` answers 200.
    ///
    /// # Errors
    /// [`StartError`], one line; nothing keeps running then.
    pub async fn start(options: PlaneOptions) -> Result<Plane, StartError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => StartError::PortInUse { address },
            _ => StartError::Bind { address, error },
        })?;
        let address = listener.local_addr().map_err(|error| StartError::Bind { address, error })?;
        let endpoint_url = format!("http://{address}");
        let settings = Settings { endpoint_url: Some(endpoint_url.clone()), ..options.settings() };
        let plan = weir_local_template::read(&options.template, &settings)?;
        let specs = plan
            .functions
            .iter()
            .map(|function| wire::function(function, &options.bootstraps, options.concurrency_default))
            .collect::<Result<Vec<_>, _>>()?;
        let logs = sink(&options)?;

        let data = options.data_dir.as_deref().map(DataDir::open).transpose()?;
        let sqs = Sqs::open(SqsOptions {
            region: plan.region.clone(),
            account: plan.account.clone(),
            endpoint_url: endpoint_url.clone(),
            data_dir: data.as_ref().map(|data| data.path("sqs")),
        })
        .map_err(|error| engine("SQS", error))?;
        let endpoint = Arc::new(open_endpoint(&plan, &sqs, data.as_ref()).await?);
        let checkpoints = match &data {
            Some(data) => Checkpoints::open(data.path("checkpoints.json")).map_err(|error| StartError::DataDir {
                path: data.path("checkpoints.json"),
                reason: error.to_string(),
            })?,
            None => Checkpoints::in_memory(),
        };
        let serving = endpoint::serve(listener, endpoint.clone());

        let mut environment = wire::environment(&endpoint_url, &plan.region);
        environment.extend(options.environment);
        let host =
            Host::new(HostOptions { region: plan.region.clone(), account: plan.account.clone(), environment, logs });
        let mut plane = Plane {
            plan,
            endpoint_url,
            endpoint,
            serving,
            host,
            runners: Vec::new(),
            schedules: Vec::new(),
            sqs,
            _lock: data.map(|data| data.lock),
        };
        let runner_options = RunnerOptions { faults: options.faults, checkpoints, ..RunnerOptions::default() };
        match plane.run(specs, runner_options).await {
            Ok(()) => Ok(plane),
            Err(error) => {
                plane.shutdown().await;
                Err(error)
            }
        }
    }

    async fn run(
        &mut self,
        specs: Vec<weir_local_lambda::FunctionSpec>,
        options: RunnerOptions,
    ) -> Result<(), StartError> {
        let clients = Clients::new(&self.endpoint_url, &self.plan.region);
        create::all(&clients, &self.plan).await?;
        for spec in specs {
            self.host.add_function(spec);
        }
        let Plan { region, account, functions, .. } = &self.plan;
        let _ = self.endpoint.functions.set(Functions::new(self.host.clone(), region, account, functions));
        for mapping in &self.plan.mappings {
            let source = wire::source(&clients, &self.plan, &self.endpoint_url, mapping).await?;
            let spec = wire::mapping(mapping, self.function_name(&mapping.function));
            let runner = Runner::start(self.host.clone(), spec, source, options.clone())?;
            self.runners.push((mapping.logical_id.clone(), runner));
        }
        for schedule in self.plan.schedules.iter().filter(|schedule| schedule.enabled) {
            let (region, account) = (region.clone(), account.clone());
            let (rule, input) = (format!("{}-{}", self.plan.stack, schedule.logical_id), schedule.input.clone());
            let runner = start_schedule(
                self.host.clone(),
                self.function_name(&schedule.function),
                Duration::from_secs(schedule.every_seconds),
                move |tick| match &input {
                    Some(input) => input.clone().into(),
                    None => scheduled_event(tick, &region, &account, &rule),
                },
            );
            self.schedules.push((schedule.logical_id.clone(), runner));
        }
        self.endpoint.ready.store(true, Ordering::Release);
        Ok(())
    }

    fn function_name<'a>(&'a self, logical_id: &'a str) -> &'a str {
        let function = self.plan.functions.iter().find(|function| function.logical_id == logical_id);
        function.map_or(logical_id, |function| &function.name)
    }

    /// `http://127.0.0.1:<port>`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// What runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The functions' host, to invoke, count and find their processes.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Counts of each mapping, by logical id (`<function><event>`).
    pub fn mapping_stats(&self) -> BTreeMap<String, MappingStats> {
        self.runners.iter().map(|(id, runner)| (id.clone(), runner.stats())).collect()
    }

    /// Counts of each schedule, by logical id.
    pub fn schedule_stats(&self) -> BTreeMap<String, ScheduleStats> {
        self.schedules.iter().map(|(id, runner)| (id.clone(), runner.stats())).collect()
    }

    /// Counts of each function, by physical name.
    pub fn function_stats(&self) -> BTreeMap<String, FunctionStats> {
        self.host.stats()
    }

    /// Waits until every enabled mapping has read its source to the end, settled all of it, and stayed so for `settle`;
    /// queues must be empty, messages in flight and delayed ones included. `false` when `timeout` is over first.
    ///
    /// Choose `settle` longer than the batching windows: a record on its way from one function to the next mapping is
    /// not seen in between.
    pub async fn quiesce(&self, settle: Duration, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut quiet_since: Option<Instant> = None;
        while Instant::now() < deadline {
            if self.is_quiet() {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= settle {
                    return true;
                }
            } else {
                quiet_since = None;
            }
            tokio::time::sleep(QUIESCE_POLL).await;
        }
        false
    }

    fn is_quiet(&self) -> bool {
        let stats = self.mapping_stats();
        self.plan.mappings.iter().filter(|mapping| mapping.enabled).all(|mapping| {
            let idle =
                stats.get(&mapping.logical_id).is_some_and(|stats| stats.idle_since.is_some() && stats.in_flight == 0);
            let empty = match &mapping.source {
                Source::Queue(name) => self.sqs.queue_attributes(name).is_ok_and(|attributes| {
                    [
                        "ApproximateNumberOfMessages",
                        "ApproximateNumberOfMessagesNotVisible",
                        "ApproximateNumberOfMessagesDelayed",
                    ]
                    .iter()
                    .all(|name| attributes.get(name).is_none_or(|count| count == "0"))
                }),
                _ => true,
            };
            idle && empty
        })
    }

    /// Stops schedules and mappings, then the functions, then the endpoint. Takes at most some seconds; what a mapping
    /// could not settle by then is delivered again by the next plane on the same data directory.
    pub async fn shutdown(self) {
        self.endpoint.ready.store(false, Ordering::Release);
        let schedules = join_all(self.schedules.into_iter().map(|(_, schedule)| schedule.stop()));
        let mappings = join_all(self.runners.into_iter().map(|(_, runner)| runner.stop()));
        if tokio::time::timeout(SETTLE_TIMEOUT, futures::future::join(schedules, mappings)).await.is_err() {
            tracing::warn!("mappings did not settle in time; their batches are delivered again");
        }
        self.host.shutdown().await;
        self.serving.stop().await;
        self.endpoint.dynamodb.stop().await;
        self.endpoint.kinesis.stop();
    }
}

fn sink(options: &PlaneOptions) -> Result<Arc<dyn LogSink>, StartError> {
    Ok(match (&options.logs, &options.log_dir) {
        (Some(logs), _) => logs.clone(),
        (None, Some(path)) => {
            let sink = DirectorySink::new(path).map_err(|error| StartError::LogDir { path: path.clone(), error })?;
            Arc::new(sink)
        }
        (None, None) => Arc::new(MemorySink::new(LOG_LINES_MAX)),
    })
}

fn engine(service: &'static str, reason: impl ToString) -> StartError {
    StartError::Engine { service, reason: reason.to_string() }
}

async fn open_endpoint(plan: &Plan, sqs: &Sqs, data: Option<&DataDir>) -> Result<Endpoint, StartError> {
    let dynamodb = DynamoDb::open(&plan.region, data.map(|data| data.path("dynamodb.sqlite")).as_deref()).await;
    let kinesis = Kinesis::open(&plan.region, &plan.account, data.map(|data| data.path("kinesis"))).await;
    let objects = Store::open(S3Options {
        region: plan.region.clone(),
        account: plan.account.clone(),
        data_dir: data.map(|data| data.path("s3")),
        sqs: sqs.clone(),
    });
    Ok(Endpoint {
        account: plan.account.clone(),
        dynamodb: dynamodb.map_err(|error| engine("DynamoDB", error))?,
        kinesis: kinesis.map_err(|error| engine("Kinesis", error))?,
        objects: ObjectStore::new(objects.map_err(|error| engine("S3", error))?.service()),
        sqs: sqs.router(),
        functions: OnceLock::new(),
        ready: AtomicBool::new(false),
    })
}

/// A data directory that this plane alone has open.
struct DataDir {
    path: PathBuf,
    lock: std::fs::File,
}

impl DataDir {
    fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |reason: String| StartError::DataDir { path: path.to_path_buf(), reason };
        std::fs::create_dir_all(path).map_err(|error| failed(format!("cannot be created: {error}")))?;
        let lock = std::fs::OpenOptions::new().create(true).append(true).open(path.join("lock"));
        let lock = lock.map_err(|error| failed(format!("cannot be written: {error}")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(failed("is in use by another local plane".to_owned())),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(format!("cannot be locked: {error}"))),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
