//! Multipart uploads. Parts are held in memory until the upload completes.

use bytes::BytesMut;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::object::{md5_hex, multipart_etag, now_ms};
use super::read::ReadCondition;
use super::service::page_size;
use super::state::{Bucket as StoredBucket, Part as StoredPart, State, Upload};
use super::write::{NewObject, WriteCondition, bucket, bucket_mut, check_key, collect, verified};
use super::{BODY_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, Store, reply};

fn upload<'a>(bucket: &'a StoredBucket, upload_id: &str, key: &str) -> S3Result<&'a Upload> {
    bucket.uploads.get(upload_id).filter(|upload| upload.key == key).ok_or_else(|| {
        s3_error!(NoSuchUpload, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
    })
}

fn release(state: &mut State, parts: impl Iterator<Item = StoredPart>) {
    let bytes: u64 = parts.map(|part| part.bytes.len() as u64).sum();
    state.memory_bytes = state.memory_bytes.saturating_sub(bytes);
}

impl Store {
    pub(crate) fn create_upload(&self, input: &CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        reply::refuse(&[
            (input.tagging.is_some(), "x-amz-tagging"),
            (input.object_lock_mode.is_some(), "x-amz-object-lock-…"),
        ])?;
        check_key(&input.key)?;
        let upload_id = uuid::Uuid::new_v4().simple().to_string();
        let upload = Upload {
            key: input.key.clone(),
            headers: reply::upload_headers(input),
            initiated_ms: now_ms(),
            parts: std::collections::BTreeMap::new(),
        };
        bucket_mut(&mut self.state(), &input.bucket)?.uploads.insert(upload_id.clone(), upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn add_part(&self, mut input: UploadPartInput) -> S3Result<UploadPartOutput> {
        let bytes = collect(input.body.take()).await?;
        let given = [
            ("crc32", input.checksum_crc32.clone()),
            ("crc32c", input.checksum_crc32c.clone()),
            ("sha1", input.checksum_sha1.clone()),
            ("sha256", input.checksum_sha256.clone()),
            ("crc64nvme", input.checksum_crc64nvme.clone()),
        ];
        verified(&bytes, input.content_md5.as_deref(), given)?;
        let part = self.keep_part(&input.bucket, &input.key, &input.upload_id, input.part_number, bytes)?;
        Ok(UploadPartOutput {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            e_tag: Some(reply::etag(&part.etag)),
            ..UploadPartOutput::default()
        })
    }

    pub(crate) async fn copy_part(&self, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
        let condition = ReadCondition {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let range = match &input.copy_source_range {
            Some(text) => Some(
                Range::parse(text)
                    .map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source-range expects bytes=first-last"))?,
            ),
            None => None,
        };
        let (source, bytes) = self.source(&input.copy_source, &condition, range.as_ref()).await?;
        let part = self.keep_part(&input.bucket, &input.key, &input.upload_id, input.part_number, bytes)?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(reply::etag(&part.etag)),
                last_modified: Some(reply::timestamp(part.modified_ms)),
                ..CopyPartResult::default()
            }),
            copy_source_version_id: reply::version_id(&source),
            ..UploadPartCopyOutput::default()
        })
    }

    fn keep_part(
        &self,
        name: &str,
        key: &str,
        upload_id: &str,
        number: i32,
        bytes: bytes::Bytes,
    ) -> S3Result<StoredPart> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
        }
        let part = StoredPart { etag: md5_hex(&bytes), modified_ms: now_ms(), bytes };
        let mut state = self.state();
        upload(bucket(&state, name)?, upload_id, key)?;
        self.charge(&mut state, part.bytes.len() as u64)?;
        let upload = bucket_mut(&mut state, name)?.uploads.get_mut(upload_id);
        let replaced = upload.and_then(|upload| upload.parts.insert(number, part.clone()));
        release(&mut state, replaced.into_iter());
        Ok(part)
    }

    pub(crate) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let wanted = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (headers, initiated_ms, parts) = {
            let state = self.state();
            let upload = upload(bucket(&state, &input.bucket)?, &input.upload_id, &input.key)?;
            (upload.headers.clone(), upload.initiated_ms, chosen(upload, &wanted)?)
        };
        let length: usize = parts.iter().map(|part| part.bytes.len()).sum();
        if length as u64 > super::STORED_BYTES_MAX {
            return Err(super::write::too_large(BODY_BYTES_MAX));
        }
        let mut bytes = BytesMut::with_capacity(length);
        for part in &parts {
            bytes.extend_from_slice(&part.bytes);
        }
        let etag = multipart_etag(parts.iter().map(|part| part.etag.as_str()));
        let object = NewObject {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            headers,
            bytes: bytes.freeze(),
            etag,
            condition: WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match },
            created_ms: Some(initiated_ms),
            event: "ObjectCreated:CompleteMultipartUpload",
        };
        let about = self.put(object).await?;
        // Only now: a completion that failed can be tried again.
        self.drop_upload(&input.bucket, &input.upload_id);
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(reply::etag(&about.etag)),
            version_id: reply::version_id(&about),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(crate) fn abort_upload(&self, input: &AbortMultipartUploadInput) -> S3Result<AbortMultipartUploadOutput> {
        upload(bucket(&self.state(), &input.bucket)?, &input.upload_id, &input.key)?;
        self.drop_upload(&input.bucket, &input.upload_id);
        Ok(AbortMultipartUploadOutput::default())
    }

    fn drop_upload(&self, name: &str, upload_id: &str) {
        let mut state = self.state();
        let dropped = state.buckets.get_mut(name).and_then(|bucket| bucket.uploads.remove(upload_id));
        if let Some(upload) = dropped {
            release(&mut state, upload.parts.into_values());
        }
    }

    pub(crate) fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let entries_max = page_size(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or_default();
        let state = self.state();
        let upload = upload(bucket(&state, &input.bucket)?, &input.upload_id, &input.key)?;
        let mut rest = upload.parts.range(after.saturating_add(1)..);
        let parts: Vec<Part> = rest
            .by_ref()
            .take(entries_max)
            .map(|(number, part)| Part {
                e_tag: Some(reply::etag(&part.etag)),
                last_modified: Some(reply::timestamp(part.modified_ms)),
                part_number: Some(*number),
                size: i64::try_from(part.bytes.len()).ok(),
                ..Part::default()
            })
            .collect();
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(rest.next().is_some()),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            max_parts: i32::try_from(entries_max).ok(),
            part_number_marker: Some(after),
            parts: Some(parts),
            ..ListPartsOutput::default()
        })
    }

    pub(crate) fn uploads(&self, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
        reply::refuse(&[(input.delimiter.is_some(), "delimiter on ListMultipartUploads")])?;
        let entries_max = page_size(input.max_uploads)?;
        let encoder = reply::Encoder::new(input.encoding_type.as_ref());
        let state = self.state();
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone().unwrap_or_default());
        let mut found: Vec<(String, String, u64)> = bucket(&state, &input.bucket)?
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(prefix))
            .map(|(id, upload)| (upload.key.clone(), id.clone(), upload.initiated_ms))
            .filter(|(key, id, _)| (key, id) > (&after.0, &after.1))
            .collect();
        found.sort();
        let truncated = found.len() > entries_max;
        found.truncate(entries_max);
        let last = found.last().filter(|_| truncated);
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(truncated),
            next_key_marker: last.map(|(key, ..)| encoder.text(key)),
            next_upload_id_marker: last.map(|(_, id, _)| id.clone()),
            max_uploads: i32::try_from(entries_max).ok(),
            prefix: input.prefix.as_deref().map(|prefix| encoder.text(prefix)),
            uploads: Some(
                found
                    .iter()
                    .map(|(key, id, initiated_ms)| MultipartUpload {
                        initiated: Some(reply::timestamp(*initiated_ms)),
                        key: Some(encoder.text(key)),
                        upload_id: Some(id.clone()),
                        ..MultipartUpload::default()
                    })
                    .collect(),
            ),
            encoding_type: input.encoding_type,
            ..ListMultipartUploadsOutput::default()
        })
    }
}

/// The parts a completion names, in its order, which must be ascending.
fn chosen(upload: &Upload, wanted: &[CompletedPart]) -> S3Result<Vec<StoredPart>> {
    if wanted.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    let mut previous = 0;
    for (index, completed) in wanted.iter().enumerate() {
        let number = completed.part_number.unwrap_or_default();
        if number <= previous {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        previous = number;
        let part = upload.parts.get(&number);
        let part = part.filter(|part| completed.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag));
        let Some(part) = part else {
            let message = format!("Part {number} was not uploaded, or its ETag differs.");
            return Err(S3Error::with_message(S3ErrorCode::InvalidPart, message));
        };
        if index + 1 < wanted.len() && part.bytes.len() < PART_BYTES_MIN {
            return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
        }
        parts.push(part.clone());
    }
    Ok(parts)
}
