//! Everything that ever happens to the state. An operation decides, and then only commits changes; the journal is a
//! list of changes and so is a snapshot. So what is replayed cannot differ from what was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::attributes::QueueAttributes;
use super::queue::{Millis, Queue, Remembered, Seq, State, Stored};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Change {
    QueueCreated {
        queue: String,
        attributes: QueueAttributes,
        tags: BTreeMap<String, String>,
        created_ms: Millis,
        modified_ms: Millis,
        next_seq: Seq,
    },
    QueueConfigured {
        queue: String,
        attributes: QueueAttributes,
        at_ms: Millis,
    },
    QueueTagged {
        queue: String,
        tags: BTreeMap<String, String>,
    },
    QueueDeleted {
        queue: String,
        at_ms: Millis,
    },
    QueuePurged {
        queue: String,
        at_ms: Millis,
    },
    /// Sent, or moved here from another queue.
    Stored {
        queue: String,
        seq: Seq,
        stored: Stored,
    },
    Remembered {
        queue: String,
        key: String,
        remembered: Remembered,
    },
    Received {
        queue: String,
        seq: Seq,
        at_ms: Millis,
        until_ms: Millis,
    },
    /// In flight until then, or ready at once.
    Visibility {
        queue: String,
        seq: Seq,
        until_ms: Option<Millis>,
    },
    /// Deleted, or moved to another queue.
    Removed {
        queue: String,
        seq: Seq,
    },
}

impl Change {
    /// The queue in which a waiting receive may now find something.
    pub(crate) fn wakes(&self) -> Option<&str> {
        match self {
            Self::Stored { queue, .. } | Self::Visibility { queue, .. } | Self::QueueDeleted { queue, .. } => {
                Some(queue)
            }
            // A deletion opens a FIFO group; a standard queue has nothing new by it.
            Self::Removed { queue, .. } if queue.ends_with(".fifo") => Some(queue),
            _ => None,
        }
    }
}

impl Engine {
    pub(super) fn commit(&mut self, change: Change) {
        self.changes.push(change.clone());
        self.apply(change);
    }

    /// Changes since the last call, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Makes one change, without questions: also that of a journal.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::QueueCreated { queue, attributes, tags, created_ms, modified_ms, next_seq } => {
                let mut new = Queue::new(attributes, tags, created_ms);
                new.modified_ms = modified_ms;
                new.next_seq = next_seq;
                self.queues.insert(queue, new);
            }
            Change::QueueDeleted { queue, at_ms } => {
                if let Some(old) = self.queues.remove(&queue) {
                    self.stored_bytes -= old.bytes();
                }
                self.deleted_ms.insert(queue, at_ms);
            }
            Change::QueueConfigured { queue, attributes, at_ms } => self.change(&queue, |q| {
                q.attributes = attributes;
                q.modified_ms = at_ms;
            }),
            Change::QueueTagged { queue, tags } => self.change(&queue, |q| q.tags = tags),
            Change::QueuePurged { queue, at_ms } => self.change(&queue, |q| q.purge(at_ms)),
            Change::Stored { queue, seq, stored } => self.change(&queue, |q| q.insert(seq, stored)),
            Change::Remembered { queue, key, remembered } => {
                self.change(&queue, |q| q.remember(key, remembered));
            }
            Change::Received { queue, seq, at_ms, until_ms } => {
                self.change(&queue, |q| q.received(seq, at_ms, until_ms));
            }
            Change::Visibility { queue, seq, until_ms } => {
                self.change(&queue, |q| q.set_state(seq, until_ms.map_or(State::Ready, State::InFlight)));
            }
            Change::Removed { queue, seq } => self.change(&queue, |q| {
                q.remove(seq);
            }),
        }
    }

    /// Changes a queue and keeps the sum of stored bytes with it. A queue that is gone by now needs no change.
    pub(super) fn change(&mut self, queue: &str, f: impl FnOnce(&mut Queue)) {
        if let Some(queue) = self.queues.get_mut(queue) {
            let before = queue.bytes();
            f(queue);
            self.stored_bytes = self.stored_bytes - before + queue.bytes();
        }
    }

    /// The whole state as changes, to be applied to an empty engine.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Change> {
        let deleted =
            self.deleted_ms.iter().map(|(queue, at_ms)| Change::QueueDeleted { queue: queue.clone(), at_ms: *at_ms });
        let queues = self.queues.iter().flat_map(|(name, queue)| {
            let created = Change::QueueCreated {
                queue: name.clone(),
                attributes: queue.attributes.clone(),
                tags: queue.tags.clone(),
                created_ms: queue.created_ms,
                modified_ms: queue.modified_ms,
                next_seq: queue.next_seq,
            };
            let purged = queue.purged_ms.map(|at_ms| Change::QueuePurged { queue: name.clone(), at_ms });
            let stored = queue.messages().map(|(seq, stored)| Change::Stored {
                queue: name.clone(),
                seq,
                stored: stored.clone(),
            });
            let remembered = queue.all_remembered().map(|(key, remembered)| Change::Remembered {
                queue: name.clone(),
                key: key.clone(),
                remembered: remembered.clone(),
            });
            std::iter::once(created).chain(purged).chain(stored).chain(remembered)
        });
        deleted.chain(queues)
    }
}
