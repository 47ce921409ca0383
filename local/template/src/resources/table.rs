//! `AWS::DynamoDB::Table`.

use crate::error::Outcome;
use crate::names;
use crate::plan::{Index, Key, Plan, Table};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Refused, Warned};

const STREAM_VIEWS: &[&str] = &["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"];

pub(crate) fn add(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    properties.account(
        plan,
        &[
            ("TableName", Honoured),
            ("AttributeDefinitions", Honoured),
            ("KeySchema", Honoured),
            ("GlobalSecondaryIndexes", Honoured),
            ("LocalSecondaryIndexes", Honoured),
            ("StreamSpecification", Honoured),
            ("TimeToLiveSpecification", Honoured),
            ("BillingMode", NoEffect),
            ("ProvisionedThroughput", Warned("throughput is not limited locally")),
            ("OnDemandThroughput", Warned("throughput is not limited locally")),
            ("WarmThroughput", NoEffect),
            ("PointInTimeRecoverySpecification", NoEffect),
            ("SSESpecification", NoEffect),
            ("TableClass", NoEffect),
            ("Tags", NoEffect),
            ("ContributorInsightsSpecification", NoEffect),
            ("DeletionProtectionEnabled", Warned("the table can be deleted locally")),
            ("ResourcePolicy", Warned("not enforced locally")),
            ("KinesisStreamSpecification", Refused("changes are not sent to Kinesis locally")),
            ("ImportSourceSpecification", Refused("nothing is imported locally")),
        ],
    )?;
    let mut attributes = Vec::new();
    for (index, node) in properties.list("AttributeDefinitions")?.iter().enumerate() {
        let place = format!("AttributeDefinitions[{index}]");
        let definition = Properties::new(properties.scope, properties.resource, place, node)?;
        let kind = definition.one_of("AttributeType", &["S", "N", "B"])?;
        let kind = kind.ok_or_else(|| definition.problem("AttributeType", "is missing, expected S, N or B"))?;
        attributes.push((definition.required("AttributeName")?, kind));
    }
    let key = key(properties)?;
    let table = Table {
        logical_id: properties.resource.to_owned(),
        name: names::physical(properties.scope, properties.resource)?,
        key,
        global_indexes: indexes(properties, "GlobalSecondaryIndexes", plan)?,
        local_indexes: indexes(properties, "LocalSecondaryIndexes", plan)?,
        stream_view: match properties.nested("StreamSpecification")? {
            Some(stream) => stream.one_of("StreamViewType", STREAM_VIEWS)?,
            None => None,
        },
        ttl_attribute: match properties.nested("TimeToLiveSpecification")? {
            Some(ttl) if ttl.boolean("Enabled")?.unwrap_or(false) => Some(ttl.required("AttributeName")?),
            _ => None,
        },
        attributes,
    };
    check_attributes(properties, &table)?;
    plan.tables.push(table);
    Ok(())
}

/// DynamoDB refuses a definition that no key uses, and a key that no definition describes.
fn check_attributes(properties: &Properties<'_>, table: &Table) -> Outcome<()> {
    let indexes = table.global_indexes.iter().chain(&table.local_indexes).map(|index| &index.key);
    let used: Vec<&String> = std::iter::once(&table.key)
        .chain(indexes)
        .flat_map(|key| std::iter::once(&key.partition).chain(&key.sort))
        .collect();
    for name in &used {
        if !table.attributes.iter().any(|(defined, _)| defined == *name) {
            return Err(
                properties.problem("AttributeDefinitions", format!("the key attribute `{name}` is not defined"))
            );
        }
    }
    for (defined, _) in &table.attributes {
        if !used.contains(&defined) {
            return Err(properties.problem("AttributeDefinitions", format!("`{defined}` is in no key or index")));
        }
    }
    Ok(())
}

fn key(properties: &Properties<'_>) -> Outcome<Key> {
    let (mut partition, mut sort) = (None, None);
    for node in properties.list("KeySchema")? {
        let element = Properties::new(
            properties.scope,
            properties.resource,
            format!("{}KeySchema", prefixed(properties)),
            &node,
        )?;
        let name = element.required("AttributeName")?;
        match element.one_of("KeyType", &["HASH", "RANGE"])?.as_deref() {
            Some("HASH") if partition.is_none() => partition = Some(name),
            Some("RANGE") if sort.is_none() => sort = Some(name),
            _ => return Err(element.problem("KeyType", "expected one HASH and at most one RANGE")),
        }
    }
    let partition = partition.ok_or_else(|| properties.problem("KeySchema", "has no HASH attribute"))?;
    Ok(Key { partition, sort })
}

fn prefixed(properties: &Properties<'_>) -> String {
    if properties.prefix.is_empty() { String::new() } else { format!("{}.", properties.prefix) }
}

fn indexes(properties: &Properties<'_>, property: &str, plan: &mut Plan) -> Outcome<Vec<Index>> {
    let mut indexes = Vec::new();
    for (position, node) in properties.list(property)?.iter().enumerate() {
        let index = Properties::new(properties.scope, properties.resource, format!("{property}[{position}]"), node)?;
        index.account(
            plan,
            &[
                ("IndexName", Honoured),
                ("KeySchema", Honoured),
                ("Projection", Honoured),
                ("ProvisionedThroughput", NoEffect),
                ("OnDemandThroughput", NoEffect),
                ("WarmThroughput", NoEffect),
                ("ContributorInsightsSpecification", NoEffect),
            ],
        )?;
        let Some(projection) = index.nested("Projection")? else {
            return Err(index.problem("Projection", "is missing"));
        };
        indexes.push(Index {
            name: index.required("IndexName")?,
            key: key(&index)?,
            projection: projection.one_of("ProjectionType", &["ALL", "KEYS_ONLY", "INCLUDE"])?.ok_or_else(|| {
                projection.problem("ProjectionType", "is missing, expected ALL, KEYS_ONLY or INCLUDE")
            })?,
            projected: projection.texts("NonKeyAttributes")?,
        });
    }
    Ok(indexes)
}
