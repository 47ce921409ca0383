//! A request to replay one object, as sent to the replay queue.

use crate::retention::RETURN_MS_MAX;
use serde::{Deserialize, Serialize};
use weir_telemetry::Millis;

const FORMAT: u8 = 1;
/// Longest key, bytes (AWS: "Naming Amazon S3 objects", Amazon S3 User Guide).
const KEY_BYTES_MAX: usize = 1_024;
/// How far the requester's clock may be ahead of the queue's, milliseconds.
const AHEAD_MS_MAX: i64 = 10 * 60_000;

/// One object to replay: `{"format":1,"key":"…","requested_at":"2026-11-21T01:30:05Z"}`.
///
/// The time is in the body and not in the message's attributes, since it decides under which rules the object is
/// decoded: a redrive sends the message anew and must not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Key of the object in the quarantine bucket.
    pub key: String,
    /// When it was requested.
    pub requested_at: Millis,
}

/// A message that requests nothing that can be done. It is not telemetry: it belongs in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RequestError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u8,
    key: String,
    requested_at: String,
}

/// Only the format, so that an unknown one is refused by its number and not by an extra field.
#[derive(Deserialize)]
struct Numbered {
    format: u64,
}

impl Request {
    /// The message's body.
    pub fn to_body(&self) -> String {
        let body = Body { format: FORMAT, key: self.key.clone(), requested_at: self.requested_at.to_string() };
        // Numbers and strings only: serialising cannot fail.
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Reads a message's body; `sent_at` is when the message was sent to its queue.
    ///
    /// # Errors
    /// [`RequestError`] naming what is wrong: another format, no key, or an impossible time.
    pub fn from_body(body: &str, sent_at: Millis) -> Result<Self, RequestError> {
        // Which of our fields is missing or where it is wrong, never its value: it may be a stray payload.
        let no_request = |error: serde_json::Error| {
            let told = error.to_string();
            let is_ours = told.starts_with("missing field `");
            let told = if is_ours { told } else { format!("at line {} column {}", error.line(), error.column()) };
            RequestError(format!("not a replay request: {told}; expected format, key and requested_at"))
        };
        let Numbered { format } = serde_json::from_str(body).map_err(no_request)?;
        if format != u64::from(FORMAT) {
            let what = format!("a replay request of format {format}; this version reads format {FORMAT}");
            return Err(RequestError(what));
        }
        let Body { key, requested_at, .. } = serde_json::from_str(body).map_err(no_request)?;
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(RequestError(format!("key: expected 1 to {KEY_BYTES_MAX} bytes, found {}", key.len())));
        }
        let requested_at =
            Millis::parse_rfc3339(&requested_at).map_err(|error| RequestError(format!("requested_at: {error}")))?;
        if !(sent_at.plus(-RETURN_MS_MAX)..=sent_at.plus(AHEAD_MS_MAX)).contains(&requested_at) {
            let what = format!(
                "requested_at {requested_at}: expected from 14 days before to 10 min after it was sent ({sent_at})"
            );
            return Err(RequestError(what));
        }
        Ok(Self { key, requested_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Millis = Millis(1_795_224_605_000);

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = Request { key: "not_json/2026/11/21/sqs/q!m!record.json".to_owned(), requested_at: SENT };
        let body = request.to_body();
        assert_eq!(
            body,
            r#"{"format":1,"key":"not_json/2026/11/21/sqs/q!m!record.json","requested_at":"2026-11-21T01:30:05Z"}"#
        );
        for sent_at in [SENT.plus(-AHEAD_MS_MAX), SENT, SENT.plus(RETURN_MS_MAX)] {
            assert_eq!(Request::from_body(&body, sent_at), Ok(request.clone()));
        }
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        let check = |body: &str, expect: &str| {
            let error = Request::from_body(body, SENT).unwrap_err().to_string();
            assert!(error.contains(expect), "{body}: {error}");
        };
        let at = |time: &str| format!(r#"{{"format":1,"key":"k","requested_at":"{time}"}}"#);
        check("", "not a replay request");
        check("\"alice@example.com\"", "not a replay request: at line 1 column 19;");
        check(r#"{"status":200}"#, "missing field `format`");
        check(r#"{"format":2,"keys":["k"]}"#, "of format 2; this version reads format 1");
        check(r#"{"format":1,"key":"k"}"#, "missing field `requested_at`");
        check(&at("2026-11-21T01:30:05Z").replace("\"k\"", "\"\""), "key: expected 1 to 1024 bytes");
        check(&at("now"), "requested_at: expected an RFC 3339");
        check(&at("2026-11-21T01:40:06Z"), "expected from 14 days before");
        check(&at("2026-11-07T01:30:04Z"), "expected from 14 days before");
    }
}
