//! One behaviour a test, time by hand.

use std::collections::BTreeMap;

use super::{Engine, ReceiveOptions};
use crate::error::{ErrorKind, SqsError};
use crate::limits::{DEDUPLICATION_MS, IN_FLIGHT_MESSAGES_MAX};
use crate::message::{Outgoing, Received, Sent};

/// An engine and its clock.
struct Bench {
    engine: Engine,
    now_ms: u64,
    ids: u64,
}

impl Bench {
    fn new() -> Self {
        Self { engine: Engine::new("us-east-1", "000000000000"), now_ms: 1_700_000_000_000, ids: 0 }
    }

    fn with(name: &str, settings: &[(&str, &str)]) -> Self {
        let mut bench = Self::new();
        bench.create(name, settings).expect("created");
        bench
    }

    /// A queue `q`, its dead letters in `dead`, after two receives.
    fn with_dead_letters(suffix: &str, more: &[(&str, &str)]) -> Self {
        let mut bench = Self::new();
        let dead = format!("dead{suffix}");
        let mut settings = more.to_vec();
        bench.create(&dead, &settings).expect("created");
        let policy = redrive(&bench.engine.arn(&dead), "2");
        settings.push(("RedrivePolicy", &policy));
        bench.create(&format!("q{suffix}"), &settings).expect("created");
        bench
    }

    fn create(&mut self, name: &str, settings: &[(&str, &str)]) -> Result<(), SqsError> {
        self.engine.create_queue(self.now_ms, name, &owned(settings), BTreeMap::new())
    }

    fn configure(&mut self, name: &str, settings: &[(&str, &str)]) -> Result<(), SqsError> {
        self.engine.configure(self.now_ms, name, &owned(settings))
    }

    fn send(&mut self, queue: &str, message: Outgoing) -> Result<Sent, SqsError> {
        self.ids += 1;
        self.engine.send(self.now_ms, queue, message, format!("id-{}", self.ids))
    }

    fn text(&mut self, queue: &str, body: &str) -> Sent {
        self.send(queue, Outgoing::text(body)).expect("sent")
    }

    fn receive(&mut self, queue: &str, messages_max: usize) -> Vec<Received> {
        let options = ReceiveOptions { messages_max, ..ReceiveOptions::default() };
        self.engine.receive(self.now_ms, queue, &options).expect("received")
    }

    fn bodies(&mut self, queue: &str) -> Vec<String> {
        self.receive(queue, 10).iter().map(|message| message.body.to_string()).collect()
    }

    fn delete(&mut self, queue: &str, message: &Received) -> Result<(), SqsError> {
        self.engine.delete(self.now_ms, queue, &message.receipt_handle)
    }

    fn hide(&mut self, queue: &str, message: &Received, visibility_s: u64) -> Result<(), SqsError> {
        self.engine.change_visibility(self.now_ms, queue, &message.receipt_handle, visibility_s)
    }

    fn pass_s(&mut self, seconds: u64) {
        self.now_ms += seconds * 1_000;
    }

    /// (visible, delayed, in flight)
    fn counts(&mut self, queue: &str) -> (usize, usize, usize) {
        let queue = self.engine.settled(queue, self.now_ms).expect("a queue");
        (queue.ready(), queue.delayed(), queue.in_flight())
    }
}

fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn redrive(arn: &str, count: &str) -> String {
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{count}"}}"#)
}

fn grouped(body: &str, group: &str, id: &str) -> Outgoing {
    Outgoing { group_id: Some(group.to_owned()), deduplication_id: Some(id.to_owned()), ..Outgoing::text(body) }
}

fn fails<T: std::fmt::Debug>(result: Result<T, SqsError>, kind: ErrorKind) {
    assert_eq!(result.expect_err("refused").kind(), kind);
}

#[test]
fn received_messages_hide_and_come_back() {
    let mut bench = Bench::with("q", &[]);
    bench.text("q", "a");
    assert_eq!(bench.bodies("q"), ["a"]);
    bench.pass_s(29);
    assert!(bench.bodies("q").is_empty());
    bench.pass_s(1);
    let again = bench.receive("q", 1);
    assert_eq!(again[0].system_attributes["ApproximateReceiveCount"], "2");
    bench.delete("q", &again[0]).expect("deleted");
    assert_eq!(bench.counts("q"), (0, 0, 0));
}

