//! A queue in memory, for tests: visibility, receive counts, FIFO groups, and failures on demand.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::source::{QueueMessage, QueueProperties, QueueSource};
use crate::mapping::SourceError;

/// A queue; FIFO if its ARN ends in `.fifo`. Time is Tokio's, so a test may pause it.
#[derive(Debug)]
pub struct MemoryQueue {
    arn: String,
    visibility_timeout: Duration,
    state: Mutex<State>,
    sent: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: Vec<Stored>,
    sequence: u64,
    failures: VecDeque<SourceError>,
    receives: u64,
}

#[derive(Debug)]
struct Stored {
    message: QueueMessage,
    visible_at: Option<Instant>,
    receive_count: u32,
}

impl Stored {
    fn is_visible(&self, now: Instant) -> bool {
        self.visible_at.is_none_or(|at| at <= now)
    }

    fn group(&self) -> Option<&String> {
        self.message.attributes.get("MessageGroupId")
    }
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(arn: impl Into<String>, visibility_timeout: Duration) -> MemoryQueue {
        MemoryQueue { arn: arn.into(), visibility_timeout, state: Mutex::default(), sent: Notify::new() }
    }

    /// Sends a message and returns its id.
    pub fn send(&self, body: impl Into<String>) -> String {
        self.put(body.into(), None)
    }

    /// Sends a message of a group to a FIFO queue and returns its id.
    pub fn send_to_group(&self, group: &str, body: impl Into<String>) -> String {
        self.put(body.into(), Some(group))
    }

    fn put(&self, body: String, group: Option<&str>) -> String {
        let mut state = self.lock();
        state.sequence += 1;
        let message_id = format!("message-{:06}", state.sequence);
        let mut message = QueueMessage { message_id: message_id.clone(), body, ..QueueMessage::default() };
        if let Some(group) = group {
            message.attributes.insert("MessageGroupId".into(), group.into());
        }
        state.messages.push(Stored { message, visible_at: None, receive_count: 0 });
        drop(state);
        self.sent.notify_waiters();
        message_id
    }

    /// How many messages it holds, visible or not.
    pub fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// Whether every message has been deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages are visible.
    pub fn visible(&self) -> usize {
        let now = Instant::now();
        self.lock().messages.iter().filter(|stored| stored.is_visible(now)).count()
    }

    /// How many receives were answered so far.
    pub fn receives(&self) -> u64 {
        self.lock().receives
    }

    /// Makes the next receive, deletion or change fail. Queued.
    pub fn fail_next(&self, error: SourceError) {
        self.lock().failures.push_back(error);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the lock is held")
    }

    fn try_receive(&self, messages_max: u32) -> Result<Vec<QueueMessage>, SourceError> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        let messages = &mut state.messages;
        let fifo = self.arn.ends_with(".fifo");
        // A group with a message in flight is locked.
        let locked = messages.iter().filter(|stored| fifo && !stored.is_visible(now)).filter_map(Stored::group);
        let locked: HashSet<String> = locked.cloned().collect();
        let free =
            |stored: &&mut Stored| stored.is_visible(now) && stored.group().is_none_or(|group| !locked.contains(group));
        let taken = messages.iter_mut().filter(free).take(messages_max as usize).map(|stored| {
            stored.visible_at = Some(now + self.visibility_timeout);
            stored.receive_count += 1;
            let mut message = stored.message.clone();
            message.receipt_handle = format!("{}#{}", message.message_id, stored.receive_count);
            message.attributes.insert("ApproximateReceiveCount".into(), stored.receive_count.to_string());
            message
        });
        Ok(taken.collect())
    }

    /// When the next invisible message reappears.
    fn next_visible(&self) -> Option<Instant> {
        self.lock().messages.iter().filter_map(|stored| stored.visible_at).min()
    }

    async fn wait_and_receive(&self, messages_max: u32, wait: Duration) -> Result<Vec<QueueMessage>, SourceError> {
        self.lock().receives += 1;
        let until = Instant::now() + wait;
        loop {
            let sent = self.sent.notified();
            let received = self.try_receive(messages_max)?;
            let now = Instant::now();
            if !received.is_empty() || now >= until {
                return Ok(received);
            }
            let next = self.next_visible().filter(|at| *at > now).map_or(until, |at| at.min(until));
            let _ = timeout(next - now, sent).await;
        }
    }

    /// By handles of the latest receipt, as SQS takes them.
    fn each(&self, receipts: &[String], mut act: impl FnMut(&mut Vec<Stored>, usize)) -> Result<(), SourceError> {
        let mut state = self.lock();
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        for receipt in receipts {
            let handle = |stored: &Stored| format!("{}#{}", stored.message.message_id, stored.receive_count);
            if let Some(index) = state.messages.iter().position(|stored| handle(stored) == *receipt) {
                act(&mut state.messages, index);
            }
        }
        drop(state);
        self.sent.notify_waiters();
        Ok(())
    }
}

impl QueueSource for MemoryQueue {
    fn arn(&self) -> &str {
        &self.arn
    }

    fn properties(&self) -> BoxFuture<'_, Result<QueueProperties, SourceError>> {
        Box::pin(ready(Ok(QueueProperties { visibility_timeout: self.visibility_timeout })))
    }

    fn receive(&self, messages_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<QueueMessage>, SourceError>> {
        Box::pin(self.wait_and_receive(messages_max, wait))
    }

    fn delete(&self, receipt_handles: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, SourceError>> {
        let deleted = self.each(&receipt_handles, |messages, index| {
            messages.remove(index);
        });
        Box::pin(ready(deleted.map(|()| Vec::new())))
    }

    fn change_visibility(
        &self,
        receipt_handles: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<(), SourceError>> {
        let changed = self.each(&receipt_handles, |messages, index| {
            messages[index].visible_at = Some(Instant::now() + timeout);
        });
        Box::pin(ready(changed))
    }
}
