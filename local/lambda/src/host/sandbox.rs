//! What happens in the child between fork and exec. With `opt.rs` the crate's only unsafe code.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit};
use tokio::process::Command;

use super::opt::Opt;

/// What a sandbox's data segment may take beyond the function's memory: thread stacks (2 MB of private memory each)
/// and allocator arenas count in full once reserved, whether touched or not. `RLIMIT_AS` would count mappings that
/// are never touched, and allocators that reserve address space up front would not even start under it.
const DATA_SLACK_BYTES: u64 = 256 * 1024 * 1024;

/// Makes the child die with the forking thread, lead its own process group, and stay below its memory backstop; with an
/// `/opt` of its own, where it has one.
pub(crate) fn confine(command: &mut Command, memory_mb: u32, opt: Option<Opt>) {
    let host = getpid();
    let data_bytes = u64::from(memory_mb) * 1024 * 1024 + DATA_SLACK_BYTES;
    // A terminal's Ctrl-C goes to the foreground group: apart from it, the host decides when the functions end.
    command.process_group(0);
    // SAFETY: after fork in a multi-threaded process only async-signal-safe work is allowed. The closure makes some
    // system calls directly (rustix's Linux backend issues them without libc), touches no lock, and allocates
    // nothing: its error is built from an errno.
    unsafe {
        command.pre_exec(move || enter(host, data_bytes, opt.as_ref()));
    }
}

fn enter(host: Pid, data_bytes: u64, opt: Option<&Opt>) -> io::Result<()> {
    // First: entering a user namespace changes credentials, which takes the death signal back (prctl(2)).
    if let Some(opt) = opt {
        opt.mount()?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // prctl(2): the signal is sent when the parent dies *after* the call. Had it died before, the parent is another.
    if getppid() != Some(host) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    setrlimit(Resource::Data, Rlimit { current: Some(data_bytes), maximum: Some(data_bytes) })?;
    Ok(())
}
