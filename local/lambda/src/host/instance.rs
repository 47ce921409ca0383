//! One sandbox: a bootstrap process, its desk, its lines.

use std::io;
use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};

use super::desk::{Desk, Phase, Reply, Work};
use super::environment::{access_key_id, log_stream, task_root, variables};
use super::opt::Opt;
use super::{FunctionSpec, Shared, memory, sandbox};
use crate::logs::{LINE_BYTES_MAX, LogLine, LogStream};

/// Lambda's init phase ("Understanding the Lambda execution environment lifecycle"). Where Lambda then tries once more
/// within the function's own timeout, this host reports the failure.
const INIT_MAX: Duration = Duration::from_secs(10);
/// How long the pipes of an ended process are read on; longer only when a grandchild holds them open.
const DRAIN_MAX: Duration = Duration::from_millis(200);
/// How long an answer already in the socket of an ended process may take to be read.
const LAST_ANSWER_MAX: Duration = Duration::from_millis(20);

/// Pause between looks at a sandbox's memory.
const MEMORY_INTERVAL: Duration = Duration::from_millis(20);

/// How an invocation on a sandbox ended.
pub(crate) enum Ended {
    Reply(Reply),
    TimedOut,
    Exited(ExitStatus),
    /// The process ended before it took the event: nothing has run, another sandbox may take it.
    NeverTaken,
}

/// Why a sandbox did not become ready.
pub(crate) enum InitFailure {
    /// The function's own report through `init/error`.
    Reported(Bytes),
    Exited(ExitStatus),
    TimedOut,
}

pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) access_key_id: String,
    pub(crate) pid: u32,
    /// Bytes it may have resident, where that is enforced.
    resident_bytes_max: Option<u64>,
    /// Its invocation has timed out: it gets nothing more.
    condemned: AtomicBool,
    desk: Arc<Desk>,
    exit: watch::Receiver<Option<ExitStatus>>,
    kill: Arc<Notify>,
    last_stderr: Arc<Mutex<Option<String>>>,
    idle_since: Mutex<Instant>,
}

impl Instance {
    /// Starts the process; it initialises on its own.
    pub(crate) async fn start(shared: &Arc<Shared>, spec: &FunctionSpec, version: &str) -> io::Result<Instance> {
        let id = log_stream(version);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        // Absolute, since the child changes its directory first.
        let bootstrap = std::path::absolute(&spec.bootstrap)?;
        let mut command = Command::new(bootstrap);
        command
            .env_clear()
            .envs(variables(shared, spec, version, listener.local_addr()?, &id))
            .current_dir(task_root(spec))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        sandbox::confine(&mut command, spec.memory_mb, spec.opt.as_deref().map(Opt::new).transpose()?);
        let mut child = shared.spawner.spawn(command).await?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process ended at once"))?;

        let desk = Desk::new();
        let server = tokio::spawn(desk.clone().serve(listener)).abort_handle();
        let last_stderr = Arc::new(Mutex::new(None));
        let lines = Lines {
            shared: shared.clone(),
            function: spec.name.clone(),
            version: version.to_owned(),
            instance: id.clone(),
            desk: desk.clone(),
        };
        let readers = [
            child.stdout.take().map(|pipe| tokio::spawn(lines.clone().read(pipe, LogStream::Stdout, None))),
            child
                .stderr
                .take()
                .map(|pipe| tokio::spawn(lines.read(pipe, LogStream::Stderr, Some(last_stderr.clone())))),
        ];
        let kill = Arc::new(Notify::new());
        let (exited, exit) = watch::channel(None);
        tokio::spawn(supervise(child, pid, kill.clone(), server, readers, exited));
        let (access_key_id, condemned) = (access_key_id(&id), AtomicBool::new(false));
        let idle_since = Mutex::new(Instant::now());
        let resident_bytes_max = shared.enforce_memory.then(|| u64::from(spec.memory_mb) * 1024 * 1024);
        Ok(Instance {
            id,
            access_key_id,
            pid,
            resident_bytes_max,
            condemned,
            desk,
            exit,
            kill,
            last_stderr,
            idle_since,
        })
    }

