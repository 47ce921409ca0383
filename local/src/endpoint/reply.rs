//! Replies that the endpoint makes itself, and reading a body within a limit.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    with_body(status, "application/json", body.to_string())
}

pub(crate) fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// An error in the form of the JSON protocols, which most SDKs show even where their service speaks another.
pub(crate) fn json_error(status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"__type": code, "Type": "User", "message": message, "Message": message});
    let mut response = with_body(status, "application/x-amz-json-1.1", body.to_string());
    response.headers_mut().insert("x-amzn-errortype", header::HeaderValue::from_static(code));
    response
}

/// The answer to a service that is not served, in the form its SDK reads: XML to the query protocol, else JSON.
pub(crate) fn unserved<B>(request: &Request<B>, message: &str) -> Response<Body> {
    let form = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if form.is_some_and(|form| form.starts_with("application/x-www-form-urlencoded")) {
        // The service's name is the caller's; nothing of it may become markup.
        let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let xml = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>UnknownOperationException</Code>\
             <Message>{message}</Message></Error><RequestId>local</RequestId></ErrorResponse>"
        );
        return with_body(StatusCode::NOT_IMPLEMENTED, "text/xml", xml);
    }
    json_error(StatusCode::NOT_IMPLEMENTED, "UnknownOperationException", message)
}

/// Why a body was not read.
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

/// The whole body, of at most `bytes_max`.
pub(crate) async fn body<B>(body: B, bytes_max: usize) -> Result<Bytes, BodyError>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

impl BodyError {
    pub(crate) fn response(&self, bytes_max: usize) -> Response<Body> {
        match self {
            BodyError::TooLarge => json_error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                &format!("the request body is larger than the limit of {bytes_max} bytes"),
            ),
            BodyError::Broken => json_error(
                StatusCode::BAD_REQUEST,
                "SerializationException",
                "the request body ended before its length",
            ),
        }
    }
}
