//! S3: what a request needs before `s3s` can read it without knowing any secret.

use std::fmt::Write;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use s3s::service::S3Service;

use super::{chunked, reply, route};
use crate::s3::BODY_BYTES_MAX;

/// Room for chunk headers and trailers around a body of the largest size.
const REQUEST_BYTES_MAX: usize = BODY_BYTES_MAX + (1 << 20);

pub(crate) struct ObjectStore {
    service: S3Service,
}

impl ObjectStore {
    pub(crate) fn new(service: S3Service) -> Self {
        Self { service }
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let mut body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(reply::BodyError::TooLarge) => {
                return error(
                    StatusCode::BAD_REQUEST,
                    "EntityTooLarge",
                    &format!("bodies have at most {BODY_BYTES_MAX} bytes"),
                );
            }
            Err(reply::BodyError::Broken) => {
                return error(StatusCode::BAD_REQUEST, "IncompleteBody", "the body ended before its length");
            }
        };
        if chunked::is_chunked(&parts.headers) {
            let Some((payload, trailers)) = chunked::decode(&body) else {
                return error(StatusCode::BAD_REQUEST, "InvalidRequest", "the body is not in the aws-chunked form");
            };
            body = payload;
            parts.headers.extend(trailers);
            drop_chunked_encoding(&mut parts.headers);
        }
        match unsigned(&parts.uri, &parts.headers) {
            Some(uri) => parts.uri = uri,
            None => return error(StatusCode::BAD_REQUEST, "InvalidURI", "the request's path or query cannot be read"),
        }
        forget_signature(&mut parts.headers, body.len());
        let answer = self.service.call(Request::from_parts(parts, s3s::Body::from(body))).await;
        match answer {
            Ok(response) => response.map(Body::new),
            Err(failure) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &format!("{failure:?}")),
        }
    }
}

/// `s3s` refuses signed requests unless it can check them, so the signature goes: any credentials are accepted.
fn forget_signature(headers: &mut HeaderMap, length: usize) {
    for name in ["authorization", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer", "expect"] {
        headers.remove(name);
    }
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

/// `aws-chunked` is how the body travelled; the rest of `Content-Encoding` is the object's.
fn drop_chunked_encoding(headers: &mut HeaderMap) {
    let Some(value) = headers.remove(header::CONTENT_ENCODING) else { return };
    let kept: Vec<&str> = value
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "aws-chunked")
        .collect();
    if !kept.is_empty()
        && let Ok(value) = HeaderValue::from_str(&kept.join(","))
    {
        headers.insert(header::CONTENT_ENCODING, value);
    }
}

/// The URI in path style and without a presigned signature.
fn unsigned(uri: &Uri, headers: &HeaderMap) -> Option<Uri> {
    const SIGNATURE: &[&str] = &[
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        // Signature version 2.
        "AWSAccessKeyId",
        "Signature",
        "Expires",
    ];
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).or_else(|| uri.host());
    let mut path = String::new();
    if let Some(bucket) = host.and_then(route::virtual_bucket) {
        let _ = write!(path, "/{bucket}");
    }
    path.push_str(uri.path());
    let query: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !SIGNATURE.contains(&pair.split('=').next().unwrap_or_default()))
        .collect();
    if !query.is_empty() {
        let _ = write!(path, "?{}", query.join("&"));
    }
    path.parse().ok()
}

pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    reply::with_body(status, "application/xml", xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(uri: &str, host: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        unsigned(&uri.parse().unwrap(), &headers).unwrap().to_string()
    }

    #[test]
    fn virtual_hosts_become_paths_and_signatures_go() {
        assert_eq!(cleaned("/k%20y?versionId=3", "b.s3.localhost:4566"), "/b/k%20y?versionId=3");
        assert_eq!(cleaned("/b/k?X-Amz-Signature=1&versionId=3&X-Amz-Expires=5", "127.0.0.1:4566"), "/b/k?versionId=3");
        assert_eq!(cleaned("/b?list-type=2&prefix=", "localhost:4566"), "/b?list-type=2&prefix=");
        assert_eq!(cleaned("/", "b.s3.localhost"), "/b/");
    }

    #[test]
    fn only_the_transport_encoding_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip,aws-chunked".parse().unwrap());
        drop_chunked_encoding(&mut headers);
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        headers.insert(header::CONTENT_ENCODING, "aws-chunked".parse().unwrap());
        drop_chunked_encoding(&mut headers);
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
    }
}
