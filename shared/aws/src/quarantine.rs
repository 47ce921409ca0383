//! The quarantine bucket on S3.

use crate::errors::store_error;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use weir_exact::ports::{QuarantinePut, StoreError};
use weir_exact::quarantine::QuarantineObject;

/// The bucket.
#[derive(Clone, Debug)]
pub struct QuarantineBucket {
    client: Client,
    bucket: String,
}

impl QuarantineBucket {
    /// The bucket of that name.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }
}

impl QuarantinePut for QuarantineBucket {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        let key = object.key();
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .content_type("application/json")
            .body(ByteStream::from(object.body()))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error(&format!("PutObject s3://{}/{key}", self.bucket), &error))
    }
}
