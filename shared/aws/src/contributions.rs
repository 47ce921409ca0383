//! The contributions table on DynamoDB. Attributes: `pk`, `sk`, `fence` (S), `body` (B), `expires_at` (N).

use crate::errors::store_error;
use crate::scratch::InScratch;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use std::borrow::Cow;
use std::collections::HashMap;
use weir_exact::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome, StoreError,
    StoreErrorKind,
};
use weir_exact::scratch::sort_key_prefix;

/// The table.
#[derive(Clone, Debug)]
pub struct ContributionsTable {
    client: Client,
    table: String,
    scratch: Option<InScratch>,
}

pub(crate) type Attributes = HashMap<String, AttributeValue>;

impl ContributionsTable {
    /// The table of that name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), scratch: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.table
    }

    /// The same, with everything read from and written to a scratch generation.
    #[must_use]
    pub fn in_scratch(&self, scratch: InScratch) -> Self {
        Self { scratch: Some(scratch), ..self.clone() }
    }

    /// The key under which an item is stored.
    fn stands_at<'k>(&self, key: &'k ItemKey) -> Cow<'k, ItemKey> {
        self.scratch.as_ref().map_or(Cow::Borrowed(key), |scratch| Cow::Owned(scratch.generation.inside(key)))
    }

    /// The item as it was put, wherever it is stored.
    pub(crate) fn read(&self, attributes: &Attributes) -> Result<Item, StoreError> {
        let item = to_item(attributes)?;
        let Some(scratch) = &self.scratch else { return Ok(item) };
        let key = scratch.generation.outside(&item.key).ok_or_else(|| {
            let what = format!("{} {} is not a key of a scratch generation", item.key.pk, item.key.sk);
            StoreError::new(StoreErrorKind::Unreadable, what)
        })?;
        Ok(Item { key, ..item })
    }
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn to_item(attributes: &Attributes) -> Result<Item, StoreError> {
    let string = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned();
    let missing = |name: &str| {
        let what = format!("a contribution has no {name}, or one of another type");
        StoreError::new(StoreErrorKind::Unreadable, what)
    };
    // Without its fence a fenced item would be read as a ledger item: one of another type is not ours.
    if attributes.contains_key("fence") && string("fence").is_none() {
        return Err(missing("fence"));
    }
    let body = attributes.get("body").and_then(|value| value.as_b().ok()).ok_or_else(|| missing("body"))?;
    Ok(Item {
        key: ItemKey { pk: string("pk").ok_or_else(|| missing("pk"))?, sk: string("sk").ok_or_else(|| missing("sk"))? },
        fence: string("fence"),
        body: body.as_ref().to_vec(),
        expires_at: attributes.get("expires_at").and_then(|value| value.as_n().ok()?.parse().ok()),
    })
}

impl ContributionGet for ContributionsTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let at = self.stands_at(key);
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(&at.pk))
            .key("sk", text(&at.sk))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error(&format!("GetItem {} {}", key.pk, key.sk), &error))?;
        answer.item.as_ref().map(|item| self.read(item)).transpose()
    }
}

impl ContributionPut for ContributionsTable {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        let at = self.stands_at(&item.key);
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(&at.pk))
            .item("sk", text(&at.sk))
            .item("body", AttributeValue::B(Blob::new(item.body.clone())))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(fence) = &item.fence {
            put = put.item("fence", text(fence));
        }
        if let Some(expires_at) = self.scratch.as_ref().map(|scratch| scratch.expires_at).or(item.expires_at) {
            put = put.item("expires_at", AttributeValue::N(expires_at.to_string()));
        }
        put = match expected {
            Expected::Absent => put.condition_expression("attribute_not_exists(pk)"),
            Expected::Fence(fence) => put
                .condition_expression("#fence = :observed")
                .expression_attribute_names("#fence", "fence")
                .expression_attribute_values(":observed", text(fence)),
        };
        match put.send().await {
            Ok(_) => Ok(PutOutcome::Written),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(PutOutcome::Conflict(failed.item().map(|item| self.read(item)).transpose()?))
                }
                _ => Err(store_error(&format!("PutItem {} {}", item.key.pk, item.key.sk), &error)),
            },
        }
    }
}

impl ContributionQuery for ContributionsTable {
    async fn query(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = vec![];
        let mut from: Option<Attributes> = None;
        loop {
            let query = self.client.query().table_name(&self.table);
            let query = match &self.scratch {
                None => query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(pk)),
                Some(InScratch { generation, .. }) => query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                    .expression_attribute_values(":pk", text(generation.partition()))
                    .expression_attribute_values(":sk", text(sort_key_prefix(pk))),
            };
            let answer = query
                .consistent_read(true)
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|error| store_error(&format!("Query {pk}"), &error))?;
            for attributes in answer.items() {
                items.push(self.read(attributes)?);
            }
            match answer.last_evaluated_key {
                Some(last) => from = Some(last),
                None => return Ok(items),
            }
        }
    }
}