#[test]
fn an_old_receipt_handle_succeeds_and_deletes_nothing() {
    let mut bench = Bench::with("q", &[]);
    bench.text("q", "a");
    let first = bench.receive("q", 1);
    bench.pass_s(30);
    let second = bench.receive("q", 1);
    bench.delete("q", &first[0]).expect("says so");
    assert_eq!(bench.counts("q"), (0, 0, 1));
    bench.delete("q", &second[0]).expect("deleted");
    bench.delete("q", &second[0]).expect("twice is once");
    fails(bench.engine.delete(bench.now_ms, "q", "nonsense"), ErrorKind::ReceiptHandleIsInvalid);
}

#[test]
fn the_latest_handle_deletes_after_its_timeout_too() {
    let mut bench = Bench::with("q", &[]);
    bench.text("q", "a");
    let first = bench.receive("q", 1);
    bench.pass_s(31);
    bench.delete("q", &first[0]).expect("deleted");
    assert_eq!(bench.counts("q"), (0, 0, 0));
}

#[test]
fn visibility_changes_only_in_flight_and_for_twelve_hours_in_all() {
    let mut bench = Bench::with("q", &[]);
    bench.text("q", "a");
    let message = bench.receive("q", 1).remove(0);
    bench.pass_s(10);
    fails(bench.hide("q", &message, 43_201), ErrorKind::InvalidParameterValue);
    fails(bench.hide("q", &message, 43_191), ErrorKind::InvalidParameterValue);
    bench.hide("q", &message, 43_190).expect("just twelve hours");
    bench.hide("q", &message, 0).expect("at once");
    assert_eq!(bench.counts("q"), (1, 0, 0));
    fails(bench.hide("q", &message, 5), ErrorKind::MessageNotInflight);
    let again = bench.receive("q", 1).remove(0);
    fails(bench.hide("q", &message, 5), ErrorKind::InvalidParameterValue);
    bench.delete("q", &again).expect("deleted");
    fails(bench.hide("q", &again, 5), ErrorKind::InvalidParameterValue);
}

#[test]
fn a_visibility_timeout_of_zero_is_over_at_once() {
    let mut bench = Bench::with("q", &[("VisibilityTimeout", "0")]);
    bench.text("q", "a");
    assert_eq!(bench.bodies("q"), ["a"]);
    assert_eq!(bench.bodies("q"), ["a"]);
}

#[test]
fn delays_are_the_queues_unless_the_message_has_its_own() {
    let mut bench = Bench::with("q", &[("DelaySeconds", "10")]);
    bench.text("q", "queue's");
    bench.send("q", Outgoing { delay_s: Some(0), ..Outgoing::text("none") }).expect("sent");
    bench.send("q", Outgoing { delay_s: Some(20), ..Outgoing::text("own") }).expect("sent");
    fails(bench.send("q", Outgoing { delay_s: Some(901), ..Outgoing::text("x") }), ErrorKind::InvalidParameterValue);
    assert_eq!(bench.counts("q"), (1, 2, 0));
    assert_eq!(bench.bodies("q"), ["none"]);
    bench.pass_s(10);
    assert_eq!(bench.bodies("q"), ["queue's"]);
    bench.pass_s(10);
    assert_eq!(bench.bodies("q"), ["own"]);
}

#[test]
fn retention_ends_even_in_flight() {
    let mut bench = Bench::with("q", &[("MessageRetentionPeriod", "60")]);
    bench.text("q", "a");
    let message = bench.receive("q", 1).remove(0);
    bench.hide("q", &message, 600).expect("hidden");
    bench.pass_s(59);
    assert_eq!(bench.counts("q"), (0, 0, 1));
    bench.pass_s(1);
    assert_eq!(bench.counts("q"), (0, 0, 0));
    assert_eq!(bench.engine.stored_bytes, 0);
}

