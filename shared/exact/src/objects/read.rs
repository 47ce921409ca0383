//! Reading objects: what the lane needs of a store of them.

use crate::ports::StoreError;
use crate::quarantine::Coordinates;
use crate::{ledger::Identity, quarantine::QuarantineObject};
use bytes::Bytes;
use std::future::Future;
use weir_telemetry::{Millis, ObjectRef, Reason, Rejected};

/// One content of one object: the same bytes on every reading, or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectAt {
    /// The bucket's name.
    pub bucket: String,
    /// The key, as S3's API takes it.
    pub key: String,
    /// Which content of the key.
    pub content: Content,
    /// Its length where the notice says so, bytes: decides how it is fetched, never what it counts.
    pub size: Option<u64>,
}

/// Which content of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A version.
    Version(String),
    /// What has this ETag, read with `If-Match`: on a bucket without versions, or where a notice names none.
    Etag(String),
}

/// How S3 names the version of an object that was put while its bucket had none. Such a "version" is overwritten.
const NULL_VERSION: &str = "null";

impl ObjectAt {
    /// The object of a notice.
    ///
    /// # Errors
    /// When it names neither version nor ETag, and a retry could read another content: which field is missing.
    pub fn noticed(object: &ObjectRef) -> Result<Self, &'static str> {
        let version = object.version.clone().filter(|version| version != NULL_VERSION).map(Content::Version);
        let content = version.or_else(|| object.etag.clone().map(Content::Etag));
        let content = content.ok_or("s3.object: expected a versionId or an eTag, found neither")?;
        Ok(Self { bucket: object.bucket.clone(), key: object.key.clone(), content, size: object.size })
    }

    /// What it is counted under.
    pub fn identity(&self) -> Identity {
        let (Content::Version(content) | Content::Etag(content)) = &self.content;
        Identity::s3(&self.bucket, &self.key, content)
    }

    /// Takes the version for its name that its ETag turned out to be, where the bucket keeps versions: a notice need not
    /// name it (S3's own does), and what is known by two names would count twice.
    pub(super) fn found_as(&mut self, version: Option<String>) {
        if let (Content::Etag(_), Some(version)) = (&self.content, version.filter(|version| version != NULL_VERSION)) {
            self.content = Content::Version(version);
        }
    }

    /// Where it is, for quarantine.
    pub fn coordinates(&self) -> Coordinates {
        let content = match &self.content {
            Content::Version(version) => ("version", &**version),
            Content::Etag(etag) => ("etag", &**etag),
        };
        Coordinates::new("s3", [("bucket", &*self.bucket), ("key", &*self.key), content])
    }

    /// The object, set aside whole, unread.
    pub(super) fn set_aside(&self, reason: Reason, detail: String, arrived_at: Millis) -> QuarantineObject {
        let rejected = Rejected { reason, detail, event_index: None, payload: vec![] };
        QuarantineObject { coordinates: self.coordinates(), arrived_at, rejected }
    }
}

/// Why an object was not read. Each text says what was tried, on what, and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It is not there, and will not be: deleted, or never was.
    Missing(String),
    /// Another content stands in its place.
    Changed(String),
    /// It is in an archive.
    Archived(String),
    /// Nobody can be asked for it: its bucket or key is none.
    Unaskable(String),
    /// The store's fault: the message comes back.
    Store(StoreError),
}

/// An object whose reading has begun.
#[derive(Debug)]
pub struct Opened<P> {
    /// When it was created: `LastModified`.
    pub created_at: Millis,
    /// Which version it is, as the store names it.
    pub version: Option<String>,
    /// Its bytes.
    pub pieces: P,
}

/// Reads objects.
pub trait ObjectRead: Sync {
    /// An object's bytes, in order.
    type Pieces: Pieces;
    /// Begins to read exactly this content.
    fn open(&self, object: &ObjectAt) -> impl Future<Output = Result<Opened<Self::Pieces>, ReadError>> + Send;
}

/// The bytes of an object, in pieces of any length.
pub trait Pieces: Send {
    /// The next piece; none at the object's end, which is never announced before all its bytes were given.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, ReadError>> + Send;
}
