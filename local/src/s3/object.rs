//! One version of an object: what it is, and where its bytes are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// Version id on a bucket that never had versioning.
pub(crate) const NULL_VERSION: &str = "null";

/// Everything of a version but its bytes; also the description kept on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) key: String,
    pub(crate) version_id: String,
    /// Grows with every write of the store; orders versions and is the notification's sequencer.
    pub(crate) sequence: u64,
    pub(crate) delete_marker: bool,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    /// S3 keeps whole seconds in `Last-Modified` and milliseconds in listings.
    pub(crate) modified_ms: u64,
    pub(crate) headers: Headers,
}

/// What the writer said about the content, given back on reading.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Headers {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) storage_class: Option<String>,
    /// `x-amz-meta-…`, names without the prefix.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Algorithm (`crc32`, …) to base64 digest, as far as the writer gave them.
    pub(crate) checksums: BTreeMap<String, String>,
}

/// A version's bytes.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Memory(Bytes),
    File(PathBuf),
}

/// A version.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) about: Description,
    pub(crate) body: Body,
}

impl Version {
    pub(crate) fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.about.modified_ms)
    }
}

impl Body {
    /// The bytes of a range within the body.
    pub(crate) async fn read(&self, range: std::ops::Range<u64>) -> std::io::Result<Bytes> {
        match self {
            Body::Memory(bytes) => {
                let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
                let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
                Ok(bytes.slice(start..end))
            }
            Body::File(path) => {
                use tokio::io::{AsyncReadExt, AsyncSeekExt};
                let mut file = tokio::fs::File::open(path).await?;
                file.seek(std::io::SeekFrom::Start(range.start)).await?;
                let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
                file.read_exact(&mut bytes).await?;
                Ok(bytes.into())
            }
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// ETag of a multipart object: MD5 of the parts' MD5s, and how many there were.
pub(crate) fn multipart_etag<'a>(parts: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut digest = Md5::new();
    for part in parts.clone() {
        let bytes: Vec<u8> =
            (0..part.len() / 2).filter_map(|at| u8::from_str_radix(part.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        digest.update(&bytes);
    }
    format!("{}-{}", hex(&digest.finalize()), parts.count())
}
