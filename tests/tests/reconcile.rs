//! `weir reconcile` over a real fleet: a sound stack is equal, also while traffic flows; what was tampered with is named,
//! with both numbers and a next step that works.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::Value;
use std::collections::HashMap;
use weir_aws::clock;
use weir_exact::ledger::Document;
use weir_rollup::Ledger;
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent};

type Attributes = HashMap<String, AttributeValue>;

const ROLLUPS: &str = "weir-rollups";
const CONTRIBUTIONS: &str = "weir-contributions";
/// Longer than the second in which the fleet's triggers gather.
const RECONCILE: [&str; 5] = ["reconcile", "--all", "--json", "--patience", "4s"];

/// In a minute that the sweep is done with, and in an hour that it has not come to: it would make right what a test makes
/// wrong (`weir_exact::sweep`: minutes 5 to 8 min after their end, hours from 15 min on).
fn event(n: u64) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-60_000 * (10 + (n % 3) as i64)).to_string();
    Sent {
        service: "shop".to_owned(),
        endpoint: format!("/users/{n}"),
        series_endpoint: "/users/{id}".to_owned(),
        status: Some(if n.is_multiple_of(4) { 503 } else { 200 }),
        duration_us: Some(1_000 + n),
        minute: minute[..16].to_owned(),
        second: (n % 60) as u8,
    }
}

/// Events by stream and queue, one message twice, and what is no telemetry.
async fn traffic(fleet: &Fleet) {
    let mut oracle = Oracle::default();
    let mut record = |n: u64| {
        oracle.count(&event(n));
        (format!("key-{n}"), event(n).json().into_bytes())
    };
    let mut records: Vec<_> = (0..300).map(&mut record).collect();
    records.push(("key".to_owned(), br#"{"status":"two hundred"}"#.to_vec()));
    fleet.put_records(records).await;
    let entry = |id: &str, body: String| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().expect("id and body are set")
    };
    let bodies: Vec<_> = (300..309).map(|n| entry(&format!("m{n}"), event(n).json())).collect();
    (300..309).for_each(|n| oracle.count(&event(n)));
    fleet.send_messages(bodies).await;
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
}

/// What the command finds, of which there must be something.
async fn mismatches(fleet: &Fleet) -> Vec<Value> {
    let verdict = fleet.weir(1, &RECONCILE).await.json();
    assert_eq!(verdict["verdict"], "mismatch", "{verdict:#}");
    verdict["mismatches"].as_array().expect("a list").clone()
}

async fn assert_equal(fleet: &Fleet) -> Value {
    let verdict = fleet.weir(0, &RECONCILE).await.json();
    assert_eq!((&verdict["verdict"], &verdict["settling"]), (&"equal".into(), &serde_json::json!([])), "{verdict:#}");
    verdict
}

/// All items of a table.
async fn items(fleet: &Fleet, table: &str) -> Vec<Attributes> {
    let pages = fleet.dynamodb.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.expect("the table can be read")
}

fn text<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item[name].as_s().expect("text")
}

/// A row of that endpoint and resolution.
async fn row(fleet: &Fleet, endpoint: &str, resolution: &str) -> Attributes {
    let rows = items(fleet, ROLLUPS).await.into_iter();
    let mut rows = rows.filter(|row| text(row, "endpoint") == endpoint && text(row, "resolution") == resolution);
    rows.next().expect("a row")
}

async fn put(fleet: &Fleet, table: &str, item: Attributes) {
    fleet.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.expect("PutItem");
}

async fn delete(fleet: &Fleet, table: &str, item: &Attributes, keys: [&str; 2]) {
    let mut delete = fleet.dynamodb.delete_item().table_name(table);
    for key in keys {
        delete = delete.key(key, item[key].clone());
    }
    delete.send().await.expect("DeleteItem");
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.to_owned())
}

