//! Objects on S3.

use crate::config::{ConfigError, Environment, optional};
use bytes::Bytes;
use weir_exact::objects::{Content, ObjectAt, ObjectRead, Opened, Pieces, ReadError};
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_objects::{Object, ReadErrorKind, ReadSettings, Reader, Wanted};
use weir_telemetry::Millis;

/// The function's memory, MiB.
///
/// # Errors
/// [`ConfigError::Wrong`] if `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which Lambda sets, is not a number.
pub fn memory_mib(environment: &impl Environment) -> Result<usize, ConfigError> {
    // The least that Lambda gives: memory that is not stated is not used.
    const MEMORY_MIB: usize = 128;
    optional(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "a number of MiB, as Lambda sets it", MEMORY_MIB)
}

/// Reads objects, within a budget of bytes.
#[derive(Clone, Debug)]
pub struct Objects {
    reader: Reader,
}

impl Objects {
    /// Over that connection, for a function with that memory.
    pub fn new(connection: &crate::clients::Connection, memory_mib: usize) -> Self {
        Self { reader: Reader::new(connection.s3(), ReadSettings::for_memory_mib(memory_mib)) }
    }

    /// The reader.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl ObjectRead for Objects {
    type Pieces = ObjectPieces;

    async fn open(&self, at: &ObjectAt) -> Result<Opened<ObjectPieces>, ReadError> {
        let (version, etag) = match &at.content {
            Content::Version(version) => (Some(version.clone()), None),
            Content::Etag(etag) => (None, Some(etag.clone())),
        };
        let wanted = Wanted { bucket: at.bucket.clone(), key: at.key.clone(), version, etag, size: at.size };
        let object = self.reader.open(&wanted).await.map_err(|error| read_error(&error))?;
        let version = object.version().map(str::to_owned);
        Ok(Opened { created_at: Millis(object.modified_ms()), version, pieces: ObjectPieces(object) })
    }
}

/// An object being read.
pub struct ObjectPieces(Object);

impl Pieces for ObjectPieces {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.0.next().await.map_err(|error| read_error(&error))
    }
}

/// The lane's view of it: whether the object is at fault, or the store.
pub fn read_error(error: &weir_objects::ReadError) -> ReadError {
    let what = error.to_string();
    let store = |kind, what| ReadError::Store(StoreError::new(kind, what));
    match error.kind() {
        ReadErrorKind::Missing => ReadError::Missing(what),
        ReadErrorKind::Changed => ReadError::Changed(what),
        ReadErrorKind::Archived => ReadError::Archived(what),
        ReadErrorKind::Unaskable => ReadError::Unaskable(what),
        ReadErrorKind::Throttled => store(StoreErrorKind::Throttled, what),
        ReadErrorKind::Truncated | ReadErrorKind::Unavailable => store(StoreErrorKind::Unavailable, what),
        ReadErrorKind::Refused => store(StoreErrorKind::Refused, what),
        ReadErrorKind::Forbidden => store(
            StoreErrorKind::Refused,
            format!(
                "{what}; grant the function s3:GetObject and s3:GetObjectVersion there, s3:ListBucket so that a \
                     missing object is told from a forbidden one, and kms:Decrypt where the bucket has a key of its own"
            ),
        ),
    }
}
