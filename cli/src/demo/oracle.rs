//! What must stand in the end, counted as the traffic is made: from the made-up values, not from their JSON, and
//! by none of the code that decodes, merges contributions or finalizes.

use crate::workload::Event;
use std::collections::BTreeMap;
use weir_exact::row::{RowKey, RowWindow, SUMMARY};
use weir_rollup::{Rollup, Status};
use weir_telemetry::Window;

/// Expected rows and quarantine.
#[derive(Default)]
pub(crate) struct Oracle {
    /// Of minutes.
    pub(crate) rows: BTreeMap<RowKey, Rollup>,
    /// Objects in quarantine by reason.
    pub(crate) quarantined: BTreeMap<&'static str, u64>,
    pub(crate) sent: SentThrough,
}

/// What went where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SentThrough {
    pub(crate) stream_records: u64,
    pub(crate) stream_records_empty: u64,
    pub(crate) stream_events: u64,
    pub(crate) stream_rejected: u64,
    pub(crate) queue_messages: u64,
    /// Messages sent a second time under the same id.
    pub(crate) queue_messages_again: u64,
    pub(crate) queue_events: u64,
    pub(crate) queue_rejected: u64,
    pub(crate) objects: u64,
    /// Objects for which a second notification was sent.
    pub(crate) objects_noticed_again: u64,
    pub(crate) object_events: u64,
    pub(crate) object_rejected: u64,
}

impl Oracle {
    /// Every row that must stand: minutes, and the hours and days that they add up to.
    pub(crate) fn all_rows(&self) -> BTreeMap<RowKey, Rollup> {
        let mut all = self.rows.clone();
        for (key, rollup) in &self.rows {
            let hour = key.window.above();
            for window in hour.into_iter().chain(hour.and_then(RowWindow::above)) {
                all.entry(RowKey { window, ..key.clone() }).or_default().merge(rollup);
            }
        }
        all
    }

    /// An event that must be counted.
    pub(crate) fn counts(&mut self, event: &Event) {
        let window = Window::containing(event.timestamp);
        let status = Status::new(event.status).unwrap_or(Status::UNKNOWN);
        for endpoint in [event.series_endpoint(), SUMMARY.to_owned()] {
            let key = RowKey { service: event.service.to_owned(), endpoint, window: window.into() };
            let duration_us = u64::from(event.duration_ms) * 1_000;
            self.rows.entry(key).or_default().add(status, Some(duration_us), Some(event.user.as_bytes()));
        }
    }

    /// Something that must be in quarantine.
    pub(crate) fn quarantines(&mut self, reason: &'static str) {
        *self.quarantined.entry(reason).or_default() += 1;
    }
}
