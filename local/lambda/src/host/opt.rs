//! `/opt` of a sandbox: a mount namespace of its own in which a directory lies over the machine's `/opt`. Nobody else sees
//! it, and it goes with the process.
//!
//! Who may not mount (nobody may, without privileges) makes a user namespace first, in which they are still themselves,
//! user and group. Some machines forbid that, and some have no `/opt`: [`opt_can_be_mounted`] tries it out.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::{getgid, getuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

const OPT: &CStr = c"/opt";

/// Everything that the child needs, made before the fork: after it nothing may be allocated.
pub(crate) struct Opt {
    directory: CString,
    user_map: String,
    group_map: String,
}

impl Opt {
    pub(crate) fn new(directory: &Path) -> io::Result<Opt> {
        let directory = std::path::absolute(directory)?;
        let (user, group) = (getuid().as_raw(), getgid().as_raw());
        Ok(Opt {
            directory: CString::new(directory.as_os_str().as_bytes())?,
            user_map: format!("{user} {user} 1"),
            group_map: format!("{group} {group} 1"),
        })
    }

    /// Puts the calling process into namespaces of its own and mounts the directory. For a child between fork and exec:
    /// system calls alone.
    pub(crate) fn mount(&self) -> io::Result<()> {
        // SAFETY: no CLONE_FILES, so no descriptor is touched; between fork and exec there is one thread.
        if unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.is_err() {
            // SAFETY: as above.
            unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }?;
            // user_namespaces(7): a group is mapped without privileges only where setgroups is given up.
            write(c"/proc/self/setgroups", "deny")?;
            write(c"/proc/self/uid_map", &self.user_map)?;
            write(c"/proc/self/gid_map", &self.group_map)?;
        }
        // Or the machine would see what is mounted here.
        mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
        mount_bind(self.directory.as_c_str(), OPT)?;
        Ok(())
    }
}

fn write(path: &CStr, text: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}

/// Whether this machine lets a process mount a directory as its own `/opt`; tried once, on a process that does nothing
/// else.
pub fn opt_can_be_mounted() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        use std::os::unix::process::CommandExt;
        let Ok(opt) = Opt::new(&std::env::temp_dir()) else { return false };
        let mut command = std::process::Command::new("true");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: system calls alone, on what was made before the fork.
        unsafe {
            command.pre_exec(move || opt.mount());
        }
        command.status().is_ok_and(|status| status.success())
    })
}
