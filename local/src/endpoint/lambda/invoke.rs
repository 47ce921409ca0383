//! Invoke.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, StatusCode};
use weir_local_lambda::{Invocation, InvokeError, Outcome, PAYLOAD_BYTES_MAX};

use super::{Answer, ApiError, Call, Functions};
use crate::endpoint::reply;

/// `LogResult`: "the last 4 KB of the execution log" ("Invoke").
const LOG_TAIL_BYTES_MAX: usize = 4096;

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> ApiError {
        let (status, code) = match error {
            InvokeError::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            InvokeError::UnknownFunction(_) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            InvokeError::PayloadTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
            InvokeError::HostStopped => (StatusCode::SERVICE_UNAVAILABLE, "ServiceException"),
        };
        ApiError { status, code, message: error.to_string() }
    }
}

impl Functions {
    pub(super) async fn invoke(&self, call: &Call, given: &str) -> Answer {
        let (name, qualifier) = self.find(call, given)?;
        // Also for those kinds of invocation that would find out later, or never.
        self.host.version(&name, qualifier.as_deref())?;
        let target = qualifier.map_or(name.clone(), |qualifier| format!("{name}:{qualifier}"));
        let payload = call.body.clone();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(InvokeError::PayloadTooLarge { bytes: payload.len(), bytes_max: PAYLOAD_BYTES_MAX }.into());
        }
        let kind = call.parts.headers.get("x-amz-invocation-type").and_then(|value| value.to_str().ok());
        match kind.unwrap_or("RequestResponse") {
            "DryRun" => Ok(empty(StatusCode::NO_CONTENT)),
            "Event" => {
                let host = self.host.clone();
                tokio::spawn(async move {
                    if let Err(error) = host.invoke(&target, payload).await {
                        // AWS would retry twice and then use the function's dead-letter queue.
                        tracing::warn!(function = target, %error, "an asynchronous invocation was lost");
                    }
                });
                Ok(empty(StatusCode::ACCEPTED))
            }
            "RequestResponse" => {
                let invocation = self.host.invoke(&target, payload).await?;
                let wants = call.parts.headers.get("x-amz-log-type").is_some_and(|kind| kind == "Tail");
                let tail = wants.then(|| self.logs.tail(&name, &invocation.request_id, LOG_TAIL_BYTES_MAX));
                let mut response = answered(invocation);
                // Base64 is always a header's value.
                if let Some(Ok(tail)) = tail.map(|tail| HeaderValue::from_str(&STANDARD.encode(tail))) {
                    response.headers_mut().insert("x-amz-log-result", tail);
                }
                Ok(response)
            }
            other => Err(ApiError::invalid(format!(
                "found the invocation type `{other}`, expected RequestResponse, Event or DryRun"
            ))),
        }
    }
}

fn answered(invocation: Invocation) -> Response<Body> {
    let (payload, failure) = match invocation.outcome {
        Outcome::Success(payload) => (payload, None),
        Outcome::FunctionError { kind, payload } => (payload, Some(kind)),
    };
    let mut response = reply::with_body(StatusCode::OK, "application/json", payload);
    let headers = [
        ("x-amz-executed-version", Some(invocation.executed_version)),
        ("x-amz-function-error", failure),
        ("x-amzn-requestid", Some(invocation.request_id)),
    ];
    for (name, value) in headers {
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
