//! What a check may find: the row or shard, both numbers.

use crate::ports::Contradiction;
use crate::row::RowKey;
use std::fmt;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A shard's progress counts other than its items hold.
    Shard {
        /// The shard.
        shard: String,
        /// Events accepted by its progress.
        accepted: u64,
        /// Events in its items.
        events: u64,
    },
    /// Fewer objects lie in quarantine than a shard's progress has set aside.
    Quarantine {
        /// The shard.
        shard: String,
        /// Set aside by its progress.
        rejected: u64,
        /// In quarantine.
        objects: u64,
    },
    /// A document counts, and all of it was set aside for what it holds.
    CountedAndSetAside {
        /// Its identity.
        document: String,
        /// A window in which it counts.
        window: String,
        /// Events that it counts there.
        events: u64,
        /// The object in quarantine.
        key: String,
    },
    /// Contributions stand, and their row does not.
    Missing {
        /// The row.
        row: RowKey,
        /// Events that it should count.
        events: u64,
        /// Its revision.
        revision: u64,
    },
    /// A row stands on nothing.
    Surplus {
        /// The row.
        row: RowKey,
        /// Events that it counts.
        events: u64,
    },
    /// What makes a row has moved on, and the row has not.
    Behind {
        /// The row.
        row: RowKey,
        /// Revision that stands.
        stands: u64,
        /// Revision that should.
        should: u64,
        /// Events that it counts, and should.
        events: (u64, u64),
    },
    /// A row has seen more than there is to see.
    Ahead {
        /// The row.
        row: RowKey,
        /// Revision that stands.
        stands: u64,
        /// Revision that should.
        should: u64,
        /// Events that it counts, and should.
        events: (u64, u64),
    },
    /// A row is not what its contributions, or the rows below it, add up to.
    Differs {
        /// The row.
        row: RowKey,
        /// What differs.
        what: String,
        /// What stands.
        stands: String,
        /// What should.
        should: String,
    },
    /// A row contradicts itself.
    Contradicts {
        /// The row.
        row: RowKey,
        /// Which attribute, and how.
        contradiction: Contradiction,
    },
    /// A row that no reader of rows can read.
    Unreadable {
        /// The row.
        row: RowKey,
        /// Which attribute.
        why: String,
    },
    /// What a window's rows are made of cannot be read, so they cannot be judged.
    Unjudged {
        /// The window.
        window: String,
        /// What cannot be read.
        why: String,
    },
}

impl Finding {
    /// Whether it may only be late: what makes the row is there, and the row is not, or not yet.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Behind { .. })
    }

    /// Whether nothing that is under way can explain it, however much moves.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::CountedAndSetAside { .. })
    }

    /// The row, where it is about one.
    pub fn row(&self) -> Option<&RowKey> {
        match self {
            Self::Shard { .. } | Self::Quarantine { .. } | Self::CountedAndSetAside { .. } | Self::Unjudged { .. } => {
                None
            }
            Self::Missing { row, .. }
            | Self::Surplus { row, .. }
            | Self::Behind { row, .. }
            | Self::Ahead { row, .. }
            | Self::Differs { row, .. }
            | Self::Contradicts { row, .. }
            | Self::Unreadable { row, .. } => Some(row),
        }
    }

    /// What programs call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shard { .. } => "shard",
            Self::Quarantine { .. } => "quarantine",
            Self::CountedAndSetAside { .. } => "counted_and_set_aside",
            Self::Missing { .. } => "missing",
            Self::Surplus { .. } => "surplus",
            Self::Behind { .. } => "behind",
            Self::Ahead { .. } => "ahead",
            Self::Differs { .. } => "differs",
            Self::Contradicts { .. } => "contradicts",
            Self::Unreadable { .. } => "unreadable",
            Self::Unjudged { .. } => "unjudged",
        }
    }

    /// Both numbers or texts: what stands, and what should. None where there is nothing to hold against each other.
    pub fn both(&self) -> Option<(String, String)> {
        let numbers = |stands: u64, should: u64| Some((stands.to_string(), should.to_string()));
        match self {
            Self::Shard { accepted, events, .. } => numbers(*events, *accepted),
            Self::Quarantine { rejected, objects, .. } => numbers(*objects, *rejected),
            Self::Missing { events, .. } => numbers(0, *events),
            Self::Surplus { events, .. } | Self::CountedAndSetAside { events, .. } => numbers(*events, 0),
            Self::Behind { events, .. } | Self::Ahead { events, .. } => numbers(events.0, events.1),
            Self::Differs { stands, should, .. } => Some((stands.clone(), should.clone())),
            Self::Contradicts { contradiction, .. } => {
                Some((contradiction.stands.clone(), contradiction.should.clone()))
            }
            Self::Unreadable { .. } | Self::Unjudged { .. } => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |key: &RowKey| format!("row {} {}", key.series(), key.window_text());
        match self {
            Self::Shard { shard, accepted, events } => {
                write!(f, "shard {shard}: progress has accepted {accepted} events, its items hold {events}")
            }
            Self::Quarantine { shard, rejected, objects } => {
                write!(f, "shard {shard}: progress has set aside {rejected}, quarantine holds {objects}")
            }
            Self::CountedAndSetAside { document, window, events, key } => write!(
                f,
                "document {document}: counts with {events} events in the window {window}, and was set aside whole: {key}"
            ),
            Self::Missing { row, events, revision } => {
                write!(f, "{}: missing, with {events} events at revision {revision}", name(row))
            }
            Self::Surplus { row, events } => write!(f, "{}: stands on nothing, with {events} events", name(row)),
            Self::Behind { row, stands, should, events } => write!(
                f,
                "{}: behind, revision {stands} with {} events, should be {should} with {}",
                name(row),
                events.0,
                events.1
            ),
            Self::Ahead { row, stands, should, events } => write!(
                f,
                "{}: revision is {stands} with {} events, what stands below makes {should} with {}",
                name(row),
                events.0,
                events.1
            ),
            Self::Differs { row, what, stands, should } => {
                write!(f, "{}: {what} is {stands}, what stands below makes {should}", name(row))
            }
            Self::Contradicts { row, contradiction: Contradiction { attribute, stands, should } } => {
                write!(f, "{}: {attribute} is {stands}, the row's own counts and sketches make {should}", name(row))
            }
            Self::Unreadable { row, why } => write!(f, "{}: cannot be read: {why}", name(row)),
            Self::Unjudged { window, why } => write!(f, "window {window}: cannot be judged: {why}"),
        }
    }
}
