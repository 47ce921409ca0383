//! What is known, as figures: of each series those of the last minutes, and how far behind the whole is.

use super::{Quarantine, Watch};
use crate::timeline::{Point, timeline};
use serde::Serialize;
use weir_exact::row::Resolution;
use weir_rollup::Rollup;
use weir_telemetry::Millis;

/// What the figures of a series are of, milliseconds: long enough that a quantile says something.
pub(super) const RECENT_MS: i64 = 5 * 60_000;

/// Everything at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Now {
    /// RFC 3339.
    pub at: String,
    /// The series that are shown.
    pub series: Vec<Figures>,
    /// Since the latest row was computed, seconds; `None` where there is no row.
    pub newest_row_age_seconds: Option<f64>,
    /// Since the last record that is settled arrived, of the shard that is furthest, seconds.
    pub settled_age_seconds: Option<f64>,
    /// The same of the shard that is least far: it lags, or nothing is sent to it.
    pub settled_age_seconds_max: Option<f64>,
    /// Set aside today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// A series over the windows that began in the last five minutes.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The service.
    pub service: String,
    /// The endpoint, `*` of the summary.
    pub endpoint: String,
    /// Events.
    pub events: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Events per second.
    pub events_per_second: f64,
    /// Milliseconds; none where no event had a duration.
    pub p50_ms: Option<f64>,
    /// Milliseconds.
    pub p95_ms: Option<f64>,
    /// Milliseconds.
    pub p99_ms: Option<f64>,
    /// Unique users.
    pub unique_users: u64,
    #[serde(skip)]
    pub(super) points: Vec<Point>,
}

impl Watch {
    /// What is known, as of `now`.
    pub fn now(&self, now: Millis) -> Now {
        let age = |at: Millis| now.0.saturating_sub(at.0).max(0) as f64 / 1_000.0;
        Now {
            at: now.to_string(),
            series: self.series().into_iter().map(|series| self.figures(series, now)).collect(),
            newest_row_age_seconds: self.rows.values().map(|row| row.updated_at).max().map(age),
            settled_age_seconds: self.shards.iter().copied().max().map(age),
            settled_age_seconds_max: self.shards.iter().copied().min().map(age),
            quarantine: self.quarantine.clone(),
        }
    }

    fn figures(&self, (service, endpoint): (String, String), now: Millis) -> Figures {
        let of_series = self.rows.values().filter(|row| row.key.service == service && row.key.endpoint == endpoint);
        let points = timeline(of_series, Resolution::Minute, (now.plus(-self.range_ms), now), now);
        let mut recent = Rollup::default();
        let mut seconds = 0.0;
        for point in points.iter().filter(|point| now.plus(-RECENT_MS) <= point.window.start()) {
            recent.merge(&point.rollup);
            seconds += point.seconds;
        }
        let quantile = |q: f64| recent.durations().map(|durations| rounded(durations.quantile_ms(q)));
        Figures {
            service,
            endpoint,
            events: recent.events(),
            errors: recent.errors(),
            events_per_second: if seconds > 0.0 { rounded(recent.events() as f64 / seconds) } else { 0.0 },
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            unique_users: recent.users().estimate().round() as u64,
            points,
        }
    }
}

/// To thousandths.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
