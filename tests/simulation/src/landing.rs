//! The landing bucket and the notices of its objects, and `s3-rollup` behind their queue.
//!
//! Objects come with versions and without. They are put again, overwritten and deleted while somebody reads them; every
//! piece is a request of its own that finds what stands by then, as the product's reader does where it goes on with a
//! broken object.

use crate::client::Client;
use crate::functions::{self, Environment, LedgerFunction};
use crate::queue::{self, Body, LANDING, Sent};
use crate::rules::Rule;
use crate::seen::Seen;
use crate::world::{Slot, World, lock};
use bytes::Bytes;
use futures::future::BoxFuture;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use weir_exact::ledger::Identity;
use weir_exact::objects::{
    self, Content, Deadline, Delivery, Noticed, ObjectAt, ObjectRead, Opened, Pieces, ReadError,
};
use weir_telemetry::Millis;

/// What stands in the bucket, and all that ever stood there.
#[derive(Default)]
pub(crate) struct Landing {
    objects: BTreeMap<(String, String), Vec<Put>>,
    /// Everything that was put, in order.
    pub(crate) puts: Vec<Put>,
    /// What was overwritten or deleted at some time.
    pub(crate) gone: BTreeSet<Identity<'static>>,
}

/// An object as it was put.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) at: ObjectAt,
    pub(crate) etag: String,
    pub(crate) created_at: Millis,
    pub(crate) bytes: Bytes,
}

impl Put {
    /// What a notice names that names no version.
    pub(crate) fn by_etag(&self) -> ObjectAt {
        ObjectAt { content: Content::Etag(self.etag.clone()), ..self.at.clone() }
    }

    fn version(&self) -> Option<String> {
        match &self.at.content {
            Content::Version(version) => Some(version.clone()),
            Content::Etag(_) => None,
        }
    }
}

/// Something that somebody does to a key.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) key: String,
    /// Whether its bucket keeps versions.
    pub(crate) versioned: bool,
    /// What is put; none: all that stands there is deleted.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Does it, and has S3 send its notice.
pub(crate) fn act(world: &mut World, deed: Deed) {
    let Deed { key, versioned, bytes } = deed;
    let bucket = if versioned { "versions" } else { "plain" }.to_owned();
    let name = (bucket.clone(), key.clone());
    let Some(bytes) = bytes else {
        world.say(|| format!("delete {bucket}/{key}"));
        let landing = &mut world.state.landing;
        let gone = landing.objects.remove(&name).unwrap_or_default();
        landing.gone.extend(gone.iter().flat_map(|put| [put.at.identity(), put.by_etag().identity()]));
        return;
    };
    let etag = Md5::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let content = if versioned {
        Content::Version(format!("v{}", world.state.landing.puts.len()))
    } else {
        Content::Etag(etag.clone())
    };
    let at = ObjectAt { bucket, key, content, size: Some(bytes.len() as u64) };
    world.say(|| format!("put {}: {}", at.identity(), String::from_utf8_lossy(&bytes)));
    // LastModified has whole seconds.
    let created_at = Millis(world.now.0 / 1_000 * 1_000);
    let put = Put { at, etag, created_at, bytes: bytes.into() };
    let landing = &mut world.state.landing;
    landing.puts.push(put.clone());
    let stand = landing.objects.entry(name).or_default();
    let hidden = stand.iter().map(|put| put.by_etag().identity());
    landing.gone.extend(hidden.filter(|identity| identity != &put.by_etag().identity()));
    if !versioned {
        stand.clear();
    }
    stand.push(put.clone());
    let mut notices = vec![put.at.clone()];
    // The second is no notice of S3's: it names no version.
    notices.extend(world.choices.happens(world.weather.redelivered).then(|| put.by_etag()));
    for at in notices {
        let ms = world.choices.one_of(&[0, 1_000, 70_000]);
        let body = Body::Notice(Box::new(at));
        world.after(ms, move |world| {
            queue::send(world, LANDING, Sent { sent_at: world.now, body, own_id: None, own_arrival: None });
        });
    }
}

impl Landing {
    /// Whatever stands under the key.
    fn stands(&self, at: &ObjectAt) -> Result<Put, ReadError> {
        let stand = self.objects.get(&(at.bucket.clone(), at.key.clone())).and_then(|stand| stand.last());
        stand.cloned().ok_or_else(|| ReadError::Missing("not there".to_owned()))
    }

