//! Kinesis on disk: the streams in one file, the records in a log that is only appended to.
//!
//! ferrokinesis can persist by itself, but writes its whole state for every put: 240 ms for a PutRecords at 30,000
//! records, and the log grows with the square. Here a put costs its own bytes. A put is written before it is answered,
//! so a kill loses nothing that was acknowledged; nothing is synced to the medium.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use ferrokinesis::sequence::{parse_sequence, resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::Store;
use ferrokinesis::types::{StoredRecord, Stream, StreamStatus};
use serde::{Deserialize, Serialize};

/// Sequence numbers advanced at once when a shard's counter is brought back.
const ADVANCE_BATCH: u64 = 10_000;
/// How long a change of a stream may take until the stream is active again.
const TRANSITION_TIMEOUT: Duration = Duration::from_secs(2);
const TRANSITION_POLL: Duration = Duration::from_millis(2);

pub(crate) struct Journal {
    dir: PathBuf,
    log: Mutex<File>,
}

/// A stream as kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    stream: Stream,
    /// Next sequence index of each shard.
    counters: Vec<u64>,
}

/// One line of the log.
#[derive(Serialize, Deserialize)]
struct Line {
    stream: String,
    /// The engine's key: shard and sequence number.
    key: String,
    record: StoredRecord,
}

impl Journal {
    /// Brings back what a former run kept, into an empty store, and drops from the log what has expired.
    pub(crate) async fn open(dir: PathBuf, store: &Store) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let kept: BTreeMap<String, Kept> = match fs::read(dir.join("streams.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let mut counters: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (name, Kept { mut stream, counters: next, .. }) in kept {
            // A change that was under way when the process ended is over: it is not taken up again.
            stream.stream_status = StreamStatus::Active;
            counters.insert(name.clone(), next);
            store.put_stream(&name, stream).await.map_err(refused)?;
        }
        let log = dir.join("records.log");
        replay(&log, store, &mut counters).await?;
        for (name, next) in &counters {
            advance(store, name, next).await?;
        }
        ferrokinesis::retention::sweep_once(store).await;
        compact(&dir, store).await?;
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let journal = Self { dir, log: file.into() };
        journal.keep_streams(store).await?;
        Ok(journal)
    }

    /// Appends records that the store has just taken.
    pub(crate) async fn keep_records(&self, store: &Store, stream: &str, put: &[(String, String)]) -> io::Result<()> {
        let mut lines = Vec::new();
        for (shard_id, sequence) in put {
            let (_, index) = resolve_shard_id(shard_id).map_err(io::Error::other)?;
            let key = format!("{}/{sequence}", shard_ix_to_hex(index));
            for (key, record) in store.get_records_range(stream, &key, &format!("{key}\0")).await {
                serde_json::to_writer(&mut lines, &Line { stream: stream.to_owned(), key, record })?;
                lines.push(b'\n');
            }
        }
        // One write, so that lines of two puts never mix.
        self.log.lock().map_err(|_| io::Error::other("a write before failed"))?.write_all(&lines)
    }

    /// Writes the streams down, once no change of theirs is under way.
    pub(crate) async fn keep_streams(&self, store: &Store) -> io::Result<()> {
        let deadline = tokio::time::Instant::now() + TRANSITION_TIMEOUT;
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        for name in store.list_stream_names().await {
            while let Ok(stream) = store.get_stream(&name).await {
                if stream.stream_status != StreamStatus::Active && tokio::time::Instant::now() < deadline {
                    tokio::time::sleep(TRANSITION_POLL).await;
                    continue;
                }
                if stream.stream_status != StreamStatus::Deleting {
                    let counters = counters(store, &name, &stream).await;
                    kept.insert(name.clone(), Kept { stream, counters });
                }
                break;
            }
        }
        let temporary = self.dir.join("streams.tmp");
        fs::write(&temporary, serde_json::to_vec(&kept).map_err(io::Error::other)?)?;
        fs::rename(temporary, self.dir.join("streams.json"))
    }
}

fn refused(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("the engine refused what was kept: {error:?}"))
}

async fn counters(store: &Store, name: &str, stream: &Stream) -> Vec<u64> {
    let mut counters = Vec::with_capacity(stream.shards.len());
    for index in 0..stream.shards.len() {
        counters.push(store.current_shard_seq(name, i64::try_from(index).unwrap_or(i64::MAX)).await);
    }
    counters
}

/// Puts the log's records back and raises the counters beyond them. A line cut short by a kill is the last, and was not
/// acknowledged.
async fn replay(log: &Path, store: &Store, counters: &mut BTreeMap<String, Vec<u64>>) -> io::Result<()> {
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut streams: BTreeMap<String, Stream> = BTreeMap::new();
    for name in counters.keys() {
        streams.insert(name.clone(), store.get_stream(name).await.map_err(refused)?);
    }
    for line in BufReader::new(file).lines() {
        let Ok(Line { stream: name, key, record }) = serde_json::from_str::<Line>(&line?) else { break };
        let (Some(stream), Some(next)) = (streams.get(&name), counters.get_mut(&name)) else { continue };
        let Some(sequence) = key.split('/').nth(1).and_then(|sequence| parse_sequence(sequence).ok()) else { continue };
        let Ok(shard) = usize::try_from(sequence.shard_ix) else { continue };
        // A stream deleted and made again has the old one's name and shard ids, but not its creation time.
        let start = stream.shards.get(shard).map(|shard| &shard.sequence_number_range.starting_sequence_number);
        let created = start.and_then(|start| parse_sequence(start).ok()).map(|start| start.shard_create_time);
        if created != Some(sequence.shard_create_time) {
            continue;
        }
        if let (Some(next), Some(index)) = (next.get_mut(shard), sequence.seq_ix) {
            *next = (*next).max(index + 1);
        }
        store.put_records_batch(&name, &[(key, record)]).await.map_err(refused)?;
    }
    Ok(())
}

/// Brings each open shard's counter to where it was, or sequence numbers would be given out twice.
async fn advance(store: &Store, name: &str, counters: &[u64]) -> io::Result<()> {
    let stream = store.get_stream(name).await.map_err(refused)?;
    for (index, shard) in stream.shards.iter().enumerate() {
        let Ok(hash_key) = shard.hash_key_range.starting_hash_key.parse::<u128>() else { continue };
        if shard.sequence_number_range.ending_sequence_number.is_some() {
            continue;
        }
        let wanted = counters.get(index).copied().unwrap_or_default();
        loop {
            let current = store.current_shard_seq(name, i64::try_from(index).unwrap_or(i64::MAX)).await;
            let missing = wanted.saturating_sub(current).min(ADVANCE_BATCH);
            if missing == 0 {
                break;
            }
            let keys = vec![hash_key; usize::try_from(missing).unwrap_or_default()];
            store.allocate_sequences_batch(name, &keys).await.map_err(refused)?;
        }
    }
    Ok(())
}

/// Writes the log anew with what the store still has.
async fn compact(dir: &Path, store: &Store) -> io::Result<()> {
    let temporary = dir.join("records.tmp");
    let mut file = io::BufWriter::new(File::create(&temporary)?);
    for stream in store.list_stream_names().await {
        for (key, record) in store.get_record_store(&stream).await {
            serde_json::to_writer(&mut file, &Line { stream: stream.clone(), key, record })?;
            file.write_all(b"\n")?;
        }
    }
    file.flush()?;
    fs::rename(temporary, dir.join("records.log"))
}
