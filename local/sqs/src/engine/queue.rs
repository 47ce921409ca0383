//! One queue: where each message stands, and the indexes that find the next one without a scan.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attributes::QueueAttributes;
use super::groups::Groups;
use crate::limits::{DEDUPLICATION_MS, MESSAGE_OVERHEAD_BYTES, RECEIVE_ATTEMPTS_MAX};
use crate::message::Message;

/// Order of arrival in a queue; a message's identity within it.
pub(crate) type Seq = u64;
/// Epoch milliseconds.
pub(crate) type Millis = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Ready,
    /// Sent, and hidden until then.
    Delayed(Millis),
    /// Received, and hidden until then.
    InFlight(Millis),
}

/// A message and what receiving has made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) message: Arc<Message>,
    /// Across queues: an automatic redrive keeps it (API_ReceiveMessage: "across all queues").
    pub(crate) receive_count: u32,
    pub(crate) first_received_ms: Option<Millis>,
    pub(crate) last_received_ms: Millis,
    pub(crate) state: State,
}

/// A deduplication id in its five minutes, and the message it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) seq: Seq,
    pub(crate) message_id: String,
    pub(crate) until_ms: Millis,
}

/// What one `ReceiveRequestAttemptId` got: (message, its receive count then, hidden until).
#[derive(Debug)]
struct Attempt {
    until_ms: Millis,
    taken: Vec<(Seq, u32, Millis)>,
}

#[derive(Debug)]
enum Lane {
    Standard(BTreeSet<Seq>),
    Fifo(Groups),
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) attributes: QueueAttributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: Millis,
    pub(crate) modified_ms: Millis,
    pub(crate) purged_ms: Option<Millis>,
    pub(crate) next_seq: Seq,
    messages: BTreeMap<Seq, Stored>,
    lane: Lane,
    /// Delayed and in flight, by when they become ready.
    waiting: BTreeSet<(Millis, Seq)>,
    /// All messages by the start of their retention. Not by `Seq`: a dead-letter queue takes older messages later.
    ages: BTreeSet<(Millis, Seq)>,
    delayed: usize,
    in_flight: usize,
    remembered: HashMap<String, Remembered>,
    remembered_order: VecDeque<(Millis, String)>,
    attempts: HashMap<String, Attempt>,
    attempts_order: VecDeque<(Millis, String)>,
    bytes: u64,
}

