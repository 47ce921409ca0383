//! Reads rows for computing hours and days: consistently.

use super::attributes::{parsed, row, version};
use super::{BATCH_GET_KEYS_MAX, RollupsTable, by_name, named};
use crate::errors::store_error;
use std::collections::BTreeMap;
use weir_exact::ports::{RowQuery, StoreError, StoreErrorKind};
use weir_exact::row::{Row, RowKey, RowVersion, RowWindow};

impl RowQuery for RollupsTable {
    async fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> Result<Vec<Row>, StoreError> {
        let series = format!("{service}#{endpoint}");
        let [partition_key, sort_key] = if self.scratch.is_some() { ["pk", "sk"] } else { ["series", "window"] };
        let bound = |window: RowWindow, name: &str| self.keys(&series, &window.to_string()).remove(name);
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :first AND :last")
            .expression_attribute_names("#partition", partition_key)
            .expression_attribute_names("#sort", sort_key)
            .set_expression_attribute_values(Some(
                [
                    (":partition", bound(first, partition_key)),
                    (":first", bound(first, sort_key)),
                    (":last", bound(last, sort_key)),
                ]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
            ))
            .into_paginator()
            .items()
            .send();
        let items = pages.collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(|error| store_error(&format!("Query {series} {first} to {last}"), &error))?;
        items.iter().map(row).collect()
    }

    async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
        let by_name = by_name(keys);
        let mut counts = BTreeMap::new();
        for keys in keys.chunks(BATCH_GET_KEYS_MAX) {
            for attributes in self.batch_get(keys, &["revision", "algorithm", "state", "events"], true).await? {
                let Some(key) = named(&by_name, &attributes) else { continue };
                let count = version(&attributes).zip(attributes.get("events").and_then(parsed));
                let unreadable = || {
                    let what = format!("row {} {}: no version or events", key.series(), key.window_text());
                    StoreError::new(StoreErrorKind::Unreadable, what)
                };
                counts.insert(key.clone(), count.ok_or_else(unreadable)?);
            }
        }
        Ok(counts)
    }
}
