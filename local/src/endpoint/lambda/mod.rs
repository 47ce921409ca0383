//! Lambda's own API, as far as invoking functions, and publishing and routing their versions, goes ("Lambda API
//! Reference", version 2015-03-31).

mod aliases;
mod configure;
mod invoke;
mod mappings;
mod shapes;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use weir_local_lambda::{Host, VersionError};
use weir_local_template::Function;

pub(crate) use mappings::shape as mapping_shape;

use super::reply;
use crate::code::CodeStore;
use crate::logs::LogStore;

/// A package of 50 MB as base64 in JSON ("Lambda quotas": deployment package, zipped, direct upload).
const REQUEST_BYTES_MAX: usize = 70_167_211;
/// Entries of one listed page ("ListVersionsByFunction": `MaxItems`, 1–50 are returned whatever is asked for).
const PAGE_ITEMS_MAX: usize = 50;

/// What an operation comes to: an answer, or an error in Lambda's form.
type Answer = Result<Response<Body>, ApiError>;

/// An error as Lambda tells it.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn invalid(message: impl Into<String>) -> ApiError {
        let (status, code) = (StatusCode::BAD_REQUEST, "InvalidParameterValueException");
        ApiError { status, code, message: message.into() }
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> ApiError {
        let (status, code) = match &error {
            VersionError::NotFound(_) | VersionError::AliasNotFound(_) => {
                (StatusCode::NOT_FOUND, "ResourceNotFoundException")
            }
            VersionError::AliasExists(_) => (StatusCode::CONFLICT, "ResourceConflictException"),
            VersionError::Invalid(_) => (StatusCode::BAD_REQUEST, "InvalidParameterValueException"),
            VersionError::RevisionMismatch => (StatusCode::PRECONDITION_FAILED, "PreconditionFailedException"),
        };
        // The code stands before the message for those who read logs; an API's caller gets it apart.
        let text = error.to_string();
        let message = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text).to_owned();
        ApiError { status, code, message }
    }
}

/// The functions of the template, on their host.
pub(crate) struct Functions {
    host: Host,
    names: BTreeSet<String>,
    /// Event source mappings, as the API shows them.
    mappings: Vec<Value>,
    code: CodeStore,
    logs: Arc<LogStore>,
}

/// A request taken apart.
struct Call {
    /// Decoded parts of the path behind `functions`, names as given.
    path: Option<Vec<String>>,
    query: Vec<(String, String)>,
    parts: http::request::Parts,
    body: Bytes,
}

impl Call {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|error| ApiError {
            status: StatusCode::BAD_REQUEST,
            code: "InvalidRequestContentException",
            message: format!("Could not parse request body into json: {error}"),
        })
    }
}

