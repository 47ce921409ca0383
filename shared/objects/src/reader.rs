//! One object, opened.

use crate::body::{self, Head, Place, Whole};
use crate::settings::STREAM_BYTES;
use crate::{ReadError, ReadErrorKind, ReadSettings};
use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An object to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The bucket's name.
    pub bucket: String,
    /// The key, as S3's API takes it.
    pub key: String,
    /// The version; whatever stands under the key otherwise.
    pub version: Option<String>,
    /// What its ETag must be, without quotes, where no version is named.
    pub etag: Option<String>,
    /// Its length where it is known, bytes: a large object is then fetched in ranges.
    pub size: Option<u64>,
}

impl Wanted {
    /// What a message calls it.
    pub(crate) fn name(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        format!("GetObject s3://{}/{}{version}", self.bucket, self.key)
    }
}

/// Reads objects within one budget. Clones share it.
#[derive(Clone, Debug)]
pub struct Reader {
    client: Client,
    settings: ReadSettings,
    /// One permit a KiB.
    budget: Arc<Semaphore>,
}

impl Reader {
    /// Over that client, within those bounds.
    pub fn new(client: Client, settings: ReadSettings) -> Self {
        let budget = Arc::new(Semaphore::new((settings.bytes_in_flight_max >> 10).max(1)));
        Self { client, settings, budget }
    }

    /// The bounds.
    pub fn settings(&self) -> &ReadSettings {
        &self.settings
    }

    /// Begins to read an object. Waits until the budget has room for it.
    ///
    /// # Errors
    /// [`ReadError`] when S3 does not give it.
    pub async fn open(&self, wanted: &Wanted) -> Result<Object, ReadError> {
        let place = Place { client: self.client.clone(), wanted: wanted.clone(), settings: self.settings };
        if wanted.size.is_some_and(|size| size > self.settings.stream_bytes_max()) {
            return self.in_ranges(place).await;
        }
        let room = wanted.size.unwrap_or(u64::MAX).min(STREAM_BYTES as u64) as usize;
        let permit = self.acquire(room).await?;
        let (head, body) = body::open(place).await?;
        Ok(Object::new(&head, Source::Whole(Box::new(body), permit)))
    }

    /// Ranges are asked for in order, each once the budget has room for it; so the one that the consumer waits for
    /// never waits for those behind it.
    async fn in_ranges(&self, place: Place) -> Result<Object, ReadError> {
        let part_bytes = self.settings.part_bytes as u64;
        let permit = self.acquire(self.settings.part_bytes).await?;
        let (head, first) = body::open_range(&place, 0, part_bytes).await?;
        let size = head.size;
        let place = place.pinned(&head);
        let reader = self.clone();
        let first = first.collect().await?;
        let starts = (1..size.div_ceil(part_bytes)).map(move |part| part * part_bytes);
        let room = futures::stream::iter(starts).then(move |start| {
            let reader = reader.clone();
            async move { (start, reader.acquire(reader.settings.part_bytes).await) }
        });
        let parts = room
            .map(move |(start, permit)| {
                let place = place.clone();
                async move { Ok((body::range(&place, start, part_bytes.min(size - start)).await?, permit?)) }
            })
            .buffered(self.settings.parts_in_flight_max);
        Ok(Object::new(&head, Source::Parts { parts: parts.boxed(), part: first.into_iter(), permit: Some(permit) }))
    }

    async fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ReadError> {
        let permits = (bytes >> 10).clamp(1, (self.settings.bytes_in_flight_max >> 10).max(1));
        // It is never closed; and a number of KiB fits.
        let acquired = self.budget.clone().acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX)).await;
        acquired.map_err(|_| ReadError::new(ReadErrorKind::Unavailable, "the reader is shut down"))
    }
}

/// An object as it is read. Dropping it ends the reading.
pub struct Object {
    modified_ms: i64,
    size: u64,
    version: Option<String>,
    bytes: Source,
}

type Part = (Vec<Bytes>, OwnedSemaphorePermit);

enum Source {
    Whole(Box<Whole>, #[expect(dead_code, reason = "given back when the object is dropped")] OwnedSemaphorePermit),
    Parts {
        parts: BoxStream<'static, Result<Part, ReadError>>,
        part: std::vec::IntoIter<Bytes>,
        permit: Option<OwnedSemaphorePermit>,
    },
}

impl Object {
    fn new(head: &Head, bytes: Source) -> Self {
        Self { modified_ms: head.modified_ms, size: head.size, version: head.version.clone(), bytes }
    }

    /// When it was created (`Last-Modified`), epoch milliseconds; S3 says so in whole seconds.
    pub fn modified_ms(&self) -> i64 {
        self.modified_ms
    }

    /// Its length, bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its version: none where the bucket keeps no versions, or kept none when the object was put.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The next bytes, in order; none at its end, and then it was all of them.
    ///
    /// # Errors
    /// [`ReadError`] when the rest cannot be had. Bytes that were given are the object's all the same.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        match &mut self.bytes {
            Source::Whole(whole, _) => whole.next().await,
            Source::Parts { parts, part, permit } => loop {
                if let Some(bytes) = part.next() {
                    return Ok(Some(bytes));
                }
                // What was taken makes room before the next is waited for.
                *permit = None;
                let Some(next) = parts.next().await.transpose()? else { return Ok(None) };
                (*part, *permit) = (next.0.into_iter(), Some(next.1));
            },
        }
    }
}
