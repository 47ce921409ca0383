//! Where a scratch invocation's writes go: [`weir_exact::scratch`].

mod stores;

pub use stores::{PutObject, ScratchStores};

use crate::clock;
use weir_exact::scratch::{SCRATCH_LIFE_MS, Scratch};

/// A scratch generation, and until when what is written to it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InScratch {
    /// The generation.
    pub generation: Scratch,
    /// TTL of every item, epoch seconds, in place of its own: a golden batch may be years old.
    pub expires_at: i64,
}

impl InScratch {
    /// From now on.
    pub fn from_now(generation: Scratch) -> Self {
        Self { generation, expires_at: clock::now().plus(SCRATCH_LIFE_MS).0.div_euclid(1_000) }
    }
}
