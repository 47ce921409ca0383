use super::event;
use futures::stream::{self, StreamExt};
use weir_tests::{Fleet, Oracle};

/// More than a page of a listing.
const OBJECTS: u64 = 1_100;

/// Objects that S3 never noticed, an interrupted run among them, and a golden object of the gate's.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_counts_once_however_often_it_is_noticed() {
    let fleet = Fleet::start().await;
    let mut oracle = Oracle::default();
    let events: Vec<_> = (0..OBJECTS).map(|number| event("before", number % 7, 2 + (number % 3) as i64)).collect();
    let puts = events.iter().enumerate().map(|(number, event)| {
        let put = fleet.s3.put_object().bucket(Fleet::LANDING).key(format!("before/{number:05}"));
        put.body(event.json().into_bytes().into()).send()
    });
    stream::iter(puts).buffer_unordered(16).for_each(|put| async { drop(put.expect("PutObject")) }).await;
    let golden = fleet.s3.put_object().bucket(Fleet::LANDING).key("scratch/g/golden").body(b"{}".to_vec().into());
    golden.send().await.expect("PutObject");

    // As an interrupted run left it: what comes first was noticed, and its notices are lost.
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state.json");
    let uri = format!("s3://{}/before/", Fleet::LANDING);
    let left = serde_json::json!({ "uri": uri, "after": "before/01089", "enqueued": 1_090, "bytes": 0, "too_old": 0 });
    std::fs::write(&state, left.to_string()).expect("a file");
    let file = state.to_str().expect("UTF-8");
    let rest = fleet.weir(0, &["backfill", &uri, "--state", file, "--json"]).await.json();
    assert_eq!(rest["enqueued"], OBJECTS, "the ten that were left are added: {rest}");
    assert!(!state.exists(), "done");
    fleet.settle().await;
    events[1_090..].iter().for_each(|event| oracle.count(event));
    fleet.assert_rows(&oracle).await;

    // All of it, then the whole bucket: what is counted stays, and the gate's object is none of it.
    let whole = format!("s3://{}", Fleet::LANDING);
    let ran = fleet.weir(0, &["backfill", &uri]).await;
    assert!(ran.out.starts_with("enqueued 1100 objects"), "{ran:?}");
    // What lies outside in/ may be the payload of a message: as a whole the bucket is what S3 notifies of.
    let ran = fleet.weir(1, &["backfill", &whole]).await;
    assert!(ran.out.starts_with("enqueued 0 objects"), "{ran:?}");
    assert!(ran.err.contains("1100 objects outside in/ skipped"), "{ran:?}");
    fleet.settle().await;
    events[..1_090].iter().for_each(|event| oracle.count(event));
    fleet.assert_rows(&oracle).await;
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}
