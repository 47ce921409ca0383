//! What `s3-rollup` and `weir backfill` rely on when they list and read a bucket, by the real adapters over the local plane's
//! S3; and over a server that refuses, which the local plane does not.

use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_aws::clients::Connection;
use weir_aws::clock::{self, ReadingTime};
use weir_aws::config::Environment;
use weir_aws::objects::Objects;
use weir_exact::layout::Layout;
use weir_exact::ledger::LedgerSettings;
use weir_exact::memory::MemoryStore;
use weir_exact::objects::{
    Content, Delivery, Noticed, ObjectAt, ObjectIntake, ObjectRead, ObjectSettings, Pieces, ReadError, intake,
};
use weir_local::{Plane, PlaneOptions};
use weir_objects::{ReadErrorKind, Versions, Wanted};
use weir_telemetry::{EpochTable, EpochView};

const TEMPLATE: &str = "Resources: { Plain: { Type: AWS::S3::Bucket, Properties: { BucketName: plain } } }\n";
const PLAIN: &str = "plain";

/// A processor's environment.
struct At(String);

impl Environment for At {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
            "AWS_ENDPOINT_URL" => &self.0,
            _ => return None,
        };
        Some(value.to_owned())
    }
}

/// S3 and the reader over it.
fn clients(endpoint_url: &str) -> (aws_sdk_s3::Client, Objects) {
    let connection = Connection::from_environment(&At(endpoint_url.to_owned())).expect("a whole environment");
    (connection.s3(), Objects::new(&connection, 128))
}

/// The local plane, with a bucket without versions.
async fn plane() -> (Plane, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let template = dir.path().join("template.yaml");
    std::fs::write(&template, TEMPLATE).expect("a template");
    let plane = Plane::start(PlaneOptions { port: 0, ..PlaneOptions::new(template) }).await;
    (plane.unwrap_or_else(|error| panic!("{error}")), dir)
}

async fn put(s3: &aws_sdk_s3::Client, key: &str, body: &str) -> String {
    let put = s3.put_object().bucket(PLAIN).key(key).body(body.as_bytes().to_vec().into()).send().await;
    let etag = put.unwrap_or_else(|error| panic!("{key:?}: {error:?}")).e_tag.expect("an ETag");
    etag.trim_matches('"').to_owned()
}

