//! What every measurement runs on: the fleet's bootstraps as they ship, the peers, a host that runs them, and the
//! stores that intake functions write to.

use super::build::{self, HELLO};
use super::contender::{Contender, TIMEOUT};
use super::work::Work;
use crate::args::BenchFleet;
use crate::failure::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use weir_bench::peers::{self, Peer};
use weir_local::{Plane, PlaneOptions};
use weir_local_lambda::{FunctionSpec, Host, HostOptions, LogLine, LogSink};
use weir_local_template::Function;

/// Most sandboxes of a function at once; the cannon's largest concurrency.
pub(crate) const CONCURRENCY_MAX: u32 = 64;
/// Stores without anything that would run beside what is measured.
const STORES: &str = include_str!("stores.yaml");

/// See above.
pub(crate) struct Stand {
    pub(crate) host: Host,
    /// What is left out, and why; what the build took.
    pub(crate) notes: Vec<String>,
    stores: Plane,
    functions: Vec<Function>,
    bootstraps: BTreeMap<String, PathBuf>,
    peers: Vec<Peer>,
    scripts: TempDir,
}

/// The functions' lines are written, as on Lambda, and discarded.
struct Unread;

impl LogSink for Unread {
    fn line(&self, _: &LogLine<'_>) {}
}

impl Stand {
    /// Builds what is to be measured, and starts what it needs. Of the fleet, `only` these binaries, else all.
    ///
    /// # Errors
    /// When the template cannot be read or the fleet not built. A peer that is not there is a note.
    pub(crate) async fn open(fleet: &BenchFleet, stack: &str, only: Option<&[Work]>) -> Result<Self, Failure> {
        let mut options = PlaneOptions::new(&fleet.build.template);
        options.stack = stack.to_owned();
        let plan = weir_local_template::read(&options.template, &options.settings());
        let plan = plan.map_err(|error| Failure::Usage(error.to_string()))?;
        let mut binaries: BTreeSet<String> = match only {
            Some(works) => works.iter().map(|work| work.binary().to_owned()).collect(),
            None => weir_local::build::binaries(&plan),
        };
        binaries.insert(HELLO.to_owned());
        let mut notes = vec![];
        let bootstraps = build::executables(&fleet.build, binaries, &mut notes).await?;
        let scripts = tempfile::tempdir().map_err(|error| Failure::Failed(format!("a directory: {error}")))?;
        let sources =
            std::path::absolute(crate::plane::workspace(&fleet.build.template).join("bench/peers")).unwrap_or_default();
        let mut found = vec![];
        for peer in [
            peers::go(&fleet.go, &sources.join("go"), scripts.path()),
            peers::python(&fleet.python, &sources.join("python"), scripts.path()),
        ] {
            match peer {
                Ok(peer) => found.push(peer),
                Err(why) => notes.push(why),
            }
        }
        let stores = stores(stack, scripts.path()).await?;
        let environment = [("AWS_ENDPOINT_URL", stores.endpoint_url()), ("AWS_SECRET_ACCESS_KEY", "test")];
        let host = Host::new(HostOptions {
            region: plan.region.clone(),
            account: plan.account.clone(),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            timeout_linger: Duration::ZERO,
            enforce_memory: false,
            logs: Arc::new(Unread),
        });
        Ok(Self { host, notes, stores, functions: plan.functions, bootstraps, peers: found, scripts })
    }

    /// Who does that work: weir first, then the peers.
    pub(crate) fn contenders(&self, work: Work) -> Vec<Contender> {
        let ours = self.fleet().filter(|(function, _)| function.binary == work.binary());
        let ours = ours.map(|(function, bootstrap)| {
            self.contender("weir", work.name(), bootstrap, file_bytes(bootstrap), function.environment.clone())
        });
        ours.chain(self.peers.iter().map(|peer| self.peer(peer, work.name()))).collect()
    }

    /// Who starts: a bare hello, every function, and the peers' hello.
    pub(crate) fn starters(&self) -> Vec<Contender> {
        let hello = self.bootstraps.get(HELLO).map(|bootstrap| {
            self.contender("hello (Rust)", "hello", bootstrap, file_bytes(bootstrap), BTreeMap::new())
        });
        let ours = self.fleet().map(|(function, bootstrap)| {
            let environment = function.environment.clone();
            self.contender(&function.binary, "start", bootstrap, file_bytes(bootstrap), environment)
        });
        let peers = self.peers.iter().map(|peer| {
            let hello = self.peer(peer, "hello");
            Contender { name: format!("hello ({})", peer.name), ..hello }
        });
        hello.into_iter().chain(ours).chain(peers).collect()
    }

    /// Where scripts may be put.
    pub(crate) fn scripts(&self) -> &Path {
        self.scripts.path()
    }

    /// `MemorySize` of the functions, MB, by binary.
    pub(crate) fn memory_mb(&self, work: Work) -> u32 {
        self.functions.iter().find(|function| function.binary == work.binary()).map_or(0, |function| function.memory_mb)
    }

    /// Ends its sandbox, and with it what holds its control group.
    pub(crate) fn retire(&self, contender: &Contender) {
        self.host.add_function(contender.spec.clone());
    }

    /// Ends everything.
    pub(crate) async fn close(self) {
        self.host.shutdown().await;
        self.stores.shutdown().await;
    }

    fn fleet(&self) -> impl Iterator<Item = (&Function, &PathBuf)> {
        self.functions.iter().filter_map(|function| Some((function, self.bootstraps.get(&function.binary)?)))
    }

    fn peer(&self, peer: &Peer, handler: &str) -> Contender {
        self.contender(&peer.name, handler, &peer.bootstrap, peer.bytes, BTreeMap::new())
    }

    fn contender(
        &self,
        name: &str,
        handler: &str,
        bootstrap: &Path,
        bytes: u64,
        environment: BTreeMap<String, String>,
    ) -> Contender {
        // A name of Lambda's characters: it becomes a file's, too.
        let id: String =
            format!("{name}-{handler}").chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let spec = FunctionSpec {
            name: id,
            bootstrap: std::path::absolute(bootstrap).unwrap_or_else(|_| bootstrap.to_owned()),
            environment,
            memory_mb: super::price::WHOLE_CPU_MB,
            timeout: TIMEOUT,
            concurrency_max: CONCURRENCY_MAX,
            handler: handler.to_owned(),
            // What is measured reads no layer.
            opt: None,
        };
        Contender { name: name.to_owned(), bytes, spec }
    }
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

async fn stores(stack: &str, directory: &Path) -> Result<Plane, Failure> {
    let template = directory.join("stores.yaml");
    fs::write(&template, STORES).map_err(|error| Failure::Failed(format!("{}: {error}", template.display())))?;
    let mut options = PlaneOptions::new(template);
    options.stack = stack.to_owned();
    options.port = 0;
    Plane::start(options).await.map_err(|error| Failure::Failed(format!("the stores: {error}")))
}
