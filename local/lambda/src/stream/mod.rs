//! Streams: shards in lineage order, records in shard order.

pub(crate) mod batch;
mod closing;
pub(crate) mod deliver;
mod discard;
pub(crate) mod dynamodb;
pub(crate) mod event;
pub(crate) mod kinesis;
pub(crate) mod memory;
pub(crate) mod round;
pub(crate) mod shard;
pub(crate) mod shards;
pub(crate) mod source;
pub(crate) mod window;
