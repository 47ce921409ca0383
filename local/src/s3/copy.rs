//! `CopyObject` and `UploadPartCopy`.

use bytes::Bytes;
use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use super::object::{Description, md5_hex};
use super::read::{ReadCondition, ranged};
use super::write::{NewObject, WriteCondition};
use super::{Store, reply};

impl Store {
    pub(crate) async fn copy(&self, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
        reply::refuse(&[
            (input.tagging.is_some(), "x-amz-tagging"),
            (input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some(), "x-amz-object-lock-…"),
        ])?;
        let condition = ReadCondition {
            if_match: input.copy_source_if_match.clone(),
            if_none_match: input.copy_source_if_none_match.clone(),
            if_modified_since: input.copy_source_if_modified_since.clone(),
            if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
        };
        let (source, bytes) = self.source(&input.copy_source, &condition, None).await?;
        let replaces =
            input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let onto_itself = matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
            if **bucket == *input.bucket && **key == *input.key);
        if onto_itself && !replaces && input.storage_class.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let mut headers = if replaces { reply::copy_headers(&input) } else { source.headers.clone() };
        if let Some(class) = &input.storage_class {
            headers.storage_class = Some(class.as_str().to_owned());
        }
        headers.checksums.clone_from(&source.headers.checksums);
        let object = NewObject {
            bucket: input.bucket,
            key: input.key,
            headers,
            etag: md5_hex(&bytes),
            bytes,
            condition: WriteCondition::default(),
            created_ms: None,
            event: "ObjectCreated:Copy",
        };
        let about = self.put(object).await?;
        let sums = reply::checksum(&about);
        Ok(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                checksum_crc32: sums.checksum_crc32,
                checksum_crc32c: sums.checksum_crc32c,
                checksum_crc64nvme: sums.checksum_crc64nvme,
                checksum_sha1: sums.checksum_sha1,
                checksum_sha256: sums.checksum_sha256,
                e_tag: Some(reply::etag(&about.etag)),
                last_modified: Some(reply::timestamp(about.modified_ms)),
                ..CopyObjectResult::default()
            }),
            copy_source_version_id: reply::version_id(&source),
            version_id: reply::version_id(&about),
            ..CopyObjectOutput::default()
        })
    }

    /// The version that a copy reads, and its bytes.
    pub(crate) async fn source(
        &self,
        source: &CopySource,
        condition: &ReadCondition,
        range: Option<&Range>,
    ) -> S3Result<(Description, Bytes)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "the local plane copies from buckets only, not from access points"));
        };
        let version = self.find(bucket, key, version_id.as_deref())?;
        // A failed condition on the source is 412, also where a read would say 304.
        condition.check(&version).map_err(|_| super::write::failed_condition("x-amz-copy-source-if-…"))?;
        let (range, _) = ranged(range, version.about.size)?;
        let bytes = version.body.read(range).await.map_err(S3Error::internal_error)?;
        Ok((version.about, bytes))
    }
}
