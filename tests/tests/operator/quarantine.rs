use super::event;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use std::collections::BTreeMap;
use weir_aws::clock;
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_exact::replay::Request;
use weir_telemetry::{Reason, Rejected};
use weir_tests::{Fleet, Oracle, found};

const DAY_MS: i64 = 86_400_000;
const POINTER: &str = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;

fn entry(id: &str, body: &str, attribute: Option<MessageAttributeValue>) -> SendMessageBatchRequestEntry {
    let mut entry = SendMessageBatchRequestEntry::builder().id(id).message_body(body);
    if let Some(value) = attribute {
        entry = entry.message_attributes("weir-id", value);
    }
    entry.build().expect("id and body are set")
}

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().expect("a data type")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_found_shown_and_put_back_once() {
    // A request that cannot be done dies soon.
    let fleet =
        Fleet::start_with(|options| drop(options.parameters.insert("QueueReceivesMax".into(), "2".into()))).await;
    let mut oracle = Oracle::default();
    // Made once: told again after the minute has turned, they would be other events.
    let good = [0, 1, 2].map(|number| event("put-back", number, 2));
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0]));
    fleet.send_messages(vec![entry("m0", &good[0].json(), Some(text("mine")))]).await;
    oracle.count(&good[0]);
    fleet.settle().await;
    let entries = vec![
        entry("m1", &good[1].json(), Some(text("mine"))),
        entry("m2", &good[2].json(), Some(binary.build().expect("a data type"))),
        entry("m3", "nonsense of u-17", None),
        entry("m4", POINTER, None),
    ];
    fleet.send_messages(entries).await;
    fleet.put_records([("key".to_owned(), br#"{"status":"two hundred"}"#.to_vec())]).await;
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;

    let listing = fleet.weir(0, &["quarantine", "ls", "--json"]).await.json();
    let counts: BTreeMap<String, u64> = serde_json::from_value(listing["counts"].clone()).expect("counts");
    let reasons = ["bad_attribute", "bad_pointer", "id_reused", "invalid_status", "not_json"];
    assert_eq!(counts, reasons.map(|reason| (reason.to_owned(), 1)).into());
    let ls = fleet.weir(0, &["quarantine", "ls", "--reason", "not_json", "--source", "sqs", "--since", "1h"]).await;
    let key = ls.out.lines().next().and_then(|line| line.split_whitespace().nth(1)).expect("a key");
    assert!(key.starts_with("not_json/") && ls.out.contains("1 object in quarantine"), "{ls:?}");
    let none = fleet.weir(0, &["quarantine", "ls", "--source", "kinesis", "--to", "2026-01-01T00:00:00Z"]).await;
    assert_eq!(none.out.trim(), "0 objects in quarantine");
    let shown = fleet.weir(0, &["quarantine", "show", key]).await;
    assert!(shown.out.contains("not JSON") && !shown.out.contains("u-17"), "{shown:?}");
    assert!(fleet.weir(0, &["quarantine", "show", key, "--payload"]).await.out.contains("nonsense of u-17"));
    assert!(fleet.weir(1, &["quarantine", "show", "not_json/no/such.json"]).await.err.contains("no object"));

    assert!(fleet.weir(2, &["quarantine", "replay"]).await.err.contains("what to replay?"));
    let dry = fleet.weir(0, &["quarantine", "replay", "--since", "1h"]).await;
    assert!(dry.out.contains("would request 4 objects; nothing was sent: confirm with --yes"), "{dry:?}");
    let told = "1 object cannot be replayed from quarantine: it is a pointer to an object";
    assert!(dry.err.contains(told) && dry.err.contains("weir backfill"), "{dry:?}");
    assert_eq!(invocations(&fleet), 0);

    // What decodes is counted, what does not stands as before; a pointer is never taken for an event.
    let before = found::quarantine(&fleet.s3).await;
    oracle.count(&good[1]);
    oracle.count(&good[2]);
    for _ in 0..2 {
        // The answer is no for the one that is not asked for.
        let sent = fleet.weir(1, &["quarantine", "replay", "--since", "1h", "--yes", "--json"]).await.json();
        assert_eq!((&sent["requested"], &sent["dry_run"]), (&4.into(), &false.into()));
        assert_eq!(sent["not_held"].as_array().map(Vec::len), Some(1));
        assert_eq!(sent["not_held_because"]["it is a pointer to an object"], 1);
        fleet.settle().await;
        fleet.assert_rows(&oracle).await;
    }
    let after = found::quarantine(&fleet.s3).await;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let named = fleet.weir(0, &["quarantine", "replay", key, "--yes"]).await;
    assert!(named.out.contains("requested 1 object;"), "{named:?}");

    let nothing = fleet.weir(1, &["quarantine", "replay", "--reason", "bad_pointer", "--yes"]).await;
    assert_eq!(nothing.out.trim(), "nothing to ask for", "{nothing:?}");
    let nothing = fleet.weir(0, &["quarantine", "replay", "--reason", "too_late", "--yes"]).await;
    assert_eq!((nothing.out.trim(), nothing.err.trim()), ("nothing to ask for", ""), "{nothing:?}");

    let old = too_old(&fleet).await;
    let refused = fleet.weir(1, &["quarantine", "replay", &old, "--yes"]).await;
    assert!(refused.err.contains("older than 14 days"), "{refused:?}");
    acknowledged_or_dead(&fleet, &old).await;
    fleet.assert_rows(&oracle).await;
    fleet.plane.shutdown().await;
}

fn invocations(fleet: &Fleet) -> u64 {
    fleet
        .plane
        .function_stats()
        .into_iter()
        .filter(|(name, _)| name == "weir-quarantine-replay")
        .map(|(_, stats)| stats.invocations)
        .sum()
}

/// Puts an object that arrived 15 days ago, and would count; its key.
async fn too_old(fleet: &Fleet) -> String {
    let path = [("queue", "weir-telemetry"), ("message_id", "old")];
    let object = QuarantineObject {
        coordinates: Coordinates::new("sqs", path),
        arrived_at: clock::now().plus(-15 * DAY_MS),
        rejected: Rejected {
            reason: Reason::NotJson,
            detail: "old".to_owned(),
            event_index: None,
            payload: b"{}".to_vec(),
        },
    };
    let put = fleet.s3.put_object().bucket(Fleet::QUARANTINE).key(object.key()).body(object.body().into());
    put.send().await.expect("an object");
    object.key()
}

/// Requests for what is too old or gone are acknowledged; what is no request dies, and a redrive does not change that.
async fn acknowledged_or_dead(fleet: &Fleet, old: &str) {
    let url = fleet.queue_url("weir-replay").await;
    let request = |key: &str| Request { key: key.to_owned(), requested_at: clock::now() }.to_body();
    for body in [request(old), request("not_json/2026/11/21/sqs/q!gone!record.json"), "nonsense".to_owned()] {
        fleet.sqs.send_message().queue_url(&url).message_body(body).send().await.expect("a message");
    }
    fleet.wait_until("the request that is none is dead", async || fleet.waiting("weir-replay-dlq").await == 1).await;
    fleet.settle().await;
    assert_eq!(fleet.waiting("weir-replay").await, 0);
    let redriven = fleet.weir(0, &["redrive", "--queue", "replay", "--yes", "--json"]).await.json();
    assert_eq!((&redriven["sent"], &redriven["dead"]), (&1.into(), &1.into()));
    fleet.wait_until("it is dead again", async || fleet.waiting("weir-replay-dlq").await == 1).await;
}