#[test]
fn the_automatic_move_keeps_what_identifies_a_message() {
    let mut bench = Bench::with_dead_letters("", &[("VisibilityTimeout", "1")]);
    let mut message = Outgoing::text("poison");
    message.attributes.insert("k".to_owned(), crate::message::AttributeValue::text("v"));
    let sent = bench.send("q", message).expect("sent");
    let sent_ms = bench.now_ms.to_string();
    for _ in 0..2 {
        assert_eq!(bench.bodies("q"), ["poison"]);
        bench.pass_s(1);
    }
    assert_eq!(bench.counts("q"), (1, 0, 0), "it is the next receive that moves it");
    assert!(bench.bodies("q").is_empty());
    let dead = bench.receive("dead", 1).remove(0);
    assert_eq!(dead.message_id, sent.message_id);
    assert_eq!(dead.md5_of_attributes(), sent.md5_of_attributes);
    assert_eq!(dead.system_attributes["SentTimestamp"], sent_ms);
    assert_eq!(dead.system_attributes["ApproximateReceiveCount"], "3");
    assert_eq!(dead.system_attributes["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:q");
}

#[test]
fn a_native_redrive_makes_a_new_message() {
    let mut bench = Bench::with_dead_letters("", &[("VisibilityTimeout", "0")]);
    let sent = bench.text("q", "poison");
    (0..3).for_each(|_| drop(bench.receive("q", 1)));
    bench.pass_s(5);
    let moved = bench.engine.redrive_one(bench.now_ms, "dead", None, "new".to_owned());
    assert_eq!(moved, Ok(true));
    let again = bench.receive("q", 1).remove(0);
    assert_ne!(again.message_id, sent.message_id);
    assert_eq!(again.system_attributes["SentTimestamp"], bench.now_ms.to_string());
    assert_eq!(again.system_attributes["ApproximateReceiveCount"], "1");
    assert_eq!(bench.engine.redrive_one(bench.now_ms, "dead", None, "x".to_owned()), Ok(false));
}

#[test]
fn without_its_dead_letter_queue_a_message_stays() {
    let mut bench = Bench::with_dead_letters("", &[("VisibilityTimeout", "0")]);
    bench.text("q", "poison");
    bench.engine.delete_queue(bench.now_ms, "dead").expect("deleted");
    for _ in 0..5 {
        assert_eq!(bench.bodies("q"), ["poison"]);
    }
}

#[test]
fn redrive_policies_name_an_existing_willing_queue_of_the_kind() {
    let mut bench = Bench::with("dead", &[]);
    bench.create("f.fifo", &[("FifoQueue", "true")]).expect("created");
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    for (target, count) in [("nope", "2"), ("f.fifo", "2"), ("dead", "0"), ("dead", "1001"), ("dead", "two")] {
        let policy = redrive(&arn(target), count);
        fails(bench.create("q", &[("RedrivePolicy", &policy)]), ErrorKind::InvalidParameterValue);
    }
    let only = r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:q"]}"#;
    bench.configure("dead", &[("RedriveAllowPolicy", only)]).expect("set");
    let policy = redrive(&arn("dead"), "2");
    fails(bench.create("r", &[("RedrivePolicy", &policy)]), ErrorKind::InvalidParameterValue);
    bench.create("q", &[("RedrivePolicy", &policy)]).expect("allowed");
    assert_eq!(bench.engine.dead_letter_sources("dead"), ["q"]);
    bench.configure("q", &[("RedrivePolicy", "")]).expect("removed");
    assert!(bench.engine.dead_letter_sources("dead").is_empty());
}

#[test]
fn fifo_groups_are_ordered_and_locked() {
    let mut bench = Bench::with("q.fifo", &[("FifoQueue", "true")]);
    for (i, (body, group)) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")].into_iter().enumerate() {
        bench.send("q.fifo", grouped(body, group, &i.to_string())).expect("sent");
    }
    let first = bench.receive("q.fifo", 2);
    assert_eq!(first.iter().map(|m| &*m.body).collect::<Vec<_>>(), ["a1", "a2"]);
    assert_eq!(bench.bodies("q.fifo"), ["b1"], "a is locked");
    bench.delete("q.fifo", &first[0]).expect("deleted");
    assert!(bench.bodies("q.fifo").is_empty(), "a2 still locks a");
    bench.hide("q.fifo", &first[1], 0).expect("visible");
    assert_eq!(bench.bodies("q.fifo"), ["a2", "a3"]);
    fails(bench.delete("q.fifo", &first[1]), ErrorKind::InvalidParameterValue);
}

