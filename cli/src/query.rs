//! `weir query`: rollups of a series and time range.

use crate::args::{Format, Query};
use crate::aws::Aws;
use crate::failure::Failure;
use crate::rows::{self, Row, TopEndpoint};
use crate::terminal::shown;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write;
use std::process::ExitCode;
use weir_exact::row::SUMMARY;
use weir_telemetry::Millis;
use weir_view::merge::merge;

pub(crate) async fn run(query: Query, stack: &str) -> Result<ExitCode, Failure> {
    if query.merge.is_some() && query.selection.overlaps() {
        let what =
            "--endpoint '*' is the summary of all endpoints: merging it with one of them would count events twice";
        return Err(Failure::Usage(what.to_owned()));
    }
    let aws = Aws::from_environment(stack).await?;
    let (from, to) = query.selection.range(weir_aws::clock::now())?;
    let rows = read(&aws, &query, (from, to)).await?;
    let format = if query.json { Format::Json } else { query.format };
    print(&rows, format)?;
    if rows.is_empty() && format == Format::Table {
        let of_endpoint = query.selection.endpoints.iter().any(|endpoint| endpoint != SUMMARY);
        let hint = if of_endpoint {
            "; rows have endpoints as the rules write them, which `weir rules test` shows"
        } else {
            ""
        };
        crate::failure::say(&format!("no rows of stack {stack} between {from} and {to}{hint}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(aws: &Aws, query: &Query, range: (Millis, Millis)) -> Result<Vec<Row>, Failure> {
    let found = rows::selected(aws, &query.selection, range).await?;
    let wrong = |name| Failure::Failed(format!("a row's {name} is missing or malformed"));
    if let Some(what) = query.merge {
        let merged = merge(&rows::complete(&found)?, what.into()).into_iter();
        return merged.map(|merged| Row::merged(merged, query.selection.resolution).map_err(wrong)).collect();
    }
    let mut rows = found.iter().map(|row| Row::read(row).map_err(wrong)).collect::<Result<Vec<Row>, _>>()?;
    rows.sort_by(|a, b| (&a.start, &a.service, &a.endpoint).cmp(&(&b.start, &b.service, &b.endpoint)));
    Ok(rows)
}

/// Largest endpoints of a summary row that the table shows; CSV and JSON have all ten.
const TABLE_ENDPOINTS_MAX: usize = 2;
const DURATIONS: [&str; 5] = ["p50", "p90", "p95", "p99", "max"];
/// The other columns of CSV came later, behind those that there were.
const MORE_DURATIONS: [&str; 4] = ["count", "sum", "min", "avg"];

fn print(rows: &[Row], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(rows)?;
            println!("{json}");
        }
        Format::Csv => print!("{}", lines(rows)),
        Format::Table if rows.is_empty() => {}
        Format::Table => println!("{}", table(rows)),
    }
    Ok(())
}

/// Rows as CSV, with a header.
fn lines(rows: &[Row]) -> String {
    let merged = rows.iter().any(|row| row.end.is_some());
    let end = if merged { ",end" } else { "" };
    let more = format!("resolution,status_counts,{},revision,updated_at", MORE_DURATIONS.join(","));
    let mut lines = format!(
        "start,service,endpoint,events,errors,unique_users,{},state,top_endpoints,{more}{end}\n",
        DURATIONS.join(",")
    );
    for row in rows {
        let durations = |names: &[&str]| {
            let duration = |name: &&str| row.duration_ms.get(*name).map(f64::to_string).unwrap_or_default();
            names.iter().map(duration).collect::<Vec<_>>().join(",")
        };
        let (service, endpoint) = (csv(&row.service), csv(&row.endpoint));
        let Row { start, events, errors, unique_users, state, resolution, revision, updated_at, .. } = row;
        let top = counts(row.top_endpoints.iter().map(|top| (&top.endpoint, &top.events)));
        let statuses = counts(&row.status_counts);
        let end = row.end.iter().map(|end| format!(",{end}")).collect::<String>();
        let _ = writeln!(
            lines,
            "{start},{service},{endpoint},{events},{errors},{unique_users},{},{state},{top},{resolution},{statuses},{},\
             {revision},{updated_at}{end}",
            durations(&DURATIONS),
            durations(&MORE_DURATIONS)
        );
    }
    lines
}

/// The largest endpoints of a summary row, as one table cell: `/a 12, /b 3 and 8 more`.
fn largest(top: &[TopEndpoint]) -> String {
    let (shown_ones, rest) = top.split_at(top.len().min(TABLE_ENDPOINTS_MAX));
    let names = shown_ones.iter().map(|top| format!("{} {}", shown(&top.endpoint), top.events));
    let names = names.collect::<Vec<_>>().join(", ");
    if rest.is_empty() { names } else { format!("{names} and {} more", rest.len()) }
}

/// Names and their events, as one field.
fn counts<'r>(events: impl IntoIterator<Item = (&'r String, &'r u64)>) -> String {
    let each = events.into_iter().map(|(name, events)| format!("{name}={events}"));
    csv(&each.collect::<Vec<_>>().join(";"))
}

