//! Queues: messages received, delivered, deleted.

pub(crate) mod event;
pub(crate) mod lane;
pub(crate) mod memory;
pub(crate) mod runner;
pub(crate) mod scale;
pub(crate) mod source;
pub(crate) mod sqs;
