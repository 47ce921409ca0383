//! How often each kind of trouble really struck.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    Killed,
    Paused,
    LateWrite,
    Throttled,
    ThroughputExceeded,
    SlowDown,
    ServerError,
    DroppedUndone,
    DroppedDone,
    Delayed,
    DeliveryFailed,
    AnswerLost,
    BatchCut,
    BatchDoubled,
    PolledTwice,
    ShardSplit,
    ShardsMerged,
    OldVersion,
    NewVersion,
}

use Trouble::*;

impl Trouble {
    /// In the order in which they are reported.
    pub(crate) const ALL: [Trouble; 19] = [
        Killed,
        Paused,
        LateWrite,
        Throttled,
        ThroughputExceeded,
        SlowDown,
        ServerError,
        DroppedUndone,
        DroppedDone,
        Delayed,
        DeliveryFailed,
        AnswerLost,
        BatchCut,
        BatchDoubled,
        PolledTwice,
        ShardSplit,
        ShardsMerged,
        OldVersion,
        NewVersion,
    ];

    /// What happened so often.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Killed => "processors killed in the middle of a write",
            Paused => "processors paused past their timeout in the middle of a write",
            LateWrite => "writes that landed after their invocation had timed out or crashed",
            Throttled => "requests answered ThrottlingException",
            ThroughputExceeded => "requests answered ProvisionedThroughputExceededException",
            SlowDown => "requests answered SlowDown",
            ServerError => "requests answered 500",
            DroppedUndone => "connections dropped before the request was done",
            DroppedDone => "connections dropped after the request was done",
            Delayed => "requests delayed",
            DeliveryFailed => "deliveries failed before the function ran",
            AnswerLost => "deliveries whose response was lost",
            BatchCut => "batches cut differently",
            BatchDoubled => "batches delivered twice",
            PolledTwice => "batches read by a second poller from the beginning",
            ShardSplit => "shards split",
            ShardsMerged => "shards merged",
            OldVersion => "invocations of version 1 while both versions had traffic",
            NewVersion => "invocations of version 2 while both versions had traffic",
        }
    }
}

/// Counts by kind.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<Trouble, u64>>);

impl Tally {
    pub(crate) fn add(&self, trouble: Trouble, times: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(trouble).or_default() += times;
    }

    pub(crate) fn one(&self, trouble: Trouble) {
        self.add(trouble, 1);
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&trouble).is_some_and(|times| *times > 0)
    }

    /// Every kind, also those that never struck.
    pub(crate) fn all(&self) -> BTreeMap<Trouble, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Trouble::ALL.iter().map(|trouble| (*trouble, counts.get(trouble).copied().unwrap_or(0))).collect()
    }
}
