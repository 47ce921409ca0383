//! What stands below a prefix.

use crate::body::NULL_VERSION;
use crate::{ReadError, ReadErrorKind, Wanted};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use aws_smithy_types::DateTime;
use futures::stream::{self, Stream};
use percent_encoding::percent_decode_str;

/// An object as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is, and which content.
    pub object: Wanted,
    /// When it was created, epoch milliseconds.
    pub modified_ms: i64,
}

/// Whether a listing names versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Keys and ETags alone, by `ListObjectsV2`.
    Unnamed,
    /// The latest version of each key, by `ListObjectVersions`; no version where the bucket has none.
    Latest,
}

/// Where a listing goes on.
#[derive(Default)]
enum From {
    #[default]
    Beginning,
    Token(String),
    Marker(Option<String>, Option<String>),
    End,
}

/// Every object of `bucket` whose key begins with `prefix`, in pages, each in the order of keys. `after` is a key below
/// which nothing is wanted. Delete markers are no objects.
pub fn list<'c>(
    client: &'c Client,
    bucket: &'c str,
    prefix: &'c str,
    versions: Versions,
    after: Option<&str>,
) -> impl Stream<Item = Result<Vec<Listed>, ReadError>> + use<'c> {
    let after = after.map(str::to_owned);
    stream::try_unfold(From::Beginning, move |from| {
        let after = after.clone();
        async move {
            let (page, next) = match (versions, from) {
                (_, From::End) => return Ok(None),
                (Versions::Unnamed, from) => objects(client, bucket, prefix, from, after).await?,
                (Versions::Latest, from) => latest(client, bucket, prefix, from, after).await?,
            };
            Ok(Some((page, next)))
        }
    })
}

async fn objects(
    client: &Client,
    bucket: &str,
    prefix: &str,
    from: From,
    after: Option<String>,
) -> Result<(Vec<Listed>, From), ReadError> {
    let request = client.list_objects_v2().bucket(bucket).prefix(prefix).set_start_after(after);
    let request = request.encoding_type(EncodingType::Url);
    let request = match from {
        From::Token(token) => request.continuation_token(token),
        _ => request,
    };
    let answer = request.send().await;
    let tried = format!("ListObjectsV2 s3://{bucket}/{prefix}");
    let answer = answer.map_err(|error| ReadError::of(&tried, &error))?;
    let keys = Keys { are_encoded: answer.encoding_type() == Some(&EncodingType::Url), tried: &tried };
    let listed = answer.contents().iter().filter_map(|object| {
        let key = keys.decoded(object.key()?);
        Some(key.map(|key| Listed {
            object: wanted(bucket, key, None, object.e_tag(), object.size()),
            modified_ms: millis(object.last_modified()),
        }))
    });
    let listed = listed.collect::<Result<_, _>>()?;
    let next = answer.next_continuation_token().map_or(From::End, |token| From::Token(token.to_owned()));
    Ok((listed, next))
}

async fn latest(
    client: &Client,
    bucket: &str,
    prefix: &str,
    from: From,
    after: Option<String>,
) -> Result<(Vec<Listed>, From), ReadError> {
    let request = client.list_object_versions().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
    let request = match from {
        From::Marker(key, version) => request.set_key_marker(key).set_version_id_marker(version),
        _ => request.set_key_marker(after),
    };
    let answer = request.send().await;
    let tried = format!("ListObjectVersions s3://{bucket}/{prefix}");
    let answer = answer.map_err(|error| ReadError::of(&tried, &error))?;
    let keys = Keys { are_encoded: answer.encoding_type() == Some(&EncodingType::Url), tried: &tried };
    let latest = answer.versions().iter().filter(|version| version.is_latest() == Some(true));
    let listed = latest.filter_map(|version| {
        let id = version.version_id().filter(|id| *id != NULL_VERSION);
        let key = keys.decoded(version.key()?);
        Some(key.map(|key| Listed {
            object: wanted(bucket, key, id, version.e_tag(), version.size()),
            modified_ms: millis(version.last_modified()),
        }))
    });
    let listed = listed.collect::<Result<_, _>>()?;
    let next = if answer.is_truncated() == Some(true) {
        let key = answer.next_key_marker().map(|key| keys.decoded(key)).transpose()?;
        From::Marker(key, answer.next_version_id_marker().map(str::to_owned))
    } else {
        From::End
    };
    Ok((listed, next))
}

/// Keys of an answer. They are asked for encoded (`encoding-type=url`), since a key may hold what XML cannot: a control
/// character would make the whole page unreadable.
struct Keys<'a> {
    are_encoded: bool,
    tried: &'a str,
}

impl Keys<'_> {
    /// As S3's API takes it. Encoded as in a form, so a space may be a `+`; a `+` is always `%2B`.
    fn decoded(&self, key: &str) -> Result<String, ReadError> {
        if !self.are_encoded {
            return Ok(key.to_owned());
        }
        let spaced = key.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        let broken = |_| ReadError::new(ReadErrorKind::Refused, format!("{}: {key:?} is no encoded key", self.tried));
        decoded.map(Into::into).map_err(broken)
    }
}

fn wanted(bucket: &str, key: String, version: Option<&str>, etag: Option<&str>, size: Option<i64>) -> Wanted {
    Wanted {
        bucket: bucket.to_owned(),
        key,
        version: version.map(str::to_owned),
        etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
        size: size.and_then(|size| u64::try_from(size).ok()),
    }
}

fn millis(at: Option<&DateTime>) -> i64 {
    at.and_then(|at| at.to_millis().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_if_they_are_encoded() {
        let keys = |are_encoded| Keys { are_encoded, tried: "ListObjectsV2 s3://b/" };
        assert_eq!(
            keys(true).decoded("in/a+b%20c%2Bd/%C3%BC%01%25.json"),
            Ok("in/a b c+d/\u{fc}\u{1}%.json".to_owned())
        );
        assert_eq!(keys(false).decoded("in/a+b%20c"), Ok("in/a+b%20c".to_owned()));
        assert_eq!(keys(true).decoded("%FF").unwrap_err().kind(), ReadErrorKind::Refused);
    }
}
