//! CloudWatch Logs, as far as `sam logs`, `aws logs tail` and `weir logs` read it ("Amazon CloudWatch Logs API Reference",
//! `Logs_20140328`).

mod events;
mod list;

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reply;
use crate::logs::{Event, LogStore};

const REQUEST_BYTES_MAX: usize = 64 << 10;
const TARGET_PREFIX: &str = "Logs_20140328.";

/// An error as CloudWatch Logs tells it.
#[derive(Debug)]
struct LogsError {
    code: &'static str,
    message: String,
}

type Answer = Result<Value, LogsError>;

fn invalid(message: impl Into<String>) -> LogsError {
    LogsError { code: "InvalidParameterException", message: message.into() }
}

/// The service.
pub(crate) struct Logs {
    pub(crate) store: Arc<LogStore>,
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Logs {
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error.response(REQUEST_BYTES_MAX),
        };
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let answer = match target.strip_prefix(TARGET_PREFIX).unwrap_or_default() {
            "DescribeLogGroups" => asked(&body).and_then(|asked| self.describe_groups(asked)),
            "DescribeLogStreams" => asked(&body).and_then(|asked| self.describe_streams(asked)),
            "FilterLogEvents" => asked(&body).and_then(|asked| self.filter_events(asked)),
            "GetLogEvents" => asked(&body).and_then(|asked| self.get_events(asked)),
            _ => Err(LogsError {
                code: "UnknownOperationException",
                message: format!(
                    "the local plane does not serve `{target}`; of CloudWatch Logs it serves DescribeLogGroups, \
                     DescribeLogStreams, FilterLogEvents and GetLogEvents"
                ),
            }),
        };
        match answer {
            Ok(body) => reply::with_body(StatusCode::OK, "application/x-amz-json-1.1", body.to_string()),
            Err(error) => reply::json_error(StatusCode::BAD_REQUEST, error.code, &error.message),
        }
    }

    /// The events of a group given by its name or, as an identifier, by its ARN.
    fn group(&self, name: Option<String>, identifier: Option<String>) -> Result<(String, Vec<Event>), LogsError> {
        let given = name.or(identifier).ok_or_else(|| invalid("logGroupName is missing"))?;
        let short = given.split_once(":log-group:").map_or(given.as_str(), |(_, name)| name).trim_end_matches(":*");
        let events = self.store.events(short).ok_or_else(|| LogsError {
            code: "ResourceNotFoundException",
            message: format!("The specified log group does not exist: {short}"),
        })?;
        Ok((short.to_owned(), events))
    }
}

/// The request; what it names beyond what is served is left out of account, as new fields of the API are.
fn asked<T: DeserializeOwned>(body: &[u8]) -> Result<T, LogsError> {
    serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|error| LogsError { code: "SerializationException", message: error.to_string() })
}

/// Where a page begins, from the token of the one before.
fn from_token(token: Option<&str>) -> Result<u64, LogsError> {
    token.map_or(Ok(0), |token| token.parse().map_err(|_| invalid("The specified nextToken is invalid.")))
}
