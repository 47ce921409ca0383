//! Python for the tests that need it: its users' libraries, a browser, a terminal.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Fetching packages; only keeps a test from hanging.
const INSTALL_MAX: Duration = Duration::from_secs(300);

/// A Python with these packages, as pip is told them, in an environment of that name below the build's directory.
///
/// # Errors
/// Why there is none: no Python with venv here, or no package index. A test then says what it leaves out.
pub async fn python(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    let environment = target.join("tests-python").join(name);
    let python = environment.join("bin/python");
    let environment = environment.display().to_string();
    run(Path::new("python3"), &["-m", "venv", &environment]).await?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(&python, &[&install[..], packages].concat()).await?;
    Ok(python)
}

async fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let tried = format!("`{} {}`", program.display(), arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(INSTALL_MAX, command.output()).await;
    let output = output.map_err(|_| format!("{tried} did not end"))?.map_err(|error| format!("{tried}: {error}"))?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{tried} failed: {}", err.lines().last().unwrap_or("no words")))
    }
}
