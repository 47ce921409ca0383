//! `burst-summary`: summarises a JSON array of events exactly, in one request.
//!
//! - **Trigger**: its Function URL (IAM), or an invocation of the same shape.
//! - **Input**: a JSON array of events (contract §1), plain or as a base64 body. Nothing is normalised, and no event is
//!   too late: nothing is kept. No body is an empty array.
//! - **Output**: 200 and the summary ([`summary::Summary`]) with `compute_ms`, from the raw body to the summary; 400
//!   with `error` and `detail` if the body is not an array. An event that violates the contract is in `rejected`, with
//!   its reason.
//! - **Failure**: an invocation of another shape is the function's error.

pub mod summary;

use bytes::Bytes;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;
use summary::{Summary, summarise, summarise_quoted};
use weir_aws::batch_line::BatchLine;
use weir_envelope::{Arenas, url};

/// What one environment keeps between invocations: buffers.
#[derive(Debug, Default)]
pub struct Handler {
    arenas: Arenas,
}

/// The response to a Function URL (payload format 2.0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// HTTP status.
    pub status_code: u16,
    /// HTTP headers.
    pub headers: BTreeMap<&'static str, &'static str>,
    /// JSON.
    pub body: String,
}

#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    compute_ms: f64,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    detail: &'a str,
}

impl Handler {
    /// Responds to one request.
    ///
    /// # Errors
    /// If the invocation is not a Function URL's.
    pub async fn handle(&self, event: LambdaEvent<Bytes>) -> Result<Response, Error> {
        let begun = Instant::now();
        let mut line = BatchLine::begin(&event.context, "url");
        let mut arena = self.arenas.take();
        let (response, counted) = answer(&event.payload, &mut arena, begun)?;
        self.arenas.give_back(arena);
        line.stage("count").put("status", response.status_code).count("received", counted.received);
        line.count("applied", counted.applied).count("rejected", counted.rejected);
        line.write();
        Ok(response)
    }
}

/// Events of a request; none if it is refused.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    received: u64,
    applied: u64,
    rejected: u64,
}

fn answer(input: &[u8], arena: &mut Vec<u8>, begun: Instant) -> Result<(Response, Counted), Error> {
    // Nearly all bodies, without copying them.
    if let Some(summary) = url::read_in_place(input, summarise_quoted) {
        return tell(&summary, begun);
    }
    let refuse = |refusal: &Refusal<'_>| Ok((respond(400, refusal)?, Counted::default()));
    let body = match url::read(input, arena)? {
        Ok(body) => body,
        Err(url::NotBase64) => return refuse(&Refusal { error: "not_base64", detail: NOT_BASE64 }),
    };
    match summarise(&body) {
        Ok(summary) => tell(&summary, begun),
        Err(error) => refuse(&Refusal { error: &error.reason.to_string(), detail: &error.detail }),
    }
}

fn tell(summary: &Summary, begun: Instant) -> Result<(Response, Counted), Error> {
    let (applied, rejected) = (summary.total_events as u64, summary.rejected.events as u64);
    let response = respond(200, &Timed { summary, compute_ms: begun.elapsed().as_secs_f64() * 1e3 })?;
    Ok((response, Counted { received: applied + rejected, applied, rejected }))
}

const NOT_BASE64: &str = "isBase64Encoded is true, but the body is no base64";

fn respond(status_code: u16, body: &impl Serialize) -> Result<Response, Error> {
    let headers = BTreeMap::from([("content-type", "application/json")]);
    Ok(Response { status_code, headers, body: serde_json::to_string(body)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn check(event: &str, status: u16, expect: &[(&str, Value)]) {
        let (response, _) = answer(event.as_bytes(), &mut vec![], Instant::now()).expect("an answer");
        let body: Value = serde_json::from_str(&response.body).expect("JSON");
        assert_eq!(response.status_code, status, "{event}: {body}");
        for (field, value) in expect {
            assert_eq!(body[field], *value, "{event}: {field}");
        }
        assert_eq!(body["compute_ms"].is_number(), status == 200, "{event}");
    }

    #[test]
    fn a_body_in_every_form() {
        let two = [("total_events", 2.into()), ("unique_users", 1.into())];
        check(r#"{"version":"2.0","body":"[{\"user_id\":\"u\"},{}]","isBase64Encoded":false}"#, 200, &two);
        check(r#"{"body":"W3sidXNlcl9pZCI6InUifSx7fV0=","isBase64Encoded":true}"#, 200, &two);
        let none = [("total_events", 0.into()), ("rejected", serde_json::json!({"events":0,"reasons":{},"first":[]}))];
        check(r#"{"version":"2.0","isBase64Encoded":false}"#, 200, &none);
        check(r#"{"body":null}"#, 200, &none);
        check(r#"{"body":""}"#, 200, &none);
        let detail = "expected an array of events, found an object".into();
        check(r#"{"body":"{}"}"#, 400, &[("error", "not_an_object".into()), ("detail", detail)]);
        check(r#"{"body":"[{}"}"#, 400, &[("error", "not_json".into())]);
        check(r#"{"body":"%","isBase64Encoded":true}"#, 400, &[("error", "not_base64".into())]);
        check(r#"{"body":"/w==","isBase64Encoded":true}"#, 400, &[("error", "not_utf8".into())]);
    }

    #[test]
    fn what_no_url_sends_is_the_function_s_error() {
        for event in ["", "17", "[]x", r#"{"body":17}"#, r#"{"body":"[]","isBase64Encoded":"yes"}"#] {
            assert!(answer(event.as_bytes(), &mut vec![], Instant::now()).is_err(), "{event}");
        }
    }
}
