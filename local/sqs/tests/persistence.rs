//! What survives the process: everything that was answered.

use std::path::Path;

use weir_local_sqs::{OpenError, Outgoing, Receive, Sqs, SqsOptions};

fn open(directory: &Path) -> Result<Sqs, OpenError> {
    let options = SqsOptions::in_memory("http://127.0.0.1:4566");
    Sqs::open(SqsOptions { data_dir: Some(directory.to_owned()), ..options })
}

fn at_once(messages_max: usize) -> Receive {
    Receive { messages_max, wait_s: Some(0), ..Receive::default() }
}

async fn bodies(sqs: &Sqs, queue: &str) -> Vec<String> {
    let received = sqs.receive(queue, at_once(10)).await.expect("received");
    received.iter().map(|message| message.body.to_string()).collect()
}

#[tokio::test]
async fn queues_messages_and_flights_survive() {
    let directory = tempfile::tempdir().expect("a directory");
    let (handle, first_id) = {
        let sqs = open(directory.path()).expect("open");
        sqs.create_queue("dead", [("MessageRetentionPeriod", "1209600")]).expect("created");
        let policy =
            format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":3}}"#, sqs.queue_arn("dead").expect("an ARN"));
        sqs.create_queue("q", [("RedrivePolicy", policy.as_str())]).expect("created");
        for body in ["one", "two", "three"] {
            sqs.send("q", Outgoing::text(body)).expect("sent");
        }
        sqs.send("q", Outgoing { delay_s: Some(900), ..Outgoing::text("late") }).expect("sent");
        let received = sqs.receive("q", at_once(2)).await.expect("received");
        sqs.delete("q", &received[1].receipt_handle).expect("deleted");
        (received[0].receipt_handle.clone(), received[0].message_id.clone())
    };
    // Twice, as the first opening also rewrites the journal.
    for _ in 0..2 {
        let sqs = open(directory.path()).expect("open");
        let attributes = sqs.queue_attributes("q").expect("attributes");
        assert_eq!(attributes["ApproximateNumberOfMessages"], "1");
        assert_eq!(attributes["ApproximateNumberOfMessagesNotVisible"], "1");
        assert_eq!(attributes["ApproximateNumberOfMessagesDelayed"], "1");
        assert!(attributes["RedrivePolicy"].contains(":dead"));
        assert_eq!(sqs.queue_attributes("dead").expect("attributes")["MessageRetentionPeriod"], "1209600");
    }
    let sqs = open(directory.path()).expect("open");
    sqs.change_visibility("q", &handle, 0).expect("the handle is good still");
    let received = sqs.receive("q", at_once(1)).await.expect("received");
    assert_eq!(received[0].message_id, first_id);
    assert_eq!(received[0].system_attributes["ApproximateReceiveCount"], "2");
}

#[tokio::test]
async fn fifo_order_locks_and_deduplication_survive() {
    let directory = tempfile::tempdir().expect("a directory");
    let grouped = |body: &str, id: &str| Outgoing {
        group_id: Some("g".to_owned()),
        deduplication_id: Some(id.to_owned()),
        ..Outgoing::text(body)
    };
    let first = {
        let sqs = open(directory.path()).expect("open");
        sqs.create_queue("q.fifo", [("FifoQueue", "true")]).expect("created");
        sqs.send("q.fifo", grouped("a", "1")).expect("sent");
        sqs.send("q.fifo", grouped("b", "2")).expect("sent");
        sqs.receive("q.fifo", at_once(1)).await.expect("received").remove(0)
    };
    let sqs = open(directory.path()).expect("open");
    let again = sqs.send("q.fifo", grouped("a", "1")).expect("accepted");
    assert_eq!(again.message_id, first.message_id);
    assert!(bodies(&sqs, "q.fifo").await.is_empty(), "the group is locked");
    sqs.delete("q.fifo", &first.receipt_handle).expect("deleted");
    assert_eq!(bodies(&sqs, "q.fifo").await, ["b"]);
}

#[tokio::test]
async fn a_torn_last_line_is_dropped_and_a_bad_one_before_it_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().join("sqs.journal");
    {
        let sqs = open(directory.path()).expect("open");
        sqs.create_queue::<&str, &str>("q", []).expect("created");
        sqs.send("q", Outgoing::text("whole")).expect("sent");
        sqs.send("q", Outgoing::text("torn")).expect("sent");
    }
    let text = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::write(&journal, &text[..text.len() - 9]).expect("written");
    {
        let sqs = open(directory.path()).expect("open");
        assert_eq!(bodies(&sqs, "q").await, ["whole"]);
    }
    std::fs::write(&journal, text.replacen("\"whole\"", "whole", 1)).expect("written");
    assert!(matches!(open(directory.path()), Err(OpenError::Corrupt { line: 3, .. })));
    std::fs::write(&journal, "{\"weir-sqs-journal\":2}\n").expect("written");
    assert!(matches!(open(directory.path()), Err(OpenError::Corrupt { line: 1, .. })));
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let sqs = open(directory.path()).expect("open");
    assert!(matches!(open(directory.path()), Err(OpenError::InUse(_))));
    drop(sqs);
    open(directory.path()).expect("open");
}
