//! Every format that was ever stored is read, and merges with what is written today: tests/formats/README.md.

mod attributes;
mod data_dir;
mod merge;
mod read;
mod unknown;
mod write;

use std::path::{Path, PathBuf};

/// The goldens of a format, by name.
fn goldens(format: &str) -> Vec<(String, Vec<u8>)> {
    let directory = directory(format);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut goldens: Vec<(String, Vec<u8>)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin" || extension == "json"))
        .map(|path| (name(&path), std::fs::read(&path).expect("a file that was listed")))
        .collect();
    goldens.sort();
    assert!(!goldens.is_empty(), "{} has no goldens", directory.display());
    goldens
}

fn directory(format: &str) -> PathBuf {
    weir_tests::root().join("tests/formats").join(format)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