/// A control character cannot stand in XML at all, and a carriage return is not read as it was written.
#[tokio::test(flavor = "multi_thread")]
async fn any_key_is_listed_and_read_and_what_was_not_read_is_not_counted() {
    let (plane, _dir) = plane().await;
    let (s3, objects) = clients(plane.endpoint_url());
    let keys = ["in/\u{1}", "in/\r\n", "in/a b+c%20&<>=?#", "in/plain", "in/\u{fc}\u{1f680}\u{ffff}"];
    for key in keys {
        put(&s3, key, key).await;
    }
    for versions in [Versions::Unnamed, Versions::Latest] {
        let pages = weir_objects::list(&s3, PLAIN, "in/", versions, Some("in/"));
        let pages: Vec<_> = pages.try_collect().await.unwrap_or_else(|error| panic!("{versions:?}: {error}"));
        let listed: Vec<Wanted> = pages.into_iter().flatten().map(|listed| listed.object).collect();
        assert_eq!(listed.iter().map(|object| &*object.key).collect::<Vec<_>>(), keys, "{versions:?}");

        let missing = Wanted { key: "in/never-was".to_owned(), etag: None, ..listed[0].clone() };
        let changed = Wanted { etag: Some("another".to_owned()), ..listed[0].clone() };
        let all = listed.iter().chain([&missing, &changed]).cloned().collect::<Vec<_>>();
        let mut outcomes = BTreeMap::new();
        let each = |outcome: &weir_objects::Outcome| {
            let object = (outcome.object.key.clone(), outcome.object.etag.clone());
            outcomes.insert(object, outcome.read.as_ref().copied().map_err(|error| error.kind()));
        };
        let summary = objects.reader().read_all(futures::stream::iter(all), each).await;
        let bytes = keys.iter().map(|key| key.len() as u64).sum();
        assert_eq!((summary.objects, summary.bytes, summary.errors), (keys.len() as u64, bytes, 2));
        let became = |object: &Wanted| outcomes[&(object.key.clone(), object.etag.clone())];
        assert_eq!(became(&missing), Err(ReadErrorKind::Missing));
        assert_eq!(became(&changed), Err(ReadErrorKind::Changed));
        listed.iter().for_each(|object| assert_eq!(became(object), Ok(object.key.len() as u64)));
    }
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_versions_is_the_one_with_its_etag() {
    let (plane, _dir) = plane().await;
    let (s3, objects) = clients(plane.endpoint_url());
    let begun = clock::now();
    let etag = put(&s3, "in/e", "one").await;
    let at = |etag: &str| ObjectAt {
        bucket: PLAIN.into(),
        key: "in/e".into(),
        content: Content::Etag(etag.to_owned()),
        size: None,
    };
    let mut opened = objects.open(&at(&etag)).await.expect("an object");
    assert!((opened.created_at.0 - begun.0).abs() < 60_000, "{}", opened.created_at);
    assert_eq!(opened.pieces.next().await.expect("its bytes").as_deref(), Some(&b"one"[..]));
    assert_eq!(opened.pieces.next().await, Ok(None));

    let other = put(&s3, "in/e", "two").await;
    assert!(matches!(objects.open(&at(&etag)).await.map(drop), Err(ReadError::Changed(_))));
    assert!(objects.open(&at(&other)).await.is_ok());
    s3.delete_object().bucket(PLAIN).key("in/e").send().await.expect("DeleteObject");
    assert!(matches!(objects.open(&at(&other)).await.map(drop), Err(ReadError::Missing(_))));
    plane.shutdown().await;
}

/// Answers every request as S3 answers one that it does not allow.
async fn refusing() -> SocketAddr {
    const BODY: &str =
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![];
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                let answer = format!(
                    "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{BODY}",
                    BODY.len()
                );
                stream.write_all(answer.as_bytes()).await
            });
        }
    });
    address
}

/// The message comes back, and ends in the dead-letter queue if nobody grants anything: nothing is set aside, since
/// nothing is wrong with the object.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_may_not_be_read_is_left_and_the_error_says_what_to_grant() {
    let (_, objects) = clients(&format!("http://{}", refusing().await));
    let (store, now) = (MemoryStore::default(), clock::now());
    let at = ObjectAt {
        bucket: PLAIN.into(),
        key: "in/secret".into(),
        content: Content::Version("v1".into()),
        size: Some(3),
    };
    let delivery = Delivery { sent_at: now, receives: 1, noticed: Noticed::Objects(vec![at]) };
    let table = EpochTable::genesis();
    let layout = Layout::new("live", table.generation.clone());
    let settings = ObjectSettings {
        ledger: LedgerSettings::default(),
        objects_in_flight_max: 2,
        object_beside_bytes_max: 1 << 20,
        object_held_bytes_max: 1 << 20,
        round_bytes_max: 1 << 20,
    };
    let time = ReadingTime::new(SystemTime::now(), SystemTime::now() + Duration::from_secs(60));
    let epochs = EpochView::new(table, now);
    let ObjectIntake { outcome, sound, .. } =
        intake(&store, &objects, &layout, &epochs, &settings, vec![delivery], &time).await;
    assert_eq!((outcome.failed.into_iter().collect::<Vec<_>>(), sound), (vec![0], 0));
    let [error] = &outcome.errors[..] else { panic!("{:?}", outcome.errors) };
    for said in ["s3://plain/in/secret@v1", "AccessDenied (403)", "s3:GetObjectVersion", "kms:Decrypt"] {
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
    assert!(!error.is_retryable(), "{error}");
    assert!(store.quarantined().is_empty() && store.items().is_empty());
}
