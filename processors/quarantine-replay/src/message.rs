//! From an SQS message to the request in it.

use aws_lambda_events::event::sqs::SqsMessage;
use lambda_runtime::Error;
use weir_exact::replay::{Request, RequestError};
use weir_telemetry::Millis;

/// A message as delivered.
#[derive(Debug)]
pub(crate) struct Received {
    /// The queue's id for it.
    pub(crate) id: String,
    /// When it was sent to the queue.
    pub(crate) sent_at: Millis,
    /// The request, if valid.
    pub(crate) request: Result<Request, RequestError>,
}

/// Reads a message.
///
/// # Errors
/// If the event is not one that Lambda sends for SQS: no id or time of sending.
pub(crate) fn read(message: SqsMessage) -> Result<Received, Error> {
    let id = message.message_id.ok_or("a message without messageId")?;
    let sent_at = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
    let sent_at = Millis(sent_at.ok_or("a message without SentTimestamp")?);
    let request = Request::from_body(&message.body.unwrap_or_default(), sent_at);
    Ok(Received { id, sent_at, request })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(json: &str) -> Result<Received, Error> {
        read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_message_holds_a_request_or_says_why_not() {
        let good = r#"{"messageId":"m","attributes":{"SentTimestamp":"1795224606000"},
            "body":"{\"format\":1,\"key\":\"k\",\"requested_at\":\"2026-11-21T01:30:05Z\"}"}"#;
        let received = read_json(good).unwrap();
        assert_eq!((received.id.as_str(), received.sent_at), ("m", Millis(1_795_224_606_000)));
        assert_eq!(received.request, Ok(Request { key: "k".to_owned(), requested_at: Millis(1_795_224_605_000) }));

        let telemetry = r#"{"messageId":"m","attributes":{"SentTimestamp":"1795224606000"},"body":"{\"status\":200}"}"#;
        let error = read_json(telemetry).unwrap().request.unwrap_err();
        assert!(error.to_string().contains("missing field `format`"), "{error}");
        for missing in ["messageId", "SentTimestamp"] {
            assert!(read_json(&good.replace(missing, "other")).unwrap_err().to_string().contains(missing));
        }
    }
}
