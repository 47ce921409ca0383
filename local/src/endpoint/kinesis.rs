//! Kinesis: ferrokinesis' router, in process, and our journal beneath it where it is to last.

use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use bytes::Bytes;
use ferrokinesis::store::{Store, StoreOptions};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use tokio::sync::RwLock;
use tower::ServiceExt;

use super::journal::Journal;
use super::reply;

/// Largest request. PutRecords takes 5 MB of payload (10 MB from 2025 on), a third more in base64, and its JSON.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Record bytes kept over all streams. Beyond it puts are throttled, as on a full shard.
pub(crate) const RETAINED_BYTES_MAX: u64 = 1 << 30;
/// Open shards over all streams.
const SHARDS_MAX: u32 = 1_000;
/// How often records past their retention are dropped, s.
const RETENTION_CHECK_SECONDS: u64 = 30;
/// Simulated delay of creating, changing and deleting streams, ms: visible as a state, not felt as a wait.
const TRANSITION_MS: u64 = 10;
const SIGNATURE: &str =
    "AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0";

pub(crate) struct Kinesis {
    router: Router,
    store: Store,
    journal: Option<Journal>,
    /// Written by puts, read by GetRecords: see [`Kinesis::in_order`].
    order: RwLock<()>,
    reaper: tokio::task::AbortHandle,
}

impl Drop for Kinesis {
    fn drop(&mut self) {
        self.reaper.abort();
    }
}

impl Kinesis {
    /// Opens the engine, in memory or on a directory. Only on a Tokio runtime.
    pub(crate) async fn open(region: &str, account: &str, state_dir: Option<PathBuf>) -> Result<Self, String> {
        let options = StoreOptions {
            create_stream_ms: TRANSITION_MS,
            delete_stream_ms: TRANSITION_MS,
            update_stream_ms: TRANSITION_MS,
            shard_limit: SHARDS_MAX,
            max_retained_bytes: Some(RETAINED_BYTES_MAX),
            aws_account_id: account.to_owned(),
            aws_region: region.to_owned(),
            ..StoreOptions::default()
        };
        let store = Store::new(options);
        let router = ferrokinesis::create_router(store.clone()).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX));
        let journal = match state_dir {
            Some(dir) => {
                let opened = Journal::open(dir.clone(), &store).await;
                Some(opened.map_err(|error| format!("{}: {error}", dir.display()))?)
            }
            None => None,
        };
        let reaper = tokio::spawn(ferrokinesis::retention::run_reaper(store.clone(), RETENTION_CHECK_SECONDS));
        Ok(Self { router, store, journal, order: RwLock::new(()), reaper: reaper.abort_handle() })
    }

    /// Ends the engine's own work; requests are over when the endpoint is.
    pub(crate) fn stop(&self) {
        self.reaper.abort();
    }

    pub(crate) async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if target.ends_with(".UpdateShardCount") {
            // The engine gives the new shards no parents, so a reader could not tell that they continue the old ones.
            return reply::json_error(
                StatusCode::BAD_REQUEST,
                "InvalidArgumentException",
                "the local plane does not run UpdateShardCount: use SplitShard and MergeShards, which it runs as AWS does",
            );
        }
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(SIGNATURE));
        headers.entry("x-amz-date").or_insert(HeaderValue::from_static("20200101T000000Z"));
        match &self.journal {
            Some(journal) => self.kept(journal, request).await,
            None => match collected(request).await {
                Ok(request) => self.in_order(request).await,
                Err(refusal) => refusal,
            },
        }
    }

    /// Runs one request of which the body is there. The engine allots sequence numbers before it stores the records
    /// under them, so a reader could be shown the later of two concurrent puts, go on after it, and never see the
    /// earlier: puts run one at a time, and nothing is read while one does.
    async fn in_order(&self, request: Request<Body>) -> Response<Body> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (puts, gets) = (target.contains(".PutRecord"), target.ends_with(".GetRecords"));
        let _put = if puts { Some(self.order.write().await) } else { None };
        let _get = if gets { Some(self.order.read().await) } else { None };
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }

    /// Answers once what the request changed is in the journal.
    async fn kept(&self, journal: &Journal, request: Request<Body>) -> Response<Body> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let writes = matches!(operation.as_str(), "PutRecord" | "PutRecords");
        if !writes && ["Describe", "Get", "List", "Subscribe"].iter().any(|verb| operation.starts_with(verb)) {
            return match collected(request).await {
                Ok(request) => self.in_order(request).await,
                Err(refusal) => refusal,
            };
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
            return reply::BodyError::TooLarge.response(REQUEST_BYTES_MAX);
        };
        let named: Option<Named> = if writes { parsed(&parts.headers, &body) } else { None };
        // Held until the journal has the records: it reads them back from the engine, whose own locks a put beside that
        // would wait on for ever.
        let _change = self.order.write().await;
        let Ok(response) = self.router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await;
        if response.status() != StatusCode::OK {
            return response;
        }
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
        let kept = if writes {
            let put: Option<PutReply> = parsed(&parts.headers, &body);
            let stream = named
                .and_then(|named| named.stream_name.or_else(|| self.store.stream_name_from_arn(&named.stream_arn?)));
            match (stream, put) {
                (Some(stream), Some(put)) => journal.keep_records(&self.store, &stream, &put.coordinates()).await,
                _ => Err(std::io::Error::other("the engine's reply cannot be read")),
            }
        } else {
            journal.keep_streams(&self.store).await
        };
        match kept {
            Ok(()) => Response::from_parts(parts, Body::from(body)),
            Err(error) => reply::json_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalFailureException",
                &format!("the Kinesis data directory cannot be written: {error}"),
            ),
        }
    }
}

/// The request with its body read: no lock is held while a client is slow.
async fn collected(request: Request<Body>) -> Result<Request<Body>, Response<Body>> {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, REQUEST_BYTES_MAX).await {
        Ok(body) => Ok(Request::from_parts(parts, Body::from(body))),
        Err(_) => Err(reply::BodyError::TooLarge.response(REQUEST_BYTES_MAX)),
    }
}

/// The stream a request names.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "StreamName")]
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

/// `PutRecord`'s reply, or each entry of `PutRecords`'.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PutReply {
    shard_id: Option<String>,
    sequence_number: Option<String>,
    records: Vec<PutReply>,
}

impl PutReply {
    /// Shard and sequence number of every record taken.
    fn coordinates(self) -> Vec<(String, String)> {
        let own = self.shard_id.zip(self.sequence_number);
        own.into_iter()
            .chain(self.records.into_iter().filter_map(|entry| entry.shard_id.zip(entry.sequence_number)))
            .collect()
    }
}

/// A JSON or, from the older SDKs of Java, CBOR body.
fn parsed<T: serde::de::DeserializeOwned>(headers: &http::HeaderMap, body: &Bytes) -> Option<T> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.contains("cbor") { ciborium::from_reader(&body[..]).ok() } else { serde_json::from_slice(body).ok() }
}
