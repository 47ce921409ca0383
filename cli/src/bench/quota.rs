//! CPU quotas as Lambda gives them: a share of the CPU that grows with memory, by Linux's control groups.
//!
//! Version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), whichever is mounted and writable; writing needs root, mostly.

use super::price::WHOLE_CPU_MB;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Linux mounts them (cgroups(7)).
const ROOT: &str = "/sys/fs/cgroup";
/// In so short periods a small share is had evenly, not a tenth of a second at a time. Microseconds.
const PERIOD_US: u64 = 20_000;
/// The least quota that the kernel takes, microseconds (sched-bwc: `min_cfs_quota_period`).
const QUOTA_US_MIN: u64 = 1_000;
/// How often, and after which pause, a group whose last process is just ending is removed again.
const REMOVALS: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Share of a CPU that Lambda gives to a memory size: 1.0 is one whole.
pub(crate) fn cpus(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / f64::from(WHOLE_CPU_MB)
}

/// Where groups are made.
#[derive(Debug)]
pub(crate) struct Quotas {
    parent: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A group; a process in it gets no more than its share. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Quotas {
    /// The system's, if a group can be made.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn find() -> Result<Self, String> {
        Self::below(Path::new(ROOT))
    }

    fn below(root: &Path) -> Result<Self, String> {
        let two = root.join("cgroup.controllers");
        let one = ["cpu", "cpu,cpuacct"].map(|name| root.join(name)).into_iter();
        let quotas = match one.into_iter().find(|parent| parent.join("cgroup.procs").exists()) {
            Some(parent) => Self { parent, version: Version::One },
            None if two.exists() => Self { parent: root.to_owned(), version: Version::Two },
            None => return Err(format!("no control groups are mounted at {}", root.display())),
        };
        if quotas.version == Version::Two {
            // Children have the controller only where their parent hands it on; often it does already.
            let _ = fs::write(quotas.parent.join("cgroup.subtree_control"), "+cpu");
        }
        match quotas.group("probe", 1.0) {
            Ok(_) => Ok(quotas),
            Err(error) => Err(format!("cannot create a control group in {}: {error}", quotas.parent.display())),
        }
    }

    /// A group of so many CPUs.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(crate) fn group(&self, name: &str, cpus: f64) -> io::Result<Group> {
        let directory = self.parent.join(format!("weir-bench-{}-{name}", std::process::id()));
        fs::create_dir(&directory)?;
        let group = Group(directory);
        let quota_us = ((cpus * PERIOD_US as f64).round() as u64).max(QUOTA_US_MIN);
        match self.version {
            Version::Two => fs::write(group.0.join("cpu.max"), format!("{quota_us} {PERIOD_US}"))?,
            Version::One => {
                fs::write(group.0.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
                fs::write(group.0.join("cpu.cfs_quota_us"), quota_us.to_string())?;
            }
        }
        Ok(group)
    }
}

impl Group {
    /// Its own, unlike any other's.
    pub(crate) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A process that writes its id there has entered.
    pub(crate) fn entrance(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            match fs::remove_dir(&self.0) {
                // Busy while its last process is being reaped.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(REMOVAL_PAUSE),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_cpu_is_1769_mb() {
        assert_eq!(cpus(1_769), 1.0);
        assert!((cpus(128) - 0.0724).abs() < 1e-4);
    }

    #[test]
    fn what_each_version_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert!(Quotas::below(root.path()).unwrap_err().contains("no control groups"));
        fs::write(root.path().join("cgroup.controllers"), "cpu").unwrap();
        let two = Quotas { parent: root.path().to_owned(), version: Version::Two };
        let group = two.group("a", 0.5).unwrap();
        assert_eq!(fs::read_to_string(group.0.join("cpu.max")).unwrap(), "10000 20000");
        let one = Quotas { parent: root.path().to_owned(), version: Version::One };
        let group = one.group("b", 0.01).unwrap();
        assert_eq!(fs::read_to_string(group.0.join("cpu.cfs_quota_us")).unwrap(), "1000");
        assert_eq!(fs::read_to_string(group.0.join("cpu.cfs_period_us")).unwrap(), "20000");
    }
}
