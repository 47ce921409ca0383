//! Where a scratch invocation's writes go: [`weir_exact::scratch`].

mod stores;

pub use stores::{PutObject, ScratchStores};

use crate::clock;
use crate::contributions::ContributionsTable;
use crate::rows::RollupsTable;
use weir_exact::layout::expires_after;
use weir_exact::scratch::{SCRATCH_LIFE_MS, Scratch};

/// A scratch generation, and how long what is written to it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InScratch {
    /// The generation.
    pub generation: Scratch,
    /// TTL of every item, epoch seconds, in place of its own: a golden batch may be years old.
    pub expires_at: i64,
}

/// The tables for recomputing rows: the real ones, or a scratch invocation's.
pub fn row_tables(
    scratch: Option<InScratch>,
    contributions: &ContributionsTable,
    rollups: &RollupsTable,
) -> (ContributionsTable, RollupsTable) {
    match scratch {
        None => (contributions.clone(), rollups.clone()),
        Some(scratch) => {
            let rollups = rollups.in_scratch(contributions.name(), scratch.clone());
            (contributions.in_scratch(scratch), rollups)
        }
    }
}

impl InScratch {
    /// For an invocation that begins now.
    pub fn from_now(generation: Scratch) -> Self {
        Self { generation, expires_at: expires_after(clock::now(), SCRATCH_LIFE_MS) }
    }
}
