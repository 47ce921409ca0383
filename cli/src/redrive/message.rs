//! A dead message and what it is sent as, so that it counts as what it was.
//!
//! `sqs-rollup` counts a message under its queue's ARN and its id, at its time of sending. A redrive is a new message
//! with a new id and time: so it names the old ones, in the attributes that a producer would use. What was half counted
//! before has then the same identity and arrival, and with them the same items.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use std::collections::BTreeMap;
use weir_exact::retention::RETURN_MS_MAX;
use weir_telemetry::Millis;

/// Attributes of one message (AWS: "Message quotas", Amazon SQS Developer Guide).
const ATTRIBUTES_MAX: usize = 10;
const ID: &str = "weir-id";
const ARRIVED_AT: &str = "weir-arrived-at";
/// How old an arrival may be when it is sent again: `sqs-rollup` takes it up to 14 days before the sending, by the
/// queue's clock; what it refused would be quarantined, though half of it may be counted. Milliseconds.
const AGE_MS_MAX: i64 = RETURN_MS_MAX - 10 * 60_000;

/// What is to be done with a dead message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Send it with these attributes; so many others had no room.
    Send { attributes: BTreeMap<String, MessageAttributeValue>, left_out: usize },
    /// What was counted of it may be forgotten: it stays dead.
    TooOld,
    /// It died after this redrive began, perhaps of it: the next one takes it.
    Later,
}

/// When a message was put into its first queue; none when the queue does not say.
pub(crate) fn sent_at(message: &Message) -> Option<Millis> {
    message.attributes()?.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok().map(Millis)
}

/// Decides over a message. `sent_at` is its own, `identified` whether its own id and time are what it counts under.
/// `begun` is when the redrive began, `now` the time before it is sent.
pub(crate) fn judge(message: &Message, sent_at: Millis, identified: bool, begun: Millis, now: Millis) -> Verdict {
    if sent_at > begun {
        return Verdict::Later;
    }
    let mut attributes: BTreeMap<String, MessageAttributeValue> = BTreeMap::new();
    for (name, value) in message.message_attributes().into_iter().flatten() {
        attributes.insert(name.clone(), value.clone());
    }
    let mut oldest = sent_at;
    if identified {
        // A malformed one is the processor's to quarantine, as it would have been before.
        if let Some(own) = attributes.get(ARRIVED_AT).and_then(|value| instant(value.string_value()?)) {
            oldest = oldest.min(own);
        }
        attributes.entry(ID.to_owned()).or_insert_with(|| text(message.message_id().unwrap_or_default()));
        attributes.entry(ARRIVED_AT.to_owned()).or_insert_with(|| text(&sent_at.0.to_string()));
    }
    if now.0.saturating_sub(oldest.0) > AGE_MS_MAX {
        return Verdict::TooOld;
    }
    let left_out = leave_out(&mut attributes);
    Verdict::Send { attributes, left_out }
}

/// What the queue counts of a message that is sent with these attributes: the body, and of each attribute its name, its
/// data type and its value (AWS: "SendMessage", Amazon SQS API Reference).
pub(crate) fn message_bytes(message: &Message, attributes: &BTreeMap<String, MessageAttributeValue>) -> usize {
    let attribute = |(name, value): (&String, &MessageAttributeValue)| {
        let text = value.string_value().map_or(0, str::len);
        let binary = value.binary_value().map_or(0, |binary| binary.as_ref().len());
        name.len() + value.data_type().len() + text + binary
    };
    message.body().map_or(0, str::len) + attributes.iter().map(attribute).sum::<usize>()
}

/// Makes room for ours: nothing in the fleet reads the others. The last by name are dropped.
fn leave_out(attributes: &mut BTreeMap<String, MessageAttributeValue>) -> usize {
    let others: Vec<String> = attributes.keys().filter(|name| *name != ID && *name != ARRIVED_AT).cloned().collect();
    let ours = attributes.len() - others.len();
    let left_out: Vec<String> = others.into_iter().skip(ATTRIBUTES_MAX - ours).collect();
    left_out.iter().for_each(|name| drop(attributes.remove(name)));
    left_out.len()
}

