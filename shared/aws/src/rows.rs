//! The rollups table on DynamoDB: contract §2, attribute by attribute.

use crate::errors::store_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use std::collections::{BTreeMap, HashMap};
use weir_exact::ports::{RowOutcome, RowPut, RowVersions, StoreError, StoreErrorKind};
use weir_exact::row::{Row, RowKey, RowVersion, State};
use weir_rollup::{Durations, otlp};

/// The table.
#[derive(Clone, Debug)]
pub struct RollupsTable {
    client: Client,
    table: String,
}

type Attributes = HashMap<String, AttributeValue>;

/// Keys in one BatchGetItem (AWS: "BatchGetItem", Amazon DynamoDB API Reference).
const BATCH_GET_KEYS_MAX: usize = 100;
/// Rounds of asking again for what a BatchGetItem left out.
const BATCH_GET_ROUNDS_MAX: u32 = 8;

impl RollupsTable {
    /// The table of that name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Milliseconds from integer microseconds, exactly.
fn exact_ms(us: u128) -> AttributeValue {
    match us % 1_000 {
        0 => number(us / 1_000),
        fraction => AttributeValue::N(format!("{}.{fraction:03}", us / 1_000)),
    }
}

/// Milliseconds of an estimate, to the microsecond.
fn rounded_ms(ms: f64) -> AttributeValue {
    number((ms * 1_000.0).round() / 1_000.0)
}

/// A row as stored.
pub fn attributes(row: &Row) -> Attributes {
    let key = &row.key;
    let start = key.window.start().to_string();
    let rollup = &row.rollup;
    let statuses = rollup.statuses().map(|(status, count)| (status.label().into_owned(), number(count))).collect();
    let mut attributes = Attributes::from([
        ("series".to_owned(), text(key.series())),
        ("window".to_owned(), text(key.window_text())),
        ("service".to_owned(), text(&key.service)),
        ("endpoint".to_owned(), text(&key.endpoint)),
        ("resolution".to_owned(), text(key.window.resolution().name())),
        ("start".to_owned(), text(start)),
        ("events".to_owned(), number(rollup.events())),
        ("errors".to_owned(), number(rollup.errors())),
        ("status_counts".to_owned(), AttributeValue::M(statuses)),
        ("unique_users".to_owned(), number(rollup.users().estimate().round())),
        ("users_sketch".to_owned(), AttributeValue::B(Blob::new(rollup.users().to_datasketches_bytes()))),
        ("revision".to_owned(), number(row.version.revision)),
        ("algorithm".to_owned(), number(row.version.algorithm)),
        ("state".to_owned(), text(row.version.state.name())),
        ("updated_at".to_owned(), text(row.updated_at.to_string())),
    ]);
    if let Some(durations) = rollup.durations() {
        attributes.insert("duration_ms".to_owned(), AttributeValue::M(duration_attributes(durations)));
        let (start, end) = (unix_nano(key.window.start().0), unix_nano(key.window.end().0));
        let histogram = otlp::data_point(durations, start, end);
        attributes.insert("duration_histogram".to_owned(), AttributeValue::B(Blob::new(histogram)));
    }
    if let Some(endpoints) = &row.top_endpoints {
        let entry = |(endpoint, events): &(String, u64)| {
            AttributeValue::M(HashMap::from([
                ("endpoint".to_owned(), text(endpoint)),
                ("events".to_owned(), number(events)),
            ]))
        };
        attributes.insert("top_endpoints".to_owned(), AttributeValue::L(endpoints.iter().map(entry).collect()));
    }
    if let Some(expires_at) = row.expires_at {
        attributes.insert("expires_at".to_owned(), number(expires_at));
    }
    attributes
}

fn duration_attributes(durations: &Durations) -> Attributes {
    Attributes::from([
        ("count".to_owned(), number(durations.count())),
        ("sum".to_owned(), exact_ms(durations.sum_us())),
        ("min".to_owned(), exact_ms(u128::from(durations.min_us()))),
        ("max".to_owned(), exact_ms(u128::from(durations.max_us()))),
        ("avg".to_owned(), rounded_ms(durations.avg_ms())),
        ("p50".to_owned(), rounded_ms(durations.quantile_ms(0.5))),
        ("p90".to_owned(), rounded_ms(durations.quantile_ms(0.9))),
        ("p95".to_owned(), rounded_ms(durations.quantile_ms(0.95))),
        ("p99".to_owned(), rounded_ms(durations.quantile_ms(0.99))),
    ])
}

/// Windows lie after 1970 by the lateness rule, so nothing is cut off.
fn unix_nano(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

impl RowPut for RollupsTable {
    async fn put_row(&self, row: &Row) -> Result<RowOutcome, StoreError> {
        let RowVersion { revision, algorithm, state } = row.version;
        let lower: Vec<State> = [State::Open, State::Complete].into_iter().filter(|lower| *lower < state).collect();
        let states: Vec<String> = (0..lower.len()).map(|at| format!(":state{at}")).collect();
        let moves_up = match states.len() {
            0 => String::new(),
            _ => format!(" OR (#algorithm = :algorithm AND #state IN ({}))", states.join(", ")),
        };
        let condition = format!(
            "attribute_not_exists(#revision) OR #revision < :revision \
             OR (#revision = :revision AND (#algorithm < :algorithm{moves_up}))"
        );
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes(row)))
            .condition_expression(condition)
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_names("#algorithm", "algorithm")
            .expression_attribute_values(":revision", number(revision))
            .expression_attribute_values(":algorithm", number(algorithm));
        for (name, lower) in states.iter().zip(&lower) {
            put =
                put.expression_attribute_names("#state", "state").expression_attribute_values(name, text(lower.name()));
        }
        match put.send().await {
            Ok(_) => Ok(RowOutcome::Written),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(RowOutcome::Superseded),
                _ => Err(store_error(&format!("PutItem {} {}", row.key.series(), row.key.window_text()), &error)),
            },
        }
    }
}

