//! The thread that forks every bootstrap.
//!
//! `PR_SET_PDEATHSIG` fires when the *thread* that forked ends (prctl(2)), and a runtime's threads come and go, so all
//! forks happen on one thread that lives exactly as long as the host.

use std::io;
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Forks waiting for the thread; further callers wait for a place.
const FORKS_PENDING_MAX: usize = 64;

struct Request {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    pub(crate) fn start() -> Spawner {
        let (requests, mut inbox) = mpsc::channel::<Request>(FORKS_PENDING_MAX);
        let serve = move || {
            while let Some(Request { mut command, runtime, reply }) = inbox.blocking_recv() {
                // The child is registered with the runtime that asked for it.
                let entered = runtime.enter();
                let child = command.spawn();
                drop(entered);
                // A caller that is gone drops the child here, and `kill_on_drop` ends it.
                let _ = reply.send(child);
            }
        };
        thread::Builder::new().name("lambda-spawner".into()).spawn(serve).expect("the system can start one thread");
        Spawner { requests }
    }

    pub(crate) async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.kill_on_drop(true);
        let (reply, answer) = oneshot::channel();
        let request = Request { command, runtime: Handle::current(), reply };
        let ended = || io::Error::other("the thread that starts sandboxes has ended");
        self.requests.send(request).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}
