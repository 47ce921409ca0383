//! S3 by the Rust SDK: what a user of S3 relies on, through the plane's endpoint.

mod support;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use support::Fixture;

const PLAIN: &str = "plain-bucket";
const VERSIONED: &str = "landing-bucket";

async fn put(fixture: &Fixture, bucket: &str, key: &str, body: &'static str) -> Option<String> {
    let request = fixture.s3.put_object().bucket(bucket).key(key).body(ByteStream::from_static(body.as_bytes()));
    request.send().await.unwrap().version_id().map(str::to_owned)
}

async fn text(fixture: &Fixture, bucket: &str, key: &str) -> String {
    let object = fixture.s3.get_object().bucket(bucket).key(key).send().await.unwrap();
    String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_just_a_key() {
    let fixture = Fixture::start().await;
    let long = "k".repeat(1_000);
    let keys =
        ["x", "x/y", "x/y/", "e//f", "/lead", "a b+c%20&=?#", "ümlaut/日本", "../up", "health", "new\nline", &long];
    for key in keys {
        fixture.s3.put_object().bucket(PLAIN).key(key).body(key.as_bytes().to_vec().into()).send().await.unwrap();
    }
    let mut listed: Vec<String> = Vec::new();
    let mut pages = fixture.s3.list_objects_v2().bucket(PLAIN).max_keys(3).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.contents().len() <= 3);
        listed.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    let mut expected: Vec<&str> = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for key in keys {
        assert_eq!(text(&fixture, PLAIN, key).await, key);
        fixture.s3.delete_object().bucket(PLAIN).key(key).send().await.unwrap();
    }
    let too_long = fixture.s3.put_object().bucket(PLAIN).key("k".repeat(1_025)).send().await.unwrap_err();
    assert_eq!(too_long.code(), Some("KeyTooLongError"));
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_roll_up_and_page() {
    let fixture = Fixture::start().await;
    for key in ["a/1", "a/2", "b/1", "c"] {
        put(&fixture, PLAIN, key, "").await;
    }
    let list = fixture.s3.list_objects_v2().bucket(PLAIN).delimiter("/");
    let first = list.clone().max_keys(2).send().await.unwrap();
    let prefixes: Vec<&str> = first.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect();
    assert_eq!((prefixes, first.key_count(), first.is_truncated()), (vec!["a/", "b/"], Some(2), Some(true)));
    let second = list.set_continuation_token(first.next_continuation_token().map(str::to_owned)).send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("c"));
    assert_eq!((second.contents().len(), second.common_prefixes().len()), (1, 0));
    let v1 = fixture.s3.list_objects().bucket(PLAIN).prefix("a/").marker("a/1").send().await.unwrap();
    assert_eq!(v1.contents()[0].key(), Some("a/2"));
    let after = fixture.s3.list_objects_v2().bucket(PLAIN).start_after("b/1").send().await.unwrap();
    assert_eq!(after.contents().len(), 1);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_delete_markers() {
    let fixture = Fixture::start().await;
    let first = put(&fixture, VERSIONED, "k", "one").await.unwrap();
    let second = put(&fixture, VERSIONED, "k", "two").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(text(&fixture, VERSIONED, "k").await, "two");
    let old = fixture.s3.get_object().bucket(VERSIONED).key("k").version_id(&first).send().await.unwrap();
    assert_eq!(old.body.collect().await.unwrap().to_vec(), b"one");

    let deleted = fixture.s3.delete_object().bucket(VERSIONED).key("k").send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let gone = fixture.s3.get_object().bucket(VERSIONED).key("k").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("NoSuchKey"));
    assert!(fixture.s3.list_objects_v2().bucket(VERSIONED).send().await.unwrap().contents().is_empty());

    let versions = fixture.s3.list_object_versions().bucket(VERSIONED).send().await.unwrap();
    let ids: Vec<&str> = versions.versions().iter().filter_map(|version| version.version_id()).collect();
    assert_eq!(ids, [second.as_str(), first.as_str()]);
    assert_eq!(versions.delete_markers()[0].is_latest(), Some(true));

    // Paging one by one visits each once.
    let (mut seen, mut key, mut id) = (0, None, None);
    loop {
        let request = fixture.s3.list_object_versions().bucket(VERSIONED).max_keys(1);
        let page = request.set_key_marker(key).set_version_id_marker(id).send().await.unwrap();
        seen += page.versions().len() + page.delete_markers().len();
        if page.is_truncated() != Some(true) {
            break;
        }
        (key, id) = (page.next_key_marker().map(str::to_owned), page.next_version_id_marker().map(str::to_owned));
    }
    assert_eq!(seen, 3);

    let marker = deleted.version_id().unwrap();
    fixture.s3.delete_object().bucket(VERSIONED).key("k").version_id(marker).send().await.unwrap();
    assert_eq!(text(&fixture, VERSIONED, "k").await, "two");
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_conditions() {
    let fixture = Fixture::start().await;
    put(&fixture, PLAIN, "k", "0123456789").await;
    let get = || fixture.s3.get_object().bucket(PLAIN).key("k");
    let part = get().range("bytes=2-4").send().await.unwrap();
    assert_eq!(part.content_range(), Some("bytes 2-4/10"));
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"234");
    let tail = get().range("bytes=-3").send().await.unwrap();
    assert_eq!(tail.body.collect().await.unwrap().to_vec(), b"789");
    let beyond = get().range("bytes=10-").send().await.unwrap_err();
    assert_eq!((beyond.code(), beyond.raw_response().unwrap().status().as_u16()), (Some("InvalidRange"), 416));

    let etag = fixture.s3.head_object().bucket(PLAIN).key("k").send().await.unwrap().e_tag().unwrap().to_owned();
    assert_eq!(etag, "\"781e5e245d69b566979b86e28d23f2c7\"");
    get().if_match(&etag).send().await.unwrap();
    let changed = get().if_match("\"other\"").send().await.unwrap_err();
    assert_eq!(changed.raw_response().unwrap().status().as_u16(), 412);
    let unchanged = get().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);

    let write = |key: &str| fixture.s3.put_object().bucket(PLAIN).key(key).body(ByteStream::from_static(b"new"));
    let taken = write("k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(taken.code(), Some("PreconditionFailed"));
    write("fresh").if_none_match("*").send().await.unwrap();
    let stale = write("k").if_match("\"other\"").send().await.unwrap_err();
    assert_eq!(stale.code(), Some("PreconditionFailed"));
    write("k").if_match(&etag).send().await.unwrap();
    assert_eq!(text(&fixture, PLAIN, "k").await, "new");
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_copy_and_batch_delete() {
    let fixture = Fixture::start().await;
    let big = vec![7_u8; 5 << 20];
    let upload =
        fixture.s3.create_multipart_upload().bucket(PLAIN).key("big").content_type("x/y").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let initiated = std::time::SystemTime::now();
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let mut parts = Vec::new();
    for (number, body) in [(1, big.clone()), (2, b"tail".to_vec())] {
        let part =
            fixture.s3.upload_part().bucket(PLAIN).key("big").upload_id(id).part_number(number).body(body.into());
        let part = part.send().await.unwrap();
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag().map(str::to_owned)).build());
    }
    let complete = fixture.s3.complete_multipart_upload().bucket(PLAIN).key("big").upload_id(id);
    let complete = complete.multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
    let done = complete.clone().send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""), "{:?}", done.e_tag());
    let again = complete.send().await.unwrap_err();
    assert_eq!(again.code(), Some("NoSuchUpload"));
    let head = fixture.s3.head_object().bucket(PLAIN).key("big").send().await.unwrap();
    assert_eq!((head.content_length(), head.content_type()), (Some((5 << 20) + 4), Some("x/y")));
    // Dated from its initiation; two seconds are more than the one to which the header is rounded.
    let modified = std::time::SystemTime::try_from(*head.last_modified().unwrap()).unwrap();
    assert!(modified <= initiated, "{modified:?} is after {initiated:?}");

    let copy = fixture.s3.copy_object().bucket(VERSIONED).key("copy").copy_source(format!("{PLAIN}/big"));
    copy.send().await.unwrap();
    let copied = fixture.s3.get_object().bucket(VERSIONED).key("copy").send().await.unwrap();
    assert_eq!(copied.body.collect().await.unwrap().to_vec().len(), (5 << 20) + 4);

    let object = ObjectIdentifier::builder().key("big").build().unwrap();
    let absent = ObjectIdentifier::builder().key("absent").build().unwrap();
    let delete = Delete::builder().objects(object).objects(absent).build().unwrap();
    let deleted = fixture.s3.delete_objects().bucket(PLAIN).delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted().len(), 2);
    assert!(fixture.s3.list_objects_v2().bucket(PLAIN).send().await.unwrap().contents().is_empty());
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_reach_the_queue() {
    let fixture = Fixture::start().await;
    put(&fixture, VERSIONED, "out/ignored", "").await;
    put(&fixture, VERSIONED, "in/a b+ü.json", "hello").await;
    let url = format!("{}/000000000000/landing", fixture.plane.endpoint_url());
    let received = fixture.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(2);
    let received = received.send().await.unwrap();
    let bodies: Vec<serde_json::Value> =
        received.messages().iter().map(|message| serde_json::from_str(message.body().unwrap()).unwrap()).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert_eq!(bodies[0]["Event"], "s3:TestEvent");
    let record = &bodies[1]["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!(record["s3"]["bucket"]["name"], VERSIONED);
    assert_eq!(record["s3"]["object"]["key"], "in/a+b%2B%C3%BC.json");
    assert_eq!(record["s3"]["object"]["size"], 5);
    assert!(record["s3"]["object"]["versionId"].is_string());
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_parts_is_noticed_when_it_is_complete() {
    let fixture = Fixture::start().await;
    let upload = fixture.s3.create_multipart_upload().bucket(VERSIONED).key("in/parts").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let completed = jiff::Timestamp::now();
    let part = fixture.s3.upload_part().bucket(VERSIONED).key("in/parts").upload_id(id).part_number(1);
    let etag = part.body(ByteStream::from_static(b"{}")).send().await.unwrap().e_tag.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let complete = fixture.s3.complete_multipart_upload().bucket(VERSIONED).key("in/parts").upload_id(id);
    complete.multipart_upload(CompletedMultipartUpload::builder().parts(part).build()).send().await.unwrap();
    let url = format!("{}/000000000000/landing", fixture.plane.endpoint_url());
    let received = fixture.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(2);
    let received = received.send().await.unwrap();
    let last: serde_json::Value = serde_json::from_str(received.messages().last().unwrap().body().unwrap()).unwrap();
    assert_eq!(last["Records"][0]["eventName"], "ObjectCreated:CompleteMultipartUpload");
    let at: jiff::Timestamp = last["Records"][0]["eventTime"].as_str().unwrap().parse().unwrap();
    assert!(at.as_millisecond() >= completed.as_millisecond(), "{at} is before {completed}");
    let head = fixture.s3.head_object().bucket(VERSIONED).key("in/parts").send().await.unwrap();
    assert!(head.last_modified().unwrap().secs() < completed.as_second() + 1);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_honoured_is_refused_by_name() {
    let fixture = Fixture::start().await;
    let tagged = fixture.s3.put_object().bucket(PLAIN).key("k").tagging("a=b").send().await.unwrap_err();
    assert_eq!(tagged.code(), Some("NotImplemented"));
    assert!(tagged.message().unwrap().contains("x-amz-tagging"));
    let lifecycle = fixture.s3.get_bucket_lifecycle_configuration().bucket(PLAIN).send().await.unwrap_err();
    assert_eq!(lifecycle.code(), Some("NotImplemented"));
    let wrong = fixture.s3.put_object().bucket(PLAIN).key("k").content_md5("AAAAAAAAAAAAAAAAAAAAAA==");
    let wrong = wrong.body(ByteStream::from_static(b"x")).send().await.unwrap_err();
    assert_eq!(wrong.code(), Some("BadDigest"));
    fixture.plane.shutdown().await;
}
