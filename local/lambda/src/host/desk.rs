//! The Lambda Runtime API of one sandbox ("Using the Lambda runtime API for custom runtimes").
//!
//! One desk per process on a listener of its own: the runtime's own client takes only `host:port` as
//! `AWS_LAMBDA_RUNTIME_API`, so the port is what tells sandboxes apart.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::PAYLOAD_BYTES_MAX;
use super::outcome::response_too_large;

const PREFIX: &str = "/2018-06-01/runtime/";
/// Connections of one sandbox. A runtime holds one, or one per thread that polls; beyond this they wait.
const CONNECTIONS_MAX: usize = 64;

/// One invocation on its way to the function.
pub(crate) struct Work {
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline_ms: i64,
    pub(crate) function_arn: Arc<str>,
    pub(crate) payload: Bytes,
}

/// What the function answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(Bytes),
    Error(Bytes),
}

#[derive(Debug, Clone)]
pub(crate) enum Phase {
    Starting,
    /// It has asked for its first invocation.
    Ready,
    /// It has said that it cannot start, and why.
    Failed(Bytes),
}

pub(crate) struct Desk {
    outbox: mpsc::Sender<Work>,
    inbox: AsyncMutex<mpsc::Receiver<Work>>,
    waiting: Mutex<Option<(Arc<str>, oneshot::Sender<Reply>)>>,
    taken: AtomicBool,
    phase: watch::Sender<Phase>,
    /// Stays after the answer until the next invocation: lines still in the pipe belong to the last one.
    log_id: Mutex<Option<Arc<str>>>,
}

impl Desk {
    pub(crate) fn new() -> Arc<Desk> {
        // One place: a sandbox runs one invocation at a time.
        let (outbox, inbox) = mpsc::channel(1);
        Arc::new(Desk {
            outbox,
            inbox: AsyncMutex::new(inbox),
            waiting: Mutex::default(),
            taken: AtomicBool::new(false),
            phase: watch::Sender::new(Phase::Starting),
            log_id: Mutex::default(),
        })
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Lays out work for the next `/next`. The sandbox must be the caller's alone.
    pub(crate) fn hand_over(&self, work: Work) -> oneshot::Receiver<Reply> {
        let (reply, answer) = oneshot::channel();
        *self.log_id.lock().expect("no panic while the lock is held") = Some(work.request_id.clone());
        *self.waiting.lock().expect("no panic while the lock is held") = Some((work.request_id.clone(), reply));
        self.taken.store(false, Ordering::Release);
        // The place is free, since the last invocation was taken or the sandbox is dead; if dead, its exit tells.
        let _ = self.outbox.try_send(work);
        answer
    }

    /// Whether the function has seen the work last handed over.
    pub(crate) fn taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn log_id(&self) -> Option<Arc<str>> {
        self.log_id.lock().expect("no panic while the lock is held").clone()
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            let Ok((stream, _)) = listener.accept().await else { continue };
            // Without it the answer to a small request waits for the delayed acknowledgement of its head.
            let _ = stream.set_nodelay(true);
            let desk = self.clone();
            let serve = service_fn(move |request| {
                let desk = desk.clone();
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            });
            connections.spawn(async move {
                // No header timeout: a sandbox may keep its connection silent for as long as it is idle.
                let server = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(None)
                    .serve_connection(TokioIo::new(stream), serve);
                let _ = server.await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => match body(request).await {
                Ok(body) => self.settle(id, Reply::Response(body)),
                Err(Unread::TooLarge) => {
                    self.settle(id, Reply::Error(response_too_large(PAYLOAD_BYTES_MAX)));
                    problem(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "RequestEntityTooLarge",
                        "Exceeded maximum allowed payload size",
                    )
                }
                Err(Unread::Broken) => problem(StatusCode::BAD_REQUEST, "InvalidRequest", "the body could not be read"),
            },
            (&Method::POST, ["invocation", id, "error"]) => match body(request).await {
                Ok(body) => self.settle(id, Reply::Error(body)),
                Err(_) => problem(StatusCode::BAD_REQUEST, "InvalidRequest", "the body could not be read"),
            },
            (&Method::POST, ["init", "error"]) => {
                let body = body(request).await.unwrap_or_default();
                self.phase.send_replace(Phase::Failed(body));
                accepted()
            }
            _ => problem(StatusCode::NOT_FOUND, "InvalidPath", "not part of the Lambda Runtime API"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.phase.send_if_modified(|phase| {
            let first = matches!(phase, Phase::Starting);
            if first {
                *phase = Phase::Ready;
            }
            first
        });
        let work = self.inbox.lock().await.recv().await;
        let Some(work) = work else {
            return problem(StatusCode::GONE, "Gone", "the sandbox is being shut down");
        };
        self.taken.store(true, Ordering::Release);
        Response::builder()
            .header("Content-Type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &*work.request_id)
            .header("Lambda-Runtime-Deadline-Ms", work.deadline_ms)
            .header("Lambda-Runtime-Invoked-Function-Arn", &*work.function_arn)
            .header("Lambda-Runtime-Trace-Id", trace_id(work.deadline_ms, &work.request_id))
            .body(Full::new(work.payload))
            .unwrap_or_else(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal", "a header could not be written"))
    }

    fn settle(&self, id: &str, reply: Reply) -> Response<Full<Bytes>> {
        let mut waiting = self.waiting.lock().expect("no panic while the lock is held");
        match waiting.take_if(|(request_id, _)| &**request_id == id) {
            Some((_, sender)) => {
                // Nobody waits any more: the deadline has just passed, and the sandbox is being killed.
                let _ = sender.send(reply);
                accepted()
            }
            None => problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        }
    }
}

enum Unread {
    TooLarge,
    Broken,
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Unread> {
    match Limited::new(request.into_body(), PAYLOAD_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::Broken),
    }
}

/// The X-Ray header's form; never sampled, since nothing here collects traces.
fn trace_id(deadline_ms: i64, request_id: &str) -> String {
    let hex: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    let (root, parent) = (hex.get(..24).unwrap_or_default(), hex.get(16..32).unwrap_or_default());
    format!("Root=1-{:08x}-{root:0<24};Parent={parent:0<16};Sampled=0", deadline_ms / 1000)
}

fn accepted() -> Response<Full<Bytes>> {
    answer(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#))
}

fn problem(status: StatusCode, error_type: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "errorType": error_type, "errorMessage": message });
    answer(status, body.to_string().into())
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}
