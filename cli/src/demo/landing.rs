//! Objects into the landing bucket, some announced once more than S3 does: notifications, too, arrive at least once.

use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::notices;
use crate::produce::Payload;

/// The landing bucket and its queue.
pub(crate) struct Landing {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    bucket: String,
    queue_url: String,
    seed: u64,
    objects: u64,
    /// Put so far.
    pub(crate) events: u64,
}

impl Landing {
    pub(crate) async fn open(aws: &Aws, seed: u64) -> Result<Self, Failure> {
        let (bucket, queue_url) = (aws.bucket("landing").await?, aws.queue_url("landing").await?);
        Ok(Self { s3: aws.s3(), sqs: aws.sqs(), bucket, queue_url, seed, objects: 0, events: 0 })
    }

    /// Puts one object, under a key that a notification must encode.
    pub(crate) async fn put(&mut self, payload: Payload, noticed_again: bool) -> Result<(), Failure> {
        self.objects += 1;
        self.events += payload.events;
        let key = format!("in/demo {}/é+{}", self.seed, self.objects);
        let put = self.s3.put_object().bucket(&self.bucket).key(&key).body(payload.body.into()).send().await;
        let put = put.map_err(|error| failed(&format!("PutObject s3://{}/{key}", self.bucket), &error))?;
        if noticed_again {
            let etag = put.e_tag().unwrap_or_default();
            let notice = notices::notice(
                &self.bucket,
                &[notices::Created { key: &key, version: put.version_id(), etag, size: None }],
            );
            let sent = self.sqs.send_message().queue_url(&self.queue_url).message_body(notice).send().await;
            sent.map_err(|error| failed(&format!("SendMessage to {}", self.queue_url), &error))?;
        }
        Ok(())
    }
}
