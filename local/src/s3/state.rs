//! Buckets, keys and versions as maps, and the rules by which writes and deletes change them. No I/O.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::object::{Body, Description, Headers, NULL_VERSION, Version, now_ms};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Last sequence given out.
    pub(crate) sequence: u64,
    /// Bytes of bodies in memory, uploads in progress included.
    pub(crate) memory_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// A bucket's own description, as kept on disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BucketSettings {
    pub(crate) created_ms: u64,
    pub(crate) versioning: Versioning,
    pub(crate) notifications: Vec<NotificationRule>,
}

/// One queue configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotificationRule {
    pub(crate) id: String,
    pub(crate) events: Vec<String>,
    pub(crate) queue_arn: String,
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) settings: BucketSettings,
    /// Versions of each key, oldest first; never an empty list.
    pub(crate) keys: BTreeMap<String, Vec<Version>>,
    pub(crate) uploads: HashMap<String, Upload>,
}

/// A multipart upload in progress.
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) headers: Headers,
    pub(crate) initiated_ms: u64,
    pub(crate) parts: BTreeMap<i32, Part>,
}

#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) etag: String,
    pub(crate) modified_ms: u64,
    pub(crate) bytes: bytes::Bytes,
}

/// What a delete did.
pub(crate) struct Deleted {
    /// Version that was removed, or the marker that was made.
    pub(crate) version_id: Option<String>,
    pub(crate) marker: bool,
    /// A marker to keep on disk.
    pub(crate) added: Option<Version>,
    pub(crate) removed: Vec<Version>,
}

impl Bucket {
    pub(crate) fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last().filter(|version| !version.about.delete_marker)
    }

    pub(crate) fn version(&self, key: &str, version_id: &str) -> Option<&Version> {
        self.keys.get(key)?.iter().find(|version| version.about.version_id == version_id)
    }

    /// Adds a version as the newest and returns those it replaced.
    pub(crate) fn put(&mut self, version: Version) -> Vec<Version> {
        let versions = self.keys.entry(version.about.key.clone()).or_default();
        let replaced =
            take(versions, |old| version.about.version_id == NULL_VERSION && old.about.version_id == NULL_VERSION);
        versions.push(version);
        replaced
    }

    /// Id for a new version under the bucket's versioning.
    pub(crate) fn new_version_id(&self) -> String {
        match self.settings.versioning {
            Versioning::Enabled => uuid::Uuid::new_v4().simple().to_string(),
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        }
    }

    /// Deletes a version, or the key by the bucket's versioning. Deleting what is not there succeeds, as S3 has it.
    pub(crate) fn delete(&mut self, key: &str, version_id: Option<&str>, sequence: u64) -> Deleted {
        if let Some(version_id) = version_id {
            let removed = self.remove(key, version_id);
            let marker = removed.iter().any(|version| version.about.delete_marker);
            return Deleted { version_id: Some(version_id.to_owned()), marker, added: None, removed };
        }
        if self.settings.versioning == Versioning::Off {
            return Deleted { version_id: None, marker: false, added: None, removed: self.remove(key, NULL_VERSION) };
        }
        let about = Description {
            key: key.to_owned(),
            version_id: self.new_version_id(),
            sequence,
            delete_marker: true,
            size: 0,
            etag: String::new(),
            modified_ms: now_ms(),
            headers: Headers::default(),
        };
        let marker = Version { about, body: Body::Memory(bytes::Bytes::new()) };
        let removed = self.put(marker.clone());
        Deleted { version_id: Some(marker.about.version_id.clone()), marker: true, added: Some(marker), removed }
    }

    fn remove(&mut self, key: &str, version_id: &str) -> Vec<Version> {
        let Some(versions) = self.keys.get_mut(key) else { return Vec::new() };
        let removed = take(versions, |version| version.about.version_id == version_id);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        removed
    }
}

fn take(versions: &mut Vec<Version>, matches: impl Fn(&Version) -> bool) -> Vec<Version> {
    let (taken, kept) = std::mem::take(versions).into_iter().partition(|version| matches(version));
    *versions = kept;
    taken
}

impl State {
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Bytes given back when versions go.
    pub(crate) fn release(&mut self, versions: &[Version]) {
        for version in versions {
            if let Body::Memory(bytes) = &version.body {
                self.memory_bytes = self.memory_bytes.saturating_sub(bytes.len() as u64);
            }
        }
    }
}
