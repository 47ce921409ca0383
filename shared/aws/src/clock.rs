//! The one clock: handlers read it here and hand times down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_telemetry::Millis;

/// Now.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A handler stops beginning writes this long before its deadline, to report what is not settled instead of
/// being killed. What is killed anyway is delivered again.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(6);

/// Whether a handler with this deadline should begin nothing more. A timeout shorter than twice the margin
/// leaves half of it for work.
pub fn out_of_time(begun: SystemTime, deadline: SystemTime) -> bool {
    let whole = deadline.duration_since(begun).unwrap_or(Duration::ZERO);
    let margin = DEADLINE_MARGIN.min(whole / 2);
    SystemTime::now() + margin >= deadline
}
