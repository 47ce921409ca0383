//! How far each shard has been processed, kept across restarts where a file is given.
//!
//! A checkpoint moves only after its records are settled, and the file follows within a quarter of a second: what is
//! lost of it is delivered again, never skipped.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

/// Where a shard stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// Nothing is settled yet; reading began with what arrived at this time (milliseconds since the epoch).
    Since(i64),
    /// Settled up to and including this sequence number.
    After(String),
    /// Settled to its end, or never to be read.
    Finished,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Of the shard when the entry was made: a recreated stream numbers its shards from zero again.
    starting_sequence: Option<String>,
    progress: Progress,
}

/// Mapping id and stream ARN, then shard id.
type Entries = BTreeMap<String, BTreeMap<String, Entry>>;

/// The checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file could not be read or written.
    #[error("checkpoints in {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not what this crate writes. It is left as it is: remove it to start from the starting position.
    #[error("checkpoints in {path} cannot be understood: {error}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

/// The checkpoints of any number of runners. Cheap to clone; clones share them. The default keeps them in memory.
#[derive(Debug, Clone, Default)]
pub struct Checkpoints {
    store: Arc<Store>,
}

#[derive(Debug, Default)]
struct Store {
    path: Option<PathBuf>,
    state: Mutex<State>,
    /// One writer at a time, and never under the lock that commits take.
    writer: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    dirty: bool,
    failing: bool,
}

impl Checkpoints {
    /// Forgotten with the last clone.
    pub fn in_memory() -> Checkpoints {
        Checkpoints::default()
    }

    /// Kept in a file, conventionally `<data dir>/checkpoints.json`, which need not exist. One process at a time.
    ///
    /// # Errors
    /// When the file exists and cannot be read or understood.
    pub fn open(path: impl Into<PathBuf>) -> Result<Checkpoints, CheckpointError> {
        let path = path.into();
        let entries = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| CheckpointError::Format { path: path.clone(), error })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Entries::new(),
            Err(error) => return Err(CheckpointError::Io { path, error }),
        };
        let state = Mutex::new(State { entries, ..State::default() });
        Ok(Checkpoints { store: Arc::new(Store { path: Some(path), state, writer: Mutex::default() }) })
    }

    /// Writes what has changed since the last time: aside, then renamed over, so that a reader sees the old or the
    /// new, never a half. Runners do this by themselves, several times a second and when they stop.
    ///
    /// # Errors
    /// When the file cannot be written; the change is kept and tried again.
    pub fn flush(&self) -> Result<(), CheckpointError> {
        let Some(path) = &self.store.path else { return Ok(()) };
        let _one_at_a_time = self.store.writer.lock().expect("no panic while the lock is held");
        let bytes = {
            let mut state = self.store.state.lock().expect("no panic while the lock is held");
            if !std::mem::replace(&mut state.dirty, false) {
                return Ok(());
            }
            serde_json::to_vec_pretty(&state.entries).expect("maps of strings are JSON")
        };
        write_atomically(path, &bytes).map_err(|error| {
            self.store.state.lock().expect("no panic while the lock is held").dirty = true;
            CheckpointError::Io { path: path.clone(), error }
        })
    }

    /// Whether a flush that ended so is worth a word: a file that cannot be written is tried several times a second.
    pub(crate) fn begins_to_fail(&self, flushed: &Result<(), CheckpointError>) -> bool {
        let mut state = self.store.state.lock().expect("no panic while the lock is held");
        let failed_before = std::mem::replace(&mut state.failing, flushed.is_err());
        flushed.is_err() && !failed_before
    }

    pub(crate) fn has_file(&self) -> bool {
        self.store.path.is_some()
    }

    pub(crate) fn of(&self, mapping: &str, arn: &str) -> StreamCheckpoints {
        StreamCheckpoints { store: self.store.clone(), stream: format!("{mapping} {arn}") }
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("json.new");
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(bytes)?;
    // Before the rename: else a power cut may leave the new name on no content.
    file.sync_data()?;
    std::fs::rename(&aside, path)
}

/// The checkpoints of one mapping on one stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamCheckpoints {
    store: Arc<Store>,
    stream: String,
}

impl StreamCheckpoints {
    /// `None` where there is none, or where it belongs to an earlier stream's shard of the same id.
    pub(crate) fn get(&self, shard: &str, starting_sequence: Option<&str>) -> Option<Progress> {
        let state = self.store.state.lock().expect("no panic while the lock is held");
        let entry = state.entries.get(&self.stream)?.get(shard)?;
        (entry.starting_sequence.as_deref() == starting_sequence).then(|| entry.progress.clone())
    }

    pub(crate) fn commit(&self, shard: &str, starting_sequence: Option<&str>, progress: Progress) {
        let entry = Entry { starting_sequence: starting_sequence.map(str::to_owned), progress };
        let mut state = self.store.state.lock().expect("no panic while the lock is held");
        let shards = state.entries.entry(self.stream.clone()).or_default();
        if shards.get(shard) != Some(&entry) {
            shards.insert(shard.to_owned(), entry);
            state.dirty = true;
        }
    }

    /// Whether nothing is known of the stream.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.store.state.lock().expect("no panic while the lock is held");
        state.entries.get(&self.stream).is_none_or(BTreeMap::is_empty)
    }

    /// Forgets finished shards the stream no longer lists.
    pub(crate) fn retain(&self, listed: impl Fn(&str) -> bool) {
        let mut state = self.store.state.lock().expect("no panic while the lock is held");
        if let Some(shards) = state.entries.get_mut(&self.stream) {
            shards.retain(|shard, entry| entry.progress != Progress::Finished || listed(shard));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_restart_and_a_recreated_stream() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("checkpoints.json");
        let checkpoints = Checkpoints::open(&path).expect("no file yet");
        let stream = checkpoints.of("m", "arn:1");
        stream.commit("shardId-0", Some("s1"), Progress::After("7".into()));
        stream.commit("shardId-1", None, Progress::Finished);
        checkpoints.flush().expect("written");

        let again = Checkpoints::open(&path).expect("as written");
        let stream = again.of("m", "arn:1");
        assert_eq!(stream.get("shardId-0", Some("s1")), Some(Progress::After("7".into())));
        assert_eq!(stream.get("shardId-0", Some("s2")), None, "another stream's shard");
        assert_eq!(stream.get("shardId-1", None), Some(Progress::Finished));
        assert_eq!(again.of("m", "arn:2").get("shardId-0", Some("s1")), None);
        stream.retain(|_| false);
        assert_eq!(stream.get("shardId-1", None), None);
        assert!(stream.get("shardId-0", Some("s1")).is_some());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_reported_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let below = dir.path().join("missing");
        let checkpoints = Checkpoints::open(below.join("checkpoints.json")).expect("no file yet");
        let flush = || {
            let flushed = checkpoints.flush();
            (flushed.is_ok(), checkpoints.begins_to_fail(&flushed))
        };
        checkpoints.of("m", "arn:1").commit("shardId-0", None, Progress::Finished);
        assert_eq!([flush(), flush()], [(false, true), (false, false)]);
        std::fs::create_dir(&below).expect("created");
        assert_eq!(flush(), (true, false));
        std::fs::remove_dir_all(&below).expect("removed");
        checkpoints.of("m", "arn:1").commit("shardId-1", None, Progress::Finished);
        assert_eq!(flush(), (false, true), "anew");
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("checkpoints.json");
        std::fs::write(&path, "half").expect("written");
        assert!(matches!(Checkpoints::open(&path), Err(CheckpointError::Format { .. })));
    }
}
