//! Items whose body is JSON with a format number: an unknown format is refused, never guessed.

use crate::ports::{Item, StoreError, StoreErrorKind};
use serde::de::DeserializeOwned;

/// The body of an item. `format` looks it up, `known` is the one this version writes; `name` describes the item in
/// words.
///
/// # Errors
/// Unreadable if it is malformed or of a format that this version does not know.
pub(crate) fn read<T: DeserializeOwned>(
    item: &Item,
    format: impl FnOnce(&T) -> u8,
    known: u8,
    name: impl FnOnce() -> String,
) -> Result<T, StoreError> {
    let why = match serde_json::from_slice::<T>(&item.body) {
        Err(error) => error.to_string(),
        Ok(body) => match format(&body) {
            found if found == known => return Ok(body),
            found => format!("format {found} is not {known}"),
        },
    };
    Err(unreadable(&name(), &why))
}

/// What an item is called, and why it cannot be read.
pub(crate) fn unreadable(name: &str, why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unreadable, format!("{name} cannot be read: {why}"))
}
