//! What a command keeps between runs, in a file that `--state` names.

use crate::failure::{Failure, failed};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::Path;

/// What the file holds; none where there is no file yet.
///
/// # Errors
/// When it cannot be read, or is not the state of such a command (`of`: "a backfill").
pub(crate) fn read<T: DeserializeOwned>(file: &Path, of: &str) -> Result<Option<T>, Failure> {
    let name = file.display();
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::Usage(format!("{name}: {error}"))),
    };
    let state = serde_json::from_slice(&bytes);
    state.map(Some).map_err(|error| Failure::Usage(format!("{name} is not the state of {of}: {error}")))
}

/// Writes in one step, so that an interrupted run leaves the old state or the new one.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write<T: Serialize>(file: &Path, state: &T) -> Result<(), Failure> {
    let mut next = file.as_os_str().to_owned();
    next.push(".next");
    let json = serde_json::to_vec(state)?;
    let written = std::fs::write(&next, json).and_then(|()| std::fs::rename(&next, file));
    written.map_err(|error| failed(&file.display().to_string(), &error))
}