/// The finding of that kind about that row, with its next step.
fn about<'a>(found: &'a [Value], kind: &str, row: &Attributes) -> &'a Value {
    let is = |finding: &&Value| {
        finding["kind"] == kind && finding["series"] == text(row, "series") && finding["window"] == text(row, "window")
    };
    found.iter().find(is).unwrap_or_else(|| panic!("no {kind} of {}: {found:#?}", text(row, "series")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_named() {
    let fleet = Fleet::start().await;
    traffic(&fleet).await;
    let verdict = assert_equal(&fleet).await;
    assert_eq!((&verdict["events"], &verdict["all"]), (&309.into(), &true.into()), "{verdict:#}");
    let shards = verdict["shards"].as_array().expect("shards");
    let sum = |field: &str| shards.iter().map(|shard| shard[field].as_u64().expect("a number")).sum::<u64>();
    assert_eq!([sum("records"), sum("accepted"), sum("rejected")], [301, 300, 1]);
    assert!(shards.iter().all(|shard| shard["compared"] == true), "{verdict:#}");
    let words = fleet.weir(0, &["reconcile", "--since", "1h"]).await;
    assert!(words.out.contains("verdict   equal") && words.err.is_empty(), "{words:?}");

    since_the_last_run(&fleet).await;
    attributes_altered(&fleet).await;
    counts_altered(&fleet).await;
    rows_deleted(&fleet).await;
    contribution_deleted(&fleet).await;
    counted_and_set_aside(&fleet).await;
    quarantine_emptied(&fleet).await;
    fleet.plane.shutdown().await;
}

/// A run goes on from the last that found no mismatch, and over what may have been late.
async fn since_the_last_run(fleet: &Fleet) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("equal.json");
    let reconcile = ["reconcile", "--json", "--patience", "4s", "--state", file.to_str().expect("a path")];
    let first = fleet.weir(0, &reconcile).await.json();
    assert_eq!(first["all"], true, "{first:#}");
    let equal = std::fs::read(&file).expect("a state");

    let sound = row(fleet, "/users/{id}", "1m").await;
    delete(fleet, ROLLUPS, &sound, ["series", "window"]).await;
    let second = fleet.weir(1, &reconcile).await.json();
    assert_eq!((&second["all"], &second["verdict"]), (&false.into(), &"mismatch".into()), "{second:#}");
    about(second["mismatches"].as_array().expect("a list"), "missing", &sound);
    assert_eq!(std::fs::read(&file).expect("a state"), equal, "what is wrong is looked at again");

    put(fleet, ROLLUPS, sound).await;
    fleet.settle().await;
    let third = fleet.weir(0, &reconcile).await.json();
    assert_eq!((&third["all"], &third["events"]), (&false.into(), &first["events"]), "{third:#}");
    assert_ne!(std::fs::read(&file).expect("a state"), equal);
}

/// An attribute that says other than the rest, and one that is gone.
async fn attributes_altered(fleet: &Fleet) {
    let sound = row(fleet, "/users/{id}", "1m").await;
    let mut altered = sound.clone();
    altered.insert("events".to_owned(), number("100000"));
    altered.remove("unique_users");
    put(fleet, ROLLUPS, altered).await;
    let found = mismatches(fleet).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    let events = about(&found, "contradicts", &sound);
    assert_eq!(
        (&events["actual"], &events["expected"]),
        (&"100000".into(), &sound["events"].as_n().unwrap().as_str().into())
    );
    assert!(found[1]["what"].as_str().is_some_and(|what| what.contains("unique_users is absent")), "{found:#?}");

    let mut altered = sound.clone();
    altered.remove("users_sketch");
    put(fleet, ROLLUPS, altered).await;
    let found = mismatches(fleet).await;
    let unreadable = about(&found, "unreadable", &sound);
    let why = unreadable["what"].as_str().expect("words");
    assert!(why.contains("users_sketch"), "{why}");

    // The next step, as it is told: the row is gone, and made again.
    let next = unreadable["next"].as_str().expect("a command");
    assert!(next.starts_with("aws dynamodb delete-item --table-name weir-rollups --key '"), "{next}");
    delete(fleet, ROLLUPS, &sound, ["series", "window"]).await;
    let payload = next.split("--payload '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a payload");
    fleet.plane.host().invoke("weir-rollup-finalize", payload.to_owned().into()).await.expect("an invocation");
    fleet.settle().await;
    assert_equal(fleet).await;
}

/// A row that is sound in itself, and counts what nobody sent.
async fn counts_altered(fleet: &Fleet) {
    for resolution in ["1m", "1h", "1d"] {
        let sound = row(fleet, "/users/{id}", resolution).await;
        let mut altered = sound.clone();
        let statuses = HashMap::from([("200".to_owned(), number("90000"))]);
        altered.insert("status_counts".to_owned(), AttributeValue::M(statuses));
        altered.insert("events".to_owned(), number("90000"));
        altered.insert("errors".to_owned(), number("0"));
        put(fleet, ROLLUPS, altered).await;
        let found = mismatches(fleet).await;
        let events = about(&found, "differs", &sound);
        let should = sound["events"].as_n().expect("a number").as_str();
        assert_eq!((&events["actual"], &events["expected"]), (&"90000".into(), &should.into()), "{events:#}");
        put(fleet, ROLLUPS, sound).await;
        fleet.settle().await;
        assert_equal(fleet).await;
    }
}

async fn rows_deleted(fleet: &Fleet) {
    for (endpoint, resolution) in [("/users/{id}", "1m"), ("*", "1m"), ("/users/{id}", "1h"), ("*", "1d")] {
        let sound = row(fleet, endpoint, resolution).await;
        delete(fleet, ROLLUPS, &sound, ["series", "window"]).await;
        let found = mismatches(fleet).await;
        about(&found, "missing", &sound);
        put(fleet, ROLLUPS, sound).await;
        fleet.settle().await;
        assert_equal(fleet).await;
    }
}

/// Of the stream and of the queue: the rows remember, and so does the shard's progress.
async fn contribution_deleted(fleet: &Fleet) {
    for lane in ["f#", "l#"] {
        let all = items(fleet, CONTRIBUTIONS).await;
        let item = all.iter().find(|item| text(item, "sk").starts_with(lane)).expect("a contribution").clone();
        delete(fleet, CONTRIBUTIONS, &item, ["pk", "sk"]).await;
        let found = mismatches(fleet).await;
        let kinds: Vec<&str> = found.iter().filter_map(|finding| finding["kind"].as_str()).collect();
        assert_eq!(kinds.contains(&"shard"), lane == "f#", "{found:#?}");
        assert!(kinds.contains(&"ahead") || kinds.contains(&"surplus"), "{found:#?}");
        put(fleet, CONTRIBUTIONS, item).await;
        fleet.settle().await;
        assert_equal(fleet).await;
    }
}

/// A message that counts, and an object that says that all of it was set aside.
async fn counted_and_set_aside(fleet: &Fleet) {
    let all = items(fleet, CONTRIBUTIONS).await;
    let item = all.iter().find(|item| text(item, "sk").starts_with("l#")).expect("a message's contribution");
    let ledger = Ledger::decode(item["body"].as_b().expect("bytes").as_ref()).expect("a ledger");
    let identity = &ledger.entries[0].identity;
    let name = Document::of(identity).expect("a message").name;
    let today = clock::now().to_string()[..10].replace('-', "/");
    let put = async |reason: &str| {
        let key = format!("{reason}/{today}/{name}.json");
        let body = ByteStream::from_static(b"{}");
        fleet.s3.put_object().bucket(Fleet::QUARANTINE).key(&key).body(body).send().await.expect("PutObject");
        key
    };
    let delete = async |key: &str| {
        fleet.s3.delete_object().bucket(Fleet::QUARANTINE).key(key).send().await.expect("DeleteObject");
    };
    // What may have counted before is no mismatch.
    let exempt = put("message_too_old").await;
    let verdict = assert_equal(fleet).await;
    delete(&exempt).await;
    assert_eq!(verdict["set_aside"], serde_json::json!({ "documents": 0, "cut": false }), "{verdict:#}");

    let key = put("not_json").await;
    let found = mismatches(fleet).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["kind"], &found[0]["expected"]), (&"counted_and_set_aside".into(), &"0".into()));
    let (what, next) = (found[0]["what"].as_str().expect("words"), found[0]["next"].as_str().expect("a step"));
    assert!(what.contains(identity.as_str()) && what.contains(&key), "{what}");
    assert!(next.contains(&format!("weir quarantine show --stack weir '{key}'")), "{next}");
    delete(&key).await;
    assert_equal(fleet).await;
}

