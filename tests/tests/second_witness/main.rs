//! The stores' promises, held by the real adapters over two endpoints: the local plane's, and, so that correctness does
//! not rest on one emulator's reading of DynamoDB, one that was not chosen for the product. One suite, written once as a
//! function of an endpoint's URL; what it asks is what AWS documents ("Condition expressions", "Query" and
//! "BatchGetItem" in the Amazon DynamoDB Developer Guide and API Reference).
//!
//! `tests/second_witness` installs and starts the other endpoint and runs this file against it: tests/README.md.

mod contributions;
mod lane;
mod objects;
mod races;
mod rows;
mod witness;

use weir_local::{Plane, PlaneOptions};
use witness::Witness;

/// Endpoint of the second witness; it holds nothing else.
const VARIABLE: &str = "WEIR_SECOND_WITNESS";
/// Something for the plane to start with: the suite creates what it uses, alike on every endpoint.
const TEMPLATE: &str = "Resources: { Aside: { Type: AWS::S3::Bucket, Properties: { BucketName: aside } } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_local_plane() {
    let dir = tempfile::tempdir().expect("a directory");
    let template = dir.path().join("template.yaml");
    std::fs::write(&template, TEMPLATE).expect("a template");
    let plane = Plane::start(PlaneOptions { port: 0, ..PlaneOptions::new(template) }).await;
    let plane = plane.unwrap_or_else(|error| panic!("{error}"));
    conformance(plane.endpoint_url()).await;
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_that_was_not_chosen_for_the_product() {
    match std::env::var(VARIABLE) {
        Ok(endpoint_url) => conformance(&endpoint_url).await,
        Err(_) => eprintln!("skipped: {VARIABLE} names no endpoint; tests/second_witness starts one"),
    }
}

/// Every promise, over the stores at `endpoint_url`.
async fn conformance(endpoint_url: &str) {
    let witness = Witness::at(endpoint_url).await;
    contributions::a_put_expects_what_stands(&witness).await;
    contributions::an_item_comes_back_as_it_was_put(&witness).await;
    contributions::a_query_returns_every_page(&witness).await;
    contributions::an_item_beyond_400_kb_is_refused_for_good(&witness).await;
    races::one_writer_wins_each_step(&witness).await;
    races::one_writer_wins_an_absent_item(&witness).await;
    lane::pollers_of_one_shard_count_every_event_once(&witness).await;
    rows::the_higher_version_stands(&witness).await;
    rows::versions_of_more_rows_than_a_request_takes(&witness).await;
    objects::a_retry_overwrites_its_quarantine_object(&witness).await;
    objects::an_epoch_table_is_read_or_refused(&witness).await;
}
