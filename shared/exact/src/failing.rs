//! A store that fails on demand: before a request takes effect, or after, so that only the response is lost.

use crate::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome, QuarantinePut,
    RowOutcome, RowPut, RowQuery, RowVersions, StoreError, StoreErrorKind,
};
use crate::quarantine::QuarantineObject;
use crate::row::{Row, RowKey, RowVersion, RowWindow};
use std::collections::BTreeMap;
use std::future::Future;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It never takes effect.
    Before,
    /// It takes effect, and the response is lost.
    After,
    /// It is sent twice, and the second response is returned: what an SDK's retry does when the first response is lost.
    Twice,
}

/// The requests that can fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A read of an item.
    Get(ItemKey),
    /// A put of an item.
    Put(ItemKey),
    /// A query of a partition.
    Query(String),
    /// A put of a row.
    PutRow(RowKey),
    /// A read of rows' versions.
    RowVersions,
    /// A read of rows.
    Rows,
    /// A put into quarantine.
    Quarantine(String),
}

/// Wraps a store; `decide` chooses the fault for each request.
#[derive(Debug)]
pub struct FailingStore<S, F> {
    /// The store that does the work.
    pub inner: S,
    decide: F,
}

impl<S, F: Fn(&Request) -> Fault + Sync> FailingStore<S, F> {
    /// A store over `inner` that asks `decide` before each request.
    pub fn new(inner: S, decide: F) -> Self {
        Self { inner, decide }
    }

    async fn run<T, R>(&self, request: Request, send: impl Fn() -> R) -> Result<T, StoreError>
    where
        R: Future<Output = Result<T, StoreError>>,
    {
        let lost = |when: &str| Err(StoreError::new(StoreErrorKind::Unavailable, format!("{request:?} failed {when}")));
        match (self.decide)(&request) {
            Fault::None => send().await,
            Fault::Before => lost("before it took effect"),
            Fault::After => {
                send().await?;
                lost("after it took effect")
            }
            Fault::Twice => {
                send().await?;
                send().await
            }
        }
    }
}

impl<S: ContributionGet, F: Fn(&Request) -> Fault + Sync> ContributionGet for FailingStore<S, F> {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        self.run(Request::Get(key.clone()), || self.inner.get(key)).await
    }
}

impl<S: ContributionPut, F: Fn(&Request) -> Fault + Sync> ContributionPut for FailingStore<S, F> {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        self.run(Request::Put(item.key.clone()), || self.inner.put(item, expected)).await
    }
}

impl<S: ContributionQuery, F: Fn(&Request) -> Fault + Sync> ContributionQuery for FailingStore<S, F> {
    async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        self.run(Request::Query(pk.to_owned()), || self.inner.query(pk)).await
    }
}

impl<S: RowPut, F: Fn(&Request) -> Fault + Sync> RowPut for FailingStore<S, F> {
    async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
        self.run(Request::PutRow(row.key.clone()), || self.inner.put_row(row)).await
    }
}

impl<S: RowVersions, F: Fn(&Request) -> Fault + Sync> RowVersions for FailingStore<S, F> {
    async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
        self.run(Request::RowVersions, || self.inner.row_versions(keys)).await
    }
}

impl<S: RowQuery, F: Fn(&Request) -> Fault + Sync> RowQuery for FailingStore<S, F> {
    async fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> Result<Vec<Row>, StoreError> {
        self.run(Request::Rows, || self.inner.rows_between(service, endpoint, first, last)).await
    }

    async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
        self.run(Request::Rows, || self.inner.row_counts(keys)).await
    }
}

impl<S: QuarantinePut, F: Fn(&Request) -> Fault + Sync> QuarantinePut for FailingStore<S, F> {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        self.run(Request::Quarantine(object.key()), || self.inner.quarantine(object)).await
    }
}
