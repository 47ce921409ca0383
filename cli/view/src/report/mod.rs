//! One self-contained HTML file: figures, charts with a table behind each, the largest endpoints.
//!
//! It loads nothing and runs no script, and says so to the browser (a content security policy), so that whatever
//! producers named their endpoints stays text. Charts are SVG without words; words are HTML, which wraps, grows with the
//! reader's font and is read aloud. Light and dark follow the reader's setting.

mod axis;
mod chart;
mod charts;
mod endpoints;
mod page;

use crate::timeline::{Point, timeline};
use std::collections::BTreeMap;
use weir_exact::row::{Resolution, Row};
use weir_telemetry::Millis;

/// Windows that one report shows at most: beyond, its tables have more rows than anybody reads, and a browser is slow.
pub const WINDOWS_MAX: i64 = 3_000;
/// Series with a line of their own; what is smaller is one line together.
const LINES_MAX: usize = 6;
/// Rows in the table of endpoints.
const ENDPOINTS_MAX: usize = 25;

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Report {
    /// The stack that was asked.
    pub stack: String,
    /// First instant.
    pub from: Millis,
    /// First instant after.
    pub to: Millis,
    /// Length of the windows.
    pub resolution: Resolution,
    /// When the rows were read.
    pub made_at: Millis,
    /// The rows of the series that are shown, which must not overlap: no summary beside its own endpoints.
    pub rows: Vec<Row>,
    /// The rows of their endpoints, as far as they were among the largest of some window; empty where endpoints
    /// themselves are shown.
    pub endpoints: Vec<Row>,
}

/// A series and its windows.
struct Line {
    name: String,
    points: Vec<Point>,
}

impl Report {
    /// The file's text, UTF-8.
    pub fn html(&self) -> String {
        let all = self.timeline(&self.rows);
        let lines = self.lines();
        page::page(self, &all, &lines)
    }

    fn timeline<'r>(&self, rows: impl IntoIterator<Item = &'r Row>) -> Vec<Point> {
        timeline(rows, self.resolution, (self.from, self.to), self.made_at)
    }

    /// The largest series, and what remains as one.
    fn lines(&self) -> Vec<Line> {
        let mut series: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            series.entry(series_name(row)).or_default().push(row);
        }
        let events = |rows: &[&Row]| rows.iter().map(|row| row.rollup.events()).sum::<u64>();
        let mut series: Vec<(String, Vec<&Row>)> = series.into_iter().collect();
        series.sort_by_key(|(name, rows)| (std::cmp::Reverse(events(rows)), name.clone()));
        if series.len() > LINES_MAX {
            let rest = series.split_off(LINES_MAX - 1);
            let name = format!("{} others", rest.len());
            series.push((name, rest.into_iter().flat_map(|(_, rows)| rows).collect()));
        }
        let line = |(name, rows): (String, Vec<&Row>)| Line { name, points: self.timeline(rows) };
        series.into_iter().map(line).collect()
    }
}

/// As people read it: the service, and the endpoint where it is one.
fn series_name(row: &Row) -> String {
    match row.key.endpoint.as_str() {
        weir_exact::row::SUMMARY => row.key.service.clone(),
        endpoint => format!("{} {endpoint}", row.key.service),
    }
}

#[cfg(test)]
mod tests;
