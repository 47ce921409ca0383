//! The executables that are measured: built under a profile, or found in a directory.

use crate::args::BenchBuild;
use crate::failure::Failure;
use crate::plane::{spinner, workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The least a Rust function can be: bench/peers/hello.
pub(crate) const HELLO: &str = "bench-hello";

/// Where each binary is. What the build took becomes a note.
///
/// # Errors
/// When they cannot be built, or one is missing; a missing hello is a note.
pub(crate) async fn executables(
    build: &BenchBuild,
    binaries: BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    match &build.bootstraps {
        Some(directory) => of_directory(directory, binaries, notes),
        None => built(&build.profile, workspace(&build.template), &binaries, notes).await,
    }
}

async fn built(
    profile: &str,
    directory: &Path,
    binaries: &BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let words = format!("building {} executables, profile {profile}", binaries.len());
    let (bar, begun) = (spinner(&words), Instant::now());
    let built = weir_local::build::build_as(profile, directory, binaries, |progress| {
        bar.set_message(format!("{words}: {} crates, {}", progress.crates, progress.current));
    })
    .await;
    bar.finish_and_clear();
    notes.push(format!(
        "profile {profile}; cargo took {:.0} s for {} executables",
        begun.elapsed().as_secs_f64(),
        binaries.len()
    ));
    built.map_err(|error| Failure::Failed(error.to_string()))
}

fn of_directory(
    directory: &Path,
    binaries: BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    notes.push(format!("prebuilt executables from {}", directory.display()));
    let mut found = BTreeMap::new();
    for binary in binaries {
        let path = directory.join(&binary);
        match path.is_file() {
            true => drop(found.insert(binary, path)),
            false if binary == HELLO => {
                notes.push(format!("no bare hello to compare starts with: {} is missing", path.display()));
            }
            false => {
                return Err(Failure::Usage(format!("no executable {}: omit --bootstraps to build it", path.display())));
            }
        }
    }
    Ok(found)
}
