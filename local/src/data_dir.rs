//! The directory that keeps a plane's state between runs.

use std::path::{Path, PathBuf};

use crate::error::StartError;

/// A data directory that this plane alone has open.
pub(crate) struct DataDir {
    path: PathBuf,
    lock: std::fs::File,
}

impl DataDir {
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |reason: String| StartError::DataDir { path: path.to_path_buf(), reason };
        std::fs::create_dir_all(path).map_err(|error| failed(format!("cannot be created: {error}")))?;
        let lock = std::fs::OpenOptions::new().create(true).append(true).open(path.join("lock"));
        let lock = lock.map_err(|error| failed(format!("cannot be written: {error}")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(failed("is in use by another local plane".to_owned())),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(format!("cannot be locked: {error}"))),
        }
    }

    /// What keeps it ours, for as long as it is held.
    pub(crate) fn into_lock(self) -> std::fs::File {
        self.lock
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
