//! The forms of a queue message's body: contract §1. Text only, so compressed payloads come in base64, and a body may
//! point elsewhere instead of holding events.

use crate::decompress::is_compressed;
use crate::event::Refusal;
use crate::notice::{self, Malformed, Notice};
use crate::reject::Reason;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use weir_json::Quoted;

/// A payload, and how it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Its bytes.
    Plain(Cow<'a, [u8]>),
    /// Its text, within a JSON string that is not unquoted.
    Quoted(Quoted<'a>),
}

impl Payload<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Plain(bytes) => Cow::Borrowed(bytes),
            Self::Quoted(text) => Cow::Owned(text.unquoted().into_bytes()),
        }
    }

    /// Its bytes, alone.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => bytes.into_owned(),
            Self::Quoted(text) => text.unquoted().into_bytes(),
        }
    }

    /// Apart from where it was read.
    fn into_owned(self) -> Payload<'static> {
        self.into_bytes().into()
    }
}

impl Default for Payload<'_> {
    /// No bytes.
    fn default() -> Self {
        Self::Plain(Cow::Borrowed(&[]))
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Plain(Cow::Owned(bytes))
    }
}

/// What a message's body turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody<'a> {
    /// A payload: events, or what should have been events.
    Payload(Payload<'a>),
    /// An Amazon SQS Extended Client pointer: the payload is an object.
    Pointer {
        /// The object's bucket.
        bucket: String,
        /// The object's key, as S3's API takes it.
        key: String,
    },
    /// An S3 event notification, plain or wrapped by SNS: the payloads are objects.
    Notice(Notice),
    /// `s3:TestEvent`: acknowledged, nothing counted.
    TestEvent,
    /// A pointer or notification with an invalid field, and which; quarantined whole.
    Malformed {
        /// [`Reason::BadPointer`] or [`Reason::BadNotice`].
        reason: Reason,
        /// The field, what was expected and what was found. Never contains payload text.
        detail: String,
    },
    /// A form that the contract does not have; quarantined whole, with an explanation.
    Unsupported(&'static str),
}

/// First element of an Extended Client pointer, of version 2 and of version 1 of the library.
const POINTERS: [&str; 2] =
    [r#""software.amazon.payloadoffloading.PayloadS3Pointer""#, r#""com.amazon.sqs.javamessaging.MessageS3Pointer""#];
/// With padding or without: both occur.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// First characters of a compressed payload in base64: of a gzip, a zstd frame and a skippable one.
const COMPRESSED: [char; 6] = ['H', 'K', 'U', 'V', 'W', 'X'];

impl<'a> MessageBody<'a> {
    /// Classifies `body`. What is none of the special forms is a payload, valid or not.
    pub fn of(body: &'a str) -> Self {
        let trimmed = body.trim_ascii();
        if let Some(bytes) = compressed(trimmed) {
            return Self::Payload(bytes.into());
        }
        if is_pointer(trimmed) {
            return pointer(trimmed).unwrap_or_else(malformed);
        }
        if trimmed.starts_with('{')
            && may_be_notice(trimmed.as_bytes())
            && let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(trimmed)
            && let Some(body) = envelope.body("")
        {
            return body;
        }
        Self::Payload(Payload::Plain(Cow::Borrowed(body.as_bytes())))
    }

    /// The same of a body as it stands in an invocation. A payload stays there if it is plainly one, and an object or an
    /// array of objects.
    pub fn of_quoted(body: Quoted<'a>) -> Self {
        let is_payload = match body.written() {
            // Names with escapes have others than those of quotes.
            written @ [b'{', ..] => !may_begin_name(written),
            written => written.starts_with(b"[{"),
        };
        if is_payload { Self::Payload(Payload::Quoted(body)) } else { MessageBody::of(&body.unquoted()).into_owned() }
    }

    fn into_owned(self) -> MessageBody<'static> {
        match self {
            Self::Payload(payload) => MessageBody::Payload(payload.into_owned()),
            Self::Pointer { bucket, key } => MessageBody::Pointer { bucket, key },
            Self::Notice(notice) => MessageBody::Notice(notice),
            Self::TestEvent => MessageBody::TestEvent,
            Self::Malformed { reason, detail } => MessageBody::Malformed { reason, detail },
            Self::Unsupported(what) => MessageBody::Unsupported(what),
        }
    }
}

/// The compressed payload that a body encodes in base64, if it does: in either alphabet (RFC 4648 §4, §5), in one line
/// or many, with padding or without, as tools write it. Base64 of anything else is not a form of the contract.
fn compressed(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with(COMPRESSED) {
        return None;
    }
    let letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    let bytes = BASE64.decode(letters.collect::<Vec<u8>>()).ok()?;
    is_compressed(&bytes).then_some(bytes)
}

/// Whether a member may have one of the names that identify notifications: false for nearly every event, so that none
/// of them is parsed for it. A name with escapes contains a backslash.
fn may_be_notice(text: &[u8]) -> bool {
    may_begin_name(text) || text.contains(&b'\\')
}

/// Whether a string begins like one of those names.
fn may_begin_name(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<PAIRS_BYTES>() else { return has_told_pair(text) };
    // The last begins where it must to be whole.
    let mut found = has_told_pair(last);
    let mut rest = text;
    while let Some(pairs) = rest.first_chunk::<PAIRS_BYTES>() {
        found |= has_told_pair(pairs);
        rest = &rest[PAIRS_BYTES - 1..];
    }
    found
}

/// Bytes whose pairs are looked at together.
const PAIRS_BYTES: usize = 33;

#[inline]
fn has_told_pair(text: &[u8]) -> bool {
    // Looks at all pairs, since a loop that stops at the first is not vectorised.
    let told = |pair: [u8; 2]| matches!(pair, [b'"', b'S' | b'R' | b'T']);
    text.iter()
        .zip(text.get(1..).unwrap_or_default())
        .fold(false, |found, (first, second)| found | told([*first, *second]))
}

fn malformed<'b>((reason, detail): Refusal) -> MessageBody<'b> {
    MessageBody::Malformed { reason, detail }
}

/// By the first element alone, so that an array of events is not parsed twice.
fn is_pointer(text: &str) -> bool {
    let first = text.strip_prefix('[').map(str::trim_ascii_start);
    first.is_some_and(|first| POINTERS.iter().any(|class| first.starts_with(class)))
}

fn pointer<'b>(text: &str) -> Result<MessageBody<'b>, Refusal> {
    let refused = |detail: String| (Reason::BadPointer, detail);
    let (_, object): (String, Value) = serde_json::from_str(text)
        .map_err(|_| refused("the pointer: expected a JSON array of its class and an object".to_owned()))?;
    let field =
        |name| notice::text(&object, "pointer", name).map(str::to_owned).map_err(|Malformed(detail)| refused(detail));
    Ok(MessageBody::Pointer { bucket: field("s3BucketName")?, key: field("s3Key")? })
}

/// The fields that distinguish S3's and SNS's notifications from an event.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
    #[serde(rename = "Service", borrow)]
    service: Option<&'a RawValue>,
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(rename = "Type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(rename = "TopicArn", borrow)]
    topic: Option<&'a RawValue>,
    #[serde(rename = "Message", borrow)]
    message: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// Its content, if it is a notification. `at` is the path to it.
    fn body<'b>(&self, at: &str) -> Option<MessageBody<'b>> {
        let is = |value: Option<&RawValue>, text: &str| value.is_some_and(|value| value.get() == text);
        if is(self.service, r#""Amazon S3""#) && is(self.event, r#""s3:TestEvent""#) {
            return Some(MessageBody::TestEvent);
        }
        let records: Option<Value> = self.records.and_then(|records| serde_json::from_str(records.get()).ok());
        if let Some(notice) = records.and_then(|records| Notice::read(&records, &format!("{at}Records"))) {
            return Some(match notice {
                Ok(notice) => MessageBody::Notice(notice),
                Err(Malformed(detail)) => malformed((Reason::BadNotice, detail)),
            });
        }
        let wrapped = at.is_empty() && is(self.kind, r#""Notification""#) && self.topic.is_some();
        wrapped.then(|| self.unwrapped())
    }

    /// The content of SNS's `Message`, which is the text of a JSON document.
    fn unwrapped<'b>(&self) -> MessageBody<'b> {
        let message = self.message.and_then(|message| serde_json::from_str::<String>(message.get()).ok());
        let Some(message) = message else {
            let found: Option<Value> = self.message.and_then(|message| serde_json::from_str(message.get()).ok());
            let detail = format!("Message: expected a string, found {}", notice::kind(found.as_ref()));
            return malformed((Reason::BadNotice, detail));
        };
        let inner = serde_json::from_str::<Envelope<'_>>(&message).ok();
        let other = "an SNS notification of something else than S3 objects";
        inner.and_then(|inner| inner.body("Message.")).unwrap_or(MessageBody::Unsupported(other))
    }
}

#[cfg(test)]
mod tests;
