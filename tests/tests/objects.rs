//! Objects of the landing bucket over real processes: every form, any key, notices twice, and whatever cannot be read.

use std::collections::BTreeMap;
use std::io::Write;
use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent, found};

/// The n-th event.
fn event(n: u64) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-60_000 * (1 + (n % 3) as i64)).to_string();
    Sent {
        service: format!("object-{}", n % 2),
        endpoint: format!("/users/{n}"),
        series_endpoint: "/users/{id}".to_owned(),
        status: [Some(200), None, Some(503)][(n % 3) as usize],
        duration_us: Some(n % 5_000_000),
        minute: minute[..16].to_owned(),
        second: (n % 60) as u8,
    }
}

/// So many events, counted, one a line or as an array.
fn events(oracle: &mut Oracle, count: u64, array: bool) -> Vec<u8> {
    let events = (0..count).map(event).inspect(|event| oracle.count(event)).map(|event| event.json());
    let events: Vec<String> = events.collect();
    if array { format!("[{}]", events.join(",")).into_bytes() } else { events.join("\n").into_bytes() }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// Puts an object; its version.
async fn put(fleet: &Fleet, key: &str, body: Vec<u8>) -> String {
    let put = fleet.s3.put_object().bucket(Fleet::LANDING).key(key).body(body.into()).send().await;
    put.unwrap_or_else(|error| panic!("{key}: {error:?}")).version_id.expect("the bucket has versions")
}

/// A notice of our own, as S3 would send it once more.
fn notice(key: &str, version: &str) -> String {
    serde_json::json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": Fleet::LANDING}, "object": {"key": key, "versionId": version, "eTag": "e"}},
    }]})
    .to_string()
}

async fn send(fleet: &Fleet, queue: &str, body: impl Into<String>) -> String {
    let url = fleet.queue_url(queue).await;
    let sent = fleet.sqs.send_message().queue_url(url).message_body(body).send().await.expect("SendMessage");
    sent.message_id.expect("a message has an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_counts_once() {
    let fleet = Fleet::start().await;
    let mut oracle = Oracle::default();

    put(&fleet, "in/lines.ndjson", events(&mut oracle, 100, false)).await;
    put(&fleet, "in/array é 日本🚀+ and%20.json", events(&mut oracle, 60, true)).await;
    put(&fleet, "in/lines.ndjson", gzip(&events(&mut oracle, 70, false))).await;
    put(&fleet, "in/empty", vec![]).await;
    put(&fleet, "out/not-noticed", b"{}".to_vec()).await;
    // Several ranges, and more than one chunk.
    put(&fleet, "in/large", events(&mut oracle, 130_000, false)).await;
    let again = put(&fleet, "in/again", events(&mut oracle, 40, false)).await;
    for _ in 0..3 {
        send(&fleet, "weir-landing", notice("in/again", &again)).await;
    }

    let mut expected = BTreeMap::new();
    let cut_short = gzip(b"{\"status\":200}\n{\"status\":200}");
    put(&fleet, "in/damaged", cut_short[..cut_short.len() - 9].to_vec()).await;
    expected.insert("not_decompressible", "in/damaged".to_owned());
    put(&fleet, "in/bad-event", b"{\"status\":\"ok\"}".to_vec()).await;
    expected.insert("invalid_status", "in/bad-event".to_owned());
    send(&fleet, "weir-landing", notice("in/never-was", &again)).await;
    expected.insert("object_missing", "in/never-was".to_owned());
    let payload = send(&fleet, "weir-landing", r#"{"status":200}"#).await;
    expected.insert("unsupported_form", payload);
    let unnamed =
        send(&fleet, "weir-landing", notice("in/again", &again).replace("versionId", "v").replace("eTag", "e")).await;
    expected.insert("bad_notice", unnamed);

    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    let quarantined = found::quarantine(&fleet.s3).await;
    let found = quarantined.values().map(|object| {
        let id = if object.text("source") == "s3" { object.text("key") } else { object.text("message_id") };
        (object.text("reason"), id.to_owned())
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}
