//! Rollup rows as a client of the table sees them: contract §2.

use crate::args::RowSelection;
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use weir_exact::row::{ALGORITHM, Resolution, RowKey, RowVersion, RowWindow};
use weir_telemetry::Millis;
use weir_view::Merged;

/// Series that are asked for at once.
const SERIES_IN_FLIGHT_MAX: usize = 16;

pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// A row, without its binary sketches.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) service: String,
    pub(crate) endpoint: String,
    pub(crate) start: String,
    /// Of merged rows: where the last window ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
    pub(crate) resolution: String,
    pub(crate) events: u64,
    pub(crate) errors: u64,
    pub(crate) status_counts: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) duration_ms: BTreeMap<String, f64>,
    pub(crate) unique_users: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) top_endpoints: Vec<TopEndpoint>,
    pub(crate) state: String,
    pub(crate) revision: u64,
    pub(crate) updated_at: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TopEndpoint {
    pub(crate) endpoint: String,
    pub(crate) events: u64,
}

impl Row {
    /// Reads a row's attributes, or returns the name of the first that violates the contract.
    pub(crate) fn read(attributes: &Attributes) -> Result<Self, &'static str> {
        let text = |name: &'static str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned().ok_or(name);
        let number = |name: &'static str| attributes.get(name).and_then(as_number::<u64>).ok_or(name);
        let map = |name: &'static str| attributes.get(name).and_then(|value| value.as_m().ok());
        let statuses = map("status_counts").ok_or("status_counts")?;
        let durations = map("duration_ms").into_iter().flatten();
        let top = attributes.get("top_endpoints").and_then(|value| value.as_l().ok()).into_iter().flatten();
        Ok(Self {
            service: text("service")?,
            endpoint: text("endpoint")?,
            start: text("start")?,
            end: None,
            resolution: text("resolution")?,
            events: number("events")?,
            errors: number("errors")?,
            status_counts: statuses
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), as_number(value)?)))
                .collect(),
            duration_ms: durations.filter_map(|(name, value)| Some((name.clone(), as_number(value)?))).collect(),
            unique_users: number("unique_users")?,
            top_endpoints: top.filter_map(|entry| TopEndpoint::read(entry.as_m().ok()?)).collect(),
            state: text("state")?,
            revision: number("revision")?,
            updated_at: text("updated_at")?,
        })
    }
}

impl Row {
    /// Merged rows as one, named by all their services and all their endpoints.
    pub(crate) fn merged(merged: Merged, resolution: Resolution) -> Result<Self, &'static str> {
        let joined = |names: std::collections::BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
        let row = weir_exact::row::Row {
            key: RowKey {
                service: joined(merged.services),
                endpoint: joined(merged.endpoints),
                window: RowWindow::containing(resolution, merged.start),
            },
            rollup: merged.rollup,
            top_endpoints: None,
            version: RowVersion { revision: merged.revision, algorithm: ALGORITHM, state: merged.state },
            updated_at: merged.updated_at,
            expires_at: None,
        };
        // By way of its attributes, so that numbers are rounded as in the table.
        let row = Self::read(&weir_aws::rows::attributes(&row))?;
        Ok(Self { end: Some(merged.end.to_string()), ..row })
    }
}

impl TopEndpoint {
    fn read(attributes: &Attributes) -> Option<Self> {
        let endpoint = attributes.get("endpoint")?.as_s().ok()?.clone();
        Some(Self { endpoint, events: as_number(attributes.get("events")?)? })
    }
}

fn as_number<T: std::str::FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

/// The rows that are selected, in no order that is promised.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn selected(
    aws: &Aws,
    selection: &RowSelection,
    range: (Millis, Millis),
) -> Result<Vec<Attributes>, Failure> {
    let series = selection.series();
    if !series.is_empty() {
        return of_all_series(aws, series, selection.resolution, range).await;
    }
    let mut found = all(aws, true).await?;
    found.retain(|row| is_within(row, selection.resolution, range));
    Ok(found)
}

/// The rows of each of these series whose windows begin within the range.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn of_all_series(
    aws: &Aws,
    series: Vec<(String, String)>,
    resolution: Resolution,
    range: (Millis, Millis),
) -> Result<Vec<Attributes>, Failure> {
    // Sort keys end with the window's begin, and whole seconds ascend as their texts do. Parts of a second do not, and
    // the last key is one too many: hence a little more than the range, and the rest by what the rows say.
    let second = |at: Millis| Millis(at.0.div_euclid(1_000) * 1_000);
    let key = |at: Millis| format!("{}#{}", resolution.name(), second(at));
    let (first, last) = (key(range.0), key(range.1));
    let each = |(service, endpoint): (String, String)| {
        let (first, last) = (&first, &last);
        async move { of_series(aws, &format!("{service}#{endpoint}"), first, last).await }
    };
    let found: Vec<Vec<Attributes>> =
        stream::iter(series.into_iter().map(each)).buffered(SERIES_IN_FLIGHT_MAX).try_collect().await?;
    Ok(found.into_iter().flatten().filter(|row| is_within(row, resolution, range)).collect())
}

/// Whether a row's window begins within the range. What says no window is kept, and refused by name when it is read.
fn is_within(row: &Attributes, resolution: Resolution, (from, to): (Millis, Millis)) -> bool {
    let text = |name: &str| row.get(name).and_then(|value| value.as_s().ok());
    let start = text("start").and_then(|start| Millis::parse_rfc3339(start).ok());
    match (text("resolution"), start) {
        (Some(name), Some(start)) => name == resolution.name() && from <= start && start < to,
        _ => true,
    }
}

/// Rows with their histograms and sketches.
///
/// # Errors
/// When one is not as the contract says; it is named.
pub(crate) fn complete(found: &[Attributes]) -> Result<Vec<weir_exact::row::Row>, Failure> {
    let read = found.iter().map(|row| weir_aws::rows::row(row).map_err(|error| Failure::Failed(error.to_string())));
    read.collect()
}

/// Every row of a series between two sort keys, ascending.
pub(crate) async fn of_series(aws: &Aws, series: &str, from: &str, to: &str) -> Result<Vec<Attributes>, Failure> {
    let table = aws.rollups_table();
    let pages = aws
        .dynamodb()
        .query()
        .table_name(&table)
        .key_condition_expression("#series = :series AND #window BETWEEN :from AND :to")
        .expression_attribute_names("#series", "series")
        .expression_attribute_names("#window", "window")
        .expression_attribute_values(":series", AttributeValue::S(series.to_owned()))
        .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
        .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
        .into_paginator()
        .items()
        .send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| failed(&format!("table {table}"), &error))
}

/// Every row of the table, or the summaries alone. Reads the whole table.
pub(crate) async fn all(aws: &Aws, summaries: bool) -> Result<Vec<Attributes>, Failure> {
    let table = aws.rollups_table();
    let mut scan = aws.dynamodb().scan().table_name(&table).consistent_read(true);
    if summaries {
        scan = scan
            .filter_expression("#endpoint = :summary")
            .expression_attribute_names("#endpoint", "endpoint")
            .expression_attribute_values(":summary", AttributeValue::S("*".to_owned()));
    }
    let pages = scan.into_paginator().items().send();
    pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| failed(&format!("table {table}"), &error))
}
