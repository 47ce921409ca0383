//! How far a stack was equal: what `--state` keeps, so that the next run reads only what can have changed.

use crate::failure::Failure;
use crate::state_file;
use serde::{Deserialize, Serialize};
use std::path::Path;
use weir_exact::retention::LATENESS_MS_MAX;
use weir_telemetry::{Millis, Window};

/// A window this long over takes no more events that arrive in time (48 h), and its row has settled. What a redrive or a
/// replay brings later still is seen by a run over everything. Milliseconds.
const SETTLED_AFTER_MS: i64 = LATENESS_MS_MAX + 3_600_000;

/// The last run that found no mismatch.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    stack: String,
    /// When it began.
    checked_at: String,
}

impl State {
    pub(super) fn of(stack: &str, checked_at: Millis) -> Self {
        Self { stack: stack.to_owned(), checked_at: checked_at.to_string() }
    }

    /// # Errors
    /// When the file is another's.
    pub(super) fn read(file: &Path, stack: &str) -> Result<Option<Self>, Failure> {
        match state_file::read::<Self>(file, "weir reconcile")? {
            Some(other) if other.stack != stack => Err(Failure::Usage(format!(
                "{} is the state for stack {}; name another file, or remove it",
                file.display(),
                other.stack
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
    fn a_state_is_its_stack_s_and_goes_back_over_late_windows() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.json");
        assert_eq!(State::read(&file, "weir").unwrap(), None);
        // 2026-11-21T01:30:05Z
        let state = State::of("weir", Millis(1_795_224_605_000));
        state_file::write(&file, &state).unwrap();
        assert_eq!(State::read(&file, "weir").unwrap().as_ref(), Some(&state));
        assert_eq!(state.from().unwrap().to_string(), "2026-11-19T00:30:00Z");
        let other = State::read(&file, "other").unwrap_err().to_string();
        assert!(other.ends_with("is the state for stack weir; name another file, or remove it"), "{other}");
        std::fs::write(&file, "{}").unwrap();
        assert!(State::read(&file, "weir").unwrap_err().to_string().contains("is not the state of weir reconcile"));
    }
}
