//! Starting and stopping everything, in order.

mod observe;
mod options;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpListener;
use weir_local_lambda::{
    AliasTarget, Checkpoints, DirectorySink, FunctionSpec, Host, HostOptions, LogSink, Runner, RunnerOptions,
    ScheduleRunner, VersionError, scheduled_event, start_schedule,
};
use weir_local_sqs::{Sqs, SqsOptions};
use weir_local_template::{Function, Mapping, Plan, Settings, Source};

use crate::clients::Clients;
use crate::code::CodeStore;
use crate::data_dir::DataDir;
use crate::endpoint::faults::EndpointFaults;
use crate::endpoint::{
    self, CodeDeploy, DynamoDb, Endpoint, FunctionUrls, Functions, Kinesis, Logs, ObjectStore, Serving, UrlFunction,
    mapping_shape,
};
use crate::error::StartError;
use crate::logs::LogStore;
use crate::s3::{S3Options, Store};
use crate::{create, opt, wire};

pub use options::{PORT_DEFAULT, PlaneOptions};

/// How long mappings and schedules may take to settle what is running, before their functions are ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A running plane. [`Plane::shutdown`] ends it in order; dropping it ends it at once.
pub struct Plane {
    plan: Plan,
    endpoint_url: String,
    endpoint: Arc<Endpoint>,
    serving: Serving,
    host: Host,
    clients: Clients,
    runner_options: RunnerOptions,
    /// By the mapping's logical id; a mapping that is polled twice stands twice.
    runners: Mutex<Vec<(String, Runner)>>,
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
        let deliver = options.deliver;
        let settings = Settings { endpoint_url: Some(endpoint_url.clone()), ..options.settings() };
        let mut plan = weir_local_template::read(&options.template, &settings)?;
        let code = CodeStore::default();
        let specs = plan
            .functions
            .iter()
            .map(|function| {
                let opt = opt::of(&plan, function, &options.template, &code)?;
                wire::function(function, &options.bootstraps, options.concurrency_default, &code, opt)
            })
            .collect::<Result<Vec<_>, _>>()?;
        opt::warn(&mut plan);
        let functions = plan.functions.iter().map(|function| function.name.as_str());
        let logs = Arc::new(LogStore::new(functions, sink(&options)?));

