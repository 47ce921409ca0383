//! What must stand in the rows, counted from the values of the traffic and by none of the product's code.

use std::collections::BTreeMap;

/// Series and window of a row, as its keys have them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    /// `<service>#<endpoint>`.
    pub series: String,
    /// `1m#<start>`.
    pub window: String,
}

impl RowName {
    /// From the two key attributes.
    pub fn new(series: impl Into<String>, window: impl Into<String>) -> Self {
        Self { series: series.into(), window: window.into() }
    }
}

/// The exact part of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All events.
    pub events: u64,
    /// Those with a status of 500 and above.
    pub errors: u64,
    /// Events by status.
    pub statuses: BTreeMap<String, u64>,
    /// Events with a duration.
    pub durations: u64,
    /// Sum of their durations, microseconds.
    pub duration_us: u64,
}

impl Counted {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.errors += other.errors;
        self.durations += other.durations;
        self.duration_us += other.duration_us;
        for (status, count) in &other.statuses {
            *self.statuses.entry(status.clone()).or_default() += count;
        }
    }
}

/// An event to be sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `service` of its series.
    pub service: String,
    /// `endpoint` as sent.
    pub endpoint: String,
    /// `endpoint` of its series.
    pub series_endpoint: String,
    /// `status`, where it has one.
    pub status: Option<u16>,
    /// Thousandths of `duration_ms`, where it has one.
    pub duration_us: Option<u64>,
    /// Start of its minute, `2026-11-21T01:30`.
    pub minute: String,
    /// Second of that minute.
    pub second: u8,
}

impl Sent {
    /// The event as Python's `json.dumps` writes it: a space after `:` and `,`.
    pub fn json(&self) -> String {
        let Self { service, endpoint, minute, second, .. } = self;
        let mut json =
            format!(r#"{{"service": "{service}", "endpoint": "{endpoint}", "timestamp": "{minute}:{second:02}+00:00""#);
        if let Some(status) = self.status {
            json.push_str(&format!(r#", "status": {status}"#));
        }
        if let Some(us) = self.duration_us {
            json.push_str(&format!(r#", "duration_ms": {}.{:03}"#, us / 1_000, us % 1_000));
        }
        json.push_str(&format!(r#", "user_id": "u-{second}", "region": "eu"}}"#));
        json
    }
}

/// Expected rows.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// By name; summaries included.
    pub rows: BTreeMap<RowName, Counted>,
    /// Events counted.
    pub events: u64,
}

impl Oracle {
    /// Every row that must stand: minutes, and the hours and days that they add up to.
    pub fn all_rows(&self) -> BTreeMap<RowName, Counted> {
        let mut all = self.rows.clone();
        for (name, counted) in &self.rows {
            let start = name.window.strip_prefix("1m#").unwrap_or_else(|| panic!("{name:?} is no minute"));
            for window in [format!("1h#{}:00:00Z", &start[..13]), format!("1d#{}T00:00:00Z", &start[..10])] {
                all.entry(RowName::new(&name.series, window)).or_default().add(counted);
            }
        }
        all
    }

    /// The event must be counted once.
    pub fn count(&mut self, event: &Sent) {
        self.events += 1;
        let window = format!("1m#{}:00Z", event.minute);
        for endpoint in [event.series_endpoint.as_str(), "*"] {
            let name = RowName::new(format!("{}#{endpoint}", event.service), &window);
            let row = self.rows.entry(name).or_default();
            row.events += 1;
            row.errors += u64::from(event.status.is_some_and(|status| status >= 500));
            let status = event.status.map_or("unknown".to_owned(), |status| status.to_string());
            *row.statuses.entry(status).or_default() += 1;
            row.durations += u64::from(event.duration_us.is_some());
            row.duration_us += event.duration_us.unwrap_or(0);
        }
    }
}
