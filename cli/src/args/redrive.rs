//! `weir redrive`.

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct Redrive {
    /// Whose dead-letter queue: `<stack>-<queue>-dlq`.
    #[arg(long, value_enum, default_value_t = DeadQueue::Telemetry)]
    pub(crate) queue: DeadQueue,
    /// Do it, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// What is or would be done as JSON on standard output; asks nothing.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeadQueue {
    /// Telemetry: messages get their old id and time as attributes.
    Telemetry,
    /// Notices of objects, which have identities of their own.
    Landing,
    /// Requests to put something back, which say themselves since when.
    Replay,
}
