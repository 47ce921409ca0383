//! A function's response as the caller sees it ("Invoking Lambda function URLs: response payload format"). Pure.

use std::collections::BTreeMap;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::endpoint::reply;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// A response with a `statusCode` says all of it; any other JSON is the body of a success.
pub(super) fn response(payload: &[u8]) -> Response<Body> {
    let value: Option<Value> = serde_json::from_slice(payload).ok();
    match value {
        Some(value) if value.get("statusCode").is_some() => {
            serde_json::from_value(value).ok().and_then(given).unwrap_or_else(internal_server_error)
        }
        Some(Value::String(text)) => reply::with_body(StatusCode::OK, "application/json", text),
        Some(_) => reply::with_body(StatusCode::OK, "application/json", payload.to_vec()),
        None => internal_server_error(),
    }
}

fn given(given: Given) -> Option<Response<Body>> {
    let body = match given.body.unwrap_or_default() {
        text if given.is_base64_encoded => STANDARD.decode(text).ok()?,
        text => text.into_bytes(),
    };
    let status = StatusCode::from_u16(given.status_code).ok()?;
    let mut response = reply::with_body(status, "application/json", body);
    for (name, value) in given.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        response.headers_mut().insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(text).ok()?);
    }
    for cookie in given.cookies {
        response.headers_mut().append(http::header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    // It is this answer's own length that counts.
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    Some(response)
}

/// The function failed, or answered with what is no response.
pub(super) fn internal_server_error() -> Response<Body> {
    let mut response = Response::new(Body::from("Internal Server Error"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(payload: &Value) -> u16 {
        response(payload.to_string().as_bytes()).status().as_u16()
    }

    #[test]
    fn a_status_says_all_and_any_other_json_is_a_body() {
        let answer = response(
            json!({"statusCode": 201, "headers": {"X-A": "b", "Content-Length": 9}, "cookies": ["a=1", "b=2"], "body": "AP8=",
                   "isBase64Encoded": true})
            .to_string()
            .as_bytes(),
        );
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["x-a"], "b");
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.headers().get("content-length"), None);
        let plain = response(br#"{"a":1}"#);
        assert_eq!(
            (plain.status().as_u16(), &plain.headers()["content-type"]),
            (200, &HeaderValue::from_static("application/json"))
        );
        for broken in [json!({"statusCode": "x"}), json!({"statusCode": 200, "body": "?", "isBase64Encoded": true})] {
            assert_eq!(status(&broken), 502, "{broken}");
        }
        assert_eq!(response(b"no JSON").status(), 502);
    }
}
