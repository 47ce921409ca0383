//! The one AWS endpoint: a loopback listener, and every service behind it.

mod chunked;
mod codedeploy;
mod dynamodb;
pub(crate) mod faults;
mod journal;
mod kinesis;
mod lambda;
mod logs;
mod reply;
mod route;
mod s3;
mod sts;
mod url;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt;

pub(crate) use codedeploy::CodeDeploy;
pub(crate) use dynamodb::DynamoDb;
pub(crate) use kinesis::Kinesis;
pub(crate) use lambda::{Functions, mapping_shape};
pub(crate) use logs::Logs;
pub(crate) use s3::ObjectStore;
pub(crate) use url::{FunctionUrls, UrlFunction};

use faults::{EndpointFault, EndpointFaults, FleetRequest};
pub(crate) use route::URL_PREFIX;
use route::{SERVED, Service, route};

/// How long a client may take to send its headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take to finish at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest request that a fault may hold: S3's largest body and what it travels in.
const REQUEST_BYTES_MAX: usize = crate::s3::BODY_BYTES_MAX + (1 << 20);
/// Pause after a failed accept, which is a lack of descriptors and passes.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The services.
pub(crate) struct Endpoint {
    pub(crate) account: String,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) kinesis: Kinesis,
    pub(crate) objects: ObjectStore,
    pub(crate) sqs: axum::Router,
    pub(crate) logs: Logs,
    /// Set once the host has its functions.
    pub(crate) functions: std::sync::OnceLock<Functions>,
    pub(crate) urls: std::sync::OnceLock<FunctionUrls>,
    pub(crate) codedeploy: std::sync::OnceLock<CodeDeploy>,
    pub(crate) ready: AtomicBool,
    /// Asked about every request of the functions.
    pub(crate) faults: Option<Arc<dyn EndpointFaults>>,
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped on purpose")]
struct Dropped;

/// A served [`Endpoint`].
pub(crate) struct Serving {
    stop: Option<oneshot::Sender<()>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Serving {
    /// Stops accepting, lets open requests finish for a moment, and returns when no connection is left.
    pub(crate) async fn stop(mut self) {
        self.stop = None;
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the endpoint ended unexpectedly");
        }
    }
}

/// Serves on a listener, which the caller has bound to the loopback interface.
pub(crate) fn serve(listener: TcpListener, endpoint: Arc<Endpoint>) -> Serving {
    let (stop, mut stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                        continue;
                    }
                },
                // The sender is only ever dropped.
                _ = &mut stopped => break,
                Some(_) = connections.join_next() => continue,
            };
            // Without it a small reply waits for the client's delayed acknowledgement: 44 ms a GET.
            let _ = stream.set_nodelay(true);
            let endpoint = endpoint.clone();
            let service = service_fn(move |request| {
                let endpoint = endpoint.clone();
                async move { endpoint.answer(request.map(Body::new)).await }
            });
            let watcher = graceful.watcher();
            connections.spawn(async move {
                // HTTP/2 without TLS, too: the Kinesis client of the AWS SDK for JavaScript speaks nothing else.
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT);
                let connection = server.serve_connection(TokioIo::new(stream), service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            // Long polls and the like; their clients see the connection close.
            connections.abort_all();
        }
        while connections.join_next().await.is_some() {}
    });
    Serving { stop: Some(stop), task: Some(task) }
}

impl Endpoint {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Dropped> {
        let service = route(request.method(), request.uri(), request.headers());
        match (&self.faults, &service) {
            (Some(faults), Ok(service)) => match faults::fleet_request(*service, &request) {
                Some(about) => self.clone().troubled(faults.clone(), *service, request, about).await,
                None => Ok(self.execute(Ok(*service), request).await),
            },
            _ => Ok(self.execute(service, request).await),
        }
    }

    /// Answers a request of the fleet, with the fault that is decided on.
    async fn troubled(
        self: Arc<Self>,
        faults: Arc<dyn EndpointFaults>,
        service: Service,
        request: Request<Body>,
        about: FleetRequest,
    ) -> Result<Response<Body>, Dropped> {
        // Read while the connection is there: what has been received is done, whatever becomes of its sender.
        let (parts, body) = request.into_parts();
        let body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return Ok(error.response(REQUEST_BYTES_MAX)),
        };
        let fault = faults.before(&about);
        if let Some(refusal) = faults::refusal(service, fault) {
            return Ok(refusal);
        }
        if fault == EndpointFault::DropBefore {
            return Err(Dropped);
        }
        let done = tokio::spawn(async move {
            if let EndpointFault::Late(delay) = fault {
                tokio::time::sleep(delay).await;
            }
            let response = self.execute(Ok(service), Request::from_parts(parts, Body::from(body))).await;
            faults.done(&about, fault);
            response
        });
        match done.await {
            Ok(response) if fault != EndpointFault::DropAfter => Ok(response),
            _ => Err(Dropped),
        }
    }

    async fn execute(&self, service: Result<Service, String>, request: Request<Body>) -> Response<Body> {
        match service {
            Ok(Service::Health) => self.health(),
            Ok(Service::S3) => self.objects.answer(request).await,
            Ok(Service::DynamoDb) => self.dynamodb.answer(request).await,
            Ok(Service::Kinesis) => self.kinesis.answer(request).await,
            Ok(Service::Sqs) => {
                let Ok(response) = self.sqs.clone().oneshot(request).await;
                response
            }
            Ok(Service::Logs) => self.logs.answer(request).await,
            Ok(Service::Sts) => sts::answer(request, &self.account).await,
            Ok(Service::Lambda) => match self.functions.get() {
                Some(functions) => functions.answer(request).await,
                None => starting(),
            },
            Ok(Service::CodeDeploy) => match self.codedeploy.get() {
                Some(codedeploy) => codedeploy.answer(request).await,
                None => starting(),
            },
            Ok(Service::FunctionUrl) => match self.urls.get() {
                Some(urls) => urls.answer(request).await,
                None => starting(),
            },
            Err(name) => {
                let message = format!("the local plane does not serve `{name}`; it serves {}", SERVED.join(", "));
                reply::unserved(&request, &message)
            }
        }
    }

    fn health(&self) -> Response<Body> {
        let ready = self.ready.load(Ordering::Acquire);
        let functions: Vec<&str> = self.functions.get().map(Functions::names).unwrap_or_default();
        let body = serde_json::json!({
            "status": if ready { "ready" } else { "starting" },
            "services": SERVED,
            "functions": functions,
        });
        reply::json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
    }
}

fn starting() -> Response<Body> {
    reply::json_error(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableException",
        "the local plane is still starting: GET /health answers 200 once functions can be invoked",
    )
}