impl Queue {
    pub(crate) fn new(attributes: QueueAttributes, tags: BTreeMap<String, String>, created_ms: Millis) -> Self {
        let lane = if attributes.fifo { Lane::Fifo(Groups::default()) } else { Lane::Standard(BTreeSet::new()) };
        Self {
            attributes,
            tags,
            created_ms,
            modified_ms: created_ms,
            purged_ms: None,
            next_seq: 0,
            messages: BTreeMap::new(),
            lane,
            waiting: BTreeSet::new(),
            ages: BTreeSet::new(),
            delayed: 0,
            in_flight: 0,
            remembered: HashMap::new(),
            remembered_order: VecDeque::new(),
            attempts: HashMap::new(),
            attempts_order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Lets time pass: what has waited long enough is ready, what is past retention or memory is gone.
    /// Never journaled, since it follows from the clock alone.
    pub(crate) fn settle(&mut self, now_ms: Millis) {
        let retention_ms = self.attributes.retention_s * 1_000;
        while let Some(&(enqueued_ms, seq)) = self.ages.first() {
            if enqueued_ms + retention_ms > now_ms {
                break;
            }
            self.remove(seq);
        }
        while let Some(&(until_ms, seq)) = self.waiting.first() {
            if until_ms > now_ms {
                break;
            }
            self.set_state(seq, State::Ready);
        }
        while self.remembered_order.front().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            if let Some((until_ms, key)) = self.remembered_order.pop_front()
                && self.remembered.get(&key).is_some_and(|r| r.until_ms == until_ms)
            {
                self.remembered.remove(&key);
            }
        }
        while self.attempts_order.front().is_some_and(|(until_ms, _)| *until_ms <= now_ms)
            || self.attempts_order.len() > RECEIVE_ATTEMPTS_MAX
        {
            if let Some((until_ms, id)) = self.attempts_order.pop_front()
                && self.attempts.get(&id).is_some_and(|a| a.until_ms == until_ms)
            {
                self.attempts.remove(&id);
            }
        }
    }

    pub(crate) fn get(&self, seq: Seq) -> Option<&Stored> {
        self.messages.get(&seq)
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = (Seq, &Stored)> {
        self.messages.iter().map(|(seq, stored)| (*seq, stored))
    }

    pub(crate) fn delayed(&self) -> usize {
        self.delayed
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Messages a receive could hand out, but for locks of their groups.
    pub(crate) fn ready(&self) -> usize {
        self.messages.len() - self.waiting.len()
    }

    /// What the stored messages cost, `MESSAGE_OVERHEAD_BYTES` each included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the next waiting message becomes ready.
    pub(crate) fn next_due_ms(&self) -> Option<Millis> {
        self.waiting.first().map(|(until_ms, _)| *until_ms)
    }

    /// Up to `max` messages that may be received now, in order.
    pub(crate) fn next(&self, max: usize) -> Vec<Seq> {
        match &self.lane {
            Lane::Standard(ready) => ready.iter().copied().take(max).collect(),
            Lane::Fifo(groups) => groups.next(max),
        }
    }

    /// Adds a message, or replaces it (a journal may say the same twice around a rewrite).
    pub(crate) fn insert(&mut self, seq: Seq, stored: Stored) {
        self.remove(seq);
        self.next_seq = self.next_seq.max(seq + 1);
        self.bytes += stored.message.size_bytes as u64 + MESSAGE_OVERHEAD_BYTES;
        self.ages.insert((stored.message.enqueued_ms, seq));
        let (message, state) = (Arc::clone(&stored.message), stored.state);
        self.messages.insert(seq, stored);
        self.index(&message, seq, state);
    }

    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Stored> {
        let stored = self.messages.remove(&seq)?;
        self.unindex_wait(seq, stored.state);
        match (&mut self.lane, &stored.message.group_id) {
            (Lane::Standard(ready), _) => {
                ready.remove(&seq);
            }
            (Lane::Fifo(groups), Some(group_id)) => groups.remove(group_id, seq),
            (Lane::Fifo(_), None) => {}
        }
        self.ages.remove(&(stored.message.enqueued_ms, seq));
        self.bytes -= stored.message.size_bytes as u64 + MESSAGE_OVERHEAD_BYTES;
        Some(stored)
    }

    pub(crate) fn set_state(&mut self, seq: Seq, state: State) {
        let Some(stored) = self.messages.get_mut(&seq) else { return };
        let before = std::mem::replace(&mut stored.state, state);
        let message = Arc::clone(&stored.message);
        self.unindex_wait(seq, before);
        self.index(&message, seq, state);
    }

    pub(crate) fn received(&mut self, seq: Seq, at_ms: Millis, until_ms: Millis) {
        if let Some(stored) = self.messages.get_mut(&seq) {
            stored.receive_count = stored.receive_count.saturating_add(1);
            stored.first_received_ms.get_or_insert(at_ms);
            stored.last_received_ms = at_ms;
            self.set_state(seq, State::InFlight(until_ms));
        }
    }

    pub(crate) fn purge(&mut self, at_ms: Millis) {
        while let Some((&seq, _)) = self.messages.first_key_value() {
            self.remove(seq);
        }
        self.purged_ms = Some(at_ms);
    }

    fn index(&mut self, message: &Message, seq: Seq, state: State) {
        match state {
            State::Ready => {}
            State::Delayed(until_ms) => {
                self.delayed += 1;
                self.waiting.insert((until_ms, seq));
            }
            State::InFlight(until_ms) => {
                self.in_flight += 1;
                self.waiting.insert((until_ms, seq));
            }
        }
        match (&mut self.lane, &message.group_id) {
            (Lane::Standard(ready), _) => {
                if state == State::Ready {
                    ready.insert(seq);
                } else {
                    ready.remove(&seq);
                }
            }
            (Lane::Fifo(groups), Some(group_id)) => groups.place(group_id, seq, state),
            // A FIFO queue takes no message without a group.
            (Lane::Fifo(_), None) => {}
        }
    }

    fn unindex_wait(&mut self, seq: Seq, state: State) {
        match state {
            State::Ready => {}
            State::Delayed(until_ms) => {
                self.delayed -= 1;
                self.waiting.remove(&(until_ms, seq));
            }
            State::InFlight(until_ms) => {
                self.in_flight -= 1;
                self.waiting.remove(&(until_ms, seq));
            }
        }
    }

    pub(crate) fn remember(&mut self, key: String, remembered: Remembered) {
        self.remembered_order.push_back((remembered.until_ms, key.clone()));
        self.remembered.insert(key, remembered);
    }

    pub(crate) fn remembered(&self, key: &str) -> Option<&Remembered> {
        self.remembered.get(key)
    }

    pub(crate) fn remembered_len(&self) -> usize {
        self.remembered.len()
    }

    pub(crate) fn all_remembered(&self) -> impl Iterator<Item = (&String, &Remembered)> {
        // In the order of their ends, which `remembered_order` relies on when they are read back.
        self.remembered_order.iter().filter_map(|(until_ms, key)| {
            self.remembered.get_key_value(key).filter(|(_, remembered)| remembered.until_ms == *until_ms)
        })
    }

    /// The messages an earlier receive with this attempt id took, unless any of them has changed since.
    pub(crate) fn attempt(&self, id: &str) -> Option<Vec<Seq>> {
        let attempt = self.attempts.get(id)?;
        let is_unchanged = |&(seq, count, until_ms): &(Seq, u32, Millis)| {
            self.messages.get(&seq).is_some_and(|s| s.receive_count == count && s.state == State::InFlight(until_ms))
        };
        attempt.taken.iter().all(is_unchanged).then(|| attempt.taken.iter().map(|(seq, ..)| *seq).collect())
    }

    pub(crate) fn remember_attempt(&mut self, id: &str, seqs: &[Seq], now_ms: Millis) {
        let taken = seqs
            .iter()
            .filter_map(|seq| {
                let stored = self.messages.get(seq)?;
                let State::InFlight(until_ms) = stored.state else { return None };
                Some((*seq, stored.receive_count, until_ms))
            })
            .collect();
        let until_ms = now_ms + DEDUPLICATION_MS;
        self.attempts_order.push_back((until_ms, id.to_owned()));
        self.attempts.insert(id.to_owned(), Attempt { until_ms, taken });
    }
}
