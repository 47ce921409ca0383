//! SQS through the SDK.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use bytes::Bytes;
use futures::future::BoxFuture;

use super::source::{MessageAttribute, QueueMessage, QueueProperties, QueueSource};
use crate::mapping::SourceError;
use crate::mapping::words::words;

/// A queue's visibility timeout where it is not set ("SetQueueAttributes").
const VISIBILITY_TIMEOUT_DEFAULT_SECONDS: u64 = 30;

/// An SQS queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    arn: String,
}

impl SqsQueue {
    /// The queue at that URL; `arn` is what the events say.
    pub fn new(client: Client, url: impl Into<String>, arn: impl Into<String>) -> SqsQueue {
        SqsQueue { client, url: url.into(), arn: arn.into() }
    }

    async fn read_properties(&self) -> Result<QueueProperties, SourceError> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.attribute_names(QueueAttributeName::VisibilityTimeout);
        let answer = request.send().await.map_err(|error| source_error(&error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let seconds = attributes.get(&QueueAttributeName::VisibilityTimeout).and_then(|text| text.parse().ok());
        let seconds = seconds.unwrap_or(VISIBILITY_TIMEOUT_DEFAULT_SECONDS);
        Ok(QueueProperties { visibility_timeout: Duration::from_secs(seconds) })
    }

    async fn take(&self, messages_max: u32, wait: Duration) -> Result<Vec<QueueMessage>, SourceError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let answer = request
            .max_number_of_messages(i32::try_from(messages_max).unwrap_or(10))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(20))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        let answer = answer.map_err(|error| source_error(&error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    async fn remove(&self, receipts: Vec<String>) -> Result<Vec<String>, SourceError> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt);
            request = request.entries(entry.build().map_err(|error| SourceError::Other(error.to_string()))?);
        }
        let answer = request.send().await.map_err(|error| source_error(&error))?;
        let failed = answer.failed.into_iter().filter_map(|entry| entry.id.parse::<usize>().ok());
        Ok(failed.filter_map(|index| receipts.get(index).cloned()).collect())
    }

    async fn show(&self, receipts: Vec<String>, timeout: Duration) -> Result<(), SourceError> {
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(receipt).visibility_timeout(seconds);
            request = request.entries(entry.build().map_err(|error| SourceError::Other(error.to_string()))?);
        }
        request.send().await.map_err(|error| source_error(&error))?;
        Ok(())
    }
}

fn message(message: Message) -> QueueMessage {
    let system = message.attributes.unwrap_or_default().into_iter();
    let sender = message.message_attributes.unwrap_or_default().into_iter();
    QueueMessage {
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        md5_of_body: message.md5_of_body.unwrap_or_default(),
        md5_of_message_attributes: message.md5_of_message_attributes,
        attributes: system.map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
        message_attributes: sender
            .map(|(name, value)| {
                let attribute = MessageAttribute {
                    data_type: value.data_type,
                    string_value: value.string_value,
                    binary_value: value.binary_value.map(|blob| Bytes::from(blob.into_inner())),
                };
                (name, attribute)
            })
            .collect(),
    }
}

impl QueueSource for SqsQueue {
    fn arn(&self) -> &str {
        &self.arn
    }

    fn properties(&self) -> BoxFuture<'_, Result<QueueProperties, SourceError>> {
        Box::pin(self.read_properties())
    }

    fn receive(&self, messages_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<QueueMessage>, SourceError>> {
        Box::pin(self.take(messages_max, wait))
    }

    fn delete(&self, receipt_handles: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, SourceError>> {
        Box::pin(self.remove(receipt_handles))
    }

    fn change_visibility(
        &self,
        receipt_handles: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(self.show(receipt_handles, timeout))
    }
}

/// By the error's code; SQS has two names for a missing queue, of its query and its JSON protocol.
fn source_error<E, R>(error: &SdkError<E, R>) -> SourceError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let message = || words(error);
    match error.code().unwrap_or_default() {
        "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" => SourceError::NotFound(message()),
        "RequestThrottled" | "ThrottlingException" | "OverLimit" => SourceError::Throttled(message()),
        _ => SourceError::Other(message()),
    }
}
