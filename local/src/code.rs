//! The functions' code as it was when it was given: a file that cargo rebuilds, or that somebody replaces, does not
//! change what runs. Published versions rely on it.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What a deployment package may unpack to ("Lambda quotas": 250 MB).
pub(crate) const UNPACKED_BYTES_MAX: u64 = 250 << 20;
/// Entries of a package; a bootstrap alone is one.
const ENTRIES_MAX: usize = 10_000;
/// What Lambda runs of a package for `provided.al2023`.
const BOOTSTRAP: &str = "bootstrap";

/// Why a package is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again. ({0})")]
    NoZip(String),
    #[error("Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the package cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// What is known of one piece of code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Of the package, or of the bootstrap where there is no package.
    pub(crate) bytes: u64,
    /// SHA-256 of the same, in base64.
    pub(crate) sha256: String,
}

struct Kept {
    /// Removed with the plane.
    _directory: TempDir,
    /// Known for a package at once; a bootstrap of tens of megabytes is hashed when somebody asks.
    facts: OnceLock<Facts>,
}

/// Directories that keep code: this, the number of the process that keeps it, and something random.
const PREFIX: &str = ".weir-code-";

/// A directory of this process, where what other processes left was removed.
fn directory_in(parent: &Path) -> std::io::Result<TempDir> {
    remove_orphans(parent, std::process::id(), began());
    tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", std::process::id())).tempdir_in(parent)
}

/// Some time before this process began to keep code: file systems' clocks are behind the system's, some by seconds.
fn began() -> SystemTime {
    static BEGAN: OnceLock<SystemTime> = OnceLock::new();
    *BEGAN.get_or_init(|| SystemTime::now() - Duration::from_secs(10))
}

/// Removes what planes kept in `directory` that were killed before they could. A container's process has the number of the
/// one before it, so what has this process' own is told by its time. Where there is no `/proc` to tell, or yet another
/// process has the number by now, it stays.
fn remove_orphans(directory: &Path, own: u32, began: SystemTime) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    let is_over = |entry: &DirEntry| {
        let name = entry.file_name();
        let keeper = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<u32>().ok());
        match keeper {
            Some(keeper) if keeper == own => {
                entry.metadata().and_then(|of| of.modified()).is_ok_and(|modified| modified < began)
            }
            Some(keeper) => !Path::new(&format!("/proc/{keeper}")).exists(),
            None => false,
        }
    };
    for orphan in std::fs::read_dir(directory).into_iter().flatten().flatten().filter(is_over) {
        // Another plane may be quicker.
        let _ = std::fs::remove_dir_all(orphan.path());
    }
}

/// Keeps code for as long as the plane runs.
#[derive(Default)]
pub(crate) struct CodeStore {
    kept: Mutex<BTreeMap<PathBuf, Arc<Kept>>>,
}

impl CodeStore {
    /// Keeps an executable as `bootstrap` in a directory of its own; its path there.
    pub(crate) fn keep(&self, executable: &Path) -> std::io::Result<PathBuf> {
        let beside = executable.parent().map(directory_in);
        // A link costs nothing, and holds: what replaces a running executable puts another file in its place.
        if let Some(Ok(directory)) = beside {
            let path = directory.path().join(BOOTSTRAP);
            if std::fs::hard_link(executable, &path).is_ok() {
                return Ok(self.add(path, directory, OnceLock::new()));
            }
        }
        let directory = directory_in(&std::env::temp_dir())?;
        let path = directory.path().join(BOOTSTRAP);
        std::fs::copy(executable, &path)?;
        Ok(self.add(path, directory, OnceLock::new()))
    }

    /// Keeps what lies in the directories, laid over each other as layers are under `/opt`: of files of one name the last.
    pub(crate) fn lay(&self, directories: &[PathBuf]) -> std::io::Result<PathBuf> {
        let kept = directory_in(&std::env::temp_dir())?;
        for directory in directories {
            copy_over(directory, kept.path())?;
        }
        let path = kept.path().to_owned();
        Ok(self.add(path, kept, OnceLock::from(Facts::default())))
    }

