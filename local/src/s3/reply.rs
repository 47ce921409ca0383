//! Between the protocol's field lists and the store's own types.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    Checksum, CommonPrefix, CreateMultipartUploadInput, ETag, EncodingType, GetObjectOutput, HeadObjectOutput, Object,
    ObjectStorageClass, Owner, PutObjectInput, StorageClass, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Result};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::object::{Description, Headers, NULL_VERSION, Version};

/// What `encoding-type=url` leaves alone.
const LISTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

pub(crate) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

pub(crate) fn timestamp(epoch_ms: u64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(epoch_ms))
}

/// The version id in replies: none on a bucket without versioning.
pub(crate) fn version_id(about: &Description) -> Option<String> {
    (about.version_id != NULL_VERSION).then(|| about.version_id.clone())
}

/// Refuses what would be ignored, by the header's name.
pub(crate) fn refuse(given: &[(bool, &str)]) -> S3Result<()> {
    match given.iter().find(|(given, _)| *given) {
        Some((_, header)) => {
            let message = format!("the local plane does not honour {header}");
            Err(S3Error::with_message(S3ErrorCode::NotImplemented, message))
        }
        None => Ok(()),
    }
}

macro_rules! headers_of {
    ($input:expr) => {
        Headers {
            content_type: $input.content_type.clone().map(Into::into),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
            checksums: BTreeMap::new(),
        }
    };
}

pub(crate) fn put_headers(input: &PutObjectInput) -> Headers {
    headers_of!(input)
}

pub(crate) fn upload_headers(input: &CreateMultipartUploadInput) -> Headers {
    headers_of!(input)
}

pub(crate) fn copy_headers(input: &s3s::dto::CopyObjectInput) -> Headers {
    headers_of!(input)
}

pub(crate) fn checksum(about: &Description) -> Checksum {
    let sum = |name: &str| about.headers.checksums.get(name).cloned();
    Checksum {
        checksum_crc32: sum("crc32"),
        checksum_crc32c: sum("crc32c"),
        checksum_crc64nvme: sum("crc64nvme"),
        checksum_sha1: sum("sha1"),
        checksum_sha256: sum("sha256"),
        checksum_type: None,
    }
}

/// What `HeadObject` says; `GetObject` says the same and sends the bytes.
pub(crate) fn head(version: &Version, with_checksum: bool) -> HeadObjectOutput {
    let about = &version.about;
    let headers = &about.headers;
    let sums = if with_checksum { checksum(about) } else { Checksum::default() };
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: headers.cache_control.clone(),
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        content_disposition: headers.content_disposition.clone(),
        content_encoding: headers.content_encoding.clone(),
        content_language: headers.content_language.clone(),
        content_length: i64::try_from(about.size).ok(),
        content_type: Some(headers.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())),
        e_tag: Some(etag(&about.etag)),
        last_modified: Some(timestamp(about.modified_ms)),
        metadata: Some(headers.metadata.clone().into_iter().collect()),
        storage_class: headers.storage_class.clone().map(StorageClass::from),
        version_id: version_id(about),
        ..HeadObjectOutput::default()
    }
}

pub(crate) fn get(head: HeadObjectOutput) -> GetObjectOutput {
    GetObjectOutput {
        accept_ranges: head.accept_ranges,
        cache_control: head.cache_control,
        checksum_crc32: head.checksum_crc32,
        checksum_crc32c: head.checksum_crc32c,
        checksum_crc64nvme: head.checksum_crc64nvme,
        checksum_sha1: head.checksum_sha1,
        checksum_sha256: head.checksum_sha256,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_length: head.content_length,
        content_type: head.content_type,
        e_tag: head.e_tag,
        last_modified: head.last_modified,
        metadata: head.metadata,
        storage_class: head.storage_class,
        version_id: head.version_id,
        ..GetObjectOutput::default()
    }
}

/// Text of a listing, encoded where the caller asked for it.
pub(crate) struct Encoder(bool);

impl Encoder {
    pub(crate) fn new(encoding_type: Option<&EncodingType>) -> Self {
        Self(encoding_type.is_some_and(|kind| kind.as_str() == EncodingType::URL))
    }

    pub(crate) fn text(&self, text: &str) -> String {
        if self.0 { utf8_percent_encode(text, LISTED).to_string() } else { text.to_owned() }
    }

    pub(crate) fn prefixes(&self, prefixes: Vec<String>) -> Option<Vec<CommonPrefix>> {
        let encoded = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.text(prefix)) }).collect();
        (!prefixes.is_empty()).then_some(encoded)
    }
}

pub(crate) fn owner(account: &str) -> Owner {
    Owner { display_name: None, id: Some(account.to_owned()) }
}

pub(crate) fn listed(version: &Version, encoder: &Encoder, owner: Option<Owner>) -> Object {
    let about = &version.about;
    let class = about.headers.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    Object {
        e_tag: Some(etag(&about.etag)),
        key: Some(encoder.text(&about.key)),
        last_modified: Some(timestamp(about.modified_ms)),
        owner,
        size: i64::try_from(about.size).ok(),
        storage_class: Some(ObjectStorageClass::from(class)),
        ..Object::default()
    }
}