#[test]
fn fifo_deduplicates_for_five_minutes_even_after_deletion() {
    let mut bench = Bench::with("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
    let grouped = |group: &str| Outgoing { group_id: Some(group.to_owned()), ..Outgoing::text("same") };
    let first = bench.send("q.fifo", grouped("a")).expect("sent");
    let received = bench.receive("q.fifo", 1).remove(0);
    bench.delete("q.fifo", &received).expect("deleted");
    bench.now_ms += DEDUPLICATION_MS - 1;
    let second = bench.send("q.fifo", grouped("b")).expect("accepted");
    assert_eq!((&second.message_id, &second.sequence_number), (&first.message_id, &first.sequence_number));
    assert_eq!(bench.counts("q.fifo"), (0, 0, 0));
    bench.now_ms += 1;
    let third = bench.send("q.fifo", grouped("b")).expect("sent");
    assert!(third.sequence_number > first.sequence_number);
    bench.configure("q.fifo", &[("DeduplicationScope", "messageGroup")]).expect("set");
    bench.send("q.fifo", grouped("c")).expect("sent");
    bench.send("q.fifo", grouped("d")).expect("sent");
    assert_eq!(bench.counts("q.fifo"), (3, 0, 0), "the scope is the group now");
}

#[test]
fn fifo_refuses_what_it_cannot_order() {
    let mut bench = Bench::with("q.fifo", &[("FifoQueue", "true")]);
    fails(bench.send("q.fifo", Outgoing::text("x")), ErrorKind::MissingParameter);
    let without_id = Outgoing { group_id: Some("g".to_owned()), ..Outgoing::text("x") };
    fails(bench.send("q.fifo", without_id), ErrorKind::InvalidParameterValue);
    let delayed = Outgoing { delay_s: Some(1), ..grouped("x", "g", "1") };
    fails(bench.send("q.fifo", delayed), ErrorKind::InvalidParameterValue);
    fails(bench.create("q", &[("FifoQueue", "true")]), ErrorKind::InvalidParameterValue);
    fails(bench.create("r.fifo", &[]), ErrorKind::InvalidParameterValue);
    fails(bench.configure("q.fifo", &[("FifoQueue", "false")]), ErrorKind::InvalidAttributeValue);
}

#[test]
fn a_fifo_dead_letter_opens_its_group() {
    let mut bench = Bench::with_dead_letters(".fifo", &[("FifoQueue", "true"), ("VisibilityTimeout", "0")]);
    bench.send("q.fifo", grouped("a1", "a", "1")).expect("sent");
    (0..2).for_each(|_| drop(bench.receive("q.fifo", 1)));
    bench.send("q.fifo", grouped("a2", "a", "2")).expect("sent");
    assert_eq!(bench.bodies("q.fifo"), ["a2"]);
    let dead = bench.receive("dead.fifo", 1).remove(0);
    assert_eq!(dead.system_attributes["MessageDeduplicationId"], dead.message_id);
}

#[test]
fn creation_is_idempotent_by_value_and_names_rest_after_deletion() {
    let mut bench = Bench::with("q", &[("VisibilityTimeout", "60")]);
    bench.create("q", &[]).expect("the same");
    bench.create("q", &[("VisibilityTimeout", "60"), ("DelaySeconds", "0")]).expect("the same");
    fails(bench.create("q", &[("VisibilityTimeout", "61")]), ErrorKind::QueueNameExists);
    bench.text("q", "gone with it");
    bench.engine.delete_queue(bench.now_ms, "q").expect("deleted");
    assert_eq!(bench.engine.stored_bytes, 0);
    fails(bench.send("q", Outgoing::text("x")), ErrorKind::QueueDoesNotExist);
    fails(bench.create("q", &[]), ErrorKind::QueueDeletedRecently);
    bench.pass_s(60);
    bench.create("q", &[]).expect("free again");
    for name in ["", "a b", "a.b", &"x".repeat(81)] {
        fails(bench.create(name, &[]), ErrorKind::InvalidParameterValue);
    }
}

#[test]
fn settings_are_checked_by_name_and_range() {
    let mut bench = Bench::with("q", &[]);
    for (name, value, kind) in [
        ("DelaySeconds", "901", ErrorKind::InvalidAttributeValue),
        ("MaximumMessageSize", "1023", ErrorKind::InvalidAttributeValue),
        ("MaximumMessageSize", "1048577", ErrorKind::InvalidAttributeValue),
        ("MessageRetentionPeriod", "59", ErrorKind::InvalidAttributeValue),
        ("ReceiveMessageWaitTimeSeconds", "21", ErrorKind::InvalidAttributeValue),
        ("VisibilityTimeout", "-1", ErrorKind::InvalidAttributeValue),
        ("Policy", "no JSON", ErrorKind::InvalidAttributeValue),
        ("QueueArn", "x", ErrorKind::InvalidAttributeName),
        ("Color", "x", ErrorKind::InvalidAttributeName),
        ("FifoQueue", "true", ErrorKind::InvalidAttributeName),
        ("KmsMasterKeyId", "alias/aws/sqs", ErrorKind::UnsupportedOperation),
    ] {
        fails(bench.configure("q", &[(name, value)]), kind);
    }
    bench.configure("q", &[("MaximumMessageSize", "1024")]).expect("set");
    fails(bench.send("q", Outgoing::text("x".repeat(1_025))), ErrorKind::InvalidParameterValue);
}

#[test]
fn the_in_flight_limit_is_said_to_short_polls() {
    let mut bench = Bench::with("q", &[]);
    for _ in 0..=IN_FLIGHT_MESSAGES_MAX {
        bench.text("q", "x");
    }
    let taken: usize = (0..IN_FLIGHT_MESSAGES_MAX / 10).map(|_| bench.receive("q", 10).len()).sum();
    assert_eq!(taken, IN_FLIGHT_MESSAGES_MAX);
    let short = ReceiveOptions { messages_max: 1, is_short_poll: true, ..ReceiveOptions::default() };
    fails(bench.engine.receive(bench.now_ms, "q", &short), ErrorKind::OverLimit);
    assert!(bench.receive("q", 1).is_empty());
}

#[test]
fn an_attempt_id_gets_the_same_messages_until_one_changes() {
    let mut bench = Bench::with("q.fifo", &[("FifoQueue", "true")]);
    bench.send("q.fifo", grouped("a1", "a", "1")).expect("sent");
    let options = ReceiveOptions { messages_max: 10, attempt_id: Some("try".to_owned()), ..ReceiveOptions::default() };
    let receive = |bench: &mut Bench| bench.engine.receive(bench.now_ms, "q.fifo", &options).expect("received");
    let first = receive(&mut bench);
    bench.pass_s(29);
    let second = receive(&mut bench);
    assert_eq!(first[0].receipt_handle, second[0].receipt_handle);
    bench.pass_s(29);
    assert_eq!(bench.counts("q.fifo"), (0, 0, 1), "the retry began the timeout anew");
    bench.delete("q.fifo", &second[0]).expect("deleted");
    assert!(receive(&mut bench).is_empty());
}

#[test]
fn purges_take_everything_and_a_minute() {
    let mut bench = Bench::with("q", &[]);
    bench.text("q", "a");
    bench.text("q", "b");
    bench.receive("q", 1);
    bench.engine.purge(bench.now_ms, "q").expect("purged");
    assert_eq!(bench.counts("q"), (0, 0, 0));
    fails(bench.engine.purge(bench.now_ms + 59_999, "q"), ErrorKind::PurgeQueueInProgress);
    bench.engine.purge(bench.now_ms + 60_000, "q").expect("purged");
}
