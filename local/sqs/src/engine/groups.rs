//! Order and locks of a FIFO queue's message groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::queue::{Seq, State};

/// Invariant: `open` holds exactly the groups whose oldest message is ready while none of theirs is in flight, under
/// that oldest message. Taking the next group is therefore O(log n), whatever is locked.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    open: BTreeMap<Seq, Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<Seq, Standing>,
    in_flight: BTreeSet<Seq>,
    open_at: Option<Seq>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ready,
    Waiting,
}

impl Groups {
    /// A message joins its group, or changes its state in it.
    pub(super) fn place(&mut self, group_id: &Arc<str>, seq: Seq, state: State) {
        let group = self.groups.entry(Arc::clone(group_id)).or_default();
        let standing = if matches!(state, State::Ready) { Standing::Ready } else { Standing::Waiting };
        group.members.insert(seq, standing);
        if matches!(state, State::InFlight(_)) {
            group.in_flight.insert(seq);
        } else {
            group.in_flight.remove(&seq);
        }
        self.refresh(group_id);
    }

    /// A message leaves: deleted, moved or expired.
    pub(super) fn remove(&mut self, group_id: &Arc<str>, seq: Seq) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.members.remove(&seq);
            group.in_flight.remove(&seq);
            self.refresh(group_id);
        }
    }

    /// Up to `max` messages that may be received now: each open group's from its oldest, as many as follow on.
    pub(super) fn next(&self, max: usize) -> Vec<Seq> {
        let mut taken = Vec::with_capacity(max);
        for group_id in self.open.values() {
            let Some(group) = self.groups.get(group_id) else { continue };
            let run = group.members.iter().take_while(|(_, standing)| **standing == Standing::Ready);
            taken.extend(run.map(|(seq, _)| *seq).take(max - taken.len()));
            if taken.len() == max {
                break;
            }
        }
        taken
    }

    fn refresh(&mut self, group_id: &Arc<str>) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let open_at = match group.members.first_key_value() {
            Some((seq, Standing::Ready)) if group.in_flight.is_empty() => Some(*seq),
            _ => None,
        };
        if open_at != group.open_at {
            if let Some(seq) = group.open_at {
                self.open.remove(&seq);
            }
            if let Some(seq) = open_at {
                self.open.insert(seq, Arc::clone(group_id));
            }
            group.open_at = open_at;
        }
        if group.members.is_empty() {
            self.groups.remove(group_id);
        }
    }
}
