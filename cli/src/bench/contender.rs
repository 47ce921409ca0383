//! Who does a piece of work: a bootstrap, run by the host as a whole process behind the Runtime API.

use super::quota::Group;
use super::work::Work;
use crate::failure::Failure;
use bytes::Bytes;
use std::path::Path;
use std::time::{Duration, Instant};
use weir_bench::peers::{quoted, script};
use weir_local_lambda::{FunctionSpec, Host, Invocation, Outcome};

/// Of an invocation; the slowest is a start of Python in a fourteenth of a CPU.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// A bootstrap and how it is run.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// `weir`, or a language and its version.
    pub(crate) name: String,
    /// What would be deployed, bytes.
    pub(crate) bytes: u64,
    /// As the host knows it: each under a name of its own.
    pub(crate) spec: FunctionSpec,
}

/// One invocation, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// From the call to the answer, a start of the sandbox included.
    pub(crate) total: f64,
    /// From the event's handing over to the answer.
    pub(crate) duration: f64,
    /// From the sandbox's start to its asking for work.
    pub(crate) init: Option<f64>,
    /// Most memory the process ever had resident.
    pub(crate) peak_bytes: u64,
}

impl Contender {
    /// The same in a share of the CPU, under a name of its own. Its script lies in `scripts`.
    ///
    /// # Errors
    /// When the script cannot be written.
    pub(crate) fn within(&self, group: &Group, scripts: &Path) -> Result<Self, Failure> {
        let name = format!("{}-{}", self.spec.name, group.name());
        let bootstrap = scripts.join(&name);
        let body = format!("echo $$ > {} && exec {}", quoted(group.entrance()), quoted(&self.spec.bootstrap));
        script(&bootstrap, &body).map_err(Failure::Failed)?;
        Ok(Self { spec: FunctionSpec { name, bootstrap, ..self.spec.clone() }, ..self.clone() })
    }

    /// Invokes it on a sandbox that is started for that; the one it had is ended.
    ///
    /// # Errors
    /// When it did not do what was asked.
    pub(crate) async fn cold(&self, host: &Host, payload: &Bytes, expected: Expected) -> Result<Taken, Failure> {
        host.add_function(self.spec.clone());
        self.invoke(host, payload, expected).await
    }

    /// Invokes it on the sandbox that it has.
    ///
    /// # Errors
    /// When it did not do what was asked.
    pub(crate) async fn invoke(&self, host: &Host, payload: &Bytes, expected: Expected) -> Result<Taken, Failure> {
        let begun = Instant::now();
        let invocation = host.invoke(&self.spec.name, payload.clone()).await;
        let total = milliseconds(begun.elapsed());
        let invocation =
            invocation.map_err(|error| Failure::Failed(format!("{} was not invoked: {error}", self.spec.name)))?;
        self.check(&invocation, expected)?;
        Ok(Taken {
            total,
            duration: milliseconds(invocation.duration),
            init: invocation.init.map(milliseconds),
            peak_bytes: invocation.peak_bytes.unwrap_or(0),
        })
    }

    /// A fast but wrong response is not a result.
    fn check(&self, invocation: &Invocation, expected: Expected) -> Result<(), Failure> {
        let (Expected::Events(work, events), name) = (expected, &self.spec.name) else { return Ok(()) };
        let shown = |bytes: &[u8]| crate::terminal::shown(&String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
        match &invocation.outcome {
            Outcome::Success(answer) if work.is_done(answer, events) => Ok(()),
            Outcome::Success(answer) => {
                Err(Failure::Failed(format!("{name} did not count {events} events: {}", shown(answer))))
            }
            Outcome::FunctionError { payload, .. } => {
                Err(Failure::Failed(format!("{name} failed: {}", shown(payload))))
            }
        }
    }
}

/// What an answer must say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// That so many events were counted.
    Events(Work, usize),
    /// Anything: only the start counts.
    Anything,
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