impl Functions {
    pub(crate) fn new(
        host: Host,
        functions: &[Function],
        mappings: Vec<Value>,
        code: CodeStore,
        logs: Arc<LogStore>,
    ) -> Self {
        Self { host, names: functions.iter().map(|function| function.name.clone()).collect(), mappings, code, logs }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error.response(REQUEST_BYTES_MAX),
        };
        let call = Call { path: path(parts.uri.path()), query: query(parts.uri.query()), parts, body };
        let answer = self.route(&call).await;
        answer.unwrap_or_else(|error| reply::json_error(error.status, error.code, &error.message))
    }

    async fn route(&self, call: &Call) -> Answer {
        if let (&Method::GET, Some(mapping)) = (&call.parts.method, mapping_path(call.parts.uri.path())) {
            return if mapping.is_empty() { self.list_mappings(call) } else { self.get_mapping(mapping) };
        }
        let Some(path) = &call.path else { return Err(unserved(call)) };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (&call.parts.method, path.as_slice()) {
            (&Method::GET, []) => self.list(call),
            (&Method::GET, [name]) => self.get(call, name),
            (&Method::GET, [name, "configuration"]) => self.get_configuration(call, name),
            (&Method::PUT, [name, "configuration"]) => self.update_configuration(call, name),
            (&Method::PUT, [name, "code"]) => self.update_code(call, name),
            (&Method::POST, [name, "versions"]) => self.publish_version(call, name),
            (&Method::GET, [name, "versions"]) => self.list_versions(call, name),
            (&Method::POST, [name, "aliases"]) => self.create_alias(call, name),
            (&Method::GET, [name, "aliases"]) => self.list_aliases(call, name),
            (&Method::GET, [name, "aliases", alias]) => self.get_alias(call, name, alias),
            (&Method::PUT, [name, "aliases", alias]) => self.update_alias(call, name, alias),
            (&Method::DELETE, [name, "aliases", alias]) => self.delete_alias(call, name, alias),
            (&Method::POST, [name, "invocations"]) => self.invoke(call, name).await,
            _ => Err(unserved(call)),
        }
    }

    /// Name and qualifier of a function given by name, ARN or partial ARN, each perhaps with a qualifier, which then
    /// has to be the one in the query.
    fn find(&self, call: &Call, given: &str) -> Result<(String, Option<String>), ApiError> {
        let short = given.find("function:").map_or(given, |at| &given[at + "function:".len()..]);
        let (name, derived) = short.split_once(':').map_or((short, None), |(name, rest)| (name, Some(rest)));
        let asked = call.query("Qualifier").filter(|qualifier| !qualifier.is_empty());
        if let (Some(derived), Some(asked)) = (derived, asked)
            && derived != asked
        {
            return Err(ApiError::invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok((name.to_owned(), derived.or(asked).map(str::to_owned)))
    }

    /// As [`Functions::find`], for operations that take no qualifier.
    fn find_unqualified(&self, call: &Call, given: &str) -> Result<String, ApiError> {
        match self.find(call, given)? {
            (name, None) => Ok(name),
            (_, Some(qualifier)) => {
                Err(ApiError::invalid(format!("This operation takes no qualifier, found `{qualifier}`")))
            }
        }
    }
}

fn unserved(call: &Call) -> ApiError {
    ApiError {
        status: StatusCode::NOT_IMPLEMENTED,
        code: "InvalidRequestContentException",
        message: format!(
            "the local plane does not serve {} {}; of Lambda it serves Invoke, ListFunctions, GetFunction, \
             GetFunctionConfiguration, UpdateFunctionConfiguration, UpdateFunctionCode, PublishVersion, \
             ListVersionsByFunction, CreateAlias, UpdateAlias, GetAlias, ListAliases, DeleteAlias, \
             ListEventSourceMappings and GetEventSourceMapping",
            call.parts.method,
            call.parts.uri.path()
        ),
    }
}

/// A page of what there is, under `member`, with the marker of the next where there is more.
fn page(call: &Call, member: &str, all: Vec<Value>) -> Answer {
    let asked = call.query("MaxItems").map(str::parse).transpose();
    let items = match asked {
        Ok(items) => items.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX),
        Err(_) => return Err(ApiError::invalid("MaxItems has to be a number")),
    };
    let from = match call.query("Marker").map(str::parse::<usize>).transpose() {
        Ok(from) => from.unwrap_or(0),
        Err(_) => return Err(ApiError::invalid("Marker is not one that was given out")),
    };
    let mut body = json!({ member: all.iter().skip(from).take(items).collect::<Vec<_>>() });
    if from + items < all.len() {
        body["NextMarker"] = json!((from + items).to_string());
    }
    Ok(reply::json(StatusCode::OK, &body))
}

/// The UUID behind `/<version>/event-source-mappings`, empty where there is none; none of another path.
fn mapping_path(path: &str) -> Option<&str> {
    let rest = path.trim_start_matches('/').split_once('/')?.1.strip_prefix("event-source-mappings")?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/'))
}

/// What stands behind `/<version>/functions`; none of another path.
fn path(path: &str) -> Option<Vec<String>> {
    let mut parts = path.trim_matches('/').split('/').skip(1);
    let is_functions = parts.next() == Some("functions");
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    is_functions.then(|| parts.map(decode).collect())
}

fn query(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}
