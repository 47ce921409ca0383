//! Function URLs ("Creating and managing Lambda function URLs", "Invoking Lambda function URLs"), under
//! `/_url/<function>/` where AWS has `<id>.lambda-url.<region>.on.aws`: one port needs no name service.

mod answer;
mod event;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use weir_local_lambda::{Host, InvokeError, Outcome, PAYLOAD_BYTES_MAX};

use super::reply;
use super::route::URL_PREFIX;
use event::Caller;

/// A function that has a URL.
pub(crate) struct UrlFunction {
    /// Physical name, the first part of the path.
    pub(crate) name: String,
    /// What is invoked: the function, or its alias.
    pub(crate) target: String,
    /// Whether callers have to sign (`AuthType: AWS_IAM`).
    pub(crate) signed: bool,
}

/// The URLs of the template's functions.
pub(crate) struct FunctionUrls {
    pub(crate) host: Host,
    pub(crate) functions: Vec<UrlFunction>,
    pub(crate) region: String,
    pub(crate) account: String,
}

impl FunctionUrls {
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().strip_prefix(URL_PREFIX).unwrap_or_default();
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let Some(function) = self.functions.iter().find(|function| function.name == name) else {
            // What AWS says of a URL that is not there.
            return message(StatusCode::NOT_FOUND, "ResourceNotFoundException", None);
        };
        let caller = match Caller::of(&parts) {
            Ok(caller) => caller,
            Err(refusal) if function.signed => {
                return message(StatusCode::FORBIDDEN, "AccessDeniedException", Some(refusal));
            }
            Err(_) => None,
        };
        if function.signed && caller.is_none() {
            return message(StatusCode::FORBIDDEN, "AccessDeniedException", None);
        }
        let body = match reply::body(body, PAYLOAD_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error.response(PAYLOAD_BYTES_MAX),
        };
        let caller = caller.filter(|_| function.signed);
        let event = event::event(&parts, &format!("/{rest}"), &body, caller.as_ref(), self, name);
        match self.host.invoke(&function.target, event.to_string().into()).await {
            Ok(invocation) => match invocation.outcome {
                Outcome::Success(payload) => answer::response(&payload),
                Outcome::FunctionError { .. } => answer::internal_server_error(),
            },
            Err(InvokeError::Throttled { .. }) => {
                message(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", None)
            }
            Err(InvokeError::PayloadTooLarge { .. }) => {
                message(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", None)
            }
            Err(InvokeError::UnknownFunction(_) | InvokeError::HostStopped) => answer::internal_server_error(),
        }
    }
}

/// An answer that is Lambda's and not the function's.
fn message(status: StatusCode, code: &'static str, text: Option<&str>) -> Response<Body> {
    let text = text.or(status.canonical_reason()).unwrap_or_default();
    let mut response = reply::json(status, &serde_json::json!({ "Message": text }));
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
    response
}
