//! `AWS::Kinesis::Stream`.

use crate::error::Outcome;
use crate::names;
use crate::plan::{Plan, Stream};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Warned};

/// Shards an on-demand stream starts with (AWS: "Choose the right mode in Kinesis Data Streams").
const ON_DEMAND_SHARDS: u32 = 4;

pub(crate) fn add(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    properties.account(
        plan,
        &[
            ("Name", Honoured),
            ("ShardCount", Honoured),
            ("RetentionPeriodHours", Honoured),
            ("StreamModeDetails", Honoured),
            ("StreamEncryption", NoEffect),
            ("Tags", NoEffect),
            ("DesiredShardLevelMetrics", NoEffect),
            ("MaxRecordSizeInKiB", Warned("records above 1,024 KiB are refused locally")),
            ("WarmThroughputMiBps", NoEffect),
        ],
    )?;
    let mode = match properties.nested("StreamModeDetails")? {
        Some(details) => details.one_of("StreamMode", &["PROVISIONED", "ON_DEMAND"])?,
        None => None,
    };
    let shards = properties.count("ShardCount", 1..=10_000)?;
    let shards = match (mode.as_deref(), shards) {
        (Some("ON_DEMAND"), Some(_)) => {
            return Err(
                properties.problem("ShardCount", "found together with StreamMode ON_DEMAND, expected one of them")
            );
        }
        (Some("ON_DEMAND"), None) => {
            properties.warn(plan, "StreamModeDetails", "the stream has 4 shards locally and does not scale by itself");
            ON_DEMAND_SHARDS
        }
        (_, Some(shards)) => shards,
        (_, None) => {
            return Err(properties.problem("ShardCount", "is missing, expected an integer or StreamMode ON_DEMAND"));
        }
    };
    plan.streams.push(Stream {
        logical_id: properties.resource.to_owned(),
        name: names::physical(properties.scope, properties.resource)?,
        shards,
        retention_hours: properties.count("RetentionPeriodHours", 24..=8_760)?.unwrap_or(24),
    });
    Ok(())
}
