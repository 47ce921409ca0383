//! What the protocol needs of a store: one trait per verb, so that a function's bounds are its permissions.
//!
//! Implementations: DynamoDB and S3 (`weir-aws`), [`crate::memory`], [`crate::failing`].

use crate::quarantine::QuarantineObject;
use crate::row::{Row, RowKey, RowVersion, RowWindow};
use std::collections::BTreeMap;
use std::future::Future;
use weir_telemetry::EpochError;

/// Key of an item in the contributions table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// An item of the contributions table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: ItemKey,
    /// What a rewrite is conditioned on; immutable items have none.
    pub fence: Option<String>,
    /// Encoded content.
    pub body: Vec<u8>,
    /// TTL, epoch seconds.
    pub expires_at: Option<i64>,
}

/// What must hold for a put to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing is there: `attribute_not_exists(pk)`. An item past its TTL but not yet deleted is there.
    Absent,
    /// An item with exactly this fence: `fence = :observed`.
    Fence(String),
}

/// Outcome of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The item is durable as given.
    Written,
    /// The condition failed; this is the current item (`ALL_OLD`), or nothing.
    Conflict(Option<Item>),
}

/// Outcome of putting a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// The row is durable as given.
    Written,
    /// A row of this or a later version exists.
    Superseded,
}

/// Why a store did not do what was asked. It may have done it anyway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    kind: StoreErrorKind,
    what: String,
}

/// The kinds that a caller or a metric can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Too many requests at present.
    Throttled,
    /// No response, a server error, or not attempted because time ran out.
    Unavailable,
    /// The store refuses: missing permission, missing table, item too large.
    Refused,
    /// This version cannot read what is stored.
    Unreadable,
}

impl StoreError {
    /// An error with its text: what was tried, on what, and what came back.
    pub fn new(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }

    /// Not begun, because the function's deadline is near. The next delivery retries it.
    pub fn out_of_time() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the deadline is near: left for the next delivery")
    }

    /// A contribution whose bytes this version cannot read, or that lacks a mandatory attribute.
    pub fn unreadable_contribution(item: &Item, why: &dyn std::fmt::Display) -> Self {
        let what = format!("contribution {} {} cannot be read: {why}", item.key.pk, item.key.sk);
        Self::new(StoreErrorKind::Unreadable, what)
    }

    /// The kind.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Throttled | StoreErrorKind::Unavailable)
    }
}

/// What cannot be decided under the rules as last read: a later read helps if they are only stale, another version of
/// the code if this one does not know them.
impl From<EpochError> for StoreError {
    fn from(error: EpochError) -> Self {
        let kind = match error {
            EpochError::Stale { .. } => StoreErrorKind::Unavailable,
            EpochError::Unreadable(_) | EpochError::UnknownDecoder { .. } => StoreErrorKind::Unreadable,
        };
        Self::new(kind, error.to_string())
    }
}

/// Reads one item, consistently.
pub trait ContributionGet: Sync {
    /// The item, if any.
    fn get(&self, key: &ItemKey) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;
}

/// Puts one item under a condition.
pub trait ContributionPut: Sync {
    /// Puts `item` if `expected` holds.
    fn put(&self, item: &Item, expected: &Expected) -> impl Future<Output = Result<PutOutcome, StoreError>> + Send;
}

/// Reads a partition, consistently.
pub trait ContributionQuery: Sync {
    /// Every item of the partition, all pages. Not a snapshot: pages are read one after the other.
    fn query(&self, pk: &str) -> impl Future<Output = Result<Vec<Item>, StoreError>> + Send;
}

/// Puts one rollup row.
pub trait RowPut: Sync {
    /// Puts `row` unless a row of the same or a later [`RowVersion`] exists.
    fn put_row(&self, row: &Row) -> impl Future<Output = Result<RowOutcome, StoreError>> + Send;
}

/// Reads the versions of rows. May be stale: an outdated version only costs a failed condition.
pub trait RowVersions: Sync {
    /// The versions of those rows that exist.
    fn row_versions(
        &self,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<BTreeMap<RowKey, RowVersion>, StoreError>> + Send;
}

/// Reads rows, consistently: what is computed from them must not be older than the change that triggered it.
pub trait RowQuery: Sync {
    /// The rows of a series from window `first` to `last`, inclusive and of one resolution, ascending.
    fn rows_between(
        &self,
        service: &str,
        endpoint: &str,
        first: RowWindow,
        last: RowWindow,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// The versions and events of those rows that exist.
    fn row_counts(
        &self,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError>> + Send;
}

/// A row as found by a reader that trusts nothing in it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditedRow {
    /// The row, or which of its attributes is malformed.
    pub row: Result<Row, String>,
    /// Attributes that disagree with what the row's own counts and sketches yield.
    pub contradictions: Vec<Contradiction>,
}

/// An attribute of a row that contradicts the rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Its name.
    pub attribute: String,
    /// Its value.
    pub stands: String,
    /// The value it should have.
    pub should: String,
}

/// Reads rows, consistently, with all their attributes.
pub trait RowAudit: Sync {
    /// Those rows that exist.
    fn audit_rows(
        &self,
        keys: &[RowKey],
    ) -> impl Future<Output = Result<BTreeMap<RowKey, AuditedRow>, StoreError>> + Send;
}

/// Keeps what cannot be counted.
pub trait QuarantinePut: Sync {
    /// Puts the object under its key, overwriting: a retry writes the same bytes.
    fn quarantine(&self, object: &QuarantineObject) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Reads what was quarantined.
pub trait QuarantineGet: Sync {
    /// The document under that key, if any. A [`StoreErrorKind::Unreadable`] error if this version cannot read it.
    fn set_aside(&self, key: &str) -> impl Future<Output = Result<Option<QuarantineObject>, StoreError>> + Send;
}

/// Lists what was quarantined, without reading it.
pub trait QuarantineList: Sync {
    /// The keys that begin with `prefix`, ascending, up to `keys_max` of them.
    fn keys(&self, prefix: &str, keys_max: usize) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;
}

/// A reference to a store is a store.
mod by_reference {
    use super::{
        BTreeMap, ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome,
        QuarantineObject, QuarantinePut, Row, RowKey, RowOutcome, RowPut, RowQuery, RowVersion, RowVersions, RowWindow,
        StoreError,
    };

    impl<S: ContributionGet> ContributionGet for &S {
        async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
            (**self).get(key).await
        }
    }
    impl<S: ContributionPut> ContributionPut for &S {
        async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
            (**self).put(item, expected).await
        }
    }
    impl<S: ContributionQuery> ContributionQuery for &S {
        async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
            (**self).query(pk).await
        }
    }
    impl<S: RowPut> RowPut for &S {
        async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
            (**self).put_row(row).await
        }
    }
    impl<S: RowVersions> RowVersions for &S {
        async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
            (**self).row_versions(keys).await
        }
    }
    impl<S: RowQuery> RowQuery for &S {
        async fn rows_between(
            &self,
            service: &str,
            endpoint: &str,
            first: RowWindow,
            last: RowWindow,
        ) -> Result<Vec<Row>, StoreError> {
            (**self).rows_between(service, endpoint, first, last).await
        }

        async fn row_counts(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, (RowVersion, u64)>, StoreError> {
            (**self).row_counts(keys).await
        }
    }
    impl<S: QuarantinePut> QuarantinePut for &S {
        async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
            (**self).quarantine(object).await
        }
    }
}
