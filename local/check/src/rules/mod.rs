//! The rules, each with its words beside its judgement.

pub(crate) mod deploy;
pub(crate) mod fence;
pub(crate) mod life;
pub(crate) mod mapping;
pub(crate) mod operation;
pub(crate) mod queue;
