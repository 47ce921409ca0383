//! From an SQS message to what it is counted under.

use aws_lambda_events::event::sqs::SqsMessage;
use lambda_runtime::Error;
use weir_exact::ledger::{Identity, Message};
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_telemetry::{Millis, Reason, Rejected};

/// Longest `weir-id`, bytes: an identity is part of a sort key, of at most 1,024 bytes.
const ID_BYTES_MAX: usize = 256;
/// How much older than its sending an arrival may be: 4 days in the queue and 14 in its dead-letter queue,
/// for a redrive. What is older may find its contributions gone, and would be counted again. Milliseconds.
const ARRIVAL_AGE_MS_MAX: i64 = 18 * 86_400_000;
/// How far a producer's clock may be ahead, milliseconds.
const ARRIVAL_AHEAD_MS_MAX: i64 = 10 * 60_000;

/// A message as received.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Ready to be counted.
    Message(Message),
    /// Under a producer's own id, of which the arrival must be the first one recorded.
    OfUnknownArrival(Message),
    /// Its attributes do not say what they should.
    SetAside(QuarantineObject),
}

/// Reads a message and its id.
///
/// # Errors
/// When the event is none that Lambda sends for SQS: no id, source or time of sending.
pub(crate) fn read(message: SqsMessage) -> Result<(String, Incoming), Error> {
    let id = message.message_id.clone().ok_or("a message without messageId")?;
    let queue_arn = message.event_source_arn.clone().ok_or("a message without eventSourceARN")?;
    let sent_at = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
    let sent_at = Millis(sent_at.ok_or("a message without SentTimestamp")?);
    let queue = queue_arn.rsplit(':').next().unwrap_or_default().to_owned();
    let own_id = attribute(&message, "weir-id");
    let own_arrival = attribute(&message, "weir-arrived-at");
    let data = message.body.unwrap_or_default().into_bytes();

    // Where the producer names its message, so does quarantine: a second send overwrites the first.
    let name = match &own_id {
        Attribute::Text(own) if is_id(own) => own.clone(),
        _ => id.clone(),
    };
    let coordinates = Coordinates { source: "sqs", path: vec![("queue", queue), ("message_id", name.clone())] };
    let set_aside = |detail: &str, payload: Vec<u8>| {
        let rejected = Rejected { reason: Reason::BadAttribute, detail: detail.to_owned(), event_index: None, payload };
        Incoming::SetAside(QuarantineObject { coordinates: coordinates.clone(), arrived_at: sent_at, rejected })
    };
    if matches!(&own_id, Attribute::Other) || matches!(&own_id, Attribute::Text(own) if !is_id(own)) {
        return Ok((id, set_aside("weir-id: expected a string of 1 to 256 bytes", data)));
    }
    let arrived_at = match own_arrival {
        Attribute::None => None,
        Attribute::Text(text) => Some(arrival(&text, sent_at)),
        Attribute::Other => Some(None),
    };
    let identity = Identity::sqs(&queue_arn, &name);
    let message = |arrived_at, data| Message { identity, arrived_at, coordinates: coordinates.clone(), data };
    let incoming = match arrived_at {
        Some(None) => set_aside(
            "weir-arrived-at: expected RFC 3339 or epoch milliseconds, from 18 days before to 10 min after sending",
            data,
        ),
        Some(Some(arrived_at)) => Incoming::Message(message(arrived_at, data)),
        None if matches!(own_id, Attribute::Text(_)) => Incoming::OfUnknownArrival(message(sent_at, data)),
        None => Incoming::Message(message(sent_at, data)),
    };
    Ok((id, incoming))
}

enum Attribute {
    None,
    /// String or Number.
    Text(String),
    /// Binary, or without a value.
    Other,
}

fn attribute(message: &SqsMessage, name: &str) -> Attribute {
    match message.message_attributes.get(name) {
        None => Attribute::None,
        Some(attribute) => attribute.string_value.clone().map_or(Attribute::Other, Attribute::Text),
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
}

fn arrival(text: &str, sent_at: Millis) -> Option<Millis> {
    let arrived_at = text.parse().map(Millis).or_else(|_| Millis::parse_rfc3339(text)).ok()?;
    let possible = sent_at.plus(-ARRIVAL_AGE_MS_MAX)..=sent_at.plus(ARRIVAL_AHEAD_MS_MAX);
    possible.contains(&arrived_at).then_some(arrived_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a message sent at 1,000,000,000,000 with these attributes.
    fn check(attributes: &str, expect: &str) {
        let json = format!(
            r#"{{"messageId":"m","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q","body":"{{}}",
                "attributes":{{"SentTimestamp":"1000000000000"}},"messageAttributes":{{{attributes}}}}}"#
        );
        let (id, incoming) = read(serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(id, "m");
        let got = match incoming {
            Incoming::Message(message) => format!("{} at {}", message.identity, message.arrived_at.0),
            Incoming::OfUnknownArrival(message) => format!("{} at its first arrival", message.identity),
            Incoming::SetAside(object) => object.rejected.detail,
        };
        assert_eq!(got, expect, "{attributes}");
    }

    #[test]
    fn an_identity_is_the_message_s_or_the_producer_s() {
        let queue = "sqs:arn:aws:sqs:us-east-1:000000000000:q";
        let text = |name: &str, value: &str| format!(r#""{name}":{{"stringValue":"{value}","dataType":"String"}}"#);
        let bad_id = "weir-id: expected a string of 1 to 256 bytes";
        let bad_arrival =
            "weir-arrived-at: expected RFC 3339 or epoch milliseconds, from 18 days before to 10 min after sending";
        check("", &format!("{queue}/m at 1000000000000"));
        check(&text("weir-id", "mine"), &format!("{queue}/mine at its first arrival"));
        check(&text("weir-arrived-at", "999999999999"), &format!("{queue}/m at 999999999999"));
        check(
            &[text("weir-id", "mine"), text("weir-arrived-at", "2001-09-09T01:46:40Z")].join(","),
            &format!("{queue}/mine at 1000000000000"),
        );
        check(&text("weir-id", ""), bad_id);
        check(&text("weir-id", &"x".repeat(257)), bad_id);
        check(r#""weir-id":{"binaryValue":"AA==","dataType":"Binary"}"#, bad_id);
        check(&text("weir-arrived-at", "soon"), bad_arrival);
        check(&text("weir-arrived-at", "1000000600001"), bad_arrival);
        check(&text("weir-arrived-at", "998444799999"), bad_arrival);
    }
}
