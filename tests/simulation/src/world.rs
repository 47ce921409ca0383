//! Virtual time: what happens next, and who runs.
//!
//! One thread, one queue of actions by time. Invocations are real futures of the product's code; whatever they ask of a
//! store becomes an action that arrives later, and its answer another. A future is polled when an answer woke it and
//! dropped when its process dies; requests that are under way go on without it. Two runs of the same choices are the
//! same run.

use crate::choices::Choices;
use crate::schedule::Schedule;
use crate::weather::Weather;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use weir_telemetry::Millis;

/// Something that happens at its time.
pub(crate) type Action = Box<dyn FnOnce(&mut World) + Send>;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Number of a running invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId(u64);

/// The clock, what is to happen, and everything that is.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) choices: Choices,
    pub(crate) weather: Weather,
    pub(crate) schedule: Schedule,
    pub(crate) state: crate::state::State,
    agenda: BTreeMap<(i64, u64), Action>,
    numbers: u64,
    spawned: Vec<(TaskId, Task)>,
    killed: Vec<TaskId>,
    running: BTreeSet<TaskId>,
    /// Requests that have not arrived yet.
    pub(crate) under_way: u64,
    me: Weak<Mutex<Self>>,
}

/// The world, as futures hold it.
pub(crate) type Shared = Arc<Mutex<World>>;

pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(now: Millis, choices: Choices, schedule: Schedule, state: crate::state::State) -> Shared {
        Arc::new_cyclic(|me| {
            Mutex::new(Self {
                now,
                choices,
                weather: Weather::calm(),
                schedule,
                state,
                agenda: BTreeMap::new(),
                numbers: 0,
                spawned: vec![],
                killed: vec![],
                running: BTreeSet::new(),
                under_way: 0,
                me: me.clone(),
            })
        })
    }

    /// The world for futures to hold. It is there as long as its actions run.
    pub(crate) fn shared(&self) -> Option<Shared> {
        self.me.upgrade()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Has `action` happen after `ms`; actions of the same time happen in the order in which they were planned.
    pub(crate) fn after(&mut self, ms: i64, action: impl FnOnce(&mut Self) + Send + 'static) {
        self.at(self.now.plus(ms), action);
    }

    pub(crate) fn at(&mut self, time: Millis, action: impl FnOnce(&mut Self) + Send + 'static) {
        let number = self.number();
        self.agenda.insert((time.0.max(self.now.0), number), Box::new(action));
    }

    /// Says what happens, if somebody reads it.
    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        self.schedule.say(self.now, what);
    }

    /// Runs a future from now on.
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) -> TaskId {
        let task = TaskId(self.number());
        self.running.insert(task);
        self.spawned.push((task, Box::pin(future)));
        task
    }

    /// Ends everything. Environments and actions hold the world that holds them: without this no run is ever freed.
    pub(crate) fn end(&mut self) {
        let agenda = std::mem::take(&mut self.agenda);
        drop((agenda, std::mem::take(&mut self.spawned), std::mem::take(&mut self.state.fleet)));
    }

    /// Whether an invocation runs or a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty() || self.under_way > 0
    }

    /// Drops a running future at whatever point it waits; false when it has ended.
    pub(crate) fn kill(&mut self, task: TaskId) -> bool {
        let running = self.running.remove(&task);
        if running {
            self.killed.push(task);
        }
        running
    }
}

/// Tasks that may go on.
type Ready = Arc<Mutex<Vec<TaskId>>>;

struct TaskWaker {
    task: TaskId,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

/// Runs the world until nothing is left to happen, `steps_max` actions have, or `stop` says so; true when nothing is
/// left.
pub(crate) fn run(world: &Shared, steps_max: u64, stop: impl Fn(&World) -> bool) -> bool {
    let ready = Ready::default();
    let mut tasks: BTreeMap<TaskId, (Task, Waker)> = BTreeMap::new();
    for _ in 0..steps_max {
        {
            let mut world = lock(world);
            let Some(((time, _), action)) = world.agenda.pop_first() else { return true };
            world.now = Millis(time);
            action(&mut world);
            if stop(&world) {
                return false;
            }
        }
        run_tasks(world, &ready, &mut tasks);
    }
    false
}

fn run_tasks(world: &Shared, ready: &Ready, tasks: &mut BTreeMap<TaskId, (Task, Waker)>) {
    loop {
        let (spawned, killed) = {
            let mut world = lock(world);
            (std::mem::take(&mut world.spawned), std::mem::take(&mut world.killed))
        };
        for (task, future) in spawned {
            let waker = Waker::from(Arc::new(TaskWaker { task, ready: ready.clone() }));
            waker.wake_by_ref();
            tasks.insert(task, (future, waker));
        }
        // Dropped here, while nobody holds the world.
        killed.iter().for_each(|task| drop(tasks.remove(task)));
        let next = ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(next) = next else {
            if lock(world).spawned.is_empty() {
                return;
            }
            continue;
        };
        let Some((future, waker)) = tasks.get_mut(&next) else { continue };
        let mut poll = || future.as_mut().poll(&mut Context::from_waker(waker)).is_ready();
        let ended = catch_unwind(AssertUnwindSafe(&mut poll)).unwrap_or_else(|_| {
            lock(world).state.violation = Some("the product's code panicked: see above".to_owned());
            true
        });
        if ended {
            tasks.remove(&next);
            lock(world).running.remove(&next);
        }
    }
}

/// Where an answer arrives.
pub(crate) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }

    /// The first answer stands; a later one finds nobody who waits for it.
    pub(crate) fn fill(&self, answer: T) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.0.is_none() {
            inner.0 = Some(answer);
            if let Some(waker) = inner.1.take() {
                waker.wake();
            }
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                inner.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
