//! What a check may find: the row or shard, and both numbers.

use crate::ports::Contradiction;
use crate::row::RowKey;
use std::fmt;

/// Something wrong, or possibly only late.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A shard's progress differs from what its items hold.
    Shard {
        /// The shard.
        shard: String,
        /// Events accepted by its progress.
        accepted: u64,
        /// Events in its items.
        events: u64,
    },
    /// Quarantine has fewer objects than a shard's progress has rejected.
    Quarantine {
        /// The shard.
        shard: String,
        /// Rejected by its progress.
        rejected: u64,
        /// In quarantine.
        objects: u64,
    },
    /// A document counts although all of it was quarantined for its content.
    CountedAndSetAside {
        /// Its identity.
        document: String,
        /// A window in which it counts.
        window: String,
        /// Events it counts there.
        events: u64,
        /// The object in quarantine.
        key: String,
    },
    /// Contributions exist, and their row does not.
    Missing {
        /// The row.
        row: RowKey,
        /// Events that it should count.
        events: u64,
        /// Its revision.
        revision: u64,
    },
    /// A row without contributions.
    Surplus {
        /// The row.
        row: RowKey,
        /// Events it counts.
        events: u64,
    },
    /// What the row is computed from has changed since the row was put.
    Behind {
        /// The row.
        row: RowKey,
        /// Revision stored.
        stands: u64,
        /// Revision expected.
        should: u64,
        /// Events it counts, and should count.
        events: (u64, u64),
    },
    /// A row has seen more than there is to see.
    Ahead {
        /// The row.
        row: RowKey,
        /// Revision stored.
        stands: u64,
        /// Revision expected.
        should: u64,
        /// Events it counts, and should count.
        events: (u64, u64),
    },
    /// A row is not the sum of its contributions, or of the rows below it.
    Differs {
        /// The row.
        row: RowKey,
        /// What differs.
        what: String,
        /// Stored value.
        stands: String,
        /// Expected value.
        should: String,
    },
    /// A row contradicts itself.
    Contradicts {
        /// The row.
        row: RowKey,
        /// Which attribute, and how.
        contradiction: Contradiction,
    },
    /// A row that cannot be read.
    Unreadable {
        /// The row.
        row: RowKey,
        /// Which attribute.
        why: String,
    },
    /// What a window's rows are computed from cannot be read, so they cannot be judged.
    Unjudged {
        /// The window.
        window: String,
        /// What cannot be read.
        why: String,
    },
}

impl Finding {
    /// Whether it may only be late: what the row is computed from exists, and the row is missing or behind.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Behind { .. })
    }

    /// Whether nothing in flight can explain it, however much changes.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::CountedAndSetAside { .. })
    }

    /// The row, if it is about one.
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

    /// Its name for programs.
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

    /// Both numbers or texts: stored and expected. `None` if there is nothing to compare.
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
                write!(f, "shard {shard}: progress has set aside {rejected} objects, quarantine holds {objects}")
            }
            Self::CountedAndSetAside { document, window, events, key } => write!(
                f,
                "document {document}: counts with {events} events in the window {window}, and was set aside whole: {key}"
            ),
            Self::Missing { row, events, revision } => {
                write!(f, "{}: missing, with {events} events at revision {revision}", name(row))
            }
            Self::Surplus { row, events } => write!(f, "{}: nothing below it, with {events} events", name(row)),
            Self::Behind { row, stands, should, events } => write!(
                f,
                "{}: behind, revision {stands} with {} events, should be {should} with {}",
                name(row),
                events.0,
                events.1
            ),
            Self::Ahead { row, stands, should, events } => write!(
                f,
                "{}: revision is {stands} with {} events, what is below adds up to {should} with {}",
                name(row),
                events.0,
                events.1
            ),
            Self::Differs { row, what, stands, should } => {
                write!(f, "{}: {what} is {stands}, what is below adds up to {should}", name(row))
            }
            Self::Contradicts { row, contradiction: Contradiction { attribute, stands, should } } => {
                write!(f, "{}: {attribute} is {stands}, the row's own counts and sketches yield {should}", name(row))
            }
            Self::Unreadable { row, why } => write!(f, "{}: cannot be read: {why}", name(row)),
            Self::Unjudged { window, why } => write!(f, "window {window}: cannot be judged: {why}"),
        }
    }
}
