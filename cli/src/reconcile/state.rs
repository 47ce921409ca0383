//! How far a stack was equal: what `--state` keeps, so that the next run reads only what can have changed.

use crate::aws::Aws;
use crate::failure::Failure;
use crate::state_file;
use serde::{Deserialize, Serialize};
use std::path::Path;
use weir_exact::retention::{LATENESS_MS_MAX, SOURCE_MS_MAX};
use weir_telemetry::{Millis, Window};

/// A source holds what it was sent for up to 4 days, and events are up to 48 hours late: what arrives in the usual ways
/// after a run falls into windows that ended no longer before it than this, milliseconds. What a redrive, a replay or a
/// backfill brings is older, and seen by a run over everything.
const SETTLED_AFTER_MS: i64 = SOURCE_MS_MAX + LATENESS_MS_MAX + 3_600_000;

/// The last run that found no mismatch.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The contributions table, and when it was created: the same name may be another stack's, elsewhere or later.
    table: String,
    /// When the run began.
    checked_at: String,
}

/// Table and creation of the stack's contributions.
///
/// # Errors
/// When the table cannot be described.
pub(super) async fn table(aws: &Aws) -> Result<String, Failure> {
    let name = aws.contributions_table();
    let table = aws.described(&name).await?;
    let created = table.as_ref().and_then(|table| table.creation_date_time()).map_or(0, |at| at.secs());
    let arn = table.and_then(|table| table.table_arn).unwrap_or(name);
    Ok(format!("{arn} of {}", Millis(created * 1_000)))
}

impl State {
    pub(super) fn of(table: &str, checked_at: Millis) -> Self {
        Self { table: table.to_owned(), checked_at: checked_at.to_string() }
    }

    /// # Errors
    /// When the file is another's.
    pub(super) fn read(file: &Path, table: &str) -> Result<Option<Self>, Failure> {
        match state_file::read::<Self>(file, "weir reconcile")? {
            Some(other) if other.table != table => Err(Failure::Usage(format!(
                "{} is the state for {}, not for {table}; name another file, or remove it",
                file.display(),
                other.table
            ))),
            read => Ok(read),
        }
    }

    /// Where the windows begin that can have changed since.
    ///
    /// # Errors
    /// When the file says no time.
    pub(super) fn from(&self) -> Result<Millis, Failure> {
        let checked_at = Millis::parse_rfc3339(&self.checked_at)
            .map_err(|error| Failure::Usage(format!("the state's checked_at {}: {error}", self.checked_at)))?;
        Ok(Window::containing(checked_at.plus(-SETTLED_AFTER_MS)).start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_its_table_s_and_goes_back_over_late_windows() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.json");
        assert_eq!(State::read(&file, "t of 1").unwrap(), None);
        // 2026-11-21T01:30:05Z
        let state = State::of("t of 1", Millis(1_795_224_605_000));
        state_file::write(&file, &state).unwrap();
        assert_eq!(State::read(&file, "t of 1").unwrap().as_ref(), Some(&state));
        assert_eq!(state.from().unwrap().to_string(), "2026-11-15T00:30:00Z");
        let other = State::read(&file, "t of 2").unwrap_err().to_string();
        assert!(other.ends_with("is the state for t of 1, not for t of 2; name another file, or remove it"), "{other}");
        std::fs::write(&file, "{}").unwrap();
        assert!(State::read(&file, "t of 1").unwrap_err().to_string().contains("is not the state of weir reconcile"));
    }
}
