//! Why an object was not read.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Why an object was not read, or not to its end. Its text says what was tried, on what, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ReadError {
    kind: ReadErrorKind,
    what: String,
}

/// The kinds that a caller can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// It is not there: no such key or version, or a delete marker stands in its place.
    Missing,
    /// The reader may not read it, or not decrypt it.
    Forbidden,
    /// Its content is another than the one asked for (412).
    Changed,
    /// It is in an archive, and must be restored first.
    Archived,
    /// Its bytes ended before its length, again and again, or are not those of its checksum.
    Truncated,
    /// Too many requests for now.
    Throttled,
    /// No answer, no answer in time, or a server error.
    Unavailable,
    /// No request can be made for it: its bucket or key is none.
    Unaskable,
    /// S3 refuses the request for another reason, such as another region.
    Refused,
}

impl ReadError {
    pub(crate) fn new(kind: ReadErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }

    /// The kind.
    pub fn kind(&self) -> ReadErrorKind {
        self.kind
    }

    /// Whether the same reading may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ReadErrorKind::Truncated | ReadErrorKind::Throttled | ReadErrorKind::Unavailable)
    }

    pub(crate) fn of<E: ProvideErrorMetadata>(tried: &str, error: &SdkError<E, HttpResponse>) -> Self {
        let (kind, why) = match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let status = service.raw().status().as_u16();
                let kind = kind(status, meta.code().unwrap_or_default());
                let (code, message) = (meta.code().unwrap_or("no error code"), meta.message().unwrap_or("no message"));
                (kind, format!("{code} ({status}): {message}"))
            }
            SdkError::TimeoutError(_) => (ReadErrorKind::Unavailable, "no answer in time".to_owned()),
            SdkError::DispatchFailure(_) => (ReadErrorKind::Unavailable, "no connection".to_owned()),
            SdkError::ResponseError(_) => (ReadErrorKind::Unavailable, "an answer that cannot be read".to_owned()),
            _ => (ReadErrorKind::Unaskable, "a request that cannot be built".to_owned()),
        };
        Self::new(kind, format!("{tried}: {why}"))
    }
}

/// From "Error responses" of the S3 API reference.
fn kind(status: u16, code: &str) -> ReadErrorKind {
    match (status, code) {
        (_, "SlowDown" | "RequestLimitExceeded" | "ThrottlingException" | "KMS.ThrottlingException") => {
            ReadErrorKind::Throttled
        }
        (_, "RequestTimeout" | "OperationAborted" | "KMSInternalException") => ReadErrorKind::Unavailable,
        (_, "InvalidObjectState") => ReadErrorKind::Archived,
        // A version id that can be none of this bucket's is answered 400.
        (404 | 405, _) | (400, "InvalidArgument") => ReadErrorKind::Missing,
        (400, "InvalidBucketName" | "KeyTooLongError" | "InvalidURI") => ReadErrorKind::Unaskable,
        // A range beyond its end: it is not as long as the notice says.
        (412 | 416, _) => ReadErrorKind::Changed,
        (401 | 403, _) => ReadErrorKind::Forbidden,
        (400, code) if code.starts_with("KMS.") => ReadErrorKind::Forbidden,
        (429, _) => ReadErrorKind::Throttled,
        (500.., _) => ReadErrorKind::Unavailable,
        _ => ReadErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_s3_are_told_apart() {
        let check = |status, code, expect| assert_eq!(kind(status, code), expect, "{status} {code}");
        check(404, "NoSuchKey", ReadErrorKind::Missing);
        check(404, "NoSuchVersion", ReadErrorKind::Missing);
        check(405, "MethodNotAllowed", ReadErrorKind::Missing);
        check(400, "InvalidArgument", ReadErrorKind::Missing);
        check(403, "AccessDenied", ReadErrorKind::Forbidden);
        check(400, "KMS.DisabledException", ReadErrorKind::Forbidden);
        check(403, "InvalidObjectState", ReadErrorKind::Archived);
        check(412, "PreconditionFailed", ReadErrorKind::Changed);
        check(503, "SlowDown", ReadErrorKind::Throttled);
        check(500, "InternalError", ReadErrorKind::Unavailable);
        check(400, "RequestTimeout", ReadErrorKind::Unavailable);
        check(301, "PermanentRedirect", ReadErrorKind::Refused);
        check(400, "KeyTooLongError", ReadErrorKind::Unaskable);
    }
}
