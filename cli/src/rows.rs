//! Rollup rows as a client of the table sees them: contract §2.

use crate::aws::Aws;
use crate::failure::{Failure, failed};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// A row, without its binary sketches.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) service: String,
    pub(crate) endpoint: String,
    pub(crate) start: String,
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
    /// Reads a row's attributes; the name of the first that is not as the contract says otherwise.
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

impl TopEndpoint {
    fn read(attributes: &Attributes) -> Option<Self> {
        let endpoint = attributes.get("endpoint")?.as_s().ok()?.clone();
        Some(Self { endpoint, events: as_number(attributes.get("events")?)? })
    }
}

fn as_number<T: std::str::FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
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