/// RFC 4180.
fn csv(text: &str) -> String {
    let text = shown(text);
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Rows as a terminal shows them.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    let with_top = rows.iter().any(|row| !row.top_endpoints.is_empty());
    let head = ["window", "service", "endpoint", "events", "errors", "users", "p50 ms", "p95 ms", "p99 ms", "state"];
    table.set_header(head.into_iter().chain(with_top.then_some("top endpoints")));
    for row in rows {
        let duration = |name: &str| row.duration_ms.get(name).map_or("–".to_owned(), |ms| format!("{ms:.0}"));
        let cells = [
            row.start.clone(),
            shown(&row.service),
            shown(&row.endpoint),
            row.events.to_string(),
            row.errors.to_string(),
            row.unique_users.to_string(),
            duration("p50"),
            duration("p95"),
            duration("p99"),
            row.state.clone(),
        ];
        table.add_row(cells.into_iter().chain(with_top.then(|| largest(&row.top_endpoints))));
    }
    for column in table.column_iter_mut().skip(3).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(endpoint: &str, top: &[(&str, u64)]) -> Row {
        Row {
            service: "web".to_owned(),
            endpoint: endpoint.to_owned(),
            start: "2026-11-21T01:00:00Z".to_owned(),
            end: None,
            resolution: "1h".to_owned(),
            events: 7,
            errors: 1,
            status_counts: [("200".to_owned(), 6), ("500".to_owned(), 1)].into(),
            duration_ms: [("count", 7.0), ("sum", 155.25), ("p50", 12.5), ("p99", 80.0)]
                .map(|(name, ms)| (name.to_owned(), ms))
                .into(),
            unique_users: 3,
            top_endpoints: top
                .iter()
                .map(|(endpoint, events)| TopEndpoint { endpoint: (*endpoint).to_owned(), events: *events })
                .collect(),
            state: "sealed".to_owned(),
            revision: 2,
            updated_at: "2026-11-21T02:10:00Z".to_owned(),
        }
    }

    #[test]
    fn csv_has_what_a_row_has_and_maps_in_one_column() {
        let rows = [row("*", &[("/login", 4), ("/a,b", 3)]), row("/login", &[])];
        assert_eq!(
            lines(&rows),
            "start,service,endpoint,events,errors,unique_users,p50,p90,p95,p99,max,state,top_endpoints,\
             resolution,status_counts,count,sum,min,avg,revision,updated_at\n\
             2026-11-21T01:00:00Z,web,*,7,1,3,12.5,,,80,,sealed,\"/login=4;/a,b=3\",\
             1h,200=6;500=1,7,155.25,,,2,2026-11-21T02:10:00Z\n\
             2026-11-21T01:00:00Z,web,/login,7,1,3,12.5,,,80,,sealed,,\
             1h,200=6;500=1,7,155.25,,,2,2026-11-21T02:10:00Z\n"
        );
        let merged = [Row { end: Some("2026-11-21T03:00:00Z".to_owned()), ..row("*", &[]) }];
        assert!(lines(&merged).ends_with(",2,2026-11-21T02:10:00Z,2026-11-21T03:00:00Z\n"));
    }

    #[test]
    fn the_table_has_the_largest_endpoints_of_summaries() {
        let summary = row("*", &[("/login", 4), ("/pay", 2), ("/ping", 1)]);
        let table = super::table(&[summary, row("/login", &[])]).to_string();
        assert!(table.contains("top endpoints") && table.contains("/login 4, /pay 2 and 1 more"), "{table}");
        assert!(!super::table(&[row("/login", &[])]).to_string().contains("top endpoints"));
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(csv("/a"), "/a");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("a\u{1b}[2J"), "a\\u{1b}[2J");
    }
}
