//! Starting the fleet on this machine: build the bootstraps, then the plane.

use crate::args::Fleet;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use weir_local::{EndpointFaults, Plan, Plane, PlaneOptions, StartError, build};
use weir_local_lambda::Faults;

/// What to start in addition to the fleet itself.
pub(crate) struct Setup {
    pub(crate) stack: String,
    pub(crate) port: u16,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) faults: Option<Arc<dyn Faults>>,
    pub(crate) endpoint_faults: Option<Arc<dyn EndpointFaults>>,
    /// How long a sandbox lives on after its timeout.
    pub(crate) timeout_linger: Duration,
    /// Whether functions are killed that outgrow their memory.
    pub(crate) enforce_memory: bool,
    /// Whether mappings and schedules run.
    pub(crate) deliver: bool,
}

impl Setup {
    /// Nothing else.
    pub(crate) fn new(stack: &str, port: u16) -> Self {
        let stack = stack.to_owned();
        Self {
            stack,
            port,
            data_dir: None,
            faults: None,
            endpoint_faults: None,
            timeout_linger: Duration::ZERO,
            enforce_memory: false,
            deliver: true,
        }
    }
}

/// Builds the bootstraps of the fleet and starts it.
pub(crate) async fn start(fleet: &Fleet, setup: Setup) -> Result<Plane, Failure> {
    let mut options = PlaneOptions::new(&fleet.template);
    options.stack = setup.stack;
    options.port = setup.port;
    options.data_dir = setup.data_dir;
    options.parameters = fleet.parameters.iter().cloned().collect();
    options.log_dir = fleet.log_dir.clone();
    options.faults = setup.faults;
    options.endpoint_faults = setup.endpoint_faults;
    options.timeout_linger = setup.timeout_linger;
    options.enforce_memory = setup.enforce_memory;
    options.deliver = setup.deliver;
    // Told before the compiler runs for minutes.
    let plan =
        weir_local_template::read(&options.template, &options.settings()).map_err(|error| usage(error.into()))?;
    check_port(options.port)?;
    options.bootstraps = executables(fleet, &plan).await?;
    Plane::start(options).await.map_err(usage)
}

/// Where each binary of the plan is: in the directory that was named, else built now.
pub(crate) async fn executables(fleet: &Fleet, plan: &Plan) -> Result<BTreeMap<String, PathBuf>, Failure> {
    match &fleet.bootstraps {
        Some(directory) => {
            Ok(build::binaries(plan).into_iter().map(|name| (name.clone(), directory.join(name))).collect())
        }
        None => bootstraps(&fleet.template, plan).await,
    }
}

/// Whether the port is free now; the plane binds it once the processors are built.
fn check_port(port: u16) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match std::net::TcpListener::bind(address) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(usage(StartError::PortInUse { address })),
        _ => Ok(()),
    }
}

/// The cause is in the template, the port or a directory: the caller's to change.
pub(crate) fn usage(error: StartError) -> Failure {
    match error {
        StartError::Engine { .. } => Failure::Failed(error.to_string()),
        _ => Failure::Usage(error.to_string()),
    }
}

/// The directory of the workspace that a template is in.
pub(crate) fn workspace(template: &Path) -> &Path {
    template.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Builds what the template's functions run, with progress on a terminal.
async fn bootstraps(template: &Path, plan: &Plan) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let binaries = build::binaries(plan);
    let directory = workspace(template);
    let bar = spinner("building the processors");
    let built = build::build(directory, &binaries, |progress| {
        bar.set_message(format!("building the processors: {} crates, {}", progress.crates, progress.current));
    })
    .await;
    bar.finish_and_clear();
    built.map_err(|error| Failure::Failed(error.to_string()))
}

/// A spinner with a message; hidden where standard error is not a terminal.
pub(crate) fn spinner(words: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_message(words.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Until Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
