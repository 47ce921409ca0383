//! S3 for the local plane: the protocol by `s3s`, the storage ours.
//!
//! A bucket is a sorted map from key to versions, so every key S3 takes is just a key: `x` beside `x/y`, `e//f`, a
//! thousand bytes of anything. Bodies are in memory, or with a data directory in one file per version beside a small
//! description from which the maps are rebuilt at start.
//!
//! Kept from S3: versions and delete markers, conditional writes and reads, ranges, listings in byte order with their
//! paging, multipart ETags, checksums, notifications to SQS queues. Absent, and refused by name: ACLs, policies,
//! tagging, object lock, lifecycle, server-side encryption with customer keys, SelectObjectContent. Uploads in progress
//! do not survive a restart.

mod configure;
mod copy;
mod disk;
mod listing;
mod multipart;
mod notify;
mod object;
mod pages;
mod read;
mod reply;
mod service;
mod state;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use weir_local_sqs::Sqs;

use disk::Disk;
use notify::Notifier;
use state::State;

/// Largest body of one PutObject or UploadPart, bytes. S3 takes 5 GB; a body is held in memory while it arrives.
pub const BODY_BYTES_MAX: usize = 256 << 20;
/// All object bytes kept in memory, when there is no data directory.
pub const STORED_BYTES_MAX: u64 = 2 << 30;
/// Longest key, bytes of UTF-8 (AWS: "Naming Amazon S3 objects").
pub const KEY_BYTES_MAX: usize = 1_024;
/// Keys, versions, parts or uploads in one page of a listing (AWS: "ListObjectsV2").
pub(crate) const PAGE_MAX: usize = 1_000;
/// Smallest part of a multipart upload but the last, bytes (AWS: "Amazon S3 multipart upload limits").
pub(crate) const PART_BYTES_MIN: usize = 5 << 20;
/// Parts of one upload.
pub(crate) const PARTS_MAX: i32 = 10_000;

/// Where the store keeps things and whom it tells.
pub(crate) struct S3Options {
    pub(crate) region: String,
    pub(crate) account: String,
    /// `None` keeps everything in memory.
    pub(crate) data_dir: Option<PathBuf>,
    /// Receives notifications.
    pub(crate) sqs: Sqs,
}

/// The storage behind the protocol. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    disk: Option<Disk>,
    notifier: Notifier,
    region: String,
}

impl Store {
    /// Opens the store, reading what a former run kept.
    pub(crate) fn open(options: S3Options) -> std::io::Result<Self> {
        let disk = options.data_dir.map(Disk::open).transpose()?;
        let state = match &disk {
            Some(disk) => disk.load()?,
            None => State::default(),
        };
        let notifier = Notifier::new(options.sqs, options.region.clone(), options.account);
        Ok(Self { inner: Arc::new(Inner { state: Mutex::new(state), disk, notifier, region: options.region }) })
    }

    /// The `s3s` service over this store.
    pub(crate) fn service(&self) -> s3s::service::S3Service {
        s3s::service::S3ServiceBuilder::new(self.clone()).build()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left whole entries: each change is one insert or removal.
        self.inner.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
