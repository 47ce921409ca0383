use super::event;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weir_local::{EndpointFault, EndpointFaults, FleetRequest};
use weir_tests::{Fleet, Oracle};

/// DynamoDB takes the first two puts of the fleet and none after them until it is healed: of messages the claim of the
/// producer's id and one item, of objects two items.
#[derive(Default)]
struct TwoPuts {
    puts: AtomicU64,
    healed: AtomicBool,
}

impl EndpointFaults for TwoPuts {
    fn before(&self, request: &FleetRequest) -> EndpointFault {
        let put = request.service == "dynamodb" && request.operation == "PutItem";
        match put && !self.healed.load(Ordering::Relaxed) && self.puts.fetch_add(1, Ordering::Relaxed) > 1 {
            true => EndpointFault::Fail,
            false => EndpointFault::None,
        }
    }
}

/// A fleet that gives a message up after its first failure, and fails.
async fn failing_fleet() -> (Fleet, Arc<TwoPuts>) {
    let faults = Arc::new(TwoPuts::default());
    let endpoint_faults: Arc<dyn EndpointFaults> = faults.clone();
    let fleet = Fleet::start_with(|options| {
        options.parameters.insert("QueueReceivesMax".into(), "1".into());
        options.endpoint_faults = Some(endpoint_faults);
    });
    (fleet.await, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_counted_messages_count_once_after_a_redrive() {
    let (fleet, faults) = failing_fleet().await;
    let mut oracle = Oracle::default();

    // Each in three windows: of one item at most is there room, so every message is half counted or not at all.
    let mut entries = vec![];
    for number in 0..4 {
        let events = [2, 3, 4].map(|minutes_ago| event("redriven", number, minutes_ago));
        events.iter().for_each(|event| oracle.count(event));
        let body = events.map(|event| event.json()).join("\n");
        let mut entry = SendMessageBatchRequestEntry::builder().id(format!("m{number}")).message_body(body);
        if number == 3 {
            let own = MessageAttributeValue::builder().data_type("String").string_value("mine").build();
            entry = entry.message_attributes("weir-id", own.expect("a data type"));
        }
        entries.push(entry.build().expect("id and body are set"));
    }
    fleet.send_messages(entries).await;
    fleet.wait_until("all are dead", async || fleet.waiting("weir-telemetry-dlq").await == 4).await;
    assert!(items(&fleet).await >= 1, "something is half counted");
    assert!(items(&fleet).await < 3, "and nothing whole");
    faults.healed.store(true, Ordering::Relaxed);

    let dry = fleet.weir(0, &["redrive"]).await;
    assert!(dry.out.contains("about 4 messages; 4 of those inspected would be sent"), "{dry:?}");
    assert_eq!(fleet.waiting("weir-telemetry-dlq").await, 4, "inspected messages are visible again");
    let sent = fleet.weir(0, &["redrive", "--yes"]).await;
    assert!(sent.out.contains("sent 4 messages under the original identities"), "{sent:?}");
    assert_eq!(sent.err, "", "quiet in a pipe");
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    fleet.assert_no_dead_letters().await;
    let none = fleet.weir(0, &["redrive", "--yes", "--json"]).await.json();
    assert_eq!((&none["sent"], &none["dead"]), (&0.into(), &0.into()));
    fleet.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_counted_objects_count_once_after_a_redrive() {
    let (fleet, faults) = failing_fleet().await;
    let mut oracle = Oracle::default();
    for number in 0..3 {
        let events = [2, 3, 4].map(|minutes_ago| event("redriven", number, minutes_ago));
        events.iter().for_each(|event| oracle.count(event));
        let body = events.map(|event| event.json()).join("\n").into_bytes();
        let put = fleet.s3.put_object().bucket(Fleet::LANDING).key(format!("in/{number}")).body(body.into());
        put.send().await.expect("PutObject");
    }
    fleet.wait_until("all notices are dead", async || fleet.waiting("weir-landing-dlq").await == 3).await;
    let counted = items(&fleet).await;
    assert!((1..9).contains(&counted), "something is counted, and not all: {counted}");
    faults.healed.store(true, Ordering::Relaxed);

    let sent = fleet.weir(0, &["redrive", "--queue", "landing", "--yes"]).await;
    assert!(sent.out.contains("sent 3 messages"), "{sent:?}");
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    // A further notice of an object is no further object.
    fleet.weir(0, &["backfill", &format!("s3://{}/in/", Fleet::LANDING)]).await;
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}

/// Contributions of messages and objects.
async fn items(fleet: &Fleet) -> usize {
    let pages = fleet.dynamodb.scan().table_name("weir-contributions").into_paginator().items().send();
    let items = pages.collect::<Result<Vec<_>, _>>().await.expect("the table can be read");
    items.iter().filter(|item| item["pk"].as_s().is_ok_and(|pk| pk.starts_with("live#w#"))).count()
}
