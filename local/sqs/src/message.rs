//! A message as it is stored, and what a producer may put into one.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, SqsError};
use crate::limits::{ATTRIBUTE_NAME_CHARS_MAX, FIFO_ID_CHARS_MAX, MESSAGE_ATTRIBUTES_MAX};
use crate::md5::md5_of_attributes;

/// A typed message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireAttribute", into = "WireAttribute")]
pub struct AttributeValue {
    /// `String`, `Number` or `Binary`, optionally with a custom suffix (`Number.float`).
    pub data_type: String,
    /// The value; text for `String` and `Number`.
    pub value: AttributeData,
}

/// The value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeData {
    /// Of `String` and `Number` attributes.
    Text(String),
    /// Of `Binary` attributes, decoded.
    Binary(Vec<u8>),
}

/// An attribute in the JSON protocol, and in the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WireAttribute {
    #[serde(default)]
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

impl From<AttributeValue> for WireAttribute {
    fn from(attribute: AttributeValue) -> Self {
        let (string_value, binary_value) = match attribute.value {
            AttributeData::Text(text) => (Some(text), None),
            AttributeData::Binary(bytes) => (None, Some(BASE64.encode(bytes))),
        };
        Self { data_type: attribute.data_type, string_value, binary_value }
    }
}

/// Reasons an attribute is refused; the message goes to the client after the attribute's name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttributeFault {
    #[error("must contain a non-empty message attribute type.")]
    NoType,
    #[error("has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")]
    Type,
    #[error("must contain a non-empty value of type '{0}'.")]
    NoValue(&'static str),
    #[error("has a value that is not base64.")]
    Base64,
}

impl TryFrom<WireAttribute> for AttributeValue {
    type Error = AttributeFault;

    fn try_from(wire: WireAttribute) -> Result<Self, AttributeFault> {
        let kind = wire.data_type.split('.').next().unwrap_or_default();
        let value = match kind {
            "" => return Err(AttributeFault::NoType),
            "String" | "Number" => match wire.string_value {
                Some(text) if !text.is_empty() => AttributeData::Text(text),
                _ => return Err(AttributeFault::NoValue(if kind == "String" { "String" } else { "Number" })),
            },
            "Binary" => {
                let encoded = wire.binary_value.unwrap_or_default();
                let bytes = BASE64.decode(encoded).map_err(|_| AttributeFault::Base64)?;
                if bytes.is_empty() {
                    return Err(AttributeFault::NoValue("Binary"));
                }
                AttributeData::Binary(bytes)
            }
            _ => return Err(AttributeFault::Type),
        };
        Ok(Self { data_type: wire.data_type, value })
    }
}

/// What a producer sends.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// 1 byte to the queue's `MaximumMessageSize`, attributes included.
    pub body: String,
    /// At most 10.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The `AWSTraceHeader` system attribute.
    pub trace_header: Option<String>,
    /// Seconds, 0–900; the queue's own delay where `None`. Not for FIFO queues.
    pub delay_s: Option<u64>,
    /// Required for FIFO queues; on standard queues stored and returned.
    pub group_id: Option<String>,
    /// FIFO queues only.
    pub deduplication_id: Option<String>,
}

impl Outgoing {
    /// A message of nothing but a body.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Bytes that count towards the message size: body, and name, type and value of each attribute. System
    /// attributes do not count (API_SendMessage).
    pub(crate) fn size_bytes(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum();
        self.body.len() + attributes
    }

    /// Refuses what no queue would take, whatever its settings.
    pub(crate) fn check(&self) -> Result<(), SqsError> {
        if self.body.is_empty() {
            return Err(SqsError::missing("MessageBody"));
        }
        check_characters(&self.body, "message body")?;
        if self.attributes.len() > MESSAGE_ATTRIBUTES_MAX {
            let sent = self.attributes.len();
            return Err(SqsError::invalid(format!(
                "Number of message attributes [{sent}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}]."
            )));
        }
        for (name, attribute) in &self.attributes {
            check_attribute(name, attribute)?;
        }
        for (parameter, id) in [("MessageGroupId", &self.group_id), ("MessageDeduplicationId", &self.deduplication_id)]
        {
            if let Some(id) = id {
                check_fifo_id(parameter, id)?;
            }
        }
        Ok(())
    }
}

impl AttributeValue {
    /// A `String` attribute.
    #[must_use]
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), value: AttributeData::Text(value.into()) }
    }

    fn size_bytes(&self) -> usize {
        let value = match &self.value {
            AttributeData::Text(text) => text.len(),
            AttributeData::Binary(bytes) => bytes.len(),
        };
        self.data_type.len() + value
    }
}