    fn find(&self, at: &ObjectAt) -> Result<Put, ReadError> {
        let missing = || ReadError::Missing("not there".to_owned());
        let stand = self.objects.get(&(at.bucket.clone(), at.key.clone())).ok_or_else(missing)?;
        let found = match &at.content {
            Content::Version(_) => stand.iter().find(|put| put.at.content == at.content),
            // Who names no version gets the last.
            Content::Etag(etag) => stand.last().filter(|put| put.etag == *etag),
        };
        match found {
            Some(put) => Ok(put.clone()),
            None if matches!(at.content, Content::Etag(_)) => {
                Err(ReadError::Changed("another stands there".to_owned()))
            }
            None => Err(missing()),
        }
    }
}

/// S3, as an environment reads it.
struct Bucket {
    client: Client,
    piece_bytes: usize,
}

/// An object that is being read.
struct Reading {
    client: Client,
    at: ObjectAt,
    piece_bytes: usize,
    read: usize,
    length: usize,
}

impl ObjectRead for Bucket {
    type Pieces = Reading;

    async fn open(&self, object: &ObjectAt) -> Result<Opened<Reading>, ReadError> {
        let put = find(&self.client, object, || format!("open {}", object.identity())).await?;
        let (length, created_at, version) = (put.bytes.len(), put.created_at, put.version());
        let client = self.client.clone();
        let pieces = Reading { client, at: put.at, piece_bytes: self.piece_bytes, read: 0, length };
        Ok(Opened { created_at, version, pieces })
    }
}

impl Pieces for Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.read == self.length {
            return Ok(None);
        }
        let end = self.length.min(self.read + self.piece_bytes);
        let what = || format!("read {} from {} to {end}", self.at.identity(), self.read);
        let piece = find(&self.client, &self.at, what).await?.bytes.slice(self.read..end);
        self.read = end;
        Ok(Some(piece))
    }
}

async fn find(client: &Client, at: &ObjectAt, what: impl FnOnce() -> String) -> Result<Put, ReadError> {
    let of = at.clone();
    let run = move |world: &mut World| {
        let found = match (world.state.left_out, world.state.landing.find(&of)) {
            (Some(Rule::ExactContent), Err(ReadError::Changed(_))) => world.state.landing.stands(&of),
            (_, found) => found,
        };
        let outcome = world.schedule.text(|| match &found {
            Ok(put) => format!("created at {}", put.created_at),
            Err(error) => format!("{error:?}"),
        });
        (found, outcome)
    };
    client.request(what, run).await?
}

/// The time that an invocation has.
struct Time<'c> {
    client: &'c Client,
    begun: Millis,
}

impl Deadline for Time<'_> {
    fn reading_is_over(&self) -> bool {
        functions::reading_is_over(self.client, self.begun)
    }

    fn writing_is_over(&self) -> bool {
        functions::out_of_time(self.client, self.begun)
    }

    async fn a_while(&self) {
        let slot = Slot::empty();
        let over = slot.clone();
        lock(&self.client.world).after(1_000, move |_| over.fill(()));
        slot.await;
    }
}

/// The shell of `s3-rollup`: places in the batch of the messages that failed.
pub(crate) fn handle(
    environment: Arc<Environment<LedgerFunction>>,
    messages: Vec<(usize, Sent)>,
    begun: Millis,
) -> BoxFuture<'static, Option<BTreeSet<usize>>> {
    Box::pin(async move {
        let LedgerFunction { client, rules } = &environment.inner;
        let (view, layout) = rules.view(functions::now(client)).await.ok()?;
        let (settings, deliveries) = {
            let world = lock(&client.world);
            let deliveries = messages.into_iter().filter_map(|(place, sent)| {
                let receives = world.state.notices.receives(place);
                let Body::Notice(at) = sent.body else { return None };
                Some(Delivery { sent_at: sent.sent_at, receives, noticed: Noticed::Objects(vec![*at]) })
            });
            (world.state.settings, deliveries.collect())
        };
        let bucket = Bucket { client: client.clone(), piece_bytes: settings.piece_bytes };
        let time = Time { client, begun };
        let intake = objects::intake(client, &bucket, &layout, &view, &settings.objects, deliveries, &time).await;
        let mut world = lock(&client.world);
        world.state.seen.add(Seen::Objects, intake.sound);
        world.state.seen.add(Seen::LargeObjects, intake.large);
        Some(intake.outcome.failed)
    })
}
