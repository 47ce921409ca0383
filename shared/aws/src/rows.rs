//! The rollups table on DynamoDB: contract §2.

mod attributes;
mod audit;
mod query;

pub use attributes::{attributes, row};

use crate::errors::store_error;
use crate::scratch::InScratch;
use attributes::{number, text, version};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use std::collections::{BTreeMap, HashMap};
use weir_exact::ports::{ItemKey, RowOutcome, RowPut, RowVersions, StoreError, StoreErrorKind};
use weir_exact::row::{Row, RowKey, RowVersion, State};

/// The table.
#[derive(Clone, Debug)]
pub struct RollupsTable {
    client: Client,
    table: String,
    scratch: Option<InScratch>,
}

type Attributes = HashMap<String, AttributeValue>;

/// Keys in one BatchGetItem (AWS: "BatchGetItem", Amazon DynamoDB API Reference).
const BATCH_GET_KEYS_MAX: usize = 100;
/// How often what a BatchGetItem left out is requested again.
const BATCH_GET_ROUNDS_MAX: u32 = 8;

impl RollupsTable {
    /// The table of that name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), scratch: None }
    }

    /// A scratch generation's rows. They are kept in the contributions table, `contributions`: the table that analysts
    /// read must contain no row that does not count.
    #[must_use]
    pub fn in_scratch(&self, contributions: impl Into<String>, scratch: InScratch) -> Self {
        Self { client: self.client.clone(), table: contributions.into(), scratch: Some(scratch) }
    }

    /// A row's keys.
    fn keys(&self, series: &str, window: &str) -> Attributes {
        let [(partition, partition_key), (sort, sort_key)] = match &self.scratch {
            None => [("series", series.to_owned()), ("window", window.to_owned())],
            Some(InScratch { generation, .. }) => {
                let ItemKey { pk, sk } =
                    generation.inside(&ItemKey { pk: row_partition(series), sk: window.to_owned() });
                [("pk", pk), ("sk", sk)]
            }
        };
        Attributes::from([(partition.to_owned(), text(partition_key)), (sort.to_owned(), text(sort_key))])
    }

    /// A row as put.
    fn item(&self, row: &Row) -> Attributes {
        let mut item = attributes(row);
        if let Some(scratch) = &self.scratch {
            item.extend(self.keys(&row.key.series(), &row.key.window_text()));
            item.insert("expires_at".to_owned(), number(scratch.expires_at));
        }
        item
    }
}

/// The partition for a series' rows next to contributions: only scratch generations keep both in one table.
fn row_partition(series: &str) -> String {
    // A service has no `#`, but an endpoint may contain the separator: hence its digest.
    format!("row#{}", weir_exact::ledger::digest_of(series.as_bytes()))
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
            .set_item(Some(self.item(row)))
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
        let by_name = by_name(keys);
        let mut versions = BTreeMap::new();
        for keys in keys.chunks(BATCH_GET_KEYS_MAX) {
            for attributes in self.batch_get(keys, &["revision", "algorithm", "state"], false).await? {
                // One that we did not write is taken as unknown, and the condition decides.
                if let (Some(key), Some(version)) = (named(&by_name, &attributes), version(&attributes)) {
                    versions.insert(key.clone(), version);
                }
            }
        }
        Ok(versions)
    }
}

impl RollupsTable {
    /// These attributes, and the keys, of at most [`BATCH_GET_KEYS_MAX`] rows; all attributes if none is named.
    async fn batch_get(
        &self,
        keys: &[RowKey],
        names: &[&str],
        consistent: bool,
    ) -> Result<Vec<Attributes>, StoreError> {
        let tried = format!("BatchGetItem of {} rows", keys.len());
        let mut wanted = KeysAndAttributes::builder().consistent_read(consistent);
        if !names.is_empty() {
            let names: Vec<&str> = ["series", "window"].iter().chain(names).copied().collect();
            let placeholders: Vec<String> = names.iter().map(|name| format!("#{name}")).collect();
            wanted = wanted.projection_expression(placeholders.join(", "));
            for (placeholder, name) in placeholders.iter().zip(names) {
                wanted = wanted.expression_attribute_names(placeholder, name);
            }
        }
        for key in keys {
            wanted = wanted.keys(self.keys(&key.series(), &key.window_text()));
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

type ByName<'k> = HashMap<(String, String), &'k RowKey>;

fn by_name(keys: &[RowKey]) -> ByName<'_> {
    keys.iter().map(|key| ((key.series(), key.window_text()), key)).collect()
}

/// Which of the keys a row has.
fn named<'k>(by_name: &ByName<'k>, attributes: &Attributes) -> Option<&'k RowKey> {
    let string = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned();
    by_name.get(&string("series").zip(string("window"))?).copied()
}
