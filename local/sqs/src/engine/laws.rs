//! Laws of the engine over random histories, against a model that knows only what each message went through.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Engine, ReceiveOptions};
use crate::message::Outgoing;

const RETENTION_MS: u64 = 60_000;
const RECEIVES_MAX: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Send {
        group: u8,
        delay_s: u64,
    },
    Receive {
        messages_max: usize,
        visibility_s: u64,
    },
    /// Of the nth handle ever given out, modulo their number.
    Delete(usize),
    Visibility(usize, u64),
    Pass {
        ms: u64,
    },
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u8, 0..3u64).prop_map(|(group, delay_s)| Step::Send { group, delay_s }),
        4 => (1..4usize, 0..6u64)
            .prop_map(|(messages_max, visibility_s)| Step::Receive { messages_max, visibility_s }),
        2 => any::<usize>().prop_map(Step::Delete),
        2 => (any::<usize>(), 0..6u64).prop_map(|(nth, s)| Step::Visibility(nth, s)),
        3 => (0..9_000u64).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Purge),
    ];
    proptest::collection::vec(step, 1..120)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting { until_ms: u64, in_flight: bool },
    Visible,
    Dead,
    Gone,
}

#[derive(Debug)]
struct Known {
    group: u8,
    sent_ms: u64,
    receives: u32,
    place: Place,
}

/// Messages in order of sending, under the ids the engine was given.
#[derive(Debug, Default)]
struct Model {
    messages: BTreeMap<String, Known>,
    handles: Vec<(String, u32, String)>,
}

impl Model {
    fn settle(&mut self, now_ms: u64, fifo: bool) {
        for known in self.messages.values_mut() {
            // A FIFO dead-letter queue starts the retention anew; it outlasts these histories.
            if known.sent_ms + RETENTION_MS <= now_ms && !(fifo && known.place == Place::Dead) {
                known.place = Place::Gone;
            }
            if matches!(known.place, Place::Waiting { until_ms, .. } if until_ms <= now_ms) {
                known.place = Place::Visible;
            }
        }
    }

    fn count(&self, wanted: impl Fn(Place) -> bool) -> usize {
        self.messages.values().filter(|known| wanted(known.place)).count()
    }

    /// Whether a FIFO queue may hand out this message, given the groups this same receive has taken from.
    fn is_open(&self, id: &str, taken: &BTreeSet<String>) -> bool {
        let group = self.messages[id].group;
        let same = self.messages.iter().filter(|(other, known)| known.group == group && !taken.contains(*other));
        let mut live = same.filter(|(_, known)| !matches!(known.place, Place::Dead | Place::Gone));
        let none_in_flight = live.clone().all(|(_, k)| !matches!(k.place, Place::Waiting { in_flight: true, .. }));
        none_in_flight && live.next().is_some_and(|(first, _)| first == id)
    }
}

struct World {
    engine: Engine,
    model: Model,
    now_ms: u64,
    queue: String,
    dead: String,
    fifo: bool,
    history: Vec<super::Change>,
}

