//! The complete reader: serde's, by the types that AWS maintains.

use super::{ATTRIBUTES, Body, Message};
use crate::EnvelopeError;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use std::borrow::Cow;
use weir_telemetry::Millis;

pub(super) fn read(input: &[u8]) -> Result<Vec<Message<'static>>, EnvelopeError> {
    let event: SqsEvent = serde_json::from_slice(input)?;
    Ok(event.records.into_iter().map(message).collect())
}

fn message(mut message: SqsMessage) -> Message<'static> {
    let attribute = |name| {
        let attribute = message.message_attributes.get(name)?;
        Some((name, attribute.string_value.clone().map(Cow::Owned)))
    };
    let attributes = ATTRIBUTES.into_iter().filter_map(attribute).collect();
    Message {
        id: message.message_id.map(Cow::Owned),
        queue_arn: message.event_source_arn.map(Cow::Owned),
        sent_at: message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok()).map(Millis),
        trace_header: message.attributes.remove("AWSTraceHeader").map(Cow::Owned),
        body: message.body.map(|body| Body::Text(Cow::Owned(body))),
        attributes,
    }
}
