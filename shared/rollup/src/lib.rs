//! What a window of telemetry comes down to: a [`Rollup`] of exact counts, a histogram of
//! durations and a sketch of users, and the bytes in which it is stored and published.
//!
//! ```
//! use weir_rollup::{Rollup, Status};
//!
//! let mut monday = Rollup::default();
//! monday.add(Status::new(200).unwrap(), Some(1_500), Some(b"ada"));
//! monday.add(Status::new(503).unwrap(), Some(90_000), Some(b"grace"));
//! let mut tuesday = Rollup::default();
//! tuesday.add(Status::UNKNOWN, None, Some(b"ada"));
//!
//! let mut both = monday.clone();
//! both.merge(&tuesday);
//! assert_eq!((both.events(), both.errors()), (3, 1));
//! assert_eq!(both.users().estimate().round(), 2.0);
//!
//! // The order of merging never shows.
//! tuesday.merge(&monday);
//! assert_eq!(tuesday, both);
//! ```
//!
//! # The one law
//!
//! A rollup is a function of the *multiset of events* and of nothing else. Merging is associative
//! and commutative, the default is its identity, and equal contents are equal values with equal
//! stored bytes. Retries, batch borders, the order of shards and the machine's architecture
//! therefore never show in a row. This is why sums are integers (microseconds), why the histogram's
//! bins are found without floating point, and why the user sketch is not the `datasketches` crate's
//! own, whose state remembers the order of updates.
//!
//! # What is where
//!
//! - [`Rollup`], [`Status`], [`Durations`]: counting and merging.
//! - [`Histogram`]: OpenTelemetry exponential histogram, scale 5; quantiles within 1.1 %.
//! - [`UserSketch`]: Apache DataSketches HLL, lgK 12; unique users within 5 %.
//! - [`stored`]: the private bytes of a contribution, with a format number.
//! - [`otlp`]: the public bytes of the histogram. The sketch's are
//!   [`UserSketch::to_datasketches_bytes`].
//!
//! # What is not here
//!
//! Windows, series limits and decoding of events (`weir-telemetry`); fences, revisions and
//! identities' meaning (`weir-exact`). No clock, no randomness, no environment, no I/O. No removal
//! of events: a sketch cannot forget.

mod bits;
mod datasketches_bytes;
mod durations;
mod histogram;
mod murmur3;
pub mod otlp;
mod rollup;
pub mod stored;
mod users;

pub use durations::Durations;
pub use histogram::{BIN_MAX, BIN_MIN, Histogram, SCALE, bin_end_us, bin_of};
pub use rollup::{Rollup, Status};
pub use stored::{Body, DecodeError, Ledger, LedgerEntry, SeriesBody, SeriesKey};
pub use users::{COUPONS_MAX, LG_K, User, UserSketch};

/// Parts that no sequence of events can have produced; the text says which.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("inconsistent rollup: {0}")]
pub struct Inconsistent(pub(crate) &'static str);
