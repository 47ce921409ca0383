//! What stands below a prefix.

use crate::{ReadError, Wanted};
use aws_sdk_s3::Client;
use aws_smithy_types::DateTime;
use futures::stream::{self, Stream};

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
    let request = match from {
        From::Token(token) => request.continuation_token(token),
        _ => request,
    };
    let answer = request.send().await;
    let answer = answer.map_err(|error| ReadError::of(&format!("ListObjectsV2 s3://{bucket}/{prefix}"), &error))?;
    let listed = answer.contents().iter().filter_map(|object| {
        let wanted = wanted(bucket, object.key()?, None, object.e_tag(), object.size());
        Some(Listed { object: wanted, modified_ms: millis(object.last_modified()) })
    });
    let next = answer.next_continuation_token().map_or(From::End, |token| From::Token(token.to_owned()));
    Ok((listed.collect(), next))
}

async fn latest(
    client: &Client,
    bucket: &str,
    prefix: &str,
    from: From,
    after: Option<String>,
) -> Result<(Vec<Listed>, From), ReadError> {
    let request = client.list_object_versions().bucket(bucket).prefix(prefix);
    let request = match from {
        From::Marker(key, version) => request.set_key_marker(key).set_version_id_marker(version),
        _ => request.set_key_marker(after),
    };
    let answer = request.send().await;
    let tried = format!("ListObjectVersions s3://{bucket}/{prefix}");
    let answer = answer.map_err(|error| ReadError::of(&tried, &error))?;
    let latest = answer.versions().iter().filter(|version| version.is_latest() == Some(true));
    let listed = latest.filter_map(|version| {
        let id = version.version_id().filter(|id| *id != "null");
        let wanted = wanted(bucket, version.key()?, id, version.e_tag(), version.size());
        Some(Listed { object: wanted, modified_ms: millis(version.last_modified()) })
    });
    let next = if answer.is_truncated() == Some(true) {
        From::Marker(answer.next_key_marker().map(str::to_owned), answer.next_version_id_marker().map(str::to_owned))
    } else {
        From::End
    };
    Ok((listed.collect(), next))
}

fn wanted(bucket: &str, key: &str, version: Option<&str>, etag: Option<&str>, size: Option<i64>) -> Wanted {
    Wanted {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: version.map(str::to_owned),
        etag: etag.map(|etag| etag.trim_matches('"').to_owned()),
        size: size.and_then(|size| u64::try_from(size).ok()),
    }
}

fn millis(at: Option<&DateTime>) -> i64 {
    at.and_then(|at| at.to_millis().ok()).unwrap_or(0)
}
