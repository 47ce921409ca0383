//! A reader of a shard sees every record, also of puts that overlap.

mod support;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use support::{Fixture, TEMPLATE, options};

const WRITERS: usize = 8;
const REQUESTS: usize = 12;
const RECORDS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_follows_concurrent_puts_misses_nothing() {
    follow(Fixture::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_with_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path(), TEMPLATE);
    options.data_dir = Some(dir.path().join("data"));
    follow(Fixture::with(options, dir).await).await;
}

async fn follow(fixture: Fixture) {
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let client = fixture.kinesis.clone();
            tokio::spawn(async move {
                for _ in 0..REQUESTS {
                    let entry = |_| PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new([0])).build();
                    let entries: Vec<_> = (0..RECORDS).map(entry).collect::<Result<_, _>>().unwrap();
                    let put = client.put_records().stream_name("s").set_records(Some(entries)).send().await.unwrap();
                    assert_eq!(put.failed_record_count(), Some(0));
                }
            })
        })
        .collect();
    let done = || writers.iter().all(tokio::task::JoinHandle::is_finished);
    let shards = fixture.kinesis.list_shards().stream_name("s").send().await.unwrap();
    let readers = shards.shards().iter().map(|shard| read_to_end(&fixture, shard.shard_id(), &done));
    let read: usize = futures::future::join_all(readers).await.into_iter().sum();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(read, WRITERS * REQUESTS * RECORDS);
    fixture.plane.shutdown().await;
}

/// Records of a shard, read as they come until the writers are done and nothing more does.
async fn read_to_end(fixture: &Fixture, shard: &str, done: &impl Fn() -> bool) -> usize {
    let iterator = fixture.kinesis.get_shard_iterator().stream_name("s").shard_id(shard);
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let (mut next, mut read) = (iterator.shard_iterator, 0);
    loop {
        let written = done();
        let page = fixture.kinesis.get_records().shard_iterator(next.unwrap()).send().await.unwrap();
        let records = page.records().len();
        read += records;
        next = page.next_shard_iterator;
        if written && records == 0 {
            return read;
        }
    }
}
