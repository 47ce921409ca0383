use super::event;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use weir_tests::{Fleet, Oracle, Sent, build, found};

/// Memory of the processor that is killed, kilobytes: plenty for what comes otherwise.
const MEMORY_KB: u64 = 16 << 10;
/// Events of the record that kills it: 13 MB of text, which the limits allow.
const EVENTS: u64 = 90_000;
const BLOCKED: &str = "shardId-000000000000";

/// A bootstrap in less memory than its function has: an allocation beyond it ends the process, as on a machine without.
fn in_less_memory(bootstrap: &Path, directory: &Path) -> PathBuf {
    let script = directory.join("bootstrap");
    let text = format!("#!/bin/sh\nulimit -d {MEMORY_KB}\nexec '{}'\n", bootstrap.display());
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    script
}

/// A record of many events, gzip: what it takes shows only when it is decoded.
fn killer(event: &Sent) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    let line = event.json() + "\n";
    (0..EVENTS).for_each(|_| gzip.write_all(line.as_bytes()).expect("memory"));
    gzip.finish().expect("memory")
}

/// To the first shard, or the last.
async fn put(fleet: &Fleet, first: bool, data: Vec<u8>) -> String {
    let hash_key = if first { "0".to_owned() } else { u128::MAX.to_string() };
    let put = fleet.kinesis.put_record().stream_name(Fleet::STREAM).partition_key("k").explicit_hash_key(hash_key);
    let put = put.data(aws_sdk_kinesis::primitives::Blob::new(data)).send().await;
    put.unwrap_or_else(|error| panic!("PutRecord: {error:?}")).sequence_number
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_gets_past_a_record_that_kills() {
    let directory = tempfile::tempdir().expect("a directory");
    let small = in_less_memory(&build::executables().await["kinesis-rollup"], directory.path());
    let fleet = Fleet::start_with(|options| drop(options.bootstraps.insert("kinesis-rollup".into(), small))).await;
    let mut oracle = Oracle::default();

    // Both shards work in that memory.
    for number in 0..20 {
        for first in [true, false] {
            let event = event("before", number, 2);
            oracle.count(&event);
            put(&fleet, first, event.json().into_bytes()).await;
        }
    }
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    assert_eq!(crashes(&fleet), 0);

    let deadly = event("deadly", 0, 3);
    let data = killer(&deadly);
    let sequence = put(&fleet, true, data.clone()).await;
    for number in 0..20 {
        for first in [true, false] {
            let event = event("behind", number, 2);
            oracle.count(&event);
            put(&fleet, first, event.json().into_bytes()).await;
        }
    }
    fleet
        .wait_until("one shard is blocked and the other goes on", async || {
            let records = found::progress(&fleet.dynamodb).await.iter().map(|shard| shard.records).sum::<u64>();
            crashes(&fleet) >= 3 && records == 40 + 20
        })
        .await;

    let dry = fleet.weir(0, &["skip", "add", "--shard", BLOCKED, "--next"]).await;
    assert!(dry.out.contains(&sequence) && dry.out.contains("nothing was changed: confirm with --yes"), "{dry:?}");
    assert_eq!(fleet.weir(0, &["skip", "ls"]).await.out.trim(), "0 records on the skip list");
    let arguments = ["skip", "add", "--shard", BLOCKED, "--next", "--hold", "1s", "--yes", "--json"];
    let added = fleet.weir(0, &arguments).await.json();
    assert_eq!(
        (added["sequence_number"].as_str(), added["bytes"].as_u64()),
        (Some(&*sequence), Some(data.len() as u64))
    );
    fleet.settle().await;
    fleet.assert_rows(&oracle).await;

    let kept = found::quarantine(&fleet.s3).await;
    let kept: Vec<_> =
        kept.values().map(|kept| (kept.text("reason"), kept.text("sequence_number"), &kept.payload)).collect();
    assert_eq!(kept, [("skipped", sequence.as_str(), &data)]);
    let totals = found::progress(&fleet.dynamodb).await;
    let sum = |of: fn(&weir_exact::progress::Totals) -> u64| totals.iter().map(of).sum::<u64>();
    assert_eq!([sum(|t| t.records), sum(|t| t.accepted), sum(|t| t.rejected)], [81, 80, 1]);

    // It may be delivered again: it stays on the list, and what is settled gets onto none.
    let listed = fleet.weir(0, &["skip", "ls", "--json"]).await.json();
    let shard = listed[0]["shard"].as_str().expect("a shard").to_owned();
    let refused = fleet.weir(1, &["skip", "rm", "--shard", &shard, "--sequence-number", &sequence]).await;
    assert!(refused.err.contains("may be delivered again until"), "{refused:?}");
    let refused = fleet.weir(1, &["skip", "add", "--shard", BLOCKED, "--sequence-number", &sequence, "--yes"]).await;
    assert!(refused.err.contains("is already settled"), "{refused:?}");
    let refused = fleet.weir(1, &["skip", "add", "--shard", BLOCKED, "--next", "--yes"]).await;
    assert!(refused.err.contains("nothing blocks it"), "{refused:?}");

    // A function with the memory for it counts the record, once.
    (0..EVENTS).for_each(|_| oracle.count(&deadly));
    for _ in 0..2 {
        fleet.weir(0, &["quarantine", "replay", "--reason", "skipped", "--yes"]).await;
        fleet.settle().await;
        fleet.assert_rows(&oracle).await;
    }
    fleet.assert_no_dead_letters().await;
    fleet.plane.shutdown().await;
}

fn crashes(fleet: &Fleet) -> u64 {
    fleet
        .plane
        .function_stats()
        .into_iter()
        .filter(|(name, _)| name == "weir-kinesis-rollup")
        .map(|(_, stats)| stats.crashes)
        .sum()
}
