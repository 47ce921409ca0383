//! `weir report`: reads the rows, and has them made into one HTML file.

use crate::args;
use crate::aws::Aws;
use crate::failure::{Failure, failed, many, say};
use crate::rows;
use crate::terminal::{print_json, written};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use weir_exact::row::{Row, SUMMARY};
use weir_view::report::{Report, WINDOWS_MAX};

/// Endpoints whose rows are read for the table of the largest.
const ENDPOINTS_READ_MAX: usize = 100;

pub(crate) async fn run(report: args::Report, stack: &str) -> Result<ExitCode, Failure> {
    let args::Report { selection, output, json } = report;
    let to_stdout = output.as_os_str() == "-";
    if json && to_stdout {
        return Err(Failure::Usage("--json summarises a written file: name one with --output".to_owned()));
    }
    if selection.overlaps() {
        let what = "--endpoint '*' is the summary of all endpoints: next to one of them its events would count twice";
        return Err(Failure::Usage(what.to_owned()));
    }
    let now = weir_aws::clock::now();
    let (from, to) = selection.range(now)?;
    let windows = to.0.saturating_sub(from.0) / selection.resolution.length_ms();
    if windows > WINDOWS_MAX {
        let name = selection.resolution.name();
        let what = format!(
            "{windows} windows of {name}: a report shows at most {WINDOWS_MAX}. Use a coarser --resolution or a shorter range"
        );
        return Err(Failure::Usage(what));
    }
    let aws = Aws::from_environment(stack).await?;
    let found = rows::complete(&rows::selected(&aws, &selection, (from, to)).await?)?;
    let endpoints = rows::of_all_series(&aws, largest_endpoints(&found), selection.resolution, (from, to)).await?;
    let report = Report {
        stack: stack.to_owned(),
        from,
        to,
        resolution: selection.resolution,
        made_at: now,
        rows: found,
        endpoints: rows::complete(&endpoints)?,
    };
    let page = report.html();
    if to_stdout {
        let mut out = std::io::stdout().lock();
        written(out.write_all(page.as_bytes()).and_then(|()| out.flush()))?;
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&output, &page).map_err(|error| failed(&output.display().to_string(), &error))?;
    let events: u64 = report.rows.iter().map(|row| row.rollup.events()).sum();
    if json {
        print_json(&json!({
            "file": output, "bytes": page.len(), "rows": report.rows.len(), "events": events,
            "from": from.to_string(), "to": to.to_string(), "resolution": selection.resolution.name(),
        }))?;
    } else {
        say(&format!("{}: {} in {}", output.display(), many(events, "event"), many(report.rows.len() as u64, "row")));
    }
    Ok(ExitCode::SUCCESS)
}

/// The endpoints that summaries name among their largest, those first that had most events where they were named.
fn largest_endpoints(rows: &[Row]) -> Vec<(String, String)> {
    let mut named: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.key.endpoint == SUMMARY) {
        for (endpoint, events) in row.top_endpoints.iter().flatten() {
            *named.entry((&row.key.service, endpoint)).or_default() += events;
        }
    }
    let mut named: Vec<_> = named.into_iter().collect();
    named.sort_by_key(|(name, events)| (std::cmp::Reverse(*events), *name));
    let names = named.into_iter().take(ENDPOINTS_READ_MAX);
    names.map(|((service, endpoint), _)| (service.to_owned(), endpoint.to_owned())).collect()
}
