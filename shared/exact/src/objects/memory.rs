//! Objects in memory, and objects whose reads fail on demand: for tests, and as the simplest statement of the port.

use super::{Content, ObjectAt, ObjectRead, Opened, Pieces, ReadError};
use crate::ledger::digest_of;
use crate::ports::{StoreError, StoreErrorKind};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use weir_telemetry::Millis;

#[derive(Debug)]
struct Stored {
    content: Content,
    etag: String,
    created_at: Millis,
    bytes: Bytes,
}

/// Objects by bucket and key.
#[derive(Debug)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<(String, String), Vec<Stored>>>,
    piece_bytes: usize,
}

impl MemoryObjects {
    /// No objects yet; they are read in pieces of this many bytes.
    pub fn new(piece_bytes: usize) -> Self {
        Self { objects: Mutex::default(), piece_bytes }
    }

    /// Creates an object. One with an ETag replaces what was under its key, as on a bucket without versions.
    pub fn put(&self, at: &ObjectAt, created_at: Millis, bytes: impl Into<Bytes>) {
        let mut objects = self.lock();
        let contents = objects.entry((at.bucket.clone(), at.key.clone())).or_default();
        contents.retain(|stored| matches!(stored.content, Content::Version(_)) && stored.content != at.content);
        let bytes = bytes.into();
        let etag = match &at.content {
            Content::Etag(etag) => etag.clone(),
            Content::Version(_) => Self::etag(&bytes),
        };
        contents.push(Stored { content: at.content.clone(), etag, created_at, bytes });
    }

    /// The ETag of a version of those bytes.
    pub fn etag(bytes: &[u8]) -> String {
        digest_of(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Vec<Stored>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectRead for MemoryObjects {
    type Pieces = MemoryPieces;

    async fn open(&self, object: &ObjectAt) -> Result<Opened<MemoryPieces>, ReadError> {
        let objects = self.lock();
        let contents = objects.get(&(object.bucket.clone(), object.key.clone()));
        let missing = || ReadError::Missing(format!("{} is not there", object.identity()));
        let contents = contents.filter(|contents| !contents.is_empty()).ok_or_else(missing)?;
        let found = match &object.content {
            Content::Version(_) => contents.iter().find(|stored| stored.content == object.content),
            // Without a version the latest is returned.
            Content::Etag(etag) => contents.last().filter(|stored| stored.etag == *etag),
        };
        match found {
            Some(Stored { content, created_at, bytes, .. }) => Ok(Opened {
                created_at: *created_at,
                version: match content {
                    Content::Version(version) => Some(version.clone()),
                    Content::Etag(_) => None,
                },
                pieces: MemoryPieces { bytes: bytes.clone(), piece_bytes: self.piece_bytes },
            }),
            None if matches!(object.content, Content::Etag(_)) => {
                Err(ReadError::Changed(format!("{} was overwritten", object.identity())))
            }
            None => Err(missing()),
        }
    }
}

/// Pieces of bytes in memory.
#[derive(Debug)]
pub struct MemoryPieces {
    bytes: Bytes,
    piece_bytes: usize,
}

impl Pieces for MemoryPieces {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let length = self.bytes.len().min(self.piece_bytes);
        Ok((length > 0).then(|| self.bytes.split_to(length)))
    }
}

/// What happens to a read of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Nothing.
    None,
    /// It cannot begin.
    Refused,
    /// It breaks off after this many pieces.
    BrokenAfter(usize),
    /// It returns nothing more after this many pieces, and does not end.
    StalledAfter(usize),
}

/// Wraps a source of objects; `decide` chooses the fault for each read.
#[derive(Debug)]
pub struct FailingObjects<O, F> {
    /// Reads the objects.
    pub inner: O,
    decide: F,
}

impl<O, F: Fn(&ObjectAt) -> ReadFault + Sync> FailingObjects<O, F> {
    /// Over `inner`, asking `decide` before each read.
    pub fn new(inner: O, decide: F) -> Self {
        Self { inner, decide }
    }
}

impl<O: ObjectRead, F: Fn(&ObjectAt) -> ReadFault + Sync> ObjectRead for FailingObjects<O, F> {
    type Pieces = FailingPieces<O::Pieces>;

    async fn open(&self, object: &ObjectAt) -> Result<Opened<Self::Pieces>, ReadError> {
        let fault = match (self.decide)(object) {
            ReadFault::Refused => return Err(broken()),
            fault => fault,
        };
        let Opened { created_at, version, pieces } = self.inner.open(object).await?;
        Ok(Opened { created_at, version, pieces: FailingPieces { inner: pieces, fault } })
    }
}

/// Pieces that may break off or stall.
#[derive(Debug)]
pub struct FailingPieces<P> {
    inner: P,
    fault: ReadFault,
}

impl<P: Pieces> Pieces for FailingPieces<P> {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        match &mut self.fault {
            ReadFault::BrokenAfter(0) => return Err(broken()),
            ReadFault::StalledAfter(0) => return std::future::pending().await,
            ReadFault::BrokenAfter(left) | ReadFault::StalledAfter(left) => *left -= 1,
            ReadFault::None | ReadFault::Refused => {}
        }
        self.inner.next().await
    }
}

fn broken() -> ReadError {
    ReadError::Store(StoreError::new(StoreErrorKind::Unavailable, "the connection broke"))
}
