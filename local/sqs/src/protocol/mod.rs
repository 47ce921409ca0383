//! AWS JSON 1.0 over HTTP: requests in, results and errors out. Nothing is decided here.

mod messages;
mod queues;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ErrorKind, SqsError};
use crate::limits::REQUEST_BYTES_MAX;
use crate::service::{Sqs, new_id};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

pub(crate) fn router(sqs: Sqs) -> Router {
    Router::new()
        .route("/", post(at_root))
        .route("/{account}/{queue}", post(at_queue))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(sqs)
}

async fn at_root(State(sqs): State<Sqs>, headers: HeaderMap, body: Bytes) -> Response {
    respond(answer(&Call { sqs, body, path: None }, &headers).await)
}

async fn at_queue(
    State(sqs): State<Sqs>,
    Path((account, queue)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(answer(&Call { sqs, body, path: Some((account, queue)) }, &headers).await)
}

/// One request.
struct Call {
    sqs: Sqs,
    body: Bytes,
    /// Account and queue of the path it was posted to.
    path: Option<(String, String)>,
}

impl Call {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, SqsError> {
        // An empty body is that of an operation without parameters.
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| SqsError::new(ErrorKind::Serialization, error.to_string()))
    }

    /// The queue's name, of the URL in the request or of the one it was posted to. The host is not looked at: the same
    /// engine is reached by many names.
    fn queue(&self, url: Option<&str>) -> Result<String, SqsError> {
        let (account, name) = match (url, &self.path) {
            (Some(url), _) => {
                let mut parts = url.trim_end_matches('/').rsplit('/');
                let name = parts.next().unwrap_or_default();
                (parts.next().unwrap_or_default().to_owned(), name.to_owned())
            }
            (None, Some((account, name))) => (account.clone(), name.clone()),
            (None, None) => return Err(SqsError::missing("QueueUrl")),
        };
        if account == self.sqs.account() { Ok(name) } else { Err(SqsError::no_such_queue()) }
    }
}

async fn answer(call: &Call, headers: &HeaderMap) -> Result<Value, SqsError> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(operation) = target.strip_prefix("AmazonSQS.") else {
        let message = "X-Amz-Target: AmazonSQS.<operation> is missing: this engine speaks the JSON protocol only.";
        return Err(SqsError::new(ErrorKind::UnknownOperation, message));
    };
    match operation {
        "CreateQueue" => queues::create(call),
        "DeleteQueue" => queues::delete(call),
        "GetQueueAttributes" => queues::attributes(call),
        "GetQueueUrl" => queues::url(call),
        "ListDeadLetterSourceQueues" => queues::dead_letter_sources(call),
        "ListQueueTags" => queues::tags(call),
        "ListQueues" => queues::list(call),
        "PurgeQueue" => queues::purge(call),
        "SetQueueAttributes" => queues::configure(call),
        "TagQueue" => queues::tag(call),
        "UntagQueue" => queues::untag(call),
        "CancelMessageMoveTask" => queues::cancel_move(call),
        "ListMessageMoveTasks" => queues::list_moves(call),
        "StartMessageMoveTask" => queues::start_move(call),
        "ChangeMessageVisibility" => messages::change_visibility(call),
        "ChangeMessageVisibilityBatch" => messages::change_visibility_batch(call),
        "DeleteMessage" => messages::delete(call),
        "DeleteMessageBatch" => messages::delete_batch(call),
        "ReceiveMessage" => messages::receive(call).await,
        "SendMessage" => messages::send(call),
        "SendMessageBatch" => messages::send_batch(call),
        _ => {
            let message = format!("The action {operation} is not valid for this endpoint.");
            Err(SqsError::new(ErrorKind::UnknownOperation, message))
        }
    }
}

fn respond(answer: Result<Value, SqsError>) -> Response {
    let base = [(header::CONTENT_TYPE.as_str(), CONTENT_TYPE.to_owned()), ("x-amzn-requestid", new_id())];
    match answer {
        // AWS answers with an empty body where there is no result.
        Ok(Value::Null) => (base, Bytes::new()).into_response(),
        Ok(result) => (base, result.to_string()).into_response(),
        Err(error) => {
            let kind = error.kind();
            let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let fault = if kind.is_sender_fault() { "Sender" } else { "Receiver" };
            // SDKs that grew up with the query protocol show this code rather than the body's.
            let code = [("x-amzn-query-error", format!("{};{fault}", kind.query_code()))];
            let body = serde_json::json!({ "__type": kind.shape(), "message": error.message() });
            (status, base, code, body.to_string()).into_response()
        }
    }
}