impl World {
    fn new(fifo: bool) -> Self {
        let suffix = if fifo { ".fifo" } else { "" };
        let (queue, dead) = (format!("q{suffix}"), format!("dead{suffix}"));
        let mut engine = Engine::new("us-east-1", "000000000000");
        let mut settings = BTreeMap::new();
        if fifo {
            settings.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        // On a standard queue the dead letters' retention counts from the first sending, so it is the same one.
        let retention_s = if fifo { 1_209_600 } else { RETENTION_MS / 1_000 };
        settings.insert("MessageRetentionPeriod".to_owned(), retention_s.to_string());
        engine.create_queue(1, &dead, &settings, BTreeMap::new()).expect("created");
        let arn = engine.arn(&dead);
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{RECEIVES_MAX}}}"#);
        settings.insert("RedrivePolicy".to_owned(), policy);
        settings.insert("MessageRetentionPeriod".to_owned(), (RETENTION_MS / 1_000).to_string());
        engine.create_queue(1, &queue, &settings, BTreeMap::new()).expect("created");
        Self { engine, model: Model::default(), now_ms: 1, queue, dead, fifo, history: Vec::new() }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.model.settle(self.now_ms, self.fifo);
        match *step {
            Step::Send { group, delay_s } => self.send(group, delay_s),
            Step::Receive { messages_max, visibility_s } => self.receive(messages_max, visibility_s)?,
            Step::Delete(nth) => self.delete(nth),
            Step::Visibility(nth, visibility_s) => self.hide(nth, visibility_s)?,
            Step::Pass { ms } => self.now_ms += ms,
            Step::Purge => {
                if self.engine.purge(self.now_ms, &self.queue).is_ok() {
                    let live = self.model.messages.values_mut().filter(|known| known.place != Place::Dead);
                    live.for_each(|known| known.place = Place::Gone);
                }
            }
        }
        self.model.settle(self.now_ms, self.fifo);
        self.history.extend(self.engine.take_changes());
        self.check_counts()
    }

    fn send(&mut self, group: u8, delay_s: u64) {
        let id = format!("{:06}", self.model.messages.len());
        let delay_s = if self.fifo { 0 } else { delay_s };
        let message = Outgoing {
            delay_s: Some(delay_s),
            group_id: self.fifo.then(|| group.to_string()),
            deduplication_id: self.fifo.then(|| id.clone()),
            ..Outgoing::text(&id)
        };
        self.engine.send(self.now_ms, &self.queue, message, id.clone()).expect("sent");
        let place = match delay_s {
            0 => Place::Visible,
            _ => Place::Waiting { until_ms: self.now_ms + delay_s * 1_000, in_flight: false },
        };
        self.model.messages.insert(id, Known { group, sent_ms: self.now_ms, receives: 0, place });
    }

    fn receive(&mut self, messages_max: usize, visibility_s: u64) -> Result<(), TestCaseError> {
        let options = ReceiveOptions { messages_max, visibility_s: Some(visibility_s), ..ReceiveOptions::default() };
        let received = self.engine.receive(self.now_ms, &self.queue, &options).expect("received");
        for (_, stored) in self.engine.queue(&self.dead).expect("a queue").messages() {
            let known = self.model.messages.get_mut(&stored.message.id).expect("a message that was sent");
            if known.place != Place::Dead {
                prop_assert!(known.place == Place::Visible && known.receives >= RECEIVES_MAX);
                known.place = Place::Dead;
            }
        }
        let mut taken = BTreeSet::new();
        for message in &received {
            let id = message.message_id.clone();
            prop_assert_eq!(self.model.messages[&id].place, Place::Visible, "{} visible twice", id);
            prop_assert!(!self.fifo || self.model.is_open(&id, &taken), "{} out of order", id);
            let known = self.model.messages.get_mut(&id).expect("known");
            known.receives += 1;
            prop_assert!(known.receives <= RECEIVES_MAX);
            self.model.handles.push((id.clone(), known.receives, message.receipt_handle.clone()));
            taken.insert(id);
        }
        let until_ms = self.now_ms + visibility_s * 1_000;
        for id in &taken {
            let known = self.model.messages.get_mut(id).expect("known");
            known.place = Place::Waiting { until_ms, in_flight: true };
        }
        if received.len() < messages_max {
            let missed = self.model.messages.iter().find(|(id, known)| {
                known.place == Place::Visible && (!self.fifo || self.model.is_open(id, &BTreeSet::new()))
            });
            prop_assert!(missed.is_none(), "could have been received: {:?}", missed);
        }
        Ok(())
    }

    fn handle(&self, nth: usize) -> Option<(String, u32, String)> {
        let handles = &self.model.handles;
        (!handles.is_empty()).then(|| handles[nth % handles.len()].clone())
    }

    fn delete(&mut self, nth: usize) {
        let Some((id, receives, handle)) = self.handle(nth) else { return };
        let result = self.engine.delete(self.now_ms, &self.queue, &handle);
        let known = self.model.messages.get_mut(&id).expect("known");
        let is_latest = known.receives == receives && !matches!(known.place, Place::Dead | Place::Gone);
        let is_in_flight = matches!(known.place, Place::Waiting { .. });
        if is_latest && (is_in_flight || !self.fifo) {
            result.expect("deleted");
            known.place = Place::Gone;
        }
    }

    fn hide(&mut self, nth: usize, visibility_s: u64) -> Result<(), TestCaseError> {
        let Some((id, receives, handle)) = self.handle(nth) else { return Ok(()) };
        let result = self.engine.change_visibility(self.now_ms, &self.queue, &handle, visibility_s);
        let known = self.model.messages.get_mut(&id).expect("known");
        let may = known.receives == receives && matches!(known.place, Place::Waiting { in_flight: true, .. });
        prop_assert_eq!(result.is_ok(), may);
        if may {
            known.place = Place::Waiting { until_ms: self.now_ms + visibility_s * 1_000, in_flight: true };
        }
        Ok(())
    }

    /// Every message is in exactly the one place the model says, so none is lost and none is double.
    fn check_counts(&mut self) -> Result<(), TestCaseError> {
        let now_ms = self.now_ms;
        let queue = self.engine.settled(&self.queue, now_ms).expect("a queue");
        prop_assert_eq!(queue.ready(), self.model.count(|place| place == Place::Visible));
        let waiting = |in_flight| move |place| matches!(place, Place::Waiting { in_flight: f, .. } if f == in_flight);
        prop_assert_eq!(queue.delayed(), self.model.count(waiting(false)));
        prop_assert_eq!(queue.in_flight(), self.model.count(waiting(true)));
        let bytes = queue.bytes();
        let dead = self.engine.settled(&self.dead, now_ms).expect("a queue");
        prop_assert_eq!(dead.ready(), self.model.count(|place| place == Place::Dead));
        prop_assert_eq!(bytes + dead.bytes(), self.engine.stored_bytes);
        Ok(())
    }

    /// What is on disk after these changes, once time has passed on it as it has here.
    fn state(engine: &mut Engine, now_ms: u64) -> String {
        let names: Vec<_> = engine.queues.keys().cloned().collect();
        names.iter().for_each(|name| engine.change(name, |queue| queue.settle(now_ms)));
        let changes: Vec<_> = engine.snapshot().collect();
        serde_json::to_string(&changes).expect("JSON")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_visible_twice(fifo in any::<bool>(), steps in steps()) {
        let mut world = World::new(fifo);
        for step in &steps {
            world.step(step)?;
        }
        let expected = World::state(&mut world.engine, world.now_ms);

        let mut replayed = Engine::new("us-east-1", "000000000000");
        world.history.into_iter().for_each(|change| replayed.apply(change));
        prop_assert_eq!(&World::state(&mut replayed, world.now_ms), &expected);

        let mut compacted = Engine::new("us-east-1", "000000000000");
        let changes: Vec<super::Change> = serde_json::from_str(&expected).expect("JSON");
        changes.into_iter().for_each(|change| compacted.apply(change));
        prop_assert_eq!(&World::state(&mut compacted, world.now_ms), &expected);
        prop_assert_eq!(compacted.stored_bytes, world.engine.stored_bytes);
    }
}
