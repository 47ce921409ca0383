//! Reading objects: what the lane needs of their store.

use crate::ports::StoreError;
use crate::quarantine::Coordinates;
use crate::{ledger::Identity, quarantine::QuarantineObject};
use bytes::Bytes;
use std::future::Future;
use weir_telemetry::{Millis, ObjectRef, Reason, Rejected};

/// One content of one object: the same bytes on every read, or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectAt {
    /// The bucket's name.
    pub bucket: String,
    /// The key, as S3's API takes it.
    pub key: String,
    /// Which content of the key.
    pub content: Content,
    /// Its length if the notification has it, bytes: decides how it is fetched, never what it counts.
    pub size: Option<u64>,
}

/// Which content of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A version.
    Version(String),
    /// The content with this ETag, read with `If-Match`: on a bucket without versions, or if a notification names none.
    Etag(String),
}

/// S3's name for the version of an object that was put before its bucket had versions. Such a "version" is overwritten.
const NULL_VERSION: &str = "null";

impl ObjectAt {
    /// The object of a notification.
    ///
    /// # Errors
    /// If it names neither version nor ETag, so that a retry could read other content: which field is missing.
    pub fn noticed(object: &ObjectRef) -> Result<Self, &'static str> {
        let version = object.version.clone().filter(|version| version != NULL_VERSION).map(Content::Version);
        let content = version.or_else(|| object.etag.clone().map(Content::Etag));
        let content = content.ok_or("s3.object: expected a versionId or an eTag, found neither")?;
        Ok(Self { bucket: object.bucket.clone(), key: object.key.clone(), content, size: object.size })
    }

    /// What it is counted under.
    pub fn identity(&self) -> Identity<'static> {
        let (Content::Version(content) | Content::Etag(content)) = &self.content;
        Identity::s3(&self.bucket, &self.key, content)
    }

    /// Replaces its ETag by the version it turned out to have, if the bucket keeps versions: a notification need not
    /// name it (S3's own do), and content known by two names would count twice.
    pub(super) fn found_as(&mut self, version: Option<String>) {
        if let (Content::Etag(_), Some(version)) = (&self.content, version.filter(|version| version != NULL_VERSION)) {
            self.content = Content::Version(version);
        }
    }

    /// Its coordinates, for quarantine.
    pub fn coordinates(&self) -> Coordinates {
        let content = match &self.content {
            Content::Version(version) => ("version", &**version),
            Content::Etag(etag) => ("etag", &**etag),
        };
        Coordinates::new("s3", [("bucket", &*self.bucket), ("key", &*self.key), content])
    }

    /// The object, quarantined whole, unread.
    pub(super) fn set_aside(&self, reason: Reason, detail: String, arrived_at: Millis) -> QuarantineObject {
        let rejected = Rejected { reason, detail, event_index: None, payload: vec![] };
        QuarantineObject { coordinates: self.coordinates(), arrived_at, rejected }
    }
}

/// Why an object was not read. Each text says what was tried, on what, and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It does not exist, and will not: deleted, or never created.
    Missing(String),
    /// Other content is in its place.
    Changed(String),
    /// It is in an archive.
    Archived(String),
    /// It cannot be requested: its bucket or key is invalid.
    Unaskable(String),
    /// The store's fault: the message is redelivered.
    Store(StoreError),
}

/// An object being read.
#[derive(Debug)]
pub struct Opened<P> {
    /// When it was created: `LastModified`.
    pub created_at: Millis,
    /// Its version, as the store names it.
    pub version: Option<String>,
    /// Its bytes.
    pub pieces: P,
}

/// Reads objects.
pub trait ObjectRead: Sync {
    /// An object's bytes, in order.
    type Pieces: Pieces;
    /// Begins reading exactly this content.
    fn open(&self, object: &ObjectAt) -> impl Future<Output = Result<Opened<Self::Pieces>, ReadError>> + Send;
}

/// The bytes of an object, in pieces of any length.
pub trait Pieces: Send {
    /// The next piece; `None` at the object's end, never before all its bytes were returned.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ReadError>> + Send;
}