        let data = options.data_dir.as_deref().map(DataDir::open).transpose()?;
        let sqs = Sqs::open(SqsOptions {
            region: plan.region.clone(),
            account: plan.account.clone(),
            endpoint_url: endpoint_url.clone(),
            data_dir: data.as_ref().map(|data| data.path("sqs")),
        })
        .map_err(|error| engine("SQS", error))?;
        let endpoint =
            Arc::new(open_endpoint(&plan, &sqs, data.as_ref(), logs.clone(), options.endpoint_faults).await?);
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
        let host = Host::new(HostOptions {
            region: plan.region.clone(),
            account: plan.account.clone(),
            environment,
            timeout_linger: options.timeout_linger,
            enforce_memory: options.enforce_memory,
            logs,
        });
        let mut plane = Plane {
            clients: Clients::new(&endpoint_url, &plan.region),
            runner_options: RunnerOptions { faults: options.faults, checkpoints, ..RunnerOptions::default() },
            plan,
            endpoint_url,
            endpoint,
            serving,
            host,
            runners: Mutex::default(),
            schedules: Vec::new(),
            sqs,
            _lock: data.map(DataDir::into_lock),
        };
        match plane.run(specs, code, deliver).await {
            Ok(()) => Ok(plane),
            Err(error) => {
                plane.shutdown().await;
                Err(error)
            }
        }
    }

    async fn run(&mut self, specs: Vec<FunctionSpec>, code: CodeStore, deliver: bool) -> Result<(), StartError> {
        create::all(&self.clients, &self.plan).await?;
        for (spec, function) in specs.into_iter().zip(&self.plan.functions) {
            self.host.add_function(spec);
            publish(&self.host, function)
                .map_err(|reason| StartError::Version { function: function.logical_id.clone(), reason })?;
        }
        let mut mappings = vec![];
        for mapping in &self.plan.mappings {
            let stream_arn = match &mapping.source {
                Source::TableStream(table) => {
                    Some(create::table_stream_arn(&self.clients, &mapping.logical_id, table).await?)
                }
                Source::Stream(_) | Source::Queue(_) => None,
            };
            mappings.push(mapping_shape(&self.host, &self.plan, mapping, stream_arn.as_deref()));
        }
        let Plan { region, account, functions, .. } = &self.plan;
        let _ = self.endpoint.functions.set(Functions::new(
            self.host.clone(),
            functions,
            mappings,
            code,
            self.endpoint.logs.store.clone(),
        ));
        let _ = self.endpoint.urls.set(self.urls());
        let _ = self.endpoint.codedeploy.set(CodeDeploy::new(self.host.clone()));
        for mapping in self.plan.mappings.iter().filter(|_| deliver) {
            self.poll(mapping, self.runner_options.clone()).await?;
        }
        for schedule in self.plan.schedules.iter().filter(|schedule| deliver && schedule.enabled) {
            let (region, account) = (region.clone(), account.clone());
            let (rule, input) = (format!("{}-{}", self.plan.stack, schedule.logical_id), schedule.input.clone());
            let runner = start_schedule(
                self.host.clone(),
                wire::target_of(&self.plan, &schedule.function),
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

    /// Starts a runner of the mapping.
    async fn poll(&self, mapping: &Mapping, options: RunnerOptions) -> Result<(), StartError> {
        let source = wire::source(&self.clients, &self.plan, &self.endpoint_url, mapping).await?;
        let spec = wire::mapping(mapping, wire::target_of(&self.plan, &mapping.function))?;
        let on_failure = wire::on_failure(&self.clients, &self.plan, &self.endpoint_url, mapping);
        let options = RunnerOptions { on_failure, ..options };
        let runner = Runner::start(self.host.clone(), spec, source, options)?;
        self.runners().push((mapping.logical_id.clone(), runner));
        Ok(())
    }

    /// Polls a mapping's source once more, beside the runner it has and knowing nothing of its checkpoints: a stream is
    /// read again from the mapping's starting position, and from then on each shard has two pollers. AWS promises
    /// neither to have only one, nor that a position is never lost. Counts go to [`Plane::duplicate_stats`].
    ///
    /// # Errors
    /// No mapping of that logical id, or one that cannot be started.
    pub async fn poll_again(&self, mapping: &str) -> Result<(), StartError> {
        let found = self.plan.mappings.iter().find(|known| known.logical_id == mapping);
        let found = found.ok_or_else(|| StartError::Resource {
            resource: mapping.to_owned(),
            reason: "the template has no such mapping".to_owned(),
        })?;
        let checkpoints = Checkpoints::in_memory();
        self.poll(found, RunnerOptions { checkpoints, ..self.runner_options.clone() }).await
    }

    fn urls(&self) -> FunctionUrls {
        let with_url = self.plan.function_urls.iter().filter_map(|url| {
            let function = self.plan.functions.iter().find(|function| function.logical_id == url.function)?;
            let (name, target) = (function.name.clone(), wire::target(function));
            Some(UrlFunction { name, target, signed: url.auth_type != "NONE" })
        });
        FunctionUrls {
            host: self.host.clone(),
            functions: with_url.collect(),
            region: self.plan.region.clone(),
            account: self.plan.account.clone(),
        }
    }

    fn runners(&self) -> MutexGuard<'_, Vec<(String, Runner)>> {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Stops schedules and mappings, then the functions, then the endpoint. Takes at most some seconds; what a mapping
    /// could not settle by then is delivered again by the next plane on the same data directory.
    pub async fn shutdown(self) {
        self.endpoint.ready.store(false, Ordering::Release);
        let schedules = join_all(self.schedules.into_iter().map(|(_, schedule)| schedule.stop()));
        let runners = self.runners.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mappings = join_all(runners.into_iter().map(|(_, runner)| runner.stop()));
        if tokio::time::timeout(SETTLE_TIMEOUT, futures::future::join(schedules, mappings)).await.is_err() {
            tracing::warn!("mappings did not settle in time; their batches are delivered again");
        }
        self.host.shutdown().await;
        self.serving.stop().await;
        self.endpoint.dynamodb.stop().await;
        self.endpoint.kinesis.stop();
    }
}

/// Version 1 and the alias on it, where the template asks for one.
pub(crate) fn publish(host: &Host, function: &Function) -> Result<(), VersionError> {
    let Some(alias) = &function.alias else { return Ok(()) };
    let version = host.publish_version(&function.name, "", None)?.version;
    host.create_alias(&function.name, alias, AliasTarget::all(version), "").map(drop)
}

/// What else the functions' lines go to, beside the plane's own memory.
fn sink(options: &PlaneOptions) -> Result<Option<Arc<dyn LogSink>>, StartError> {
    Ok(match (&options.logs, &options.log_dir) {
        (Some(logs), _) => Some(logs.clone()),
        (None, Some(path)) => {
            let sink = DirectorySink::new(path).map_err(|error| StartError::LogDir { path: path.clone(), error })?;
            Some(Arc::new(sink))
        }
        (None, None) => None,
    })
}

fn engine(service: &'static str, reason: impl ToString) -> StartError {
    StartError::Engine { service, reason: reason.to_string() }
}

async fn open_endpoint(
    plan: &Plan,
    sqs: &Sqs,
    data: Option<&DataDir>,
    logs: Arc<LogStore>,
    faults: Option<Arc<dyn EndpointFaults>>,
) -> Result<Endpoint, StartError> {
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
        logs: Logs { store: logs, region: plan.region.clone(), account: plan.account.clone() },
        functions: OnceLock::new(),
        urls: OnceLock::new(),
        codedeploy: OnceLock::new(),
        ready: AtomicBool::new(false),
        faults,
    })
}
