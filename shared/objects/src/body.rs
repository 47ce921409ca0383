//! The body of an answer, taken up again where it breaks.

use crate::{ReadError, ReadErrorKind, ReadSettings, Wanted};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use std::time::Duration;

/// How S3 names what was put while the bucket kept no versions. It is overwritten like any object of such a bucket.
pub(crate) const NULL_VERSION: &str = "null";

/// What to read, and how.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) wanted: Wanted,
    pub(crate) settings: ReadSettings,
}

/// What an answer says of the object.
pub(crate) struct Head {
    pub(crate) modified_ms: i64,
    /// All of it, bytes.
    pub(crate) size: u64,
    /// None of an object that can be overwritten.
    pub(crate) version: Option<String>,
    etag: Option<String>,
}

impl Head {
    fn of(answer: &GetObjectOutput) -> Self {
        // `bytes 0-9/100`: the object's length is behind the slash.
        let whole = answer.content_range().and_then(|range| range.rsplit('/').next()?.parse().ok());
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        Self {
            modified_ms: answer.last_modified().and_then(|at| at.to_millis().ok()).unwrap_or(0),
            size: whole.or(length).unwrap_or(0),
            version: answer.version_id().filter(|version| *version != NULL_VERSION).map(str::to_owned),
            etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
        }
    }
}

impl Place {
    /// The same, and no other content from now on, also where none was named.
    pub(crate) fn pinned(mut self, head: &Head) -> Self {
        let Wanted { version, etag, .. } = &mut self.wanted;
        // An ETag that is overwritten meanwhile can still be read as the version that it was. Who names neither may well
        // have no more than `s3:GetObject`, which reads no version.
        match etag {
            Some(_) if version.is_none() => version.clone_from(&head.version),
            Some(_) => {}
            None => etag.clone_from(&head.etag),
        }
        self
    }

    async fn get(&self, range: Option<(u64, u64)>) -> Result<GetObjectOutput, ReadError> {
        let Wanted { bucket, key, version, etag, .. } = &self.wanted;
        let mut get = self.client.get_object().bucket(bucket).key(key).set_version_id(version.clone());
        // Of a version the ETag says nothing more.
        if let (None, Some(etag)) = (version, etag) {
            get = get.if_match(format!("\"{etag}\""));
        }
        if let Some((start, end)) = range {
            get = get.range(format!("bytes={start}-{}", end - 1));
        }
        get.send().await.map_err(|error| ReadError::of(&self.wanted.name(), &error))
    }
}

/// Begins to read all of an object.
pub(crate) async fn open(place: Place) -> Result<(Head, Whole), ReadError> {
    let answer = place.get(None).await?;
    let head = Head::of(&answer);
    let place = place.pinned(&head);
    let whole = Whole { place, at: 0, end: head.size, body: answer.body, resumes: 0 };
    Ok((head, whole))
}

/// Begins to read `length` bytes from `start` on, or as many as there are.
pub(crate) async fn open_range(place: &Place, start: u64, length: u64) -> Result<(Head, Whole), ReadError> {
    let answer = place.get(Some((start, start + length))).await?;
    let head = Head::of(&answer);
    let end = (start + length).min(head.size);
    let whole = Whole { place: place.clone().pinned(&head), at: start, end, body: answer.body, resumes: 0 };
    Ok((head, whole))
}

/// Reads `length` bytes from `start` on.
pub(crate) async fn range(place: &Place, start: u64, length: u64) -> Result<Vec<Bytes>, ReadError> {
    open_range(place, start, length).await?.1.collect().await
}

/// The bytes from one place of an object to another.
pub(crate) struct Whole {
    place: Place,
    /// Given so far, from the object's beginning.
    at: u64,
    end: u64,
    body: ByteStream,
    resumes: u32,
}

impl Whole {
    /// The next bytes; none once all were given.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let stall = Duration::from_millis(self.place.settings.stall_ms_max);
            let why = match tokio::time::timeout(stall, self.body.next()).await {
                Ok(Some(Ok(bytes))) if bytes.is_empty() => continue,
                Ok(Some(Ok(bytes))) => {
                    self.at += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(None) if self.at >= self.end => return Ok(None),
                Ok(None) => "ended".to_owned(),
                Ok(Some(Err(error))) => format!("broke ({error})"),
                Err(_) => "stalled".to_owned(),
            };
            self.resume(&why).await?;
        }
    }

    /// Asks for the rest, of the same content.
    async fn resume(&mut self, why: &str) -> Result<(), ReadError> {
        let name = self.place.wanted.name();
        let broken = format!("{name}: the body {why} at byte {} of {}", self.at, self.end);
        // All bytes came, and are not what they should be: their checksum says so. They were given already.
        if self.at >= self.end || self.resumes >= self.place.settings.resumes_max {
            return Err(ReadError::new(ReadErrorKind::Truncated, broken));
        }
        self.resumes += 1;
        self.body = self.place.get(Some((self.at, self.end))).await?.body;
        Ok(())
    }

    pub(crate) async fn collect(mut self) -> Result<Vec<Bytes>, ReadError> {
        let mut pieces = vec![];
        while let Some(piece) = self.next().await? {
            pieces.push(piece);
        }
        Ok(pieces)
    }
}
