//! Rows merged on the client: counts are added, histograms and user sketches united, so quantiles and unique users of
//! the whole are as good as those of any single row. Averages of quantiles, or sums of unique users, would not be.

use std::collections::{BTreeMap, BTreeSet};
use weir_exact::row::{Row, State};
use weir_rollup::Rollup;
use weir_telemetry::Millis;

/// What becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// All series: one row a window.
    Series,
    /// All windows: one row a series.
    Windows,
    /// Both: one row.
    All,
}

/// Rows as one. Its series are disjoint if theirs are, which is the caller's to see to: a summary holds its endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// Their services.
    pub services: BTreeSet<String>,
    /// Their endpoints.
    pub endpoints: BTreeSet<String>,
    /// Begin of the first window.
    pub start: Millis,
    /// End of the last window.
    pub end: Millis,
    /// What they count together.
    pub rollup: Rollup,
    /// The least final of their states.
    pub state: State,
    /// The sum of their revisions: it grows with any of them.
    pub revision: u64,
    /// When the latest of them was computed.
    pub updated_at: Millis,
    /// How many rows it is made of.
    pub rows: usize,
}

impl Merged {
    fn of(row: &Row) -> Self {
        Self {
            services: BTreeSet::from([row.key.service.clone()]),
            endpoints: BTreeSet::from([row.key.endpoint.clone()]),
            start: row.key.window.start(),
            end: row.key.window.end(),
            rollup: row.rollup.clone(),
            state: row.version.state,
            revision: row.version.revision,
            updated_at: row.updated_at,
            rows: 1,
        }
    }

    fn add(&mut self, row: &Row) {
        self.services.insert(row.key.service.clone());
        self.endpoints.insert(row.key.endpoint.clone());
        self.start = self.start.min(row.key.window.start());
        self.end = self.end.max(row.key.window.end());
        self.rollup.merge(&row.rollup);
        self.state = self.state.min(row.version.state);
        self.revision = self.revision.saturating_add(row.version.revision);
        self.updated_at = self.updated_at.max(row.updated_at);
        self.rows += 1;
    }
}

/// The rows, merged so; in order of their windows, then of their series.
pub fn merge<'r>(rows: impl IntoIterator<Item = &'r Row>, how: Merge) -> Vec<Merged> {
    let mut merged = BTreeMap::new();
    for row in rows {
        let window = (how == Merge::Series).then(|| row.key.window.start());
        let series = (how == Merge::Windows).then_some((&row.key.service, &row.key.endpoint));
        merged
            .entry((window, series))
            .and_modify(|merged: &mut Merged| merged.add(row))
            .or_insert_with(|| Merged::of(row));
    }
    merged.into_values().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use weir_exact::row::{Resolution, RowKey, RowVersion, RowWindow};
    use weir_rollup::Status;

    /// A row of a minute after an hour: an event a duration and user, each with that status.
    pub(crate) fn row(service: &str, endpoint: &str, minute: i64, events: &[(u16, u64, &str)]) -> Row {
        let mut rollup = Rollup::default();
        for (status, ms, user) in events {
            rollup.add(Status::new(*status).unwrap(), Some(ms * 1_000), Some(user.as_bytes()));
        }
        let window = RowWindow::containing(Resolution::Minute, Millis(1_795_219_200_000 + minute * 60_000));
        let state = if minute < 50 { State::Complete } else { State::Open };
        Row {
            key: RowKey { service: service.to_owned(), endpoint: endpoint.to_owned(), window },
            rollup,
            top_endpoints: None,
            version: RowVersion { revision: 2, algorithm: 1, state },
            updated_at: window.end(),
            expires_at: None,
        }
    }

    #[test]
    fn quantiles_and_users_are_those_of_all_events() {
        let rows = [
            row("a", "/x", 0, &[(200, 10, "u"), (200, 20, "v")]),
            row("b", "/x", 0, &[(503, 1_000, "u")]),
            row("a", "/x", 1, &[(200, 30, "w")]),
        ];
        let all = &merge(&rows, Merge::All)[..];
        let [all] = all else { panic!("{all:?}") };
        assert_eq!((all.rollup.events(), all.rollup.errors(), all.rows, all.revision), (4, 1, 3, 6));
        assert_eq!(all.rollup.users().estimate().round(), 3.0);
        let p50 = all.rollup.durations().unwrap().quantile_ms(0.5);
        assert!((p50 - 20.0).abs() <= 0.22, "{p50}");
        assert_eq!(all.end.0 - all.start.0, 120_000);

        let windows = merge(&rows, Merge::Series);
        assert_eq!(windows.iter().map(|merged| merged.rollup.events()).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(windows[0].services.len(), 2);
        let series = merge(&rows, Merge::Windows);
        assert_eq!(series.iter().map(|merged| merged.rollup.events()).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(merge(&[], Merge::All), []);
    }

    #[test]
    fn the_least_final_state_is_that_of_the_whole() {
        let rows = [row("a", "/x", 0, &[(200, 1, "u")]), row("a", "/x", 59, &[(200, 1, "u")])];
        assert_eq!(merge(&rows, Merge::All)[0].state, State::Open);
    }
}
