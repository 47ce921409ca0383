//! Rollups as people look at them: rows [merged](merge) on the client, a [report] as one HTML file, and what
//! [watch] draws on a terminal.
//!
//! Everything here is a function of rows and times. No clock, no environment, no I/O: the `weir` command reads rows from
//! DynamoDB and keys from a terminal.

pub mod merge;
mod number;
pub mod report;
mod text;
mod timeline;
pub mod watch;

pub use merge::{Merge, Merged};
pub use text::{html, shown};
