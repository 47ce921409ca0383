//! How long things live, relative to each other: anything that can still arrive for a window must find its
//! contributions, or it would be counted again (protocol.md §5).
//!
//! `weir check` compares a template's retentions with these, and functions compare arrivals with them. Not here: how
//! long rows and quarantined objects are kept, which is the operator's choice.

pub use weir_telemetry::LATENESS_MS_MAX;

const DAY_MS: i64 = 86_400_000;

/// How long a source keeps what was sent to it: the stream, and each queue. Milliseconds.
pub const SOURCE_MS_MAX: i64 = 4 * DAY_MS;

/// How much older than its sending an arrival may be: 14 days in a dead-letter queue, whose messages expire by their
/// first sending (AWS: "Message quotas", Amazon SQS Developer Guide), or as long in quarantine. Redrive, replay and the
/// functions all refuse what is older: the contributions that counted it may have expired. Milliseconds.
pub const RETURN_MS_MAX: i64 = 14 * DAY_MS;

/// This long after its end nothing can arrive for a window any more. Milliseconds.
pub const SEALED_AFTER_MS: i64 = LATENESS_MS_MAX + SOURCE_MS_MAX + RETURN_MS_MAX;

/// Contributions live this long after their window. Milliseconds.
pub const CONTRIBUTION_LIFE_MS: i64 = 21 * DAY_MS;

// The last computation of a window, when it is sealed, still finds all its contributions.
const _: () = assert!(SEALED_AFTER_MS < CONTRIBUTION_LIFE_MS);
