//! From an SQS message to its identity.

use weir_envelope::EnvelopeError;
use weir_envelope::sqs::{Body, Message as Delivered};
use weir_exact::ledger::{Held, Incoming, Message, QueueIdentities, digest_of};
use weir_exact::quarantine::{Origin, QuarantineObject, queue_name};
use weir_exact::retention::RETURN_MS_MAX;
use weir_telemetry::{MessageBody, Millis, Reason, Rejected};

/// A message as received.
#[derive(Debug)]
pub(crate) enum Received<'a> {
    /// Its payload is its body.
    Here(Incoming<'a>),
    /// Its payload is an object.
    Elsewhere(Box<Pointer<'a>>),
}

/// A message whose payload is an object.
#[derive(Debug)]
pub(crate) struct Pointer<'a> {
    /// The message; its data is the pointer, so that a producer's id is claimed for it and not for what it points to.
    pub(crate) incoming: Incoming<'a>,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// Longest `weir-id`, bytes: an identity is part of a sort key, of at most 1,024 bytes.
const ID_BYTES_MAX: usize = 256;
/// How far a producer's clock may be ahead, milliseconds.
const ARRIVAL_AHEAD_MS_MAX: i64 = 10 * 60_000;

/// The queues of a batch's messages: of a mapping's, one.
#[derive(Debug)]
pub(crate) struct Queues<'m>(Vec<Queue<'m>>);

#[derive(Debug)]
struct Queue<'m> {
    arn: &'m str,
    name: &'m str,
    identities: QueueIdentities,
}

impl<'m> Queues<'m> {
    pub(crate) fn of(delivered: &'m [Delivered<'_>]) -> Self {
        let mut queues = Self(vec![]);
        for arn in delivered.iter().filter_map(|message| message.queue_arn.as_deref()) {
            if queues.find(arn).is_none() {
                queues.0.push(Queue { arn, name: queue_name(arn), identities: QueueIdentities::of(arn) });
            }
        }
        queues
    }

    fn find(&self, arn: &str) -> Option<&Queue<'m>> {
        self.0.iter().find(|queue| queue.arn == arn)
    }
}

/// Messages with their places in the batch.
pub(crate) type Placed<T> = Vec<(usize, T)>;

/// Reads a batch's messages, by location of their payloads.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_all<'m>(
    delivered: &'m [Delivered<'_>],
    queues: &'m Queues<'_>,
) -> Result<(Placed<Incoming<'m>>, Placed<Pointer<'m>>), EnvelopeError> {
    let (mut here, mut elsewhere) = (Vec::with_capacity(delivered.len()), vec![]);
    for (place, message) in delivered.iter().enumerate() {
        match read(message, queues)? {
            Received::Here(incoming) => here.push((place, incoming)),
            Received::Elsewhere(pointer) => elsewhere.push((place, *pointer)),
        }
    }
    Ok((here, elsewhere))
}

/// Reads a message.
///
/// # Errors
/// If the event is not one that Lambda sends for SQS: no id, source or time of sending.
pub(crate) fn read<'m>(message: &'m Delivered<'_>, queues: &'m Queues<'_>) -> Result<Received<'m>, EnvelopeError> {
    let id = message.id.as_deref().ok_or(EnvelopeError::Record("a message without messageId"))?;
    let queue = message.queue_arn.as_deref().and_then(|arn| queues.find(arn));
    let queue = queue.ok_or(EnvelopeError::Record("a message without eventSourceARN"))?;
    let sent_at = message.sent_at.ok_or(EnvelopeError::Record("a message without SentTimestamp"))?;
    let own_id = attribute(message, "weir-id");
    let own_arrival = attribute(message, "weir-arrived-at");
    let body = || message.body.as_ref().map(|body| body.text().into_owned().into_bytes()).unwrap_or_default();

    // If the producer names its message, so does quarantine: a second send overwrites the first.
    let (name, is_own) = match own_id {
        Attribute::Text(own) if is_id(own) => (own, true),
        _ => (id, false),
    };
    let origin = Origin::Queue { queue: queue.name, message_id: name };
    let set_aside = |reason: Reason, detail: &str| {
        let payload = body();
        let mut coordinates = origin.coordinates();
        // What is quarantined here has not claimed the producer's id: another body under it must not overwrite this
        // one.
        if is_own {
            coordinates.path.push(("body", digest_of(&payload).into()));
        }
        let rejected = Rejected { reason, detail: detail.to_owned(), event_index: None, payload };
        Incoming::SetAside(QuarantineObject { coordinates, arrived_at: sent_at, rejected })
    };
    let mut elsewhere = None;
    let incoming = match (own_id, own_arrival) {
        (Attribute::Other, _) => set_aside(Reason::BadAttribute, BAD_ID),
        (Attribute::Text(own), _) if !is_id(own) => set_aside(Reason::BadAttribute, BAD_ID),
        (_, Attribute::Other) => set_aside(Reason::BadAttribute, BAD_ARRIVAL),
        (_, Attribute::Text(text)) if arrival(text, sent_at).is_none() => set_aside(Reason::BadAttribute, BAD_ARRIVAL),
        _ => match held(message.body.as_ref()) {
            MessageBody::Notice(_) => set_aside(Reason::UnsupportedForm, NOTICE),
            MessageBody::Malformed { reason, detail } => set_aside(reason, &detail),
            MessageBody::Unsupported(detail) => set_aside(Reason::UnsupportedForm, detail),
            held @ (MessageBody::Payload(_) | MessageBody::TestEvent | MessageBody::Pointer { .. }) => {
                let identity = queue.identities.identity(name);
                let data = match held {
                    MessageBody::Payload(data) => data,
                    MessageBody::Pointer { bucket, key } => {
                        elsewhere = Some((bucket, key));
                        body().into()
                    }
                    _ => vec![].into(),
                };
                let own_arrival = if let Attribute::Text(text) = own_arrival { arrival(text, sent_at) } else { None };
                let arrived_at = own_arrival.unwrap_or(sent_at);
                let rules_at = arrived_at;
                let message = Message { identity, arrived_at, rules_at, origin, data, held: Held::Payload };
                match own_id {
                    Attribute::Text(_) => Incoming::Claiming { message, sent_at },
                    _ => Incoming::Message(message),
                }
            }
        },
    };
    Ok(match elsewhere {
        Some((bucket, key)) => Received::Elsewhere(Box::new(Pointer { incoming, bucket, key })),
        None => Received::Here(incoming),
    })
}

