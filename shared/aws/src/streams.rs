//! When a stream was created: part of a shard's identity, since a stream that is deleted and recreated reuses shard
//! ids, and its fences must not match the old ones.

use crate::errors::store_error;
use aws_sdk_kinesis::Client;
use std::collections::HashMap;
use tokio::sync::Mutex;
use weir_exact::ports::{StoreError, StoreErrorKind};
use weir_exact::sequence::Shard;
use weir_telemetry::Millis;

/// Longest retention of a stream, hours: 48 h of lateness, these 4 days and 14 in a dead-letter queue are less than the
/// 21 days that contributions live.
const RETENTION_HOURS_MAX: i32 = 96;

/// Knows the creation time of each stream this environment has met, from `DescribeStreamSummary`, once.
#[derive(Debug)]
pub struct Streams {
    client: Client,
    created: Mutex<HashMap<String, Millis>>,
}

impl Streams {
    /// Over that client.
    pub fn new(client: Client) -> Self {
        Self { client, created: Mutex::default() }
    }

    /// The shard with that id in the stream with that ARN.
    ///
    /// # Errors
    /// If the ARN is not a stream's, or the stream cannot be described.
    pub async fn shard(&self, stream_arn: &str, id: &str) -> Result<Shard, StoreError> {
        let stream = stream_name(stream_arn).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Refused, format!("{stream_arn:?} is not a Kinesis stream's ARN"))
        })?;
        let mut created = self.created.lock().await;
        let created_at = match created.get(stream_arn) {
            Some(at) => *at,
            None => *created.entry(stream_arn.to_owned()).or_insert(self.describe(stream).await?),
        };
        Ok(Shard { stream: stream.to_owned(), created_at, id: id.to_owned() })
    }

    async fn describe(&self, stream: &str) -> Result<Millis, StoreError> {
        let tried = format!("DescribeStreamSummary {stream}");
        let answer = self.client.describe_stream_summary().stream_name(stream).send().await;
        let answer = answer.map_err(|error| store_error(&tried, &error))?;
        let summary = answer.stream_description_summary();
        if let Some(hours) =
            summary.map(|summary| summary.retention_period_hours()).filter(|hours| *hours > RETENTION_HOURS_MAX)
        {
            let what = format!(
                "stream {stream} keeps records for {hours} h; at most {RETENTION_HOURS_MAX}, or a record could outlive its contributions and be counted again"
            );
            return Err(StoreError::new(StoreErrorKind::Refused, what));
        }
        let created = summary.and_then(|summary| summary.stream_creation_timestamp().to_millis().ok());
        created
            .map(Millis)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Unreadable, format!("{tried}: no creation time")))
    }
}

/// `arn:aws:kinesis:<region>:<account>:stream/<name>`
fn stream_name(arn: &str) -> Option<&str> {
    let (head, name) = arn.split_once(":stream/")?;
    let is_kinesis = head.split(':').nth(2) == Some("kinesis");
    (is_kinesis && !name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::stream_name;

    #[test]
    fn only_a_stream_has_a_stream_s_name() {
        assert_eq!(stream_name("arn:aws:kinesis:us-east-1:000000000000:stream/weir-telemetry"), Some("weir-telemetry"));
        assert_eq!(stream_name("arn:aws:sqs:us-east-1:000000000000:weir-telemetry"), None);
        assert_eq!(stream_name("arn:aws:dynamodb:us-east-1:1:table/t/stream/2026"), None);
    }
}
