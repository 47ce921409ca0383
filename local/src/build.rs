//! Builds the bootstraps with cargo, as the one who typed `cargo weir up` would: same workspace, same target
//! directory, dev profile unless another is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use weir_local_template::Plan;

/// Longest line of cargo's messages that is looked at, bytes; an artifact message has a few hundred.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// Most of the compiler's output that is kept for showing, bytes; the beginning, where the first error is.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Crates done, those that needed nothing included.
    pub crates: usize,
    /// Those of them that were compiled.
    pub compiled: usize,
    /// The crate done last.
    pub current: String,
}

/// Why there are no bootstraps.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started.
    #[error("cannot run {cargo}: {error}")]
    Cargo {
        /// What was run.
        cargo: String,
        /// Why.
        error: std::io::Error,
    },
    /// The compiler said no; what it said is `output`, whole.
    #[error("the bootstraps do not build:\n{output}")]
    Failed {
        /// Cargo's and the compiler's output.
        output: String,
    },
    /// Cargo succeeded without making a binary.
    #[error("cargo made no binary `{binary}`")]
    Missing {
        /// Its name in the template.
        binary: String,
    },
}

/// The binaries a plan's functions run.
pub fn binaries(plan: &Plan) -> BTreeSet<String> {
    plan.functions.iter().map(|function| function.binary.clone()).collect()
}

/// Builds the binaries of the workspace at `directory` and returns where each is. Cargo is `$CARGO`, where set, so that
/// it is the same cargo that runs this; `$CARGO_TARGET_DIR` applies as always. Dropping the future ends cargo.
///
/// # Errors
/// [`BuildError`]; `Failed` has the compiler's words.
pub async fn build(
    directory: &Path,
    binaries: &BTreeSet<String>,
    progress: impl FnMut(&Progress),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    build_as("dev", directory, binaries, progress).await
}

/// The same under a profile of the workspace's manifest: `release` is what ships, and takes minutes a binary.
///
/// # Errors
/// [`BuildError`]; `Failed` has the compiler's words.
pub async fn build_as(
    profile: &str,
    directory: &Path,
    binaries: &BTreeSet<String>,
    mut progress: impl FnMut(&Progress),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    if binaries.is_empty() {
        return Ok(BTreeMap::new());
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let failed = |error| BuildError::Cargo { cargo: cargo.clone(), error };
    let mut command = Command::new(&cargo);
    command
        .arg("build")
        .args(["--profile", profile])
        .arg("--message-format")
        .arg("json-render-diagnostics")
        .current_dir(directory);
    for binary in binaries {
        command.arg("--bin").arg(binary);
    }
    // `cargo run` and `cargo test` name their own package in the child's environment. Build scripts that watch these
    // variables (ring's does) would run again, and everything above them.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR"
        });
        if ours {
            command.env_remove(name);
        }
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = async {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(OUTPUT_BYTES_MAX).read_to_end(&mut text).await;
            // Reading on, or cargo would block on a full pipe.
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let messages = async {
        let mut made = BTreeMap::new();
        let mut state = Progress { crates: 0, compiled: 0, current: String::new() };
        let Some(stdout) = stdout else { return made };
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while (&mut reader).take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            if let Some(artifact) = artifact(&line) {
                state.crates += 1;
                state.compiled += usize::from(!artifact.fresh);
                state.current.clone_from(&artifact.target.name);
                if let Some(executable) = artifact.executable {
                    made.insert(artifact.target.name, executable);
                }
                progress(&state);
            }
            line.clear();
        }
        made
    };
    let (made, output) = futures::future::join(messages, output).await;
    let status = child.wait().await.map_err(failed)?;
    if !status.success() {
        return Err(BuildError::Failed { output });
    }
    binaries
        .iter()
        .map(|binary| match made.get(binary) {
            Some(path) => Ok((binary.clone(), path.clone())),
            None => Err(BuildError::Missing { binary: binary.clone() }),
        })
        .collect()
}

/// Cargo's `compiler-artifact` message, as far as it is used.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    fresh: bool,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn artifact(line: &[u8]) -> Option<Artifact> {
    #[derive(Deserialize)]
    struct Reason<'a> {
        reason: &'a str,
    }
    let reason: Reason<'_> = serde_json::from_slice(line).ok()?;
    (reason.reason == "compiler-artifact").then(|| serde_json::from_slice(line).ok())?
}
