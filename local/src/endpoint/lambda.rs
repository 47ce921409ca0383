//! Lambda's own API, as far as invoking and looking up functions goes.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use weir_local_lambda::{Host, InvokeError, Outcome, PAYLOAD_BYTES_MAX};
use weir_local_template::Function;

use super::reply;

/// The functions, by physical name.
pub(crate) struct Functions {
    host: Host,
    region: String,
    account: String,
    functions: BTreeMap<String, Function>,
}

impl Functions {
    pub(crate) fn new(host: Host, region: &str, account: &str, functions: &[Function]) -> Self {
        let functions = functions.iter().map(|function| (function.name.clone(), function.clone())).collect();
        Self { host, region: region.to_owned(), account: account.to_owned(), functions }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.functions.keys().map(String::as_str).collect()
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let rest = path.strip_prefix("/2015-03-31/functions").unwrap_or_default().trim_matches('/');
        let parts: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        match (request.method(), parts.as_slice()) {
            (&Method::GET, []) if path.starts_with("/2015-03-31/functions") => {
                let list: Vec<Value> = self.functions.values().map(|function| self.configuration(function)).collect();
                reply::json(StatusCode::OK, &json!({"Functions": list}))
            }
            (&Method::GET, [name]) => match self.find(name) {
                Ok(function) => reply::json(StatusCode::OK, &json!({"Configuration": self.configuration(function)})),
                Err(response) => *response,
            },
            (&Method::GET, [name, "configuration"]) => match self.find(name) {
                Ok(function) => reply::json(StatusCode::OK, &self.configuration(function)),
                Err(response) => *response,
            },
            (&Method::POST, [name, "invocations"]) => match self.find(name) {
                Ok(function) => self.invoke(function, request).await,
                Err(response) => *response,
            },
            (method, _) => {
                let message = format!(
                    "the local plane does not serve {method} {path}; it serves Invoke, ListFunctions, GetFunction and GetFunctionConfiguration"
                );
                reply::json_error(StatusCode::NOT_IMPLEMENTED, "InvalidRequestContentException", &message)
            }
        }
    }

    /// By name, ARN or partial ARN; a qualifier is accepted and means the one version there is.
    fn find(&self, given: &str) -> Result<&Function, Box<Response<Body>>> {
        let decoded = percent_decode_str(given).decode_utf8_lossy();
        let name = match decoded.find("function:") {
            Some(at) => &decoded[at + "function:".len()..],
            None => &decoded,
        };
        let name = name.split(':').next().unwrap_or_default();
        self.functions.get(name).ok_or_else(|| {
            let message =
                format!("Function not found: arn:aws:lambda:{}:{}:function:{name}", self.region, self.account);
            Box::new(reply::json_error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message))
        })
    }

    fn configuration(&self, function: &Function) -> Value {
        json!({
            "FunctionName": function.name,
            "FunctionArn": format!("arn:aws:lambda:{}:{}:function:{}", self.region, self.account, function.name),
            "Runtime": "provided.al2023",
            "Handler": function.handler,
            "MemorySize": function.memory_mb,
            "Timeout": function.timeout_seconds,
            "Environment": {"Variables": function.environment},
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Version": "$LATEST",
        })
    }

    async fn invoke(&self, function: &Function, request: Request<Incoming>) -> Response<Body> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = header("x-amz-invocation-type").unwrap_or_else(|| "RequestResponse".to_owned());
        let payload = match reply::body(request.into_body(), PAYLOAD_BYTES_MAX).await {
            Ok(payload) => payload,
            Err(error) => return error.response(PAYLOAD_BYTES_MAX),
        };
        match kind.as_str() {
            "DryRun" => return empty(StatusCode::NO_CONTENT),
            "Event" => {
                let (host, name) = (self.host.clone(), function.name.clone());
                tokio::spawn(async move {
                    if let Err(error) = host.invoke(&name, payload).await {
                        // AWS would retry twice and then use the function's dead-letter queue.
                        tracing::warn!(function = name, %error, "an asynchronous invocation was lost");
                    }
                });
                return empty(StatusCode::ACCEPTED);
            }
            "RequestResponse" => {}
            other => {
                let message = format!("found the invocation type `{other}`, expected RequestResponse, Event or DryRun");
                return reply::json_error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message);
            }
        }
        match self.host.invoke(&function.name, payload).await {
            Ok(invocation) => {
                let (payload, failure) = match invocation.outcome {
                    Outcome::Success(payload) => (payload, None),
                    Outcome::FunctionError { kind, payload } => (payload, Some(kind)),
                };
                let mut response = reply::with_body(StatusCode::OK, "application/json", payload);
                let headers = response.headers_mut();
                headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
                for (name, value) in
                    [("x-amz-function-error", failure), ("x-amzn-requestid", Some(invocation.request_id))]
                {
                    if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
                        headers.insert(name, value);
                    }
                }
                response
            }
            Err(error) => refused(&error),
        }
    }
}

fn refused(error: &InvokeError) -> Response<Body> {
    let (status, code) = match error {
        InvokeError::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        InvokeError::UnknownFunction(_) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
        InvokeError::PayloadTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
        InvokeError::HostStopped => (StatusCode::SERVICE_UNAVAILABLE, "ServiceException"),
    };
    reply::json_error(status, code, &error.to_string())
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
