//! How an accepted event counts: under which name, with which status, and how large a record's series may become.
//! Shared by both lanes, or an event would have two names.

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

/// Upper bound on the bytes of an event that is alone in its series: typical records need no closer look.
const EVENT_BYTES_MAX: usize = stored::EVENT_BYTES + Series::BYTES_MAX;

/// Whether any record with this many events may keep separate series, whatever they are; if so, [`fits`] holds too.
pub(crate) fn fit_anyhow(events: u64, record_bytes_max: usize) -> bool {
    events.saturating_mul(EVENT_BYTES_MAX as u64) <= record_bytes_max as u64
}

/// Whether a record's series may be kept apart in one item. Decided by a bound, so a function of the record alone: next
/// to other records, or with another encoder, the series might take fewer bytes and count under another name.
pub(crate) fn fits<'s>(series: impl IntoIterator<Item = (&'s SeriesKey, &'s Rollup)>, record_bytes_max: usize) -> bool {
    series.into_iter().map(|(key, rollup)| stored::bytes_max(key, rollup)).sum::<usize>() <= record_bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_telemetry::{ENDPOINT_BYTES_MAX, SERVICE_BYTES_MAX};

    proptest! {
        /// The shortcut agrees with the full decision.
        #[test]
        fn events_that_fit_anyhow_fit(
            events in prop::collection::vec((0..3_usize, any::<u16>(), any::<Option<u32>>(), any::<Option<[u8; 4]>>()), 1..1_500),
        ) {
            let keys = ["1", "2", "a"].map(|last| {
                let (service, endpoint) = ("#".repeat(SERVICE_BYTES_MAX), format!("/{last}").repeat(ENDPOINT_BYTES_MAX / 2));
                series_key(Series::new(Some(&service), Some(&endpoint)))
            });
            let mut rollups = [0, 1, 2].map(|_| Rollup::default());
            for (series, status, duration_us, user) in &events {
                let user = user.as_ref().map(<[u8; 4]>::as_slice);
                rollups[*series].add(super::status(Some(status % 1_200)), duration_us.map(u64::from), user);
            }
            let series = || keys.iter().zip(&rollups).filter(|(_, rollup)| !rollup.is_empty());
            let bytes = events.len() * EVENT_BYTES_MAX;
            prop_assert!(fit_anyhow(events.len() as u64, bytes) && !fit_anyhow(events.len() as u64, bytes - 1));
            prop_assert!(fits(series(), bytes));
        }
    }
}
