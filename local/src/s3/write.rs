//! Writing and deleting: limits, digests and conditions first, then one change of the maps, then those who are told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{ETagCondition, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use std::collections::BTreeMap;

use super::object::{Body, Description, Headers, Version, now_ms};
use super::state::{Bucket, Deleted, State};
use super::{BODY_BYTES_MAX, KEY_BYTES_MAX, STORED_BYTES_MAX, Store};

/// `If-Match` and `If-None-Match` of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

/// An object about to be written.
pub(crate) struct NewObject {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) headers: Headers,
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    pub(crate) condition: WriteCondition,
    /// When it was created, if that is not now: S3 dates an object of parts from the initiation of its upload.
    pub(crate) created_ms: Option<u64>,
    /// `ObjectCreated:Put` and its kin.
    pub(crate) event: &'static str,
}

impl WriteCondition {
    fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let matches = |condition: &ETagCondition, version: &Version| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == version.about.etag,
        };
        match (&self.if_match, current) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(condition), Some(version)) if !matches(condition, version) => {
                return Err(failed_condition("If-Match"));
            }
            _ => {}
        }
        match (&self.if_none_match, current) {
            (Some(condition), Some(version)) if matches(condition, version) => Err(failed_condition("If-None-Match")),
            _ => Ok(()),
        }
    }
}

pub(crate) fn failed_condition(header: &str) -> S3Error {
    let mut error = s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold");
    error.set_message(format!("At least one of the pre-conditions you specified did not hold: {header}"));
    error
}

pub(crate) fn bucket<'a>(state: &'a State, name: &str) -> S3Result<&'a Bucket> {
    state.buckets.get(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
}

pub(crate) fn bucket_mut<'a>(state: &'a mut State, name: &str) -> S3Result<&'a mut Bucket> {
    state.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
}

pub(crate) fn check_key(key: &str) -> S3Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(s3_error!(KeyTooLongError, "Your key is too long"));
    }
    Ok(())
}

/// The whole body, up to [`BODY_BYTES_MAX`].
pub(crate) async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| s3_error!(IncompleteBody, "the body ended before its length"))?;
        let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + chunk.len();
        if length > BODY_BYTES_MAX {
            return Err(too_large(BODY_BYTES_MAX));
        }
        match &first {
            None => first = Some(chunk),
            Some(_) => rest.extend_from_slice(&chunk),
        }
    }
    let first = first.unwrap_or_default();
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

pub(crate) fn too_large(bytes_max: usize) -> S3Error {
    let message = format!("the local plane takes bodies of at most {bytes_max} bytes (BODY_BYTES_MAX)");
    S3Error::with_message(S3ErrorCode::EntityTooLarge, message)
}

