//! A store that counts what DynamoDB would: units by the sizes of items.
//!
//! A write takes a unit for each KB of the larger of the item before and after, a consistent read one for each 4 KB and
//! any other half of that; a failed condition costs what the write would have ("DynamoDB read and write operations",
//! "DynamoDB item sizes and formats", Amazon DynamoDB Developer Guide).

use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use weir_exact::memory::MemoryStore;
use weir_exact::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome, QuarantinePut,
    RowOutcome, RowPut, RowQuery, RowVersions, StoreError,
};
use weir_exact::quarantine::QuarantineObject;
use weir_exact::row::{Resolution, Row, RowKey, RowVersion, RowWindow};

/// Units by what they went to.
pub(crate) type Units = BTreeMap<&'static str, u64>;

/// Every port over memory, with a count.
#[derive(Default)]
pub(crate) struct Meter {
    store: MemoryStore,
    writes: Mutex<Units>,
    reads: Mutex<Units>,
    rows: Mutex<BTreeMap<RowKey, u64>>,
}

/// Bytes of an item by AWS's rules.
pub(crate) fn bytes(attributes: &HashMap<String, AttributeValue>) -> u64 {
    attributes.iter().map(|(name, value)| name.len() as u64 + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::B(blob) => blob.as_ref().len() as u64,
        // Two digits a byte, and one more; leading and trailing zeros are trimmed, which is left out here.
        AttributeValue::N(number) => number.bytes().filter(u8::is_ascii_digit).count().div_ceil(2) as u64 + 1,
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() as u64 + value_bytes(value)).sum::<u64>()
        }
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + value_bytes(value)).sum::<u64>(),
        other => panic!("no item of ours has {other:?}"),
    }
}

/// A contribution as `weir-aws` stores it.
pub(crate) fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let mut attributes = HashMap::from([
        ("pk".to_owned(), AttributeValue::S(item.key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(item.key.sk.clone())),
        ("body".to_owned(), AttributeValue::B(item.body.clone().into())),
    ]);
    attributes.extend(item.fence.clone().map(|fence| ("fence".to_owned(), AttributeValue::S(fence))));
    attributes.extend(item.expires_at.map(|at| ("expires_at".to_owned(), AttributeValue::N(at.to_string()))));
    attributes
}

fn write_units(bytes: u64) -> u64 {
    bytes.div_ceil(1_024).max(1)
}

impl Meter {
    pub(crate) fn writes(&self) -> Units {
        self.writes.lock().unwrap().clone()
    }

    pub(crate) fn reads(&self) -> Units {
        self.reads.lock().unwrap().clone()
    }

    /// All that stands in the contributions table.
    pub(crate) fn items(&self) -> Vec<Item> {
        self.store.items()
    }

    /// All rows.
    pub(crate) fn rows(&self) -> BTreeMap<RowKey, Row> {
        self.store.rows()
    }

    fn wrote(&self, what: &'static str, bytes: u64) {
        *self.writes.lock().unwrap().entry(what).or_default() += write_units(bytes);
    }

    /// Half units, so that they stay whole: a consistent 4 KB are two.
    fn read(&self, what: &'static str, bytes: u64, consistent: bool) {
        let halves = bytes.div_ceil(4_096).max(1) * if consistent { 2 } else { 1 };
        *self.reads.lock().unwrap().entry(what).or_default() += halves;
    }

    fn row_bytes(&self, key: &RowKey) -> u64 {
        self.rows.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

fn item_kind(key: &ItemKey) -> &'static str {
    if key.pk.contains("#w#") {
        "contributions"
    } else if key.pk.ends_with("#progress") {
        "progress"
    } else if key.sk == "catalog" {
        "catalogs"
    } else {
        "directories"
    }
}

fn row_kind(window: RowWindow) -> &'static str {
    match window.resolution() {
        Resolution::Minute => "1m rows",
        Resolution::Hour => "1h rows",
        Resolution::Day => "1d rows",
    }
}

impl ContributionGet for Meter {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let item = self.store.get(key).await?;
        self.read(item_kind(key), item.as_ref().map_or(0, |item| bytes(&attributes(item))), true);
        Ok(item)
    }
}

impl ContributionPut for Meter {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        let stood = self.store.get(&item.key).await?.map_or(0, |item| bytes(&attributes(&item)));
        self.wrote(item_kind(&item.key), stood.max(bytes(&attributes(item))));
        self.store.put(item, expected).await
    }
}

impl ContributionQuery for Meter {
    async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let items = self.store.query(pk).await?;
        let kind = items.first().map_or("contributions", |item| item_kind(&item.key));
        self.read(kind, items.iter().map(|item| bytes(&attributes(item))).sum(), true);
        Ok(items)
    }
}

impl RowPut for Meter {
    async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
        let after = bytes(&weir_aws::rows::attributes(row));
        self.wrote(row_kind(row.key.window), after.max(self.row_bytes(&row.key)));
        let outcome = self.store.put_row(row).await?;
        if outcome == RowOutcome::Written {
            self.rows.lock().unwrap().insert(row.key.clone(), after);
        }
        Ok(outcome)
    }
}

impl RowVersions for Meter {
    async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
        // A projection saves nothing: the whole item is charged, each by itself in a BatchGetItem.
        keys.iter().for_each(|key| self.read(row_kind(key.window), self.row_bytes(key), false));
        self.store.row_versions(keys).await
    }
}

impl RowQuery for Meter {
    async fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.store.rows_between(service, endpoint, first, last).await?;
        self.read(row_kind(first), rows.iter().map(|row| self.row_bytes(&row.key)).sum(), true);
        Ok(rows)
    }

    async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
        keys.iter().for_each(|key| self.read(row_kind(key.window), self.row_bytes(key), true));
        self.store.row_counts(keys).await
    }
}

impl QuarantinePut for Meter {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        panic!("the workload has nothing to set aside, but {object:?}")
    }
}
