//! Versions on disk: `<dir>/<bucket>/<sequence>.body` and `.json`, and the bucket's settings in `bucket.json`.
//!
//! A version exists once its description does, and that appears whole by a rename; so a kill at any moment leaves either
//! the version or nothing but an orphaned body, which the next start removes. Nothing is synced to the medium: this
//! survives the process, not the power.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;

use super::object::{Body, Description, Version};
use super::state::{Bucket, BucketSettings, State};

pub(crate) struct Disk {
    dir: PathBuf,
}

impl Disk {
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    // Bucket names are checked by the protocol (lower case, digits, dots and dashes, never `..`), so they are file names.
    fn bucket_dir(&self, bucket: &str) -> PathBuf {
        self.dir.join(bucket)
    }

    fn path(&self, bucket: &str, sequence: u64, extension: &str) -> PathBuf {
        self.bucket_dir(bucket).join(format!("{sequence:016x}.{extension}"))
    }

    pub(crate) fn load(&self) -> io::Result<State> {
        let mut state = State::default();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(settings) = fs::read(entry.path().join("bucket.json")) else { continue };
            let settings: BucketSettings = parsed(&entry.path(), &settings)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let bucket = Bucket { settings, ..Bucket::default() };
            let bucket = self.load_versions(&name, bucket, &mut state)?;
            state.buckets.insert(name, bucket);
        }
        Ok(state)
    }

    fn load_versions(&self, name: &str, mut bucket: Bucket, state: &mut State) -> io::Result<Bucket> {
        let mut versions = Vec::new();
        let mut bodies = Vec::new();
        for entry in fs::read_dir(self.bucket_dir(name))? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") if path.file_stem().is_some_and(|stem| stem != "bucket") => {
                    let about: Description = parsed(&path, &fs::read(&path)?)?;
                    versions.push(about);
                }
                Some("body" | "tmp") => bodies.push(path),
                _ => {}
            }
        }
        versions.sort_by_key(|about| about.sequence);
        for path in bodies {
            let described = versions.iter().any(|about| path == self.path(name, about.sequence, "body"));
            if !described {
                fs::remove_file(path)?;
            }
        }
        for about in versions {
            state.sequence = state.sequence.max(about.sequence);
            let body = if about.delete_marker {
                Body::Memory(Bytes::new())
            } else {
                Body::File(self.path(name, about.sequence, "body"))
            };
            // A null version replaced just before a kill may still have its description.
            let replaced = bucket.put(Version { about, body });
            self.remove(name, &replaced);
        }
        Ok(bucket)
    }

    pub(crate) fn save_settings(&self, bucket: &str, settings: &BucketSettings) -> io::Result<()> {
        let dir = self.bucket_dir(bucket);
        fs::create_dir_all(&dir)?;
        write_whole(&dir.join("bucket.json"), &serialized(settings))
    }

    pub(crate) fn save_body(&self, bucket: &str, sequence: u64, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(bucket, sequence, "body");
        fs::write(&path, bytes)?;
        Ok(path)
    }

    pub(crate) fn save_description(&self, bucket: &str, about: &Description) -> io::Result<()> {
        write_whole(&self.path(bucket, about.sequence, "json"), &serialized(about))
    }

    /// Removes versions' files. What cannot be removed is only wasted space until the next start.
    pub(crate) fn remove(&self, bucket: &str, versions: &[Version]) {
        for version in versions {
            for extension in ["json", "body"] {
                let _ = fs::remove_file(self.path(bucket, version.about.sequence, extension));
            }
        }
    }

    pub(crate) fn remove_bucket(&self, bucket: &str) -> io::Result<()> {
        fs::remove_dir_all(self.bucket_dir(bucket))
    }
}

fn serialized(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, numbers and maps with text keys always serialize")
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    fs::rename(temporary, path)
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
}
