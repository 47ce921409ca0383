//! `--chaos`: everything at once that AWS and a machine may do to the fleet, from one seed, with an account of how
//! often each kind really struck.
//!
//! Three hands: deliveries ([`super::faults`]), requests and the processes that make them ([`endpoint`]), and what an
//! operator does while traffic flows ([`steps`]).

mod endpoint;
mod steps;

pub(crate) use endpoint::EndpointTrouble;
pub(crate) use steps::Steps;

use std::time::Duration;

/// Events sent by default: faults come from timing and order, not volume.
pub(crate) const EVENTS: u64 = 60_000;
/// Sending is spread over this long, unless a rate is given: time for pauses beyond timeouts, for storms and for
/// versions to shift.
pub(crate) const SENDING: Duration = Duration::from_secs(40);
/// How long a sandbox lives on after its timeout: it is thawed within this.
pub(crate) const TIMEOUT_LINGER: Duration = Duration::from_secs(3);
/// Short timeouts, so that a paused processor is soon given up (the finalizer reads whole windows, and needs some seconds on a
/// busy machine); and more receives than any message can come to by
/// chance, since a message in the dead-letter queue would be missing from the rows.
pub(crate) const PARAMETERS: [(&str, &str); 4] = [
    ("KinesisTimeoutSeconds", "4"),
    ("FinalizeTimeoutSeconds", "15"),
    ("CompactTimeoutSeconds", "15"),
    ("QueueReceivesMax", "1000"),
];
