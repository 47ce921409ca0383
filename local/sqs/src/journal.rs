//! Persistence: an append-only file of changes, one operation a line.
//!
//! A line is handed to the system before its operation is answered, so a killed process loses nothing; a lost machine
//! may, as nothing is synced. A torn last line belongs to an operation nobody was answered, and is dropped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::engine::{Change, Engine};
use crate::error::OpenError;
use crate::limits::JOURNAL_GROWTH_BYTES;

const FILE: &str = "sqs.journal";
/// First line of a journal. A reader that does not know the format must not guess.
const FORMAT: &str = r#"{"weir-sqs-journal":1}"#;

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    compact_bytes: u64,
    /// A write failed part way: what follows would not be readable.
    is_broken: bool,
    /// Held as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Replays what is there into `engine`, and rewrites it in its shortest form.
    pub(crate) fn open(directory: &Path, engine: &mut Engine) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::create_dir_all(directory).map_err(io(directory))?;
        let lock_path = directory.join("sqs.lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(directory.to_owned()),
            TryLockError::Error(source) => OpenError::Io { path: lock_path, source },
        })?;
        let path = directory.join(FILE);
        if path.exists() {
            replay(&path, engine)?;
        }
        let (file, bytes) = write_snapshot(&path, engine).map_err(io(&path))?;
        Ok(Self { path, file, bytes, compact_bytes: bytes, is_broken: false, _lock: lock })
    }

    /// Appends the changes of one operation, `engine` being the state after them.
    pub(crate) fn append(&mut self, changes: &[Change], engine: &Engine) -> std::io::Result<()> {
        if self.is_broken {
            return Err(std::io::Error::other("an earlier write to the journal failed"));
        }
        let mut line = serde_json::to_vec(changes)?;
        line.push(b'\n');
        self.is_broken = true;
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        if self.bytes - self.compact_bytes > JOURNAL_GROWTH_BYTES.max(self.compact_bytes) {
            (self.file, self.bytes) = write_snapshot(&self.path, engine)?;
            self.compact_bytes = self.bytes;
        }
        self.is_broken = false;
        Ok(())
    }
}

fn replay(path: &Path, engine: &mut Engine) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let corrupt = |line, reason: String| OpenError::Corrupt { path: path.to_owned(), line, reason };
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if reader.read_until(b'\n', &mut text).map_err(io)? == 0 || text.pop() != Some(b'\n') {
            return Ok(());
        }
        if line == 1 {
            if text != FORMAT.as_bytes() {
                return Err(corrupt(line, format!("expected {FORMAT}, the format this version reads")));
            }
            continue;
        }
        let changes: Vec<Change> = serde_json::from_slice(&text).map_err(|error| corrupt(line, error.to_string()))?;
        changes.into_iter().for_each(|change| engine.apply(change));
    }
    Ok(())
}

/// Writes beside the journal and renames over it, so that at every moment one whole journal is there.
fn write_snapshot(path: &Path, engine: &Engine) -> std::io::Result<(File, u64)> {
    let beside = path.with_extension("journal.new");
    let file = OpenOptions::new().create(true).write(true).truncate(true).open(&beside)?;
    let mut writer = BufWriter::new(file);
    writeln!(writer, "{FORMAT}")?;
    for change in engine.snapshot() {
        serde_json::to_writer(&mut writer, &[change])?;
        writer.write_all(b"\n")?;
    }
    let mut file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    std::fs::rename(&beside, path)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::message::Outgoing;

    fn state(engine: &Engine) -> String {
        serde_json::to_string(&engine.snapshot().collect::<Vec<_>>()).expect("JSON")
    }

    #[test]
    fn growing_rewrites_the_journal_and_loses_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        let mut engine = Engine::new("us-east-1", "000000000000");
        let mut journal = Journal::open(directory.path(), &mut engine).expect("open");
        engine.create_queue(1, "q", &BTreeMap::new(), BTreeMap::new()).expect("created");
        for id in 0..3 {
            engine.send(1, "q", Outgoing::text("x"), id.to_string()).expect("sent");
            journal.append(&engine.take_changes(), &engine).expect("written");
        }
        engine.purge(2, "q").expect("purged");
        journal.bytes += JOURNAL_GROWTH_BYTES;
        let before_bytes = std::fs::metadata(&path).expect("there").len();
        journal.append(&engine.take_changes(), &engine).expect("rewritten");
        assert!(std::fs::metadata(&path).expect("there").len() < before_bytes);
        engine.send(3, "q", Outgoing::text("after"), "after".to_owned()).expect("sent");
        journal.append(&engine.take_changes(), &engine).expect("written");
        drop(journal);
        let mut again = Engine::new("us-east-1", "000000000000");
        Journal::open(directory.path(), &mut again).expect("open");
        assert_eq!(state(&again), state(&engine));
    }
}
