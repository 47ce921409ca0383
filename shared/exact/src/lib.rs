//! The protocol that keeps counts exact under any redelivery and re-batching.
//!
//! Two lanes write *contributions*, each a pure plan and a thin commit over ports:
//!
//! - [`fenced`]: Kinesis. One item per (window, shard, split), rewritten as batches arrive, guarded by its
//!   *fence*, the highest applied sequence number.
//! - [`ledger`]: SQS, S3 and replays. Immutable items that carry identities, put if absent. [`objects`] feeds it what
//!   is too large to be a message: S3 objects, counted chunk by chunk as they are read.
//!
//! [`finalize`] recomputes a window's rows from all its contributions, by revision; [`compact`] hours from minutes, and
//! days from hours.
//!
//! Nothing here knows DynamoDB, tokio, a clock or the environment: stores are [`ports`], times are arguments, and
//! [`memory`] and [`failing`] implement the ports for tests. No condition may be weakened without a schedule that shows
//! it is safe: ARCHITECTURE.md, "The protocol".

/// Whether a rule of the protocol is left out: never, except in the variants that the simulation tests.
macro_rules! left_out {
    ($rule:ident) => {{
        #[cfg(variants)]
        let left_out = $crate::variants::is($crate::variants::Variant::$rule);
        #[cfg(not(variants))]
        let left_out = false;
        left_out
    }};
}

pub mod compact;
pub mod epochs;
pub mod failing;
pub mod fenced;
pub mod finalize;
pub mod layout;
pub mod ledger;
pub mod memory;
pub mod objects;
pub mod ports;
pub mod progress;
pub mod quarantine;
pub mod reconcile;
pub mod replay;
pub mod retention;
pub mod row;
pub mod scratch;
pub mod sequence;
pub mod skips;
pub mod sweep;
#[cfg(variants)]
pub mod variants;

mod counted;
mod item_cache;
mod json_item;
