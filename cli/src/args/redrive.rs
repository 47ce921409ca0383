//! `weir redrive`.

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct Redrive {
    /// Queue whose dead-letter queue to redrive: `<stack>-<queue>-dlq`.
    #[arg(long, value_enum, default_value_t = DeadQueue::Telemetry)]
    pub(crate) queue: DeadQueue,
    /// Skip the confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what is or would be done as JSON; never asks.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeadQueue {
    /// Telemetry; messages keep their original id and time as attributes.
    Telemetry,
    /// S3 notifications; objects have identities of their own.
    Landing,
    /// Replay requests; each carries its own time.
    Replay,
}