/// #x9 | #xA | #xD | #x20–#xD7FF | #xE000–#xFFFD | #x10000–#x10FFFF (API_SendMessage).
fn check_characters(text: &str, place: &str) -> Result<(), SqsError> {
    let is_refused = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    match text.chars().find(|&c| is_refused(c)) {
        None => Ok(()),
        Some(c) => Err(SqsError::new(
            ErrorKind::InvalidMessageContents,
            format!(
                "Invalid binary character '#x{:X}' was found in the {place}, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
                u32::from(c)
            ),
        )),
    }
}

fn check_attribute(name: &str, attribute: &AttributeValue) -> Result<(), SqsError> {
    let reserved = name.to_ascii_lowercase();
    let is_well_formed = (1..=ATTRIBUTE_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !reserved.starts_with("aws.")
        && !reserved.starts_with("amazon.");
    if !is_well_formed {
        return Err(SqsError::invalid(format!(
            "Message (user) attribute name '{name}' is invalid: it takes 1 to {ATTRIBUTE_NAME_CHARS_MAX} of A-Z, a-z, 0-9, underscore, hyphen and period, with no period first, last or twice in a row, and does not start with AWS. or Amazon."
        )));
    }
    if attribute.data_type.len() > ATTRIBUTE_NAME_CHARS_MAX {
        return Err(SqsError::invalid(format!("Message (user) attribute '{name}' has a type that is too long.")));
    }
    if let AttributeData::Text(text) = &attribute.value {
        check_characters(text, "message attribute value")?;
        // AWS takes numbers of up to 38 digits and wide exponents; a decimal that does not parse as one is refused.
        let is_number = attribute.data_type.starts_with("Number");
        if is_number && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(SqsError::invalid(format!(
                "Can't cast the value of message (user) attribute '{name}' to a number."
            )));
        }
    }
    Ok(())
}

/// Alphanumeric and ASCII punctuation, 1–128 (quotas-messages).
pub(crate) fn check_fifo_id(parameter: &str, id: &str) -> Result<(), SqsError> {
    if (1..=FIFO_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let reason = format!(
        "{parameter} can only include alphanumeric and punctuation characters. 1 to {FIFO_ID_CHARS_MAX} in length."
    );
    Err(SqsError::invalid_value(id, parameter, &reason))
}

/// A message at rest: everything about it that receiving does not change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: Arc<str>,
    pub(crate) md5_of_body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deduplication_id: Option<String>,
    /// `SentTimestamp`, epoch milliseconds.
    pub(crate) sent_ms: u64,
    /// Where retention counts from, epoch milliseconds: `sent_ms`, but a move to a FIFO dead-letter queue resets it
    /// and one to a standard queue does not (setting-up-dead-letter-queue-retention).
    pub(crate) enqueued_ms: u64,
    /// ARN of the queue an automatic redrive took it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_source: Option<String>,
    pub(crate) size_bytes: usize,
}

/// What `SendMessage` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Id of the message; of the first one when this was a FIFO duplicate.
    pub message_id: String,
    /// MD5 of the body, hex.
    pub md5_of_body: String,
    /// MD5 of the user attributes, hex, if there are any.
    pub md5_of_attributes: Option<String>,
    /// MD5 of the system attributes, hex, if there are any.
    pub md5_of_system_attributes: Option<String>,
    /// FIFO queues: grows with every message of the queue.
    pub sequence_number: Option<String>,
}

/// A message handed to a consumer.
#[derive(Debug, Clone)]
pub struct Received {
    /// Stays the same over receives and over the automatic move to a dead-letter queue.
    pub message_id: String,
    /// Good for this receive only.
    pub receipt_handle: String,
    /// The body as sent.
    pub body: Arc<str>,
    /// MD5 of the body, hex.
    pub md5_of_body: String,
    /// All user attributes, unselected.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// All system attributes by their AWS names: `SenderId`, `SentTimestamp`, `ApproximateReceiveCount`, …
    pub system_attributes: BTreeMap<&'static str, String>,
}

impl Received {
    /// MD5 of all user attributes, hex, if there are any: what a Lambda event carries.
    #[must_use]
    pub fn md5_of_attributes(&self) -> Option<String> {
        md5_of_attributes(self.attributes.iter().map(|(name, value)| (name.as_str(), value)))
    }
}
