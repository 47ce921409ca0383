//! What has arrived in queues and is counted nowhere yet.

use crate::aws::Aws;
use crate::failure::{Failure, failed};
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;

/// The queues of a stack, each with its dead-letter queue.
const QUEUES: [&str; 3] = ["telemetry", "landing", "replay"];

/// How many messages lie where, about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Queue {
    pub(super) queue: &'static str,
    /// Waiting, or being worked on.
    pub(super) waiting: u64,
    /// In the dead-letter queue: nothing processes them.
    pub(super) dead: u64,
}

/// Reads the depths of all queues.
///
/// # Errors
/// When a queue is not there or does not answer.
pub(super) async fn read(aws: &Aws) -> Result<Vec<Queue>, Failure> {
    let mut queues = vec![];
    for queue in QUEUES {
        let (waiting, dead) = (depth(aws, queue).await?, depth(aws, &format!("{queue}-dlq")).await?);
        queues.push(Queue { queue, waiting, dead });
    }
    Ok(queues)
}

async fn depth(aws: &Aws, queue: &str) -> Result<u64, Failure> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
    };
    let url = aws.queue_url(queue).await?;
    let names =
        [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, ApproximateNumberOfMessagesDelayed];
    let asked = aws.sqs().get_queue_attributes().queue_url(&url).set_attribute_names(Some(names.to_vec()));
    let answer = asked.send().await.map_err(|error| failed(&format!("GetQueueAttributes of {url}"), &error))?;
    let of = |name: &QueueAttributeName| -> u64 {
        answer.attributes().and_then(|attributes| attributes.get(name)?.parse().ok()).unwrap_or(0)
    };
    Ok(names.iter().map(of).sum())
}
