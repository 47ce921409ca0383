//! Finding the version a read means, and the conditions and range it puts on it.

use s3s::dto::{ETagCondition, Range, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use std::time::{Duration, UNIX_EPOCH};

use super::Store;
use super::object::Version;
use super::write::{bucket, failed_condition};

/// The four conditional headers of a read.
#[derive(Debug, Default)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// RFC 9110 §13.2.2: an ETag condition, where given, decides over its date.
    pub(crate) fn check(&self, version: &Version) -> S3Result<()> {
        let holds = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == version.about.etag,
        };
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !holds(condition) => return Err(failed_condition("If-Match")),
            (None, Some(time)) if modified_after(version, time) => return Err(failed_condition("If-Unmodified-Since")),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if holds(condition) => Err(s3_error!(NotModified)),
            (None, Some(time)) if !modified_after(version, time) => Err(s3_error!(NotModified)),
            _ => Ok(()),
        }
    }
}

fn modified_after(version: &Version, time: &Timestamp) -> bool {
    // HTTP dates have whole seconds.
    let since = version.modified().duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = UNIX_EPOCH + Duration::from_secs(since.as_secs());
    Timestamp::from(modified) > *time
}

impl Store {
    /// The version a read means: the one named, else the newest.
    pub(crate) fn find(&self, name: &str, key: &str, version_id: Option<&str>) -> S3Result<Version> {
        let state = self.state();
        let bucket = bucket(&state, name)?;
        match version_id {
            Some(version_id) => match bucket.version(key, version_id) {
                Some(version) if version.about.delete_marker => {
                    let mut error =
                        s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.");
                    mark_deleted(&mut error);
                    Err(error)
                }
                Some(version) => Ok(version.clone()),
                None => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
            },
            None => match bucket.keys.get(key).and_then(|versions| versions.last()) {
                Some(version) if version.about.delete_marker => {
                    let mut error = s3_error!(NoSuchKey, "The specified key does not exist.");
                    mark_deleted(&mut error);
                    Err(error)
                }
                Some(version) => Ok(version.clone()),
                None => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            },
        }
    }
}

fn mark_deleted(error: &mut S3Error) {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-amz-delete-marker", http::HeaderValue::from_static("true"));
    error.set_headers(headers);
}

/// The bytes to read, and the `Content-Range` where that is less than all.
pub(crate) fn ranged(range: Option<&Range>, size: u64) -> S3Result<(std::ops::Range<u64>, Option<String>)> {
    let Some(range) = range else { return Ok((0..size, None)) };
    let Ok(bytes) = range.check(size) else {
        let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_str(&format!("bytes */{size}")) {
            headers.insert(http::header::CONTENT_RANGE, value);
        }
        error.set_headers(headers);
        return Err(error);
    };
    let shown = format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1));
    Ok((bytes, Some(shown)))
}
