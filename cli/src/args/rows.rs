//! Which rows to read: series, range and resolution, the same for every command that reads rows.

use super::value::{duration_ms, instant, resolution};
use crate::failure::Failure;
use clap::Args as ClapArgs;
use weir_exact::row::Resolution;
use weir_telemetry::{Millis, Series};

/// How far ahead of now events may be, milliseconds: contract §1.
pub(crate) const AHEAD_MS: i64 = 600_000;

/// Series, range and resolution.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RowSelection {
    /// Service; repeatable (default: all summaries, which scans the table).
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Endpoint of each named service; repeatable (default: the service's summary, `*`).
    #[arg(long = "endpoint", value_name = "ENDPOINT", requires = "services")]
    pub(crate) endpoints: Vec<String>,
    /// Window length: 1m, 1h or 1d.
    #[arg(long, default_value = "1m", value_parser = resolution)]
    pub(crate) resolution: Resolution,
    /// Windows that start at most this long ago: 90s, 15m, 2h, 3d (default: 1h for 1m windows, 2 days for 1h, 60 days for
    /// 1d).
    #[arg(long, value_parser = duration_ms, conflicts_with_all = ["from", "to"])]
    pub(crate) since: Option<i64>,
    /// Start, RFC 3339.
    #[arg(long, value_parser = instant)]
    pub(crate) from: Option<Millis>,
    /// End (exclusive), RFC 3339 (default: now).
    #[arg(long, value_parser = instant)]
    pub(crate) to: Option<Millis>,
}

impl RowSelection {
    /// First instant, and first after, as of `now`.
    ///
    /// # Errors
    /// When the first is not before the other.
    pub(crate) fn range(&self, now: Millis) -> Result<(Millis, Millis), Failure> {
        let since_ms = self.since.unwrap_or(match self.resolution {
            Resolution::Minute => 3_600_000,
            Resolution::Hour => 2 * 86_400_000,
            Resolution::Day => 60 * 86_400_000,
        });
        let from = self.from.unwrap_or_else(|| self.to.unwrap_or(now).plus(-since_ms));
        let to = self.to.unwrap_or_else(|| now.plus(AHEAD_MS));
        if from < to { Ok((from, to)) } else { Err(Failure::Usage(format!("--from {from} is not before --to {to}"))) }
    }

    /// The series named, each once, ascending; empty for all summaries. A `#` in a service, which no row's name has, is
    /// taken for an event's name of it.
    pub(crate) fn series(&self) -> Vec<(String, String)> {
        let summary = [weir_exact::row::SUMMARY.to_owned()];
        let endpoints = if self.endpoints.is_empty() { &summary[..] } else { &self.endpoints };
        let of =
            |service: String| endpoints.iter().map(|endpoint| (service.clone(), endpoint.clone())).collect::<Vec<_>>();
        let stored = |service: &String| match service.contains('#') {
            true => Series::new(Some(service), None).service,
            false => service.clone(),
        };
        let mut series: Vec<_> = self.services.iter().map(stored).flat_map(of).collect();
        series.sort_unstable();
        series.dedup();
        series
    }

    /// Whether an event counts in more than one of the series: in a summary and in an endpoint beside it.
    pub(crate) fn overlaps(&self) -> bool {
        let summaries = self.endpoints.iter().filter(|endpoint| *endpoint == weir_exact::row::SUMMARY).count();
        (1..self.endpoints.len()).contains(&summaries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        selection: RowSelection,
    }

    fn parsed(line: &str) -> RowSelection {
        Line::try_parse_from(line.split(' ')).expect("a sound line").selection
    }

    #[test]
    fn series_and_range() {
        let now = Millis(1_795_224_605_000);
        let all = parsed("x");
        assert_eq!((all.series(), all.range(now).unwrap()), (vec![], (now.plus(-3_600_000), now.plus(600_000))));
        let some =
            parsed("x --service b --service a --service b --endpoint /x --endpoint /y --since 2h --resolution 1h");
        let series: Vec<String> =
            some.series().iter().map(|(service, endpoint)| format!("{service}{endpoint}")).collect();
        assert_eq!(series, ["a/x", "a/y", "b/x", "b/y"]);
        assert_eq!(some.range(now).unwrap().0, now.plus(-7_200_000));
        assert!(!some.overlaps() && !all.overlaps());
        assert!(parsed("x --service a --endpoint /x --endpoint *").overlaps());
        assert_eq!(parsed("x --service c#d --service c%23d").series(), [("c%23d".to_owned(), "*".to_owned())]);
        assert!(Line::try_parse_from(["x", "--endpoint", "/x"]).is_err());
        let to = parsed("x --to 2026-11-21T06:00:00Z");
        assert_eq!(to.range(now).unwrap().0.to_string(), "2026-11-21T05:00:00Z");
    }
}