/// As `sqs-rollup` reads it.
fn instant(text: &str) -> Option<Millis> {
    text.parse().map(Millis).or_else(|_| Millis::parse_rfc3339(text)).ok()
}

fn text(value: &str) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    value.unwrap_or_else(|_| unreachable!("a data type is set"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::primitives::Blob;

    const SENT: i64 = 1_795_224_605_000;
    const NOW: Millis = Millis(SENT + 86_400_000);

    fn message(attributes: &[(&str, &str)]) -> Message {
        let mut message =
            Message::builder().message_id("m1").attributes(MessageSystemAttributeName::SentTimestamp, SENT.to_string());
        for (name, value) in attributes {
            message = message.message_attributes(*name, text(value));
        }
        message.build()
    }

    /// Attributes that it is sent with, in the order of their names.
    fn check(attributes: &[(&str, &str)], identified: bool, expect: &[(&str, &str)]) {
        let Verdict::Send { attributes, left_out } = judge(&message(attributes), Millis(SENT), identified, NOW, NOW)
        else {
            panic!("{attributes:?} is not sent");
        };
        let sent: Vec<_> =
            attributes.iter().map(|(name, value)| (name.as_str(), value.string_value().unwrap_or_default())).collect();
        assert_eq!((sent.as_slice(), left_out), (expect, 0));
    }

    #[test]
    fn a_message_is_sent_as_what_it_was() {
        assert_eq!(sent_at(&message(&[])), Some(Millis(SENT)));
        let sent = SENT.to_string();
        check(&[], true, &[(ARRIVED_AT, &sent), (ID, "m1")]);
        check(&[("trace", "t")], true, &[("trace", "t"), (ARRIVED_AT, &sent), (ID, "m1")]);
        // What a producer or an earlier redrive set is kept.
        check(&[(ID, "mine")], true, &[(ARRIVED_AT, &sent), (ID, "mine")]);
        let earlier = "2026-11-20T01:30:05Z";
        check(&[(ID, "mine"), (ARRIVED_AT, earlier)], true, &[(ARRIVED_AT, earlier), (ID, "mine")]);
        check(&[(ARRIVED_AT, earlier)], true, &[(ARRIVED_AT, earlier), (ID, "m1")]);
        // Where the body has the identity, nothing is added.
        check(&[("trace", "t")], false, &[("trace", "t")]);
    }

    #[test]
    fn attributes_are_counted_as_the_queue_counts_them() {
        let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0; 100]));
        let message = Message::builder().body("{}").build();
        let attributes = BTreeMap::from([("a".to_owned(), text("é")), ("bc".to_owned(), binary.build().unwrap())]);
        assert_eq!(message_bytes(&message, &BTreeMap::new()), 2);
        assert_eq!(message_bytes(&message, &attributes), 2 + (1 + 6 + 2) + (2 + 6 + 100));
    }

    #[test]
    fn ten_attributes_leave_room_for_two() {
        let names: Vec<String> = (0..10).map(|n| format!("a{n}")).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let Verdict::Send { attributes, left_out } = judge(&message(&all), Millis(SENT), true, NOW, NOW) else {
            panic!()
        };
        assert_eq!((attributes.len(), left_out), (10, 2));
        assert!(attributes.contains_key(ID) && attributes.contains_key(ARRIVED_AT) && attributes.contains_key("a7"));
        check(&all, false, &all);
    }

    #[test]
    fn what_is_too_old_or_came_back_stays() {
        let at = |age_ms: i64| Millis(SENT + age_ms);
        assert_eq!(judge(&message(&[]), Millis(SENT), true, at(AGE_MS_MAX + 1), at(AGE_MS_MAX + 1)), Verdict::TooOld);
        assert!(matches!(
            judge(&message(&[]), Millis(SENT), true, at(AGE_MS_MAX), at(AGE_MS_MAX)),
            Verdict::Send { .. }
        ));
        // Redriven once already: its first arrival counts.
        let first = (SENT - AGE_MS_MAX).to_string();
        assert_eq!(judge(&message(&[(ARRIVED_AT, &first)]), Millis(SENT), true, NOW, NOW), Verdict::TooOld);
        assert_eq!(judge(&message(&[]), Millis(SENT), true, Millis(SENT - 1), NOW), Verdict::Later);
    }
}
