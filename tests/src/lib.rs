//! What the tests of the whole share: the fleet of template.yaml in this process with its real bootstraps
//! ([`Fleet`]), what stands in its tables and buckets as a client reads it ([`found`]), and the counts that must
//! stand there, kept beside the traffic ([`Oracle`]).
//!
//! Not here: tests of one crate; they live beside it.

pub mod build;
mod fleet;
pub mod found;
mod kill;
mod oracle;
mod python;
mod weir;

pub use fleet::Fleet;
pub use oracle::{Counted, Oracle, RowName, Sent};
pub use python::python;
pub use weir::Ran;

use std::path::Path;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".."))
}
