//! How often what happened: a fault that no run throws tests nothing.

/// Something that happens in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Invocations,
    Requests,
    Refused,
    AnswersLost,
    SentTwice,
    Late,
    Crashes,
    Timeouts,
    Conflicts,
    Dropped,
    ClosedParts,
    SecondPollers,
    Reshards,
    Recreated,
    Epochs,
    UnknownRules,
    HandedOutTwice,
    Redriven,
    Copies,
    IdsReused,
    Replays,
    TriggersLost,
    Superseded,
    Expired,
    Quarantined,
    Events,
    Quiet,
    Overflowed,
    Objects,
    LargeObjects,
    ObjectsLost,
    ObjectsClaimed,
    SetAsideWhole,
}

const NAMES: [&str; 33] = [
    "invocations",
    "requests",
    "requests throttled",
    "answers lost",
    "requests sent twice",
    "requests up to a minute late",
    "processes killed at work",
    "invocations timed out",
    "failed conditions",
    "events dropped by a fence",
    "parts closed",
    "second pollers and resets",
    "shards split or merged",
    "streams created again",
    "epochs announced",
    "batches whose rules were not known yet",
    "messages handed out twice at once",
    "messages redriven",
    "ledger copies beyond the first",
    "ids used for two bodies",
    "replays asked for",
    "triggers lost",
    "rows kept out by a later version",
    "contributions deleted by TTL",
    "objects in quarantine",
    "events counted",
    "times that rows were right without a sweep",
    "series counted under ~other",
    "objects read to their end",
    "objects read twice for their size",
    "objects gone before they were read",
    "objects without a version put again",
    "messages and objects set aside whole that count nothing",
];

/// Counts of all that happened in one or more runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally([u64; NAMES.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; NAMES.len()])
    }
}

impl Tally {
    pub(crate) fn add(&mut self, what: Seen, count: u64) {
        self.0[what as usize] += count;
    }

    pub(crate) fn once(&mut self, what: Seen) {
        self.add(what, 1);
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, others)| *mine += others);
    }

    /// What happened, in words, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.0)
    }

    /// From counts in the order of [`Tally::counts`]; none when they are not as many.
    pub fn from_counts(counts: &[u64]) -> Option<Self> {
        counts.try_into().ok().map(Self)
    }
}