async fn quarantine_emptied(fleet: &Fleet) {
    let objects = weir_tests::found::quarantine(&fleet.s3).await;
    let (key, _) = objects.iter().next().expect("what was no telemetry");
    fleet.s3.delete_object().bucket(Fleet::QUARANTINE).key(key).send().await.expect("DeleteObject");
    let found = mismatches(fleet).await;
    assert_eq!(
        (&found[0]["kind"], &found[0]["actual"], &found[0]["expected"]),
        (&"quarantine".into(), &"0".into(), &"1".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_no_mismatch() {
    let fleet = Fleet::start().await;
    let flowing = async {
        for round in 0..40_u64 {
            let records = (0..50).map(|n| (format!("key-{n}"), event(round * 50 + n).json().into_bytes()));
            fleet.put_records(records.collect::<Vec<_>>()).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let checking = async {
        for _ in 0..4 {
            let verdict = fleet.weir(0, &RECONCILE).await.json();
            assert_ne!(verdict["verdict"], "mismatch", "{verdict:#}");
        }
    };
    futures::join!(flowing, checking);
    fleet.settle().await;
    assert_equal(&fleet).await;
    fleet.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_in_no_count() {
    let fleet = Fleet::start().await;
    let url = fleet.queue_url("weir-telemetry-dlq").await;
    fleet.sqs.send_message().queue_url(url).message_body("{}").send().await.expect("a message");
    let found = mismatches(&fleet).await;
    assert_eq!((&found[0]["kind"], &found[0]["actual"]), (&"dead_letters".into(), &"1".into()));
    let next = found[0]["next"].as_str().expect("a command");
    assert!(next.contains("weir redrive --stack weir --queue telemetry"), "{next}");
    fleet.weir(2, &["reconcile", "--since", "1h", "--all"]).await;
    let refused = fleet.weir(2, &["reconcile", "--from", "2020-01-01T00:00:00Z"]).await;
    assert!(refused.err.contains("the oldest that can be checked"), "{refused:?}");
    fleet.plane.shutdown().await;
}
