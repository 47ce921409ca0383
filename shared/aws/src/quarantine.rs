//! The quarantine bucket on S3.

use crate::errors::store_error;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use std::borrow::Cow;
use weir_exact::ports::{QuarantineGet, QuarantineList, QuarantinePut, StoreError, StoreErrorKind};
use weir_exact::quarantine::{QuarantineObject, document_bytes_max};
use weir_exact::scratch::Scratch;
use weir_telemetry::Limits;

/// Longest document that is read, bytes: for the longest payload that any epoch may allow.
const DOCUMENT_BYTES_MAX: u64 = document_bytes_max(Limits::raw_bytes_max(Limits::PAYLOAD_BYTES_MOST));

/// The bucket.
#[derive(Clone, Debug)]
pub struct QuarantineBucket {
    client: Client,
    bucket: String,
    scratch: Option<Scratch>,
}

impl QuarantineBucket {
    /// The bucket of that name.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into(), scratch: None }
    }

    /// The same, with everything read from and written to a scratch generation.
    #[must_use]
    pub fn in_scratch(&self, scratch: Scratch) -> Self {
        Self { scratch: Some(scratch), ..self.clone() }
    }

    /// The key under which an object is stored.
    fn stands_at<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.scratch.as_ref().map_or(Cow::Borrowed(key), |scratch| Cow::Owned(scratch.object_key(key)))
    }
}

impl QuarantineGet for QuarantineBucket {
    async fn set_aside(&self, key: &str) -> Result<Option<QuarantineObject>, StoreError> {
        let key = &*self.stands_at(key);
        let tried = format!("GetObject s3://{}/{key}", self.bucket);
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
            Err(error) => return Err(store_error(&tried, &error)),
        };
        let length = answer.content_length().unwrap_or_default().unsigned_abs();
        if length > DOCUMENT_BYTES_MAX {
            let what = format!("{tried}: {length} bytes; a document of quarantine has at most {DOCUMENT_BYTES_MAX}");
            return Err(StoreError::new(StoreErrorKind::Unreadable, what));
        }
        let body = answer.body.collect().await;
        let body = body.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, format!("{tried}: {error}")))?;
        let object = QuarantineObject::from_body(&body.into_bytes());
        object.map(Some).map_err(|error| StoreError::new(StoreErrorKind::Unreadable, format!("{tried}: {error}")))
    }
}

impl QuarantinePut for QuarantineBucket {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        let key = object.key();
        let key = self.stands_at(&key);
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&*key)
            .content_type("application/json")
            .body(ByteStream::from(object.body()))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error(&format!("PutObject s3://{}/{key}", self.bucket), &error))
    }
}

impl QuarantineList for QuarantineBucket {
    async fn keys(&self, prefix: &str, keys_max: usize) -> Result<Vec<String>, StoreError> {
        let root_bytes = self.stands_at("").len();
        let prefix = &*self.stands_at(prefix);
        let tried = format!("ListObjectsV2 s3://{}/{prefix}", self.bucket);
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut keys = vec![];
        while keys.len() < keys_max
            && let Some(page) = pages.next().await
        {
            let objects = page.map_err(|error| store_error(&tried, &error))?.contents.unwrap_or_default();
            keys.extend(objects.into_iter().filter_map(|object| Some(object.key?.get(root_bytes..)?.to_owned())));
        }
        keys.truncate(keys_max);
        Ok(keys)
    }
}
