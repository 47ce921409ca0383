//! How an accepted event counts: under which name, as what, and how large a record's series may become. Both lanes do
//! it the same way, or an event would have two names.

use std::collections::BTreeMap;
use weir_rollup::{Rollup, SeriesKey, Status, stored};
use weir_telemetry::Series;

/// The name under which a series is stored.
pub(crate) fn series_key(series: Series) -> SeriesKey {
    SeriesKey { service: series.service, endpoint: series.endpoint }
}

/// Adds an event to what its series counts.
pub(crate) fn add(rollup: &mut Rollup, status: Option<u16>, duration_us: Option<u64>, user: Option<&str>) {
    let status = status.and_then(Status::new).unwrap_or(Status::UNKNOWN);
    rollup.add(status, duration_us, user.map(str::as_bytes));
}

/// Whether a record's series may stand apart in one item: decided by their bound, so a function of the record alone. In
/// other company, or by another encoder, they might take fewer bytes, and would count under two names.
pub(crate) fn fits(series: &BTreeMap<SeriesKey, Rollup>, record_bytes_max: usize) -> bool {
    series.iter().map(|(key, rollup)| stored::bytes_max(key, rollup)).sum::<usize>() <= record_bytes_max
}
