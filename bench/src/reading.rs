//! What a reading of a prefix came to: `bench/reader` writes it, `weir bench s3` reads it.

use serde::{Deserialize, Serialize};

/// See above.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Objects read to their end.
    pub objects: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Objects that could not be read.
    pub errors: u64,
    /// Listing included.
    pub seconds: f64,
    /// Most memory that the process ever had, bytes; 0 where the system does not say.
    pub peak_bytes: u64,
    /// Of these, what is its own: without the pages of its executable.
    pub own_peak_bytes: u64,
}