    /// Unpacks a deployment package; the path of its bootstrap, which need not be there, as on Lambda.
    pub(crate) fn unpack(&self, package: &[u8]) -> Result<PathBuf, CodeError> {
        let no_zip = |error: zip::result::ZipError| CodeError::NoZip(error.to_string());
        let mut archive = zip::ZipArchive::new(Cursor::new(package)).map_err(no_zip)?;
        if archive.len() > ENTRIES_MAX {
            return Err(CodeError::NoZip(format!("more than {ENTRIES_MAX} entries")));
        }
        let directory = directory_in(&std::env::temp_dir())?;
        let mut left = UNPACKED_BYTES_MAX;
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(no_zip)?;
            let name = entry.enclosed_name().ok_or_else(|| CodeError::NoZip("a name leads out of it".to_owned()))?;
            let path = directory.path().join(name);
            if entry.is_dir() {
                std::fs::create_dir_all(&path)?;
                continue;
            }
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let mut file = std::fs::File::create(&path)?;
            // What an entry says of its size may be a lie: what comes out of it is counted.
            left -= std::io::copy(&mut (&mut entry).take(left), &mut file)?;
            if left == 0 {
                return Err(CodeError::TooLarge);
            }
            set_mode(&file, entry.unix_mode())?;
        }
        let path = directory.path().join(BOOTSTRAP);
        let facts = OnceLock::from(Facts { bytes: package.len() as u64, sha256: digest(package) });
        Ok(self.add(path, directory, facts))
    }

    /// Size and digest of what was kept under the path.
    pub(crate) fn facts(&self, path: &Path) -> Facts {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        let Some(kept) = kept else { return Facts::default() };
        let read = || {
            let bytes = std::fs::read(path).unwrap_or_default();
            Facts { bytes: bytes.len() as u64, sha256: digest(&bytes) }
        };
        kept.facts.get_or_init(read).clone()
    }

    fn add(&self, path: PathBuf, directory: TempDir, facts: OnceLock<Facts>) -> PathBuf {
        let kept = Arc::new(Kept { _directory: directory, facts });
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), kept);
        path
    }
}

fn copy_over(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to)?;
            copy_over(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(bytes))
}

/// The package's own permissions: a bootstrap that is not executable fails here as it does on Lambda.
fn set_mode(file: &std::fs::File, mode: Option<u32>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match mode {
        Some(mode) => file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_change_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let built = directory.path().join("processor");
        std::fs::write(&built, "one").unwrap();
        let store = CodeStore::default();
        let kept = store.keep(&built).unwrap();
        // As cargo does it: the old name goes, and a new file takes it.
        std::fs::remove_file(&built).unwrap();
        std::fs::write(&built, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "one");
        assert_eq!(kept.file_name().unwrap(), "bootstrap");
        let facts = store.facts(&kept);
        assert_eq!((facts.bytes, facts.sha256.as_str()), (3, "dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0="));
        drop(store);
        assert!(!kept.exists(), "nothing stays behind");
    }

    #[test]
    fn what_this_process_keeps_stays_when_it_keeps_more() {
        let directory = tempfile::tempdir().unwrap();
        let built = directory.path().join("processor");
        std::fs::write(&built, "one").unwrap();
        let stores: Vec<CodeStore> = (0..20).map(|_| CodeStore::default()).collect();
        let kept: Vec<PathBuf> = stores.iter().map(|store| store.keep(&built).unwrap()).collect();
        assert!(kept.iter().all(|path| path.exists()));
    }

    #[test]
    fn what_killed_processes_kept_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let names = |own: u32, began: SystemTime| {
            // No process has a number beyond 4,194,304 (proc(5), pid_max).
            for keeper in [1, std::process::id(), 4_194_305] {
                std::fs::create_dir_all(directory.path().join(format!("{PREFIX}{keeper}-x"))).unwrap();
            }
            std::fs::create_dir_all(directory.path().join("weir-code-1-x")).unwrap();
            remove_orphans(directory.path(), own, began);
            let left = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
            left.sort();
            left
        };
        let (own, anothers) = (format!("{PREFIX}{}-x", std::process::id()), "weir-code-1-x".to_owned());
        let first = format!("{PREFIX}1-x");
        let long_ago = SystemTime::UNIX_EPOCH;
        let mut all = vec![first, own.clone(), anothers.clone()];
        all.sort();
        assert_eq!(names(std::process::id(), long_ago), all);
        // A container's first process: what its predecessor kept is older than it.
        let soon = SystemTime::now() + Duration::from_secs(3_600);
        assert_eq!(names(1, soon), [own, anothers]);
    }

    #[test]
    fn of_layers_the_last_wins() {
        let layers: Vec<_> = [["only/a", "both"], ["only/b", "both"]]
            .iter()
            .enumerate()
            .map(|(at, files)| {
                let layer = tempfile::tempdir().unwrap();
                std::fs::create_dir(layer.path().join("only")).unwrap();
                files.iter().for_each(|file| std::fs::write(layer.path().join(file), at.to_string()).unwrap());
                layer
            })
            .collect();
        let store = CodeStore::default();
        let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.path().to_owned()).collect();
        let laid = store.lay(&paths).unwrap();
        let read = |file: &str| std::fs::read_to_string(laid.join(file)).unwrap();
        assert_eq!([read("only/a"), read("only/b"), read("both")], ["0", "1", "1"]);
        drop(store);
        assert!(!laid.exists(), "nothing stays behind");
    }

    #[test]
    fn only_a_package_is_unpacked() {
        let store = CodeStore::default();
        assert!(matches!(store.unpack(b"not a zip"), Err(CodeError::NoZip(_))));
    }
}
