//! What stands in the fleet's tables and buckets, read as any client would.

use crate::{Counted, Fleet, RowName};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use std::collections::{BTreeMap, HashMap};
use weir_aws::contributions::ContributionsTable;
use weir_exact::ports::ContributionQuery;
use weir_exact::progress::{Progress, Totals};

/// One object of the quarantine bucket.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub document: serde_json::Value,
    /// What was set aside, decoded.
    pub payload: Vec<u8>,
}

impl Quarantined {
    /// Text of a field of the document, or of its coordinates.
    pub fn text(&self, field: &str) -> &str {
        let field = self.document.get(field).or_else(|| self.document["coordinates"].get(field));
        field.and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

/// Everything in quarantine, by key.
pub async fn quarantine(s3: &aws_sdk_s3::Client) -> BTreeMap<String, Quarantined> {
    let pages = s3.list_objects_v2().bucket(Fleet::QUARANTINE).into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.expect("the bucket can be listed");
    let mut found = BTreeMap::new();
    for key in pages.into_iter().flat_map(|page| page.contents.unwrap_or_default()).filter_map(|object| object.key) {
        let object = s3.get_object().bucket(Fleet::QUARANTINE).key(&key).send().await.expect("a listed object");
        let body = object.body.collect().await.expect("its body").into_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let payload = document["payload_base64"].as_str().expect("payload_base64");
        let payload = base64::engine::general_purpose::STANDARD.decode(payload).expect("base64");
        found.insert(key.clone(), Quarantined { key, document, payload });
    }
    found
}

/// Every row of the rollups table.
pub async fn rows(dynamodb: &aws_sdk_dynamodb::Client) -> BTreeMap<RowName, Counted> {
    let pages = dynamodb.scan().table_name("weir-rollups").consistent_read(true).into_paginator().items().send();
    let items = pages.collect::<Result<Vec<_>, _>>().await.expect("the table can be read");
    items.iter().map(|item| (RowName::new(text(item, "series"), text(item, "window")), counted(item))).collect()
}

type Attributes = HashMap<String, AttributeValue>;

fn text<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).unwrap_or_else(|| panic!("{name} of {item:?}"))
}

fn number<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_n().ok()).unwrap_or_else(|| panic!("{name} of {item:?}"))
}

fn whole(item: &Attributes, name: &str) -> u64 {
    number(item, name).parse().unwrap_or_else(|_| panic!("{name} of {item:?} is no count"))
}

fn counted(item: &Attributes) -> Counted {
    let map = |name: &str| item.get(name).and_then(|value| value.as_m().ok());
    let statuses = map("status_counts").expect("status_counts");
    let durations = map("duration_ms");
    Counted {
        events: whole(item, "events"),
        errors: whole(item, "errors"),
        statuses: statuses.keys().map(|status| (status.clone(), whole(statuses, status))).collect(),
        durations: durations.map_or(0, |durations| whole(durations, "count")),
        duration_us: durations.map_or(0, |durations| microseconds(number(durations, "sum"))),
    }
}

/// `12.345` milliseconds, as text, without a float in between.
fn microseconds(ms: &str) -> u64 {
    let (whole, fraction) = ms.split_once('.').unwrap_or((ms, ""));
    assert!(fraction.len() <= 3, "{ms} is finer than a microsecond");
    format!("{whole}{fraction:0<3}").parse().unwrap_or_else(|_| panic!("{ms} is no duration"))
}

/// Progress of every shard that has any.
pub async fn progress(dynamodb: &aws_sdk_dynamodb::Client) -> Vec<Totals> {
    let table = ContributionsTable::new(dynamodb.clone(), "weir-contributions");
    let items = table.query("live#progress").await.expect("the table can be read");
    items.iter().map(|item| Progress::from_item(item).expect("a progress item").totals).collect()
}
