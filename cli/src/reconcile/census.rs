//! Which windows there are to check: those of a range, or all that stand in the tables.

use crate::args::{AHEAD_MS, Reconcile};
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::rows::Attributes;
use std::collections::{BTreeMap, BTreeSet};
use weir_exact::layout::Layout;
use weir_exact::reconcile::{FROM_AGE_MS_MAX, Subject};
use weir_exact::row::{Resolution, RowWindow};
use weir_rollup::SeriesKey;
use weir_telemetry::{Millis, Window};

/// Bytes of contributions up to which all of them are looked at without being asked for: a tenth of a cent.
const SMALL_BYTES_MAX: i64 = 64 << 20;
/// How far back is looked in a larger table, milliseconds.
const RECENT_MS: i64 = 3 * 3_600_000;

/// What is to be checked.
pub(super) struct Census {
    /// Start of the first window.
    pub(super) from: Millis,
    /// End of the range, exclusive.
    pub(super) to: Millis,
    /// Whether it is everything that exists.
    pub(super) all: bool,
    pub(super) subjects: Vec<Subject>,
}

/// Finds the windows. With a state, `since_equal` is where those begin that can have changed, if it has any.
///
/// # Errors
/// If the range cannot be checked, or a table cannot be read.
pub(super) async fn take(
    aws: &Aws,
    layout: &Layout,
    asked: &Reconcile,
    since_equal: Option<Millis>,
    now: Millis,
) -> Result<Census, Failure> {
    let oldest = now.plus(-FROM_AGE_MS_MAX);
    let to = asked.to.unwrap_or_else(|| now.plus(AHEAD_MS));
    let ranged = asked.since.is_some() || asked.from.is_some() || asked.to.is_some();
    // Of a state that is so old nothing is left to go on from.
    let since_equal = since_equal.filter(|from| *from > oldest);
    let everything = match &asked.state {
        Some(_) => since_equal.is_none(),
        None => asked.all || (!ranged && is_small(aws).await?),
    };
    if everything {
        let subjects = standing(aws, layout, oldest).await?;
        return Ok(Census { from: oldest, to, all: true, subjects });
    }
    let since = asked.since.unwrap_or(RECENT_MS);
    let from = since_equal.or(asked.from).unwrap_or_else(|| asked.to.unwrap_or(now).plus(-since));
    if from < oldest {
        return Err(Failure::Usage(format!(
            "--from {from} is more than 20 days ago: those rows' contributions are about to expire; the oldest that can be checked is {oldest}"
        )));
    }
    if from >= to {
        return Err(Failure::Usage(format!("--from {from} is not before --to {to}")));
    }
    let first = Window::containing(from).start();
    let minutes = (0..).map(|n| first.plus(n * Window::LENGTH_MS)).take_while(|start| *start < to);
    let minutes = minutes.map(|start| RowWindow::containing(Resolution::Minute, start));
    let subjects = with_above(minutes.map(|window| (window, BTreeSet::new())).collect());
    Ok(Census { from, to, all: false, subjects })
}

/// The windows, and the hours and days that they belong to, minutes first.
fn with_above(mut windows: BTreeMap<RowWindow, BTreeSet<SeriesKey>>) -> Vec<Subject> {
    for _ in 0..2 {
        let above: BTreeSet<RowWindow> = windows.keys().filter_map(|window| window.above()).collect();
        above.into_iter().for_each(|window| _ = windows.entry(window).or_default());
    }
    windows.into_iter().map(|(window, also)| Subject { window, also }).collect()
}

/// Whether the contributions table is small, as DynamoDB last counted (every six hours or so).
async fn is_small(aws: &Aws) -> Result<bool, Failure> {
    let bytes = aws.described(&aws.contributions_table()).await?.and_then(|table| table.table_size_bytes);
    Ok(bytes.unwrap_or(0) <= SMALL_BYTES_MAX)
}

/// Every window that has a contribution or a row, with the series of its rows.
async fn standing(aws: &Aws, layout: &Layout, oldest: Millis) -> Result<Vec<Subject>, Failure> {
    let mut windows: BTreeMap<RowWindow, BTreeSet<SeriesKey>> = BTreeMap::new();
    for item in keys(aws, &aws.contributions_table(), "pk", None).await? {
        if let Some(window) = text(&item, "pk").and_then(|pk| layout.window_of(pk)) {
            windows.entry(window.into()).or_default();
        }
    }
    for row in keys(aws, &aws.rollups_table(), "series", Some("window")).await? {
        let window = text(&row, "window").and_then(|window| RowWindow::parse(window).ok());
        if let Some((window, series)) = window.zip(text(&row, "series").and_then(Layout::listed_series)) {
            windows.entry(window).or_default().insert(series);
        }
    }
    // A day that began before has lost minutes that it was made of.
    windows.retain(|window, _| window.start() >= oldest);
    let mut subjects = with_above(windows);
    subjects.retain(|subject| subject.window.start() >= oldest);
    Ok(subjects)
}

fn text<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The keys of a whole table.
async fn keys(aws: &Aws, table: &str, first: &str, second: Option<&str>) -> Result<Vec<Attributes>, Failure> {
    let mut scan = aws.dynamodb().scan().table_name(table).expression_attribute_names("#first", first);
    let mut projection = "#first".to_owned();
    if let Some(second) = second {
        projection.push_str(", #second");
        scan = scan.expression_attribute_names("#second", second);
    }
    let pages = scan.projection_expression(projection).into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| failed(&format!("table {table}"), &error))
}
