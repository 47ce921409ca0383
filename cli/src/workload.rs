//! Telemetry made up: the burst workload of our field's benchmarks (endpoints, statuses, exponential
//! durations), over a few services.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;
use weir_telemetry::Millis;

const SERVICES: [&str; 3] = ["web", "api", "checkout"];
const ENDPOINTS: [&str; 6] = ["/login", "/search", "/checkout", "/profile", "/feed", "/ping"];
const STATUSES: [u16; 8] = [200, 200, 200, 201, 400, 401, 403, 500];

/// An event as made up: what is sent, and what it must be counted as.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) service: &'static str,
    pub(crate) endpoint: &'static str,
    /// Whether it is sent with an id in its path, which the catalog takes out again.
    pub(crate) with_id: Option<u32>,
    pub(crate) status: u16,
    pub(crate) duration_ms: u32,
    pub(crate) user: String,
    pub(crate) timestamp: Millis,
}

/// Makes up events from a seed.
pub(crate) struct Workload {
    random: StdRng,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }

    /// One event at `timestamp`.
    pub(crate) fn event(&mut self, timestamp: Millis) -> Event {
        let random = &mut self.random;
        let exponential = -120.0 * (1.0 - random.random::<f64>()).ln();
        Event {
            service: SERVICES[random.random_range(0..SERVICES.len())],
            endpoint: ENDPOINTS[random.random_range(0..ENDPOINTS.len())],
            with_id: random.random_bool(0.05).then(|| random.random_range(0..100_000)),
            status: STATUSES[random.random_range(0..STATUSES.len())],
            duration_ms: exponential as u32 + random.random_range(0..=30),
            user: format!("u_{:08x}", random.random_range(0..20_000_u32).wrapping_mul(0x9e37_79b9)),
            timestamp,
        }
    }
}

impl Event {
    /// The endpoint it must be counted under.
    pub(crate) fn series_endpoint(&self) -> String {
        match self.with_id {
            Some(_) => format!("{}/{{id}}", self.endpoint),
            None => self.endpoint.to_owned(),
        }
    }

    /// Appends the event's JSON.
    pub(crate) fn write_json(&self, json: &mut String) {
        let Self { service, endpoint, status, duration_ms, user, timestamp, .. } = self;
        let id = self.with_id.map(|id| format!("/{id}")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(
            json,
            r#"{{"service":"{service}","endpoint":"{endpoint}{id}","status":{status},"duration_ms":{duration_ms},"user_id":"{user}","timestamp":{}}}"#,
            timestamp.0
        );
    }
}
