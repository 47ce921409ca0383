//! The port to a queue: receive, delete, make visible.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::mapping::SourceError;

/// One received message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueMessage {
    /// `messageId`; what a function reports as failed.
    pub message_id: String,
    /// `receiptHandle` of this receipt.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// `md5OfBody`
    pub md5_of_body: String,
    /// `md5OfMessageAttributes`; only where there are message attributes.
    pub md5_of_message_attributes: Option<String>,
    /// System attributes: `ApproximateReceiveCount`, `SentTimestamp`, `MessageGroupId`, …
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
}

/// One attribute a sender has set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageAttribute {
    /// `String`, `Number`, `Binary`, or one of these with a suffix.
    pub data_type: String,
    /// Its value, where it is text or a number.
    pub string_value: Option<String>,
    /// Its value, where it is binary.
    pub binary_value: Option<Bytes>,
}

/// What a mapping has to know of its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueProperties {
    /// How long a received message stays invisible.
    pub visibility_timeout: Duration,
}

/// A queue. Every call may fail and is tried again; none may lose anything.
pub trait QueueSource: Send + Sync + 'static {
    /// `eventSourceARN`; ends in `.fifo` for a FIFO queue.
    fn arn(&self) -> &str;

    /// The queue's properties.
    fn properties(&self) -> BoxFuture<'_, Result<QueueProperties, SourceError>>;

    /// Up to `messages_max` (1–10) messages, waiting up to `wait` (0–20 s) for the first. The future may be dropped:
    /// messages received but not returned reappear by themselves.
    fn receive(&self, messages_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<QueueMessage>, SourceError>>;

    /// Deletes up to ten messages by receipt handle and returns the handles that were not deleted.
    fn delete(&self, receipt_handles: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, SourceError>>;

    /// Makes up to ten messages visible again after `timeout`.
    fn change_visibility(
        &self,
        receipt_handles: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<(), SourceError>>;
}
