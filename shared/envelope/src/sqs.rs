//! Lambda's SQS event ("Using Lambda with Amazon SQS", AWS Lambda Developer Guide), as far as it is read.

mod complete;
mod fast;

use crate::EnvelopeError;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use weir_json::Quoted;
use weir_telemetry::Millis;

/// A message as delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `messageId`.
    pub id: Option<Cow<'a, str>>,
    /// `eventSourceARN`: the queue's.
    pub queue_arn: Option<Cow<'a, str>>,
    /// `SentTimestamp` of `attributes`, if it is a number.
    pub sent_at: Option<Millis>,
    /// `AWSTraceHeader` of `attributes`, as written.
    pub trace_header: Option<Cow<'a, str>>,
    /// `body`.
    pub body: Option<Body<'a>>,
    /// `messageAttributes` that the fleet knows ([`ATTRIBUTES`]), with their `stringValue`.
    pub attributes: Vec<(&'static str, Option<Cow<'a, str>>)>,
}

/// A message's body.
#[derive(Clone)]
pub enum Body<'a> {
    /// Its text.
    Text(Cow<'a, str>),
    /// As it stands in the invocation, since nothing in it is escaped but quotes.
    Quoted(Quoted<'a>),
}

impl Body<'_> {
    /// Its text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Quoted(quoted) => Cow::Owned(quoted.unquoted()),
        }
    }
}

/// By its text, whichever way it was read.
impl PartialEq for Body<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Body<'_> {}

/// As its text is shown.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

/// Message attributes that are read; others are passed over.
pub const ATTRIBUTES: [&str; 3] = ["weir-id", "weir-arrived-at", "traceparent"];

impl Message<'_> {
    /// The attribute of that name, if the message has it, and its `stringValue`, if it has one.
    pub fn attribute(&self, name: &str) -> Option<Option<&str>> {
        let found = self.attributes.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| value.as_deref())
    }
}

/// The answer to a batch: the messages at these places failed, and are delivered again. `ids` are all messages' own.
pub fn answer(ids: &[impl AsRef<str>], failed: &BTreeSet<usize>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for id in failed.iter().filter_map(|place| ids.get(*place)) {
        let mut failure = BatchItemFailure::default();
        id.as_ref().clone_into(&mut failure.item_identifier);
        response.batch_item_failures.push(failure);
    }
    response
}

/// Reads an invocation. Bodies in which more is escaped than quotes come to stand in `arena`, which is for one invocation
/// at a time and keeps its room.
///
/// # Errors
/// When it is none that Lambda sends: no message of it can be identified.
pub fn read<'a>(input: &'a [u8], arena: &'a mut Vec<u8>) -> Result<Vec<Message<'a>>, EnvelopeError> {
    fast::scan(input, arena).map_or_else(|| complete::read(input), Ok)
}

/// The same by the complete reader alone: what the fast one is held against.
///
/// # Errors
/// As [`read`].
pub fn read_completely(input: &[u8]) -> Result<Vec<Message<'_>>, EnvelopeError> {
    complete::read(input)
}
