//! The rules of the protocol that a run can leave out, to see whether the simulation notices: protocol.md §9 and the
//! rules that were added since. Left out in builds with `cfg(variants)` only, which is to say in one test.

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A fenced put is conditioned on the observed fence; without: on `fence < :max`.
    ConditionOnObserved,
    /// Puts have a condition.
    Condition,
    /// Records at or below the fence are dropped.
    RecordsDropped,
    /// One batch of a shard at a time (`ParallelizationFactor` 1).
    OneBatchPerShard,
    /// Ledger identities are counted once.
    Deduplication,
    /// They are, across all lanes.
    DeduplicationAcrossLanes,
    /// Rows have a condition.
    RowCondition,
    /// The cache holds only what was acknowledged or returned.
    CacheAfterAcknowledgement,
    /// A batch with a failed group is no success.
    FailedGroupReported,
    /// The finalizer reads consistently.
    ConsistentQuery,
    /// Rows are conditioned on their revision; without: on `events <`.
    RowConditionOnRevision,
    /// A sweep recomputes windows whose trigger was lost.
    Sweep,
    /// A replay has an identity of its own.
    ReplayIdentity,
    /// Decisions are taken by arrival; without: by the clock.
    ArrivalDecides,
    /// Rules come from the epoch table; without: from the version of the code.
    EpochDecides,
    /// An arrival later than the last reading of the epoch table can vouch for is left for another delivery.
    StaleEpochRefused,
    /// An epoch is announced so far ahead that the write may be late; without: just so far as readers vouch for.
    AnnouncedInTime,
    /// Closing a part of a chain changes its fence.
    ClosingChangesFence,
    /// A producer's own id is claimed for one arrival and one body.
    IdClaimed,
    /// The first accepted replay claims the rules for all that follow.
    ReplayClaimed,
    /// So does the first that takes a record apart, whatever it accepts of it.
    TakenApartClaimed,
    /// A shard's identity has its stream's creation time in it.
    ShardOfOneStream,
    /// Which series have rows of their own is decided once for all computations of a window.
    SeriesAdmittedOnce,
    /// A window's catalog of them has a condition.
    CatalogCondition,
    /// An object without a version is claimed for one arrival.
    ObjectClaimed,
    /// An object of a bucket with versions counts under its version, also where a notice names none.
    VersionFound,
    /// An object is read as the content that was noticed; without: as whatever stands there.
    ExactContent,
    /// A sweep recomputes hours and days whose trigger was lost.
    CompactSweep,
    /// A summary of hours and days waits for all its endpoints.
    SummaryWaits,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::ConditionOnObserved,
        Self::Condition,
        Self::RecordsDropped,
        Self::OneBatchPerShard,
        Self::Deduplication,
        Self::DeduplicationAcrossLanes,
        Self::RowCondition,
        Self::CacheAfterAcknowledgement,
        Self::FailedGroupReported,
        Self::ConsistentQuery,
        Self::RowConditionOnRevision,
        Self::Sweep,
        Self::ReplayIdentity,
        Self::ArrivalDecides,
        Self::EpochDecides,
        Self::StaleEpochRefused,
        Self::AnnouncedInTime,
        Self::ClosingChangesFence,
        Self::IdClaimed,
        Self::ReplayClaimed,
        Self::TakenApartClaimed,
        Self::ShardOfOneStream,
        Self::SeriesAdmittedOnce,
        Self::CatalogCondition,
        Self::ObjectClaimed,
        Self::VersionFound,
        Self::ExactContent,
        Self::CompactSweep,
        Self::SummaryWaits,
    ];

    /// The variant of the product's code that leaves it out; none where the simulated world does.
    #[cfg(variants)]
    pub(crate) fn variant(self) -> Option<weir_exact::variants::Variant> {
        use weir_exact::variants::Variant;
        match self {
            Self::RecordsDropped => Some(Variant::RecordsNotDropped),
            Self::CacheAfterAcknowledgement => Some(Variant::CachedBeforeAcknowledged),
            Self::FailedGroupReported => Some(Variant::SuccessDespiteFailedGroup),
            Self::Deduplication => Some(Variant::NoDeduplication),
            Self::DeduplicationAcrossLanes => Some(Variant::DeduplicationPerLane),
            Self::SeriesAdmittedOnce => Some(Variant::EachComputationAdmits),
            Self::ObjectClaimed => Some(Variant::ObjectNotClaimed),
            Self::VersionFound => Some(Variant::VersionUnderEtag),
            Self::TakenApartClaimed => Some(Variant::TakenApartNotClaimed),
            Self::SummaryWaits => Some(Variant::SummaryAheadOfEndpoints),
            _ => None,
        }
    }
}
