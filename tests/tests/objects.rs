//! Objects of the landing bucket over real processes: every form, any key, notices twice, and whatever cannot be read.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
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

/// Whether the minutes of the large object come to so many events.
async fn counted(fleet: &Fleet, events: u64) -> bool {
    let rows = found::rows(&fleet.dynamodb).await;
    let minutes = rows.iter().filter(|(name, _)| name.series == "large#*" && name.window.starts_with("1m#"));
    minutes.map(|(_, row)| row.events).sum::<u64>() == events
}

/// Puts an object that is `bytes` so many times over.
async fn put_in_parts(fleet: &Fleet, key: &str, bytes: &[u8], times: usize) {
    const PART_BYTES: usize = 64 << 20;
    let upload = fleet.s3.create_multipart_upload().bucket(Fleet::LANDING).key(key).send().await.expect("an upload");
    let upload = upload.upload_id.expect("its id");
    let in_a_part = PART_BYTES.div_ceil(bytes.len());
    let mut parts = vec![];
    for begin in (0..times).step_by(in_a_part) {
        let part = bytes.repeat(in_a_part.min(times - begin));
        let number = i32::try_from(parts.len() + 1).expect("few parts");
        let put = fleet.s3.upload_part().bucket(Fleet::LANDING).key(key).upload_id(&upload).part_number(number);
        let etag = put.body(part.into()).send().await.expect("a part").e_tag.expect("its ETag");
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = fleet.s3.complete_multipart_upload().bucket(Fleet::LANDING).key(key).upload_id(upload);
    complete.multipart_upload(parts).send().await.expect("the upload is complete");
}

/// The function gets a version with 256 MB, held to it where the machine allows, and an object of 2 GB of gzip: about
/// 33 million events, in members that repeat.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes, and 2 GB of disk and of memory"]
async fn an_object_of_2_gb_goes_through_256_mb() {
    const OBJECT_BYTES: u64 = 2_000_000_000;
    const MEMBER_EVENTS: u64 = 50_000;
    let data = tempfile::tempdir().expect("a directory");
    let fleet = Fleet::start_with(|options| {
        options.enforce_memory = true;
        options.data_dir = Some(data.path().to_owned());
        options.parameters.insert("LandingTimeoutSeconds".into(), "300".into());
        options.parameters.insert("LandingVisibilitySeconds".into(), "1802".into());
    })
    .await;
    let host = fleet.plane.host();
    host.update_function("weir-s3-rollup", |spec| spec.memory_mb = 256, None).expect("a function");
    let version = host.publish_version("weir-s3-rollup", "", None).expect("a version").version;
    host.update_alias("weir-s3-rollup", "live", |target, _| target.version = version, None).expect("an alias");

    let event = |n: u64| {
        // Bits of which nothing is saved, so that the events of an object of this size are not endless.
        let noise: String =
            (0..3).map(|part| format!("{:016x}", (n * 3 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let Sent { minute, .. } = event(n);
        format!(
            r#"{{"service":"large","endpoint":"/orders/{n}","status":200,"duration_ms":{},"user_id":"{}","timestamp":"{minute}:07Z","request":"{noise}"}}"#,
            n % 900,
            &noise[..16]
        )
    };
    let member = gzip((0..MEMBER_EVENTS).map(|n| event(n) + "\n").collect::<String>().as_bytes());
    let members = OBJECT_BYTES.div_ceil(member.len() as u64);
    let begun = std::time::Instant::now();
    put_in_parts(&fleet, "in/large.ndjson.gz", &member, members as usize).await;
    eprintln!(
        "{} bytes of {} events are put after {:?}",
        members * member.len() as u64,
        members * MEMBER_EVENTS,
        begun.elapsed()
    );

    let deadline = begun + std::time::Duration::from_secs(900);
    while !counted(&fleet, members * MEMBER_EVENTS).await {
        assert!(std::time::Instant::now() < deadline, "not counted: {:#?}", fleet.plane.function_stats());
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    fleet.settle().await;
    assert!(counted(&fleet, members * MEMBER_EVENTS).await);
    let (_, stats) =
        fleet.plane.function_stats().into_iter().find(|(name, _)| name == "weir-s3-rollup").expect("the function");
    eprintln!("counted after {:?}: {stats:?}", begun.elapsed());
    assert_eq!((stats.memory_exceeded, stats.crashes, stats.timeouts, stats.errors), (0, 0, 0, 0), "{stats:?}");
    assert!(found::quarantine(&fleet.s3).await.is_empty());
    fleet.plane.shutdown().await;
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
    // By hand, without the version that S3 names.
    let etag = fleet.s3.head_object().bucket(Fleet::LANDING).key("in/again").send().await.expect("HeadObject").e_tag;
    let unnamed = notice("in/again", "null").replace("\"e\"", &etag.expect("an ETag"));
    send(&fleet, "weir-landing", unnamed).await;

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

/// On a bucket without versions an object is what has its ETag, and the first delivery claims its arrival.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_versions_counts_once_by_its_etag() {
    const PLAIN: &str = "without-versions";
    let fleet = Fleet::start().await;
    fleet.s3.create_bucket().bucket(PLAIN).send().await.expect("a bucket");
    let mut oracle = Oracle::default();
    let put = async |key: &str, body: Vec<u8>| {
        let put = fleet.s3.put_object().bucket(PLAIN).key(key).body(body.into()).send().await.expect("PutObject");
        assert_eq!(put.version_id, None);
        put.e_tag.expect("an ETag").trim_matches('"').to_owned()
    };
    let notice = |key: &str, etag: &str| {
        let object = serde_json::json!({"key": key, "eTag": etag});
        serde_json::json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": PLAIN}, "object": object},
        }]})
        .to_string()
    };

    // Noticed twice, put again as it was, and noticed again.
    let body = events(&mut oracle, 30, false);
    let etag = put("in/same", body.clone()).await;
    send(&fleet, "weir-landing", notice("in/same", &etag)).await;
    send(&fleet, "weir-landing", notice("in/same", &etag)).await;
    fleet.settle().await;
    assert_eq!(put("in/same", body).await, etag);
    send(&fleet, "weir-landing", notice("in/same", &etag)).await;
    // Overwritten before it is read: the older content is nowhere any more, the younger counts.
    let older = put("in/overwritten", b"{\"service\":\"never\"}".to_vec()).await;
    let younger = put("in/overwritten", events(&mut oracle, 20, true)).await;
    send(&fleet, "weir-landing", notice("in/overwritten", &older)).await;
    send(&fleet, "weir-landing", notice("in/overwritten", &younger)).await;

    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    let quarantined = found::quarantine(&fleet.s3).await;
    let found: Vec<_> = quarantined.values().map(|object| (object.text("reason"), object.text("key"))).collect();
    assert_eq!(found, [("object_changed", "in/overwritten")]);
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}
