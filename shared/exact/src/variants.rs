//! Broken variants of the protocol, one rule left out each, for tests showing that the simulation notices. Compiled
//! only under `cfg(variants)`, which nothing but `tests/simulation/exact-variants` sets: the product contains none of
//! it.

use std::cell::Cell;

/// A rule of the protocol, left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Records at or below the fence are merged again.
    RecordsNotDropped,
    /// The cache is filled before the store has acknowledged.
    CachedBeforeAcknowledged,
    /// A batch succeeds although one of its groups failed.
    SuccessDespiteFailedGroup,
    /// Every copy of a ledger identity is counted.
    NoDeduplication,
    /// A ledger identity is counted once in each lane.
    DeduplicationPerLane,
    /// Every computation decides for itself which series get their own rows.
    EachComputationAdmits,
    /// An object without a version counts under the arrival found at each reading.
    ObjectNotClaimed,
    /// An object whose notification names only its ETag counts under the ETag, even in a bucket with versions.
    VersionUnderEtag,
    /// A replay that splits a record and accepts none of its events claims nothing.
    TakenApartNotClaimed,
    /// A summary is put although one of its endpoints is behind.
    SummaryAheadOfEndpoints,
}

thread_local! {
    static ACTIVE: Cell<Option<Variant>> = const { Cell::new(None) };
}

/// Leaves this rule out on this thread from now on.
pub fn set(variant: Option<Variant>) {
    ACTIVE.set(variant);
}

/// Whether this rule is left out on this thread.
pub fn is(variant: Variant) -> bool {
    ACTIVE.get() == Some(variant)
}