impl RowVersions for RollupsTable {
    async fn row_versions(&self, keys: &[RowKey]) -> Result<BTreeMap<RowKey, RowVersion>, StoreError> {
        let by_name: HashMap<(String, String), &RowKey> =
            keys.iter().map(|key| ((key.series(), key.window_text()), key)).collect();
        let mut versions = BTreeMap::new();
        for keys in keys.chunks(BATCH_GET_KEYS_MAX) {
            for attributes in self.batch_get(keys).await? {
                let string = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned();
                let named = string("series").zip(string("window")).and_then(|name| by_name.get(&name));
                if let (Some(key), Some(version)) = (named, version(&attributes)) {
                    versions.insert((*key).clone(), version);
                }
            }
        }
        Ok(versions)
    }
}

impl RollupsTable {
    async fn batch_get(&self, keys: &[RowKey]) -> Result<Vec<Attributes>, StoreError> {
        let tried = format!("BatchGetItem of {} rows", keys.len());
        let names = [
            ("#series", "series"),
            ("#window", "window"),
            ("#revision", "revision"),
            ("#algorithm", "algorithm"),
            ("#state", "state"),
        ];
        let mut wanted =
            KeysAndAttributes::builder().projection_expression("#series, #window, #revision, #algorithm, #state");
        for (placeholder, name) in names {
            wanted = wanted.expression_attribute_names(placeholder, name);
        }
        for key in keys {
            let key = HashMap::from([
                ("series".to_owned(), text(key.series())),
                ("window".to_owned(), text(key.window_text())),
            ]);
            wanted = wanted.keys(key);
        }
        let wanted =
            wanted.build().map_err(|error| StoreError::new(StoreErrorKind::Refused, format!("{tried}: {error}")))?;
        let mut wanted = HashMap::from([(self.table.clone(), wanted)]);
        let mut found = vec![];
        for _ in 0..BATCH_GET_ROUNDS_MAX {
            let answer = self.client.batch_get_item().set_request_items(Some(wanted)).send().await;
            let answer = answer.map_err(|error| store_error(&tried, &error))?;
            found.extend(answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default());
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Throttled,
            format!("{tried}: keys left out {BATCH_GET_ROUNDS_MAX} times in a row"),
        ))
    }
}

/// None when the row was not written by us: it is then taken as unknown, and the condition decides.
fn version(attributes: &Attributes) -> Option<RowVersion> {
    let number = |name: &str| attributes.get(name)?.as_n().ok();
    Some(RowVersion {
        revision: number("revision")?.parse().ok()?,
        algorithm: number("algorithm")?.parse().ok()?,
        state: State::by_name(attributes.get("state")?.as_s().ok()?)?,
    })
}