fn held<'m>(body: Option<&'m Body<'_>>) -> MessageBody<'m> {
    match body {
        None => MessageBody::of(""),
        Some(Body::Text(text)) => MessageBody::of(text),
        Some(Body::Quoted(quoted)) => MessageBody::of_quoted(*quoted),
    }
}

const BAD_ID: &str = "weir-id: expected a string of 1 to 256 bytes";
const BAD_ARRIVAL: &str =
    "weir-arrived-at: expected RFC 3339 or epoch milliseconds, from 14 days before to 10 min after sending";

const NOTICE: &str = "an S3 event notification, which belongs on the landing queue";

#[derive(Clone, Copy)]
enum Attribute<'a> {
    None,
    /// String or Number.
    Text(&'a str),
    /// Binary, or without a value.
    Other,
}

fn attribute<'m>(message: &'m Delivered<'_>, name: &str) -> Attribute<'m> {
    match message.attribute(name) {
        None => Attribute::None,
        Some(value) => value.map_or(Attribute::Other, Attribute::Text),
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
}

fn arrival(text: &str, sent_at: Millis) -> Option<Millis> {
    let arrived_at = text.parse().map(Millis).or_else(|_| Millis::parse_rfc3339(text)).ok()?;
    let possible = sent_at.plus(-RETURN_MS_MAX)..=sent_at.plus(ARRIVAL_AHEAD_MS_MAX);
    possible.contains(&arrived_at).then_some(arrived_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result for a message sent at 1,000,000,000,000 with these attributes.
    fn check(attributes: &str, expect: &str) {
        let json = format!(
            r#"{{"Records":[{{"messageId":"m","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q","body":"{{}}",
                "attributes":{{"SentTimestamp":"1000000000000"}},"messageAttributes":{{{attributes}}}}}]}}"#
        );
        let mut arena = vec![];
        let delivered = weir_envelope::sqs::read(json.as_bytes(), &mut arena).unwrap();
        let queues = Queues::of(&delivered);
        let received = read(&delivered[0], &queues).unwrap();
        let Received::Here(incoming) = received else { panic!("{received:?}") };
        let got = match incoming {
            Incoming::Message(message) => format!("{} at {}", message.identity, message.arrived_at.0),
            Incoming::Claiming { message, .. } => {
                format!("{} at its first arrival or {}", message.identity, message.arrived_at.0)
            }
            Incoming::SetAside(object) => object.rejected.detail,
        };
        assert_eq!(got, expect, "{attributes}");
    }

    #[test]
    fn an_identity_is_the_message_s_or_the_producer_s() {
        let queue = "sqs:arn:aws:sqs:us-east-1:000000000000:q";
        let text = |name: &str, value: &str| format!(r#""{name}":{{"stringValue":"{value}","dataType":"String"}}"#);
        check("", &format!("{queue}/m at 1000000000000"));
        check(&text("weir-id", "mine"), &format!("{queue}/mine at its first arrival or 1000000000000"));
        check(&text("weir-arrived-at", "999999999999"), &format!("{queue}/m at 999999999999"));
        check(
            &[text("weir-id", "mine"), text("weir-arrived-at", "2001-09-09T01:46:40Z")].join(","),
            &format!("{queue}/mine at its first arrival or 1000000000000"),
        );
        check(&text("weir-id", ""), BAD_ID);
        check(&text("weir-id", &"x".repeat(257)), BAD_ID);
        check(r#""weir-id":{"binaryValue":"AA==","dataType":"Binary"}"#, BAD_ID);
        check(&text("weir-arrived-at", "soon"), BAD_ARRIVAL);
        check(&text("weir-arrived-at", "1000000600001"), BAD_ARRIVAL);
        check(&text("weir-arrived-at", "998790399999"), BAD_ARRIVAL);
    }

    /// Bodies under one producer's id that are quarantined before the id is claimed: each has its object, and one sent
    /// again overwrites its own.
    #[test]
    fn what_is_set_aside_before_its_id_is_claimed_overwrites_no_other_body() {
        let key = |message_id: &str, body: &str, attributes: &str| {
            let json = format!(
                r#"{{"Records":[{{"messageId":"{message_id}","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q",
                    "body":"{body}","attributes":{{"SentTimestamp":"1795224605000"}},"messageAttributes":{{{attributes}}}}}]}}"#
            );
            let mut arena = vec![];
            let delivered = weir_envelope::sqs::read(json.as_bytes(), &mut arena).unwrap();
            let queues = Queues::of(&delivered);
            let received = read(&delivered[0], &queues).unwrap();
            let Received::Here(Incoming::SetAside(object)) = received else { panic!("{received:?}") };
            object.key()
        };
        let text = |name: &str, value: &str| format!(r#""{name}":{{"stringValue":"{value}","dataType":"String"}}"#);
        let arrival = text("weir-arrived-at", "yesterday");
        let own = format!("{},{arrival}", text("weir-id", "x"));
        let (one, other) = (key("m1", "[1]", &own), key("m2", "[2]", &own));
        assert_ne!(one, other);
        assert_eq!(key("m3", "[1]", &own), one);
        let digest = digest_of(b"[1]");
        assert_eq!(one, format!("bad_attribute/2026/11/21/sqs/q!x!{digest}!record.json"));
        assert_eq!(key("m1", "[1]", &arrival), "bad_attribute/2026/11/21/sqs/q!m1!record.json");
    }

    /// What a check of quarantine relies on: a message quarantined whole has the name of what it would count as.
    #[test]
    fn what_counts_has_the_name_that_quarantine_has_for_its_message() {
        let check = |id: &str, attributes: &str, name: &str| {
            let json = format!(
                r#"{{"Records":[{{"messageId":"{id}","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:weir-telemetry",
                    "body":"nonsense","attributes":{{"SentTimestamp":"1795224605000"}},"messageAttributes":{{{attributes}}}}}]}}"#
            );
            let mut arena = vec![];
            let delivered = weir_envelope::sqs::read(json.as_bytes(), &mut arena).unwrap();
            let queues = Queues::of(&delivered);
            let received = read(&delivered[0], &queues).unwrap();
            let Received::Here(Incoming::Message(message) | Incoming::Claiming { message, .. }) = received else {
                panic!("{received:?}")
            };
            let Message { identity, origin, arrived_at, .. } = message;
            let rejected =
                Rejected { reason: Reason::NotJson, detail: String::new(), event_index: None, payload: vec![] };
            let coordinates = origin.coordinates();
            let key = QuarantineObject { coordinates, arrived_at, rejected }.key();
            assert_eq!(weir_exact::quarantine::Key::parse(&key).unwrap().name(), name);
            assert_eq!(
                weir_exact::ledger::Document::of(&identity.to_string()).map(|document| document.name).as_deref(),
                Some(name)
            );
        };
        let text = |name: &str, value: &str| format!(r#""{name}":{{"stringValue":"{value}","dataType":"String"}}"#);
        let id = "5f0c1d2e-0000-4000-8000-000000000000";
        check(id, "", &format!("sqs/weir-telemetry!{id}!record"));
        check(id, &text("weir-arrived-at", "1795224604000"), &format!("sqs/weir-telemetry!{id}!record"));
        let own = text("weir-id", "a/b!c#d@e:f");
        check("m", &own, "sqs/weir-telemetry!a%2Fb%21c%23d@e:f!record");
        let long = "x".repeat(ID_BYTES_MAX);
        let digest = weir_exact::ledger::digest_of(&[&256_u64.to_be_bytes(), long.as_bytes()].concat());
        check("m", &text("weir-id", &long), &format!("sqs/weir-telemetry!{}~{digest}!record", &long[..200]));
    }
}
