//! The live view of a terminal, apart from the terminal: what is known ([`Watch`]), what a key does to it, what is drawn
//! of it, and the same as [figures](Watch::now) for a program.
//!
//! Who owns it reads rows and keys, and gives them in; nothing here waits, and no clock is read.

mod draw;
mod figures;
mod sparkline;

pub use figures::{Figures, Now};
use std::collections::BTreeMap;
use weir_exact::row::{Row, RowKey, SUMMARY};
use weir_telemetry::Millis;

/// What one look has found. Rows are added to those that are known; the rest replaces it, where it was looked at.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Rows of minutes.
    pub rows: Vec<Row>,
    /// Of each shard that has settled a record, when the last of them arrived.
    pub shards: Option<Vec<Millis>>,
    /// What was quarantined today.
    pub quarantine: Option<Quarantine>,
}

/// Objects of quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quarantine {
    /// By reason.
    pub by_reason: BTreeMap<String, u64>,
    /// There are more than were counted.
    pub and_more: bool,
}

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The series above.
    Up,
    /// The series below.
    Down,
    /// The first series.
    First,
    /// The last series.
    Last,
    /// The endpoints of the chosen service.
    Open,
    /// Back to the services.
    Back,
    /// Stand still, or go on.
    Pause,
    /// End.
    Quit,
}

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Draw it again.
    Draw,
    /// Other series are shown: look at once.
    Look,
    /// End.
    Quit,
}

/// All that is known and chosen.
#[derive(Clone, Debug)]
pub struct Watch {
    stack: String,
    /// How much time is shown, milliseconds.
    range_ms: i64,
    /// The service whose endpoints are shown; `None` for the list of services.
    service: Option<String>,
    /// The chosen series by name: its place changes as others come.
    chosen: Option<(String, String)>,
    paused: bool,
    rows: BTreeMap<RowKey, Row>,
    shards: Vec<Millis>,
    quarantine: Option<Quarantine>,
    /// The last look, and why it failed.
    looked_at: Option<Millis>,
    failure: Option<String>,
}

impl Watch {
    /// Nothing known yet. The last `range_ms` milliseconds are shown.
    pub fn new(stack: &str, range_ms: i64) -> Self {
        Self {
            stack: stack.to_owned(),
            range_ms,
            service: None,
            chosen: None,
            paused: false,
            rows: BTreeMap::new(),
            shards: vec![],
            quarantine: None,
            looked_at: None,
            failure: None,
        }
    }

    /// Whose endpoints are shown, if not the services.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Takes in what a look found.
    pub fn found(&mut self, look: Look, now: Millis) {
        self.rows.extend(look.rows.into_iter().map(|row| (row.key.clone(), row)));
        let begin = now.plus(-self.range_ms);
        self.rows.retain(|key, _| begin < key.window.end());
        self.shards = look.shards.unwrap_or_else(|| std::mem::take(&mut self.shards));
        self.quarantine = look.quarantine.or_else(|| self.quarantine.take());
        (self.looked_at, self.failure) = (Some(now), None);
        let series = self.series();
        if self.chosen.as_ref().is_none_or(|chosen| !series.contains(chosen)) {
            self.chosen = series.first().cloned();
        }
    }

    /// A look did not succeed; what is known stays.
    pub fn failed(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Does what a key says.
    pub fn key(&mut self, key: Key) -> Then {
        let series = self.series();
        let at = self.chosen.as_ref().and_then(|chosen| series.iter().position(|series| series == chosen));
        let choose = |at: usize| series.get(at.min(series.len().saturating_sub(1))).cloned();
        match (key, at) {
            (Key::Quit, _) => return Then::Quit,
            (Key::Pause, _) => self.paused = !self.paused,
            (Key::Up, Some(at)) => self.chosen = choose(at.saturating_sub(1)),
            (Key::Down, Some(at)) => self.chosen = choose(at + 1),
            (Key::First, Some(_)) => self.chosen = choose(0),
            (Key::Last, Some(_)) => self.chosen = choose(usize::MAX),
            (Key::Open, Some(at)) if self.service.is_none() => {
                self.service = Some(series[at].0.clone());
                self.chosen = self.series().first().cloned();
                return Then::Look;
            }
            (Key::Back, _) if self.service.is_some() => {
                let service = self.service.take();
                self.chosen = service.map(|service| (service, SUMMARY.to_owned()));
                return Then::Look;
            }
            _ => {}
        }
        Then::Draw
    }

    /// The series that are shown, ascending: the services, or the chosen one's endpoints after its summary.
    fn series(&self) -> Vec<(String, String)> {
        let shown = |key: &&RowKey| match &self.service {
            None => key.endpoint == SUMMARY,
            Some(service) => key.service == *service,
        };
        let mut series: Vec<_> =
            self.rows.keys().filter(shown).map(|key| (key.service.clone(), key.endpoint.clone())).collect();
        series.dedup();
        // The summary first: an endpoint may begin with a character before its `*`.
        series.sort_by_key(|(service, endpoint)| (service.clone(), endpoint != SUMMARY, endpoint.clone()));
        series
    }
}

#[cfg(test)]
mod tests;
