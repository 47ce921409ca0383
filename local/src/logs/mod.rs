//! The latest log lines of every function, as CloudWatch Logs keeps them: a group each, events in streams.
//!
//! Bounded in memory for each function by itself, so that a talkative one costs only its own past.

pub(crate) mod pattern;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_local_lambda::{LogLine, LogSink};

/// Bytes of text kept of one function; the oldest events go first.
pub(crate) const GROUP_BYTES_MAX: usize = 4 << 20;
/// What an event costs beside its text.
const EVENT_BYTES: usize = 128;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Grows over the whole group.
    pub(crate) id: u64,
    /// Milliseconds since the epoch.
    pub(crate) at_ms: i64,
    pub(crate) stream: Arc<str>,
    request_id: Option<Arc<str>>,
    pub(crate) text: Arc<str>,
}

#[derive(Default)]
struct Group {
    created_at_ms: i64,
    events: VecDeque<Event>,
    bytes: usize,
    ids: u64,
}

/// What is known of a group.
pub(crate) struct GroupFacts {
    pub(crate) name: String,
    pub(crate) created_at_ms: i64,
    pub(crate) bytes: usize,
}

/// Keeps the lines of every function, and hands each on to where else they go.
pub(crate) struct LogStore {
    groups: Mutex<BTreeMap<String, Group>>,
    next: Option<Arc<dyn LogSink>>,
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl LogStore {
    pub(crate) fn new<'a>(functions: impl Iterator<Item = &'a str>, next: Option<Arc<dyn LogSink>>) -> LogStore {
        let empty = || Group { created_at_ms: now_ms(), ..Group::default() };
        let groups = functions.map(|name| (group_of(name), empty())).collect();
        LogStore { groups: Mutex::new(groups), next }
    }

    pub(crate) fn groups(&self) -> Vec<GroupFacts> {
        let facts = |(name, group): (&String, &Group)| GroupFacts {
            name: name.clone(),
            created_at_ms: group.created_at_ms,
            bytes: group.bytes,
        };
        self.lock().iter().map(facts).collect()
    }

    /// The events of a group, oldest first; `None` where there is no such group.
    pub(crate) fn events(&self, group: &str) -> Option<Vec<Event>> {
        self.lock().get(group).map(|group| group.events.iter().cloned().collect())
    }

    /// The last bytes of what one invocation has logged, lines whole.
    pub(crate) fn tail(&self, function: &str, request_id: &str, bytes_max: usize) -> String {
        let groups = self.lock();
        let events = groups.get(&group_of(function)).map(|group| &group.events);
        let own = events.into_iter().flatten().rev().filter(|event| event.request_id.as_deref() == Some(request_id));
        let mut bytes = 0;
        let mut lines: Vec<&str> = own
            .map(|event| &*event.text)
            .take_while(|line| {
                bytes += line.len() + 1;
                bytes <= bytes_max
            })
            .collect();
        lines.reverse();
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn group_of(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

impl Group {
    fn add(&mut self, line: &LogLine<'_>) {
        self.ids += 1;
        // Lines of one invocation follow each other: they share its names.
        let last = self.events.back();
        let shared = |text: &str, known: Option<&Arc<str>>| {
            known.filter(|known| ***known == *text).cloned().unwrap_or_else(|| text.into())
        };
        let stream = shared(line.instance, last.map(|event| &event.stream));
        let request_id = line.request_id.map(|id| shared(id, last.and_then(|event| event.request_id.as_ref())));
        let event = Event { id: self.ids, at_ms: now_ms(), stream, request_id, text: line.text.into() };
        self.bytes += event.text.len() + EVENT_BYTES;
        self.events.push_back(event);
        while self.bytes > GROUP_BYTES_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.text.len() + EVENT_BYTES;
        }
    }
}

impl LogSink for LogStore {
    fn line(&self, line: &LogLine<'_>) {
        let created = || Group { created_at_ms: now_ms(), ..Group::default() };
        self.lock().entry(group_of(line.function)).or_insert_with(created).add(line);
        if let Some(next) = &self.next {
            next.line(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_local_lambda::LogStream;

    use super::*;

    fn log(store: &LogStore, request_id: &str, text: &str) {
        let line = LogLine {
            function: "f",
            version: "1",
            instance: "2026/11/21/[1]0",
            request_id: Some(request_id),
            stream: LogStream::Stdout,
            text,
        };
        store.line(&line);
    }

    #[test]
    fn the_oldest_lines_go_and_ids_go_on() {
        let store = LogStore::new(["f"].into_iter(), None);
        let line = "x".repeat(1 << 20);
        (0..6).for_each(|_| log(&store, "r", &line));
        let events = store.events("/aws/lambda/f").expect("a group");
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [4, 5, 6]);
        assert!(store.groups()[0].bytes <= GROUP_BYTES_MAX);
        assert!(store.events("/aws/lambda/g").is_none());
    }

    #[test]
    fn a_tail_has_the_last_whole_lines_of_its_invocation() {
        let store = LogStore::new(["f"].into_iter(), None);
        for (request, text) in [("a", "one"), ("b", "other"), ("a", "two"), ("a", "three")] {
            log(&store, request, text);
        }
        assert_eq!(store.tail("f", "a", 100), "one\ntwo\nthree\n");
        assert_eq!(store.tail("f", "a", 10), "two\nthree\n");
        assert_eq!(store.tail("f", "c", 10), "");
    }
}
