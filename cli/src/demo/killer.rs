//! `--kill`: SIGKILL to every processor, the requested number of times.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use weir_local::Plane;

/// Kills processors while they work: each function as often as it is due, whenever it has a process.
pub(crate) struct Killer {
    due: BTreeMap<String, u32>,
    pub(crate) killed: u64,
}

impl Killer {
    pub(crate) fn new(plane: &Plane) -> Self {
        Self { due: plane.plan().functions.iter().map(|function| (function.name.clone(), 0)).collect(), killed: 0 }
    }

    /// Every function is to be killed once more.
    pub(crate) fn once_more(&mut self) {
        self.due.values_mut().for_each(|due| *due += 1);
    }

    /// SIGKILL to one process of each function that is due and has one.
    pub(crate) fn strike(&mut self, plane: &Plane) {
        if self.due.values().all(|due| *due == 0) {
            return;
        }
        let mut struck = BTreeSet::new();
        for instance in plane.host().instances() {
            let Some(due) = self.due.get_mut(&instance.function).filter(|due| **due > 0) else { continue };
            // One that has just ended by itself does not count.
            if struck.insert(instance.function) && signal(instance.pid, Signal::KILL) {
                *due -= 1;
                self.killed += 1;
            }
        }
    }
}

/// Sends a signal; whether there was a process to take it.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}
