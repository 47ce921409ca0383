//! SIGKILL to processors.

use crate::Fleet;
use std::time::{Duration, Instant};

/// How long a function that has work may take to have a process.
const PROCESS_WAIT_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

impl Fleet {
    /// Kills every process of every function of [`Self::INTAKE`]; where a function has none, the first that it starts.
    /// Work must be on its way. Returns how many were killed.
    pub async fn kill_processors(&self) -> usize {
        let mut killed = 0;
        for function in Self::INTAKE {
            let deadline = Instant::now() + PROCESS_WAIT_MAX;
            let pids = loop {
                let all = self.plane.host().instances().into_iter();
                let pids: Vec<u32> = all.filter(|one| one.function == function).map(|one| one.pid).collect();
                if !pids.is_empty() {
                    break pids;
                }
                assert!(Instant::now() < deadline, "{function} never started");
                tokio::time::sleep(POLL).await;
            };
            for pid in pids {
                let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
                // It may have ended by itself.
                killed += usize::from(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok());
            }
        }
        killed
    }
}