    pub(crate) async fn initialised(&self) -> Result<(), InitFailure> {
        let mut phase = self.desk.phase();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Starting));
        tokio::select! {
            biased;
            settled = settled => match settled.map(|phase| phase.clone()) {
                Ok(Phase::Failed(report)) => Err(InitFailure::Reported(report)),
                _ => Ok(()),
            },
            status = self.exited() => Err(InitFailure::Exited(status)),
            () = sleep(INIT_MAX) => Err(InitFailure::TimedOut),
        }
    }

    /// Runs one invocation. The sandbox must be the caller's alone.
    pub(crate) async fn invoke(&self, work: Work, limit: Duration) -> Ended {
        let mut answer = self.desk.hand_over(work);
        tokio::select! {
            biased;
            Ok(reply) = &mut answer => Ended::Reply(reply),
            status = self.exited() => match timeout(LAST_ANSWER_MAX, answer).await {
                // It answered and ended in one breath: the answer counts.
                Ok(Ok(reply)) => Ended::Reply(reply),
                _ if self.desk.taken() => Ended::Exited(status),
                _ => Ended::NeverTaken,
            },
            () = sleep(limit) => Ended::TimedOut,
            () = self.outgrown() => {
                self.kill();
                Ended::Exited(self.exited().await)
            }
        }
    }

    /// Until more is resident than may be; for ever where that is not enforced.
    async fn outgrown(&self) {
        let Some(bytes_max) = self.resident_bytes_max else { return std::future::pending().await };
        while memory::peak_bytes(self.pid).is_none_or(|bytes| bytes <= bytes_max) {
            sleep(MEMORY_INTERVAL).await;
        }
    }

    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }

    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }

    pub(crate) fn alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Asks for SIGKILL to the process group; [`Instance::exited`] tells when it is done.
    pub(crate) fn kill(&self) {
        self.kill.notify_one();
    }

    pub(crate) async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|status| *status) {
            Ok(Some(status)) => status,
            // The supervisor went with its runtime, and the process with it.
            _ => std::os::unix::process::ExitStatusExt::from_raw(9),
        }
    }

    pub(crate) fn last_stderr(&self) -> Option<String> {
        self.last_stderr.lock().expect("no panic while the lock is held").clone()
    }

    pub(crate) fn mark_idle(&self) {
        *self.idle_since.lock().expect("no panic while the lock is held") = Instant::now();
    }

    pub(crate) fn idle_for(&self) -> Duration {
        self.idle_since.lock().expect("no panic while the lock is held").elapsed()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Owns the process: only here is it signalled and reaped, so no signal ever goes to a recycled process id.
async fn supervise(
    mut child: Child,
    pid: u32,
    kill: Arc<Notify>,
    server: AbortHandle,
    readers: [Option<JoinHandle<()>>; 2],
    exited: watch::Sender<Option<ExitStatus>>,
) {
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = kill.notified() => None,
    };
    let status = match ended {
        Some(status) => status,
        None => {
            // The group: what the function has started goes with it.
            if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.start_kill();
            child.wait().await
        }
    };
    // Its last lines are read before its end is known: they are what explains it.
    let drained = async {
        for reader in readers.into_iter().flatten() {
            let _ = reader.await;
        }
    };
    let _ = timeout(DRAIN_MAX, drained).await;
    exited.send_replace(Some(status.unwrap_or_else(|_| std::os::unix::process::ExitStatusExt::from_raw(9))));
    sleep(LAST_ANSWER_MAX).await;
    server.abort();
}

#[derive(Clone)]
struct Lines {
    shared: Arc<Shared>,
    function: String,
    version: String,
    instance: String,
    desk: Arc<Desk>,
}

impl Lines {
    async fn read(self, pipe: impl AsyncRead + Unpin, stream: LogStream, last: Option<Arc<Mutex<Option<String>>>>) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut pipe).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await;
            if !matches!(read, Ok(bytes) if bytes > 0) {
                return;
            }
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            let request_id = self.desk.log_id();
            self.shared.logs.line(&LogLine {
                function: &self.function,
                version: &self.version,
                instance: &self.instance,
                request_id: request_id.as_deref(),
                stream,
                text: &text,
            });
            if let Some(last) = &last
                && !text.trim().is_empty()
            {
                *last.lock().expect("no panic while the lock is held") = Some(text.into_owned());
            }
        }
    }
}
