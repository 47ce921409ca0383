//! What to run, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_local_lambda::{Faults, LogSink};
use weir_local_template::Settings;

use crate::endpoint::faults::EndpointFaults;
use crate::wire;

/// The port of `weir up` unless told otherwise; LocalStack's, so that tools know it.
pub const PORT_DEFAULT: u16 = 4566;

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
    /// Whether mappings and schedules run. Without them the plane is an endpoint, and somebody else delivers: a
    /// [`crate::Worker`], say.
    pub deliver: bool,
    /// Asked before every delivery of every mapping.
    pub faults: Option<Arc<dyn Faults>>,
    /// Asked about every request that a function makes of the endpoint.
    pub endpoint_faults: Option<Arc<dyn EndpointFaults>>,
    /// How long a sandbox lives on once its invocation has timed out; see
    /// [`weir_local_lambda::HostOptions::timeout_linger`].
    pub timeout_linger: Duration,
    /// Whether functions are killed that outgrow their memory; see [`weir_local_lambda::HostOptions::enforce_memory`].
    pub enforce_memory: bool,
    /// Receives the functions' log lines besides the plane's own memory of them; before `log_dir` where both are given.
    pub logs: Option<Arc<dyn LogSink>>,
    /// Writes `<function>.log` there.
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
            deliver: true,
            faults: None,
            endpoint_faults: None,
            timeout_linger: Duration::ZERO,
            enforce_memory: false,
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
