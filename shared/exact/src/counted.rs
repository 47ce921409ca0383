//! How an accepted event counts: under which name, as what, and how large a record's series may become. Both lanes do
//! it the same way, or an event would have two names.

use weir_rollup::{Rollup, SeriesKey, Status, stored};
use weir_telemetry::Series;

/// The name under which a series is stored.
pub(crate) fn series_key(series: Series) -> SeriesKey {
    SeriesKey { service: series.service, endpoint: series.endpoint }
}

/// The status by which an event counts.
pub(crate) fn status(status: Option<u16>) -> Status {
    status.and_then(Status::new).unwrap_or(Status::UNKNOWN)
}

/// Whether a record's series may stand apart in one item: decided by their bound, so a function of the record alone. In
/// other company, or by another encoder, they might take fewer bytes, and would count under two names.
pub(crate) fn fits<'s>(series: impl IntoIterator<Item = (&'s SeriesKey, &'s Rollup)>, record_bytes_max: usize) -> bool {
    series.into_iter().map(|(key, rollup)| stored::bytes_max(key, rollup)).sum::<usize>() <= record_bytes_max
}
