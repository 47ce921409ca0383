//! DynamoDB and its streams: dynoxide, behind a loopback hop, since its router is not public.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use dynoxide::Database;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::reply;

/// DynamoDB's own limit on a request (AWS: "BatchWriteItem", 16 MB).
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// How often items past their TTL are removed. AWS takes minutes to days.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// How long requests in the engine may take at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// The engine checks that there is a signature, not what it says; unsigned callers are given this one.
const SIGNATURE: &str =
    "AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// The region in the engine's ARNs, which cannot be set; the plane's own stands there on the outside.
const ENGINE_REGION: &str = "dynoxide";

pub(crate) struct DynamoDb {
    region: String,
    client: Client<HttpConnector, Full<Bytes>>,
    authority: String,
    stop: std::sync::Mutex<Option<oneshot::Sender<()>>>,
    tasks: std::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl DynamoDb {
    /// Opens the engine, in memory or on a file.
    pub(crate) async fn open(region: &str, file: Option<&Path>) -> Result<Self, String> {
        let database = match file {
            Some(path) => Database::new(path.to_str().ok_or("the data directory's path is not UTF-8")?),
            None => Database::memory(),
        }
        .map_err(|error| error.to_string())?;

        let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
        // Accepted connections inherit it from their listener.
        let _ = socket.set_nodelay(true);
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(|error| error.to_string())?;
        let listener = socket.listen(1_024).map_err(|error| error.to_string())?;
        let authority = listener.local_addr().map_err(|error| error.to_string())?.to_string();

        let (stop, stopped) = oneshot::channel::<()>();
        let engine = dynoxide::server::serve_with_shutdown(listener, database.clone(), async move {
            let _ = stopped.await;
        });
        let engine = tokio::spawn(async move {
            if let Err(error) = engine.await {
                tracing::error!(error, "the DynamoDB engine stopped");
            }
        });
        let sweep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TTL_SWEEP_INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let database = database.clone();
                match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "items past their TTL could not be removed"),
                    Err(error) => tracing::error!(%error, "the TTL sweep failed"),
                }
            }
        });

        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            region: region.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            authority,
            stop: Some(stop).into(),
            tasks: vec![engine, sweep].into(),
        })
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error.response(REQUEST_BYTES_MAX),
        };
        let renamed = words(&parts.headers);
        let body = match renamed {
            Some(word) => replaced(&body, &word(&self.region), &word(ENGINE_REGION)),
            None => body,
        };
        let uri = Uri::builder().scheme("http").authority(self.authority.as_str()).path_and_query("/").build();
        let Ok(uri) = uri else {
            return reply::json_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "no engine address");
        };
        parts.uri = uri;
        parts.headers.remove(header::HOST);
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::TRANSFER_ENCODING);
        parts.headers.remove(header::EXPECT);
        parts.headers.insert(header::AUTHORIZATION, HeaderValue::from_static(SIGNATURE));
        parts.headers.entry("x-amz-date").or_insert(HeaderValue::from_static("20200101T000000Z"));
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("the DynamoDB engine did not answer: {error}");
            reply::json_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &message)
        };
        let response = match self.client.request(Request::from_parts(parts, Full::new(body))).await {
            Ok(response) => response,
            Err(error) => return failed(&error),
        };
        let Some(word) = renamed else { return response.map(Body::new) };
        let (mut parts, body) = response.into_parts();
        match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => {
                // The engine's checksum is that of its own words.
                parts.headers.remove("x-amz-crc32");
                parts.headers.remove(header::CONTENT_LENGTH);
                Response::from_parts(parts, Body::from(replaced(&body, &word(ENGINE_REGION), &word(&self.region))))
            }
            Err(_) => failed(&"its reply broke off"),
        }
    }

    /// Ends the engine and the sweep; the file, where there is one, is closed after this.
    pub(crate) async fn stop(&self) {
        let stop = self.stop.lock().ok().and_then(|mut stop| stop.take());
        drop(stop);
        let tasks = self.tasks.lock().map(|mut tasks| std::mem::take(&mut *tasks)).unwrap_or_default();
        for (index, mut task) in tasks.into_iter().enumerate() {
            // The first is the engine, which drains; the sweep has nothing to finish.
            if index > 0 || tokio::time::timeout(DRAIN_TIMEOUT, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
    }
}

/// How the region is spelt in requests and replies of an operation, where it is spelt at all. Operations on items are
/// not among them: items pass through untouched.
fn words(headers: &http::HeaderMap) -> Option<fn(&str) -> String> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match target.rsplit('.').next().unwrap_or_default() {
        "CreateTable" | "DeleteTable" | "DescribeTable" | "UpdateTable" | "TagResource" | "UntagResource"
        | "ListTagsOfResource" | "ListStreams" | "DescribeStream" | "GetShardIterator" => {
            Some(|region| format!("arn:aws:dynamodb:{region}:"))
        }
        // Within an item's text the quotes would be escaped, so this is always the record's own field.
        "GetRecords" => Some(|region| format!("\"awsRegion\":\"{region}\"")),
        _ => None,
    }
}

/// The text with one word exchanged.
fn replaced(body: &Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(from) => text.replace(from, to).into(),
        _ => body.clone(),
    }
}
