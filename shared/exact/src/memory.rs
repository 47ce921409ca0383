//! Every port over plain maps: for tests, and as the simplest statement of what a port promises.

use crate::ports::{
    AuditedRow, ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome,
    QuarantineGet, QuarantineList, QuarantinePut, RowAudit, RowOutcome, RowPut, RowQuery, RowVersions, StoreError,
};
use crate::quarantine::QuarantineObject;
use crate::row::{Row, RowKey, RowVersion, RowWindow};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    items: Mutex<BTreeMap<ItemKey, Item>>,
    rows: Mutex<BTreeMap<RowKey, Row>>,
    quarantine: Mutex<BTreeMap<String, QuarantineObject>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// All items.
    pub fn items(&self) -> Vec<Item> {
        lock(&self.items).values().cloned().collect()
    }

    /// All rows.
    pub fn rows(&self) -> BTreeMap<RowKey, Row> {
        lock(&self.rows).clone()
    }

    /// All quarantined objects by key.
    pub fn quarantined(&self) -> BTreeMap<String, QuarantineObject> {
        lock(&self.quarantine).clone()
    }

    /// Puts a row over whatever is there, as a manual change would.
    pub fn overwrite(&self, row: Row) {
        lock(&self.rows).insert(row.key.clone(), row);
    }

    /// Removes a row.
    pub fn remove_row(&self, key: &RowKey) {
        lock(&self.rows).remove(key);
    }

    /// Removes an item, as TTL does.
    pub fn remove(&self, key: &ItemKey) {
        lock(&self.items).remove(key);
    }
}

impl ContributionGet for MemoryStore {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        Ok(lock(&self.items).get(key).cloned())
    }
}

impl ContributionPut for MemoryStore {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        let mut items = lock(&self.items);
        let stands = items.get(&item.key);
        let holds = match expected {
            Expected::Absent => stands.is_none(),
            Expected::Fence(fence) => stands.is_some_and(|stands| stands.fence.as_ref() == Some(fence)),
        };
        if !holds {
            return Ok(PutOutcome::Conflict(stands.cloned()));
        }
        items.insert(item.key.clone(), item.clone());
        Ok(PutOutcome::Written)
    }
}

impl ContributionQuery for MemoryStore {
    async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        Ok(lock(&self.items).values().filter(|item| item.key.pk == pk).cloned().collect())
    }
}

impl RowPut for MemoryStore {
    async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
        let mut rows = lock(&self.rows);
        if rows.get(&row.key).is_some_and(|stands| stands.version >= row.version) {
            return Ok(RowOutcome::Superseded);
        }
        rows.insert(row.key.clone(), row.clone());
        Ok(RowOutcome::Written)
    }
}

impl RowVersions for MemoryStore {
    async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
        let rows = lock(&self.rows);
        Ok(keys.iter().filter_map(|key| Some((key.clone(), rows.get(key)?.version))).collect())
    }
}

impl RowQuery for MemoryStore {
    async fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> Result<Vec<Row>, StoreError> {
        let key = |window| RowKey { service: service.to_owned(), endpoint: endpoint.to_owned(), window };
        Ok(lock(&self.rows).range(key(first)..=key(last)).map(|(_, row)| row.clone()).collect())
    }

    async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
        let rows = lock(&self.rows);
        let count = |key: &RowKey| rows.get(key).map(|row| (key.clone(), (row.version, row.rollup.events())));
        Ok(keys.iter().filter_map(count).collect())
    }
}

impl RowAudit for MemoryStore {
    async fn audit_rows(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, AuditedRow>, StoreError> {
        let rows = lock(&self.rows);
        let audited = |row: &Row| AuditedRow { row: Ok(row.clone()), contradictions: vec![] };
        Ok(keys.iter().filter_map(|key| Some((key.clone(), audited(rows.get(key)?)))).collect())
    }
}

impl QuarantinePut for MemoryStore {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        lock(&self.quarantine).insert(object.key(), object.clone());
        Ok(())
    }
}

impl QuarantineGet for MemoryStore {
    async fn set_aside(&self, key: &str) -> Result<Option<QuarantineObject>, StoreError> {
        Ok(lock(&self.quarantine).get(key).cloned())
    }
}

impl QuarantineList for MemoryStore {
    async fn keys(&self, prefix: &str, keys_max: usize) -> Result<Vec<String>, StoreError> {
        let quarantine = lock(&self.quarantine);
        let keys = quarantine.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(keys.take_while(|key| key.starts_with(prefix)).take(keys_max).cloned().collect())
    }
}