/// Checks `Content-MD5` and whichever checksums the writer gave; returns the latter to keep.
pub(crate) fn verified(
    bytes: &[u8],
    content_md5: Option<&str>,
    given: [(&str, Option<String>); 5],
) -> S3Result<BTreeMap<String, String>> {
    if let Some(expected) = content_md5
        && STANDARD.encode(Md5::digest(bytes)) != expected
    {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let given: BTreeMap<String, String> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if given.is_empty() {
        return Ok(given);
    }
    let mut hasher = ChecksumHasher {
        crc32: given.contains_key("crc32").then(Crc32::new),
        crc32c: given.contains_key("crc32c").then(Crc32c::new),
        sha1: given.contains_key("sha1").then(Sha1::new),
        sha256: given.contains_key("sha256").then(Sha256::new),
        crc64nvme: given.contains_key("crc64nvme").then(Crc64Nvme::new),
    };
    hasher.update(bytes);
    let sums = hasher.finalize();
    let computed = [
        ("crc32", sums.checksum_crc32),
        ("crc32c", sums.checksum_crc32c),
        ("sha1", sums.checksum_sha1),
        ("sha256", sums.checksum_sha256),
        ("crc64nvme", sums.checksum_crc64nvme),
    ];
    for (name, computed) in computed {
        if computed.as_ref() != given.get(name) {
            let message = format!("The {} you specified did not match the calculated checksum.", name.to_uppercase());
            return Err(S3Error::with_message(S3ErrorCode::BadDigest, message));
        }
    }
    Ok(given)
}

impl Store {
    /// Writes one version and tells the bucket's queues.
    pub(crate) async fn put(&self, object: NewObject) -> S3Result<Description> {
        let NewObject { bucket: name, key, headers, bytes, etag, condition, created_ms, event } = object;
        check_key(&key)?;
        let size = bytes.len() as u64;
        let sequence = {
            let mut state = self.state();
            condition.check(bucket(&state, &name)?.current(&key))?;
            if self.inner.disk.is_none() {
                self.charge(&mut state, size)?;
            }
            state.next_sequence()
        };
        let body = self.save_body(&name, sequence, bytes).await?;
        let mut state = self.state();
        let version = match add(&mut state, &name, |bucket| {
            condition.check(bucket.current(&key))?;
            let about = Description {
                key: key.clone(),
                version_id: bucket.new_version_id(),
                sequence,
                delete_marker: false,
                size,
                etag: etag.clone(),
                modified_ms: created_ms.unwrap_or_else(now_ms),
                headers: headers.clone(),
            };
            if let Some(disk) = &self.inner.disk {
                disk.save_description(&name, &about).map_err(unwritable)?;
            }
            Ok(Version { about, body: body.clone() })
        }) {
            Ok((version, replaced)) => {
                state.release(&replaced);
                if let Some(disk) = &self.inner.disk {
                    disk.remove(&name, &replaced);
                }
                version
            }
            Err(error) => {
                // The body was counted, or written, for a version that is not to be.
                if self.inner.disk.is_none() {
                    state.memory_bytes = state.memory_bytes.saturating_sub(size);
                } else if let Body::File(path) = &body {
                    let _ = std::fs::remove_file(path);
                }
                return Err(error);
            }
        };
        let rules = bucket(&state, &name)?.settings.notifications.clone();
        drop(state);
        self.inner.notifier.tell(&rules, event, &name, &version);
        Ok(version.about)
    }

    async fn save_body(&self, name: &str, sequence: u64, bytes: Bytes) -> S3Result<Body> {
        if self.inner.disk.is_none() {
            return Ok(Body::Memory(bytes));
        }
        let (store, name) = (self.clone(), name.to_owned());
        let written = tokio::task::spawn_blocking(move || match &store.inner.disk {
            Some(disk) => disk.save_body(&name, sequence, &bytes).map(Body::File),
            None => Ok(Body::Memory(bytes)),
        });
        written.await.map_err(S3Error::internal_error)?.map_err(unwritable)
    }

    /// Counts bytes that will stay in memory.
    pub(crate) fn charge(&self, state: &mut State, bytes: u64) -> S3Result<()> {
        if state.memory_bytes + bytes > STORED_BYTES_MAX {
            let message = format!(
                "the local plane keeps at most {STORED_BYTES_MAX} bytes of objects in memory (STORED_BYTES_MAX); give it a data directory"
            );
            return Err(S3Error::with_message(S3ErrorCode::ServiceUnavailable, message));
        }
        state.memory_bytes += bytes;
        Ok(())
    }

    /// Deletes a key or one version of it, and tells the bucket's queues.
    pub(crate) fn delete(&self, name: &str, key: &str, version_id: Option<&str>) -> S3Result<Deleted> {
        check_key(key)?;
        let mut state = self.state();
        let sequence = state.next_sequence();
        let deleted = bucket_mut(&mut state, name)?.delete(key, version_id, sequence);
        if let Some(disk) = &self.inner.disk {
            if let Some(marker) = &deleted.added {
                disk.save_description(name, &marker.about).map_err(unwritable)?;
            }
            disk.remove(name, &deleted.removed);
        }
        state.release(&deleted.removed);
        let rules = bucket(&state, name)?.settings.notifications.clone();
        drop(state);
        if let Some(marker) = &deleted.added {
            self.inner.notifier.tell(&rules, "ObjectRemoved:DeleteMarkerCreated", name, marker);
        } else {
            for version in &deleted.removed {
                self.inner.notifier.tell(&rules, "ObjectRemoved:Delete", name, version);
            }
        }
        Ok(deleted)
    }
}

fn add(
    state: &mut State,
    name: &str,
    version: impl FnOnce(&Bucket) -> S3Result<Version>,
) -> S3Result<(Version, Vec<Version>)> {
    let bucket = bucket_mut(state, name)?;
    let version = version(bucket)?;
    let replaced = bucket.put(version.clone());
    Ok((version, replaced))
}

pub(crate) fn unwritable(error: std::io::Error) -> S3Error {
    tracing::error!(%error, "the S3 data directory cannot be written");
    S3Error::with_message(S3ErrorCode::InternalError, format!("the data directory cannot be written: {error}"))
}
