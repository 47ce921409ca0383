//! `weir query`: rollups of a series and time range.

use crate::args::{Format, Query};
use crate::aws::Aws;
use crate::failure::Failure;
use crate::rows::{self, Row};
use crate::terminal::shown;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::process::ExitCode;
use weir_telemetry::Millis;
use weir_view::merge::merge;

pub(crate) async fn run(query: Query, stack: &str) -> Result<ExitCode, Failure> {
    if query.merge.is_some() && query.selection.overlaps() {
        let what =
            "--endpoint '*' is the summary of all endpoints: merged with one of them its events would count twice";
        return Err(Failure::Usage(what.to_owned()));
    }
    let aws = Aws::from_environment(stack).await?;
    let (from, to) = query.selection.range(weir_aws::clock::now());
    let rows = read(&aws, &query, (from, to)).await?;
    let format = if query.json { Format::Json } else { query.format };
    print(&rows, format)?;
    if rows.is_empty() && format == Format::Table {
        crate::failure::say(&format!("no rows of stack {stack} between {from} and {to}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(aws: &Aws, query: &Query, range: (Millis, Millis)) -> Result<Vec<Row>, Failure> {
    let found = rows::selected(aws, &query.selection, range).await?;
    let wrong = |name| Failure::Failed(format!("a row's {name} is not as it should be"));
    if let Some(what) = query.merge {
        let merged = merge(&rows::complete(&found)?, what.into()).into_iter();
        return merged.map(|merged| Row::merged(merged, query.selection.resolution).map_err(wrong)).collect();
    }
    let mut rows = found.iter().map(|row| Row::read(row).map_err(wrong)).collect::<Result<Vec<Row>, _>>()?;
    rows.sort_by(|a, b| (&a.start, &a.service, &a.endpoint).cmp(&(&b.start, &b.service, &b.endpoint)));
    Ok(rows)
}

const DURATIONS: [&str; 5] = ["p50", "p90", "p95", "p99", "max"];

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print(rows: &[Row], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(rows).map_err(|error| Failure::Failed(error.to_string()))?;
            println!("{json}");
        }
        Format::Csv => {
            let merged = rows.iter().any(|row| row.end.is_some());
            let end = if merged { ",end" } else { "" };
            println!("start,service,endpoint,events,errors,unique_users,{},state{end}", DURATIONS.join(","));
            for row in rows {
                let durations = DURATIONS.map(|name| row.duration_ms.get(name).map(f64::to_string).unwrap_or_default());
                let (service, endpoint) = (csv(&row.service), csv(&row.endpoint));
                let Row { start, events, errors, unique_users, state, .. } = row;
                let end = row.end.iter().map(|end| format!(",{end}")).collect::<String>();
                println!(
                    "{start},{service},{endpoint},{events},{errors},{unique_users},{},{state}{end}",
                    durations.join(",")
                );
            }
        }
        Format::Table if rows.is_empty() => {}
        Format::Table => println!("{}", table(rows)),
    }
    Ok(())
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
    table.set_header([
        "window", "service", "endpoint", "events", "errors", "users", "p50 ms", "p95 ms", "p99 ms", "state",
    ]);
    for row in rows {
        let duration = |name: &str| row.duration_ms.get(name).map_or("–".to_owned(), |ms| format!("{ms:.0}"));
        table.add_row([
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
        ]);
    }
    for column in table.column_iter_mut().skip(3).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::csv;

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(csv("/a"), "/a");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("a\u{1b}[2J"), "a\\u{1b}[2J");
    }
}
