//! The S3 operations that are served. `s3s` answers `NotImplemented`, naming the operation, for every other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::object::{md5_hex, now_ms};
use super::read::{ReadCondition, ranged};
use super::state::{Bucket as StoredBucket, BucketSettings};
use super::write::{NewObject, WriteCondition, bucket, collect, unwritable, verified};
use super::{PAGE_MAX, Store, listing, reply};

fn ok<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

pub(crate) fn page_size(given: Option<i32>) -> S3Result<usize> {
    match usize::try_from(given.unwrap_or(1_000)) {
        Ok(size) => Ok(size.min(PAGE_MAX)),
        Err(_) => Err(s3_error!(InvalidArgument, "the number of entries in a page is negative")),
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = req.input.bucket;
        let mut state = self.state();
        // In us-east-1 creating one's own bucket again succeeds and changes nothing.
        if !state.buckets.contains_key(&name) {
            let settings = BucketSettings { created_ms: now_ms(), ..BucketSettings::default() };
            if let Some(disk) = &self.inner.disk {
                disk.save_settings(&name, &settings).map_err(unwritable)?;
            }
            state.buckets.insert(name.clone(), StoredBucket { settings, ..StoredBucket::default() });
        }
        ok(CreateBucketOutput { location: Some(format!("/{name}")) })
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        let mut state = self.state();
        if !bucket(&state, &req.input.bucket)?.keys.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        if let Some(disk) = &self.inner.disk {
            disk.remove_bucket(&req.input.bucket).map_err(unwritable)?;
        }
        state.buckets.remove(&req.input.bucket);
        ok(DeleteBucketOutput::default())
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        bucket(&self.state(), &req.input.bucket)?;
        ok(HeadBucketOutput { bucket_region: Some(self.inner.region.clone()), ..HeadBucketOutput::default() })
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        bucket(&self.state(), &req.input.bucket)?;
        // us-east-1 is the region without a name here.
        let named = (self.inner.region != "us-east-1").then(|| self.inner.region.clone().into());
        ok(GetBucketLocationOutput { location_constraint: named })
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let prefix = req.input.prefix.clone().unwrap_or_default();
        let state = self.state();
        let listed = state.buckets.iter().filter(|(name, _)| name.starts_with(&prefix));
        let buckets = listed.map(|(name, bucket)| Bucket {
            bucket_region: Some(self.inner.region.clone()),
            creation_date: Some(reply::timestamp(bucket.settings.created_ms)),
            name: Some(name.clone()),
        });
        let buckets = buckets.collect();
        ok(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(reply::owner("local")),
            prefix: req.input.prefix,
            ..ListBucketsOutput::default()
        })
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        self.set_versioning(req.input).map(S3Response::new)
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.versioning(req.input).map(S3Response::new)
    }

    async fn put_bucket_notification_configuration(
        &self,
        req: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        self.set_notifications(req.input).map(S3Response::new)
    }

    async fn get_bucket_notification_configuration(
        &self,
        req: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        self.notifications(req.input).map(S3Response::new)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        reply::refuse(&[
            (input.tagging.is_some(), "x-amz-tagging"),
            (input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some(), "x-amz-object-lock-…"),
            (input.sse_customer_algorithm.is_some(), "x-amz-server-side-encryption-customer-algorithm"),
            (input.write_offset_bytes.is_some(), "x-amz-write-offset-bytes"),
            (input.website_redirect_location.is_some(), "x-amz-website-redirect-location"),
        ])?;
        let bytes = collect(input.body.take()).await?;
        let mut headers = reply::put_headers(&input);
        let given = [
            ("crc32", input.checksum_crc32),
            ("crc32c", input.checksum_crc32c),
            ("sha1", input.checksum_sha1),
            ("sha256", input.checksum_sha256),
            ("crc64nvme", input.checksum_crc64nvme),
        ];
        headers.checksums = verified(&bytes, input.content_md5.as_deref(), given)?;
        let etag = md5_hex(&bytes);
        let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
        let (bucket, key) = (input.bucket, input.key);
        let object =
            NewObject { bucket, key, headers, bytes, etag, condition, created_ms: None, event: "ObjectCreated:Put" };
        let about = self.put(object).await?;
        let sums = reply::checksum(&about);
        ok(PutObjectOutput {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            e_tag: Some(reply::etag(&about.etag)),
            version_id: reply::version_id(&about),
            ..PutObjectOutput::default()
        })
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        reply::refuse(&[(input.part_number.is_some_and(|part| part != 1), "partNumber")])?;
        let version = self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check(&version)?;
        let (range, content_range) = ranged(input.range.as_ref(), version.about.size)?;
        // A checksum of the whole does not fit a part of it.
        let with_checksum = input.checksum_mode.is_some() && content_range.is_none();
        let mut output = reply::get(reply::head(&version, with_checksum));
        output.content_length = i64::try_from(range.end - range.start).ok();
        output.content_range = content_range;
        output.cache_control = input.response_cache_control.or(output.cache_control);
        output.content_disposition = input.response_content_disposition.or(output.content_disposition);
        output.content_encoding = input.response_content_encoding.or(output.content_encoding);
        output.content_language = input.response_content_language.or(output.content_language);
        output.content_type = input.response_content_type.or(output.content_type);
        let bytes = version.body.read(range).await.map_err(|error| {
            // The version was replaced and its file removed between finding and reading it.
            S3Error::with_message(S3ErrorCode::InternalError, format!("the object changed while it was read: {error}"))
        })?;
        output.body = Some(StreamingBlob::from(s3s::Body::from(bytes)));
        ok(output)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let version = self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check(&version)?;
        ok(reply::head(&version, input.checksum_mode.is_some()))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        reply::refuse(&[
            (input.if_match.is_some(), "If-Match on DeleteObject"),
            (input.if_match_size.is_some() || input.if_match_last_modified_time.is_some(), "x-amz-if-match-…"),
        ])?;
        let deleted = self.delete(&input.bucket, &input.key, input.version_id.as_deref())?;
        ok(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version_id,
            ..DeleteObjectOutput::default()
        })
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket: name, delete, .. } = req.input;
        if delete.objects.len() > PAGE_MAX {
            return Err(s3_error!(MalformedXML, "at most 1000 objects can be deleted at once"));
        }
        bucket(&self.state(), &name)?;
        let (mut done, mut errors) = (Vec::new(), Vec::new());
        for object in delete.objects {
            match self.delete(&name, &object.key, object.version_id.as_deref()) {
                Ok(deleted) => done.push(DeletedObject {
                    delete_marker: deleted.marker.then_some(true),
                    delete_marker_version_id: if deleted.marker { deleted.version_id } else { None },
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                }),
            }
        }
        let quiet = delete.quiet == Some(true);
        ok(DeleteObjectsOutput {
            deleted: (!quiet && !done.is_empty()).then_some(done),
            errors: (!errors.is_empty()).then_some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(req.input).await.map(S3Response::new)
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let encoder = reply::Encoder::new(input.encoding_type.as_ref());
        let query = listing::Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: input.marker.as_deref().unwrap_or_default(),
            entries_max: page_size(input.max_keys)?,
        };
        let (contents, prefixes, next) = self.listed(&input.bucket, &query, &encoder, Some(&reply::owner("local")))?;
        ok(ListObjectsOutput {
            name: Some(input.bucket),
            is_truncated: Some(next.is_some()),
            // S3 gives it with a delimiter only; without one the last key is the marker.
            next_marker: next.filter(|_| input.delimiter.is_some()).map(|next| encoder.text(&next)),
            contents: (!contents.is_empty()).then_some(contents),
            common_prefixes: encoder.prefixes(prefixes),
            prefix: Some(encoder.text(query.prefix)),
            marker: Some(encoder.text(query.after)),
            max_keys: i32::try_from(query.entries_max).ok(),
            delimiter: input.delimiter.as_deref().map(|text| encoder.text(text)),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        })
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let encoder = reply::Encoder::new(input.encoding_type.as_ref());
        let after = match &input.continuation_token {
            Some(token) => {
                let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?
            }
            None => input.start_after.clone().unwrap_or_default(),
        };
        let query = listing::Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: &after,
            entries_max: page_size(input.max_keys)?,
        };
        let owner = reply::owner("local");
        let owner = (input.fetch_owner == Some(true)).then_some(&owner);
        let (contents, prefixes, next) = self.listed(&input.bucket, &query, &encoder, owner)?;
        ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoder.text(query.prefix)),
            max_keys: i32::try_from(query.entries_max).ok(),
            key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            contents: (!contents.is_empty()).then_some(contents),
            common_prefixes: encoder.prefixes(prefixes),
            delimiter: input.delimiter.as_deref().map(|text| encoder.text(text)),
            start_after: input.start_after.as_deref().map(|text| encoder.text(text)),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        self.list_versions(req.input).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.create_upload(&req.input).map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.add_part(req.input).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(req.input).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(req.input).await.map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_upload(&req.input).map(S3Response::new)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(req.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads(req.input).map(S3Response::new)
    }
}
