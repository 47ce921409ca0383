//! Bad input, through the whole fleet: each is set aside with its reason, all around it is counted, nothing restarts.

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::io::Write as _;
use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::found::{self, Quarantined};
use weir_tests::{Fleet, Oracle, Sent};

/// A payload and what must become of it.
struct Case {
    data: Vec<u8>,
    /// Reason, words that its detail must hold, and the bytes set aside: per object.
    rejected: Option<(&'static str, &'static str, Vec<u8>)>,
    /// Index of the rejected event where the payload could be split.
    event_index: Option<u64>,
    /// Good events inside.
    good: Vec<Sent>,
}

fn bad(data: impl Into<Vec<u8>>, reason: &'static str, detail: &'static str) -> Case {
    let data = data.into();
    Case { rejected: Some((reason, detail, data.clone())), data, event_index: None, good: vec![] }
}

fn event(data: &str, reason: &'static str, detail: &'static str) -> Case {
    Case { event_index: Some(0), ..bad(data, reason, detail) }
}

fn good(data: impl Into<Vec<u8>>, good: Vec<Sent>) -> Case {
    Case { data: data.into(), rejected: None, event_index: None, good }
}

fn sent(source: &str, n: u16) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-120_000).to_string();
    Sent {
        service: format!("good-{source}"),
        endpoint: format!("/orders/{n}"),
        series_endpoint: "/orders/{id}".to_owned(),
        status: Some(200 + n),
        duration_us: Some(1_000 + u64::from(n)),
        minute: minute[..16].to_owned(),
        second: 7,
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// Those that are text: for either source.
fn textual(source: &str) -> Vec<Case> {
    let (first, last) = (sent(source, 1), sent(source, 2));
    let broken_line = "{\"status\": 200, \"endpoint";
    let lines = [first.json(), broken_line.to_owned(), last.json()].join("\n");
    vec![
        good(sent(source, 3).json(), vec![sent(source, 3)]),
        bad("GET /index.html 200", "not_json", "not JSON at line 1"),
        event(r#"{"status":"two hundred"}"#, "invalid_status", "status: expected an integer"),
        bad(vec![b'['; 100_000], "exceeds_json_depth_max", "json_depth_max"),
        event(r#"{"timestamp":"1970-01-01T00:00:00Z"}"#, "too_late", "timestamp: more than 48 h"),
        event(r#"{"timestamp":4102444800000}"#, "from_future", "timestamp: more than 10 min"),
        Case {
            data: lines.into(),
            rejected: Some(("not_json", "not JSON at line 1", broken_line.into())),
            event_index: Some(1),
            good: vec![first, last],
        },
        good(" \r\n\t ", vec![]),
    ]
}

/// Those that only a stream can carry.
fn binary() -> Vec<Case> {
    // A multiplicative hash, high bit set: no UTF-8. With its key a record may have 1 MiB.
    let noise: Vec<u8> = (0..(1_u32 << 20) - 8).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    vec![
        bad(&b"{\"endpoint\":\"\xff\xfe\"}"[..], "not_utf8", "not UTF-8 at byte 13"),
        bad(noise, "not_utf8", "not UTF-8 at byte 0"),
        bad(gzip(&vec![b' '; 64 << 20]), "exceeds_payload_bytes_max", "payload_bytes_max"),
        good("", vec![]),
        good(sent("stream", 4).json(), vec![sent("stream", 4)]),
    ]
}

/// Objects by reason and by coordinate, so that each can be held against what was sent.
struct Quarantine(BTreeMap<(String, String), Quarantined>);

impl Quarantine {
    async fn read(fleet: &Fleet, source: &str, coordinate: &str) -> Self {
        let all = found::quarantine(&fleet.s3).await.into_values().filter(|object| object.text("source") == source);
        let name = |object: &Quarantined| (object.text("reason").to_owned(), object.text(coordinate).to_owned());
        Self(all.map(|object| (name(&object), object)).collect())
    }

    /// Takes out the one object that must be there for `case`.
    fn take(&mut self, case: &Case, id: &str) {
        let Some((reason, detail, payload)) = &case.rejected else { return };
        let found = self.0.remove(&((*reason).to_owned(), id.to_owned()));
        let object = found.unwrap_or_else(|| panic!("{reason} {id} is not in quarantine, but {:?}", self.0.keys()));
        assert!(object.text("detail").contains(detail), "{reason}: {}", object.document);
        assert_eq!(object.payload, *payload, "{reason}");
        assert_eq!(object.document["coordinates"]["event_index"].as_u64(), case.event_index, "{reason}");
        let arrived_at = object.text("arrived_at");
        let arrived = weir_telemetry::Millis::parse_rfc3339(arrived_at).expect("arrived_at is RFC 3339");
        let age_ms = clock::now().0 - arrived.0;
        assert!((-1_000..600_000).contains(&age_ms), "{reason} arrived at {arrived_at}");
        let day = arrived_at[..10].replace('-', "/");
        let prefix = format!("{reason}/{day}/{}/", object.text("source"));
        assert!(object.key.starts_with(&prefix), "{}", object.key);
    }

    fn assert_empty(&self) {
        assert_eq!(self.0.keys().collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "set aside without need");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_set_aside_and_the_rest_counted() {
    let fleet = Fleet::start().await;
    let mut oracle = Oracle::default();

    // One request, one partition key: one shard, and so the same batches as the good records.
    let cases: Vec<Case> = textual("stream").into_iter().chain(binary()).collect();
    let records = cases.iter().map(|case| ("one".to_owned(), case.data.clone()));
    let sequences = fleet.put_records(records).await;
    let messages = send_messages(&fleet, &mut oracle).await;
    fleet.settle().await;

    cases.iter().flat_map(|case| &case.good).for_each(|event| oracle.count(event));
    let mut stream = Quarantine::read(&fleet, "kinesis", "sequence_number").await;
    cases.iter().zip(&sequences).for_each(|(case, sequence)| stream.take(case, sequence));
    stream.assert_empty();
    let mut queue = Quarantine::read(&fleet, "sqs", "message_id").await;
    messages.iter().for_each(|(case, id)| queue.take(case, id));
    queue.assert_empty();

    fleet.assert_rows(&oracle).await;
    let totals = found::progress(&fleet.dynamodb).await;
    let total = |of: fn(&weir_exact::progress::Totals) -> u64| totals.iter().map(of).sum::<u64>();
    let rejected = cases.iter().filter(|case| case.rejected.is_some()).count() as u64;
    let accepted = cases.iter().map(|case| case.good.len() as u64).sum::<u64>();
    let expected = [cases.len() as u64, 2, accepted, rejected];
    assert_eq!([total(|t| t.records), total(|t| t.empty), total(|t| t.accepted), total(|t| t.rejected)], expected);

    for (name, stats) in fleet.plane.function_stats() {
        let failed = [stats.errors, stats.crashes, stats.timeouts, stats.init_failures, stats.memory_exceeded];
        assert_eq!(failed, [0; 5], "{name}: {stats:?}");
        // Nothing calls the others here.
        assert!(stats.invocations > 0 || !Fleet::INTAKE.contains(&name.as_str()), "{name} never ran");
    }
    for (name, stats) in fleet.plane.mapping_stats() {
        let again = [stats.failures, stats.partial_failures, stats.retries, stats.discarded];
        assert_eq!(again, [0; 4], "{name}: {stats:?}");
    }
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}

/// Sends the queue's cases; each with the id that its quarantine object has.
async fn send_messages(fleet: &Fleet, oracle: &mut Oracle) -> Vec<(Case, String)> {
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"weir-landing-000000000000","s3Key":"k"}]"#;
    let test_event = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-21T01:30:00.000Z","Bucket":"b"}"#;
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let mut cases = textual("queue");
    cases.push(good(test_event, vec![]));
    cases.push(bad(pointer, "object_missing", "GetObject s3://"));
    let pointed = sent("queue", 7);
    let payload = gzip(pointed.json().as_bytes());
    let put = fleet.s3.put_object().bucket(Fleet::LANDING).key("payloads/1").body(payload.into());
    put.send().await.expect("PutObject");
    let place = format!(r#"{{"s3BucketName":"{}","s3Key":"payloads/1"}}"#, Fleet::LANDING);
    let pointer = format!(r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{place}]"#);
    cases.push(good(pointer, vec![pointed]));
    let packed = sent("queue", 5);
    cases.push(good(STANDARD.encode(gzip(packed.json().as_bytes())), vec![packed]));
    let data = STANDARD.encode(&bomb).into_bytes();
    let rejected = Some(("exceeds_payload_bytes_max", "payload_bytes_max", bomb));
    cases.push(Case { data, rejected, event_index: None, good: vec![] });

    let body = |case: &Case| String::from_utf8(case.data.clone()).expect("text");
    let entry =
        |at: usize, body: String| SendMessageBatchRequestEntry::builder().id(format!("m{at}")).message_body(body);
    let mut ids = vec![];
    for chunk in cases.chunks(10) {
        let entries = chunk.iter().enumerate().map(|(at, case)| entry(at, body(case)).build().expect("id and body"));
        ids.extend(fleet.send_messages(entries.collect()).await);
    }
    cases.iter().flat_map(|case| &case.good).for_each(|event| oracle.count(event));

    // The same weir-id twice in one request and once more: counted once. A binary weir-id is a mistake.
    let once = sent("queue", 6);
    let own = |value: &str| {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().expect("a data type")
    };
    let own_id =
        |at: usize| entry(at, once.json()).message_attributes("weir-id", own("mine-1")).build().expect("complete");
    fleet.send_messages(vec![own_id(0), own_id(1)]).await;
    let binary = aws_sdk_sqs::primitives::Blob::new(vec![0, 255]);
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(binary).build().expect("complete");
    let mistaken = entry(1, once.json()).message_attributes("weir-id", binary).build().expect("complete");
    let mistaken_id = fleet.send_messages(vec![own_id(0), mistaken]).await.remove(1);
    oracle.count(&once);
    let mistaken = bad(once.json(), "bad_attribute", "weir-id: expected a string");
    cases.into_iter().zip(ids).chain([(mistaken, mistaken_id)]).collect()
}
