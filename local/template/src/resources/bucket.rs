//! `AWS::S3::Bucket`.

use crate::error::Outcome;
use crate::names;
use crate::plan::{Bucket, Notification, Plan};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Refused, Warned};

pub(crate) fn add(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    properties.account(
        plan,
        &[
            ("BucketName", Honoured),
            ("VersioningConfiguration", Honoured),
            ("NotificationConfiguration", Honoured),
            ("PublicAccessBlockConfiguration", Warned("not enforced locally: every caller may read and write")),
            ("LifecycleConfiguration", Warned("objects do not expire locally")),
            ("ObjectLockEnabled", Warned("objects can be deleted locally")),
            ("ObjectLockConfiguration", Warned("objects can be deleted locally")),
            ("ReplicationConfiguration", Refused("replication does not run locally")),
            ("CorsConfiguration", Warned("not answered locally")),
            ("WebsiteConfiguration", Warned("not served locally")),
            ("AccessControl", Warned("not enforced locally")),
            ("BucketEncryption", NoEffect),
            ("OwnershipControls", NoEffect),
            ("LoggingConfiguration", NoEffect),
            ("AccelerateConfiguration", NoEffect),
            ("AnalyticsConfigurations", NoEffect),
            ("IntelligentTieringConfigurations", NoEffect),
            ("InventoryConfigurations", NoEffect),
            ("MetricsConfigurations", NoEffect),
            ("MetadataConfiguration", NoEffect),
            ("Tags", NoEffect),
        ],
    )?;
    let versioning = match properties.nested("VersioningConfiguration")? {
        Some(configuration) => configuration.one_of("Status", &["Enabled", "Suspended"])?.as_deref() == Some("Enabled"),
        None => false,
    };
    let mut notifications = Vec::new();
    if let Some(configuration) = properties.nested("NotificationConfiguration")? {
        configuration.account(
            plan,
            &[
                ("QueueConfigurations", Honoured),
                ("TopicConfigurations", Refused("topics do not exist locally: expected QueueConfigurations")),
                (
                    "LambdaConfigurations",
                    Refused("functions are not told directly locally: expected QueueConfigurations"),
                ),
                (
                    "EventBridgeConfiguration",
                    Refused("EventBridge does not exist locally: expected QueueConfigurations"),
                ),
            ],
        )?;
        for (index, node) in configuration.list("QueueConfigurations")?.iter().enumerate() {
            let prefix = format!("NotificationConfiguration.QueueConfigurations[{index}]");
            let entry = Properties::new(properties.scope, properties.resource, prefix, node)?;
            notifications.push(notification(&entry, plan)?);
        }
    }
    plan.buckets.push(Bucket {
        logical_id: properties.resource.to_owned(),
        name: names::physical(properties.scope, properties.resource)?,
        versioning,
        notifications,
    });
    Ok(())
}

fn notification(entry: &Properties<'_>, plan: &mut Plan) -> Outcome<Notification> {
    entry.account(plan, &[("Event", Honoured), ("Queue", Honoured), ("Filter", Honoured)])?;
    let event = entry.required("Event")?;
    if !event.starts_with("s3:ObjectCreated:") && !event.starts_with("s3:ObjectRemoved:") {
        let message = format!("found `{event}`, expected s3:ObjectCreated:… or s3:ObjectRemoved:…");
        return Err(entry.problem("Event", message));
    }
    let (mut prefix, mut suffix) = (None, None);
    if let Some(rules) = entry.nested("Filter")?.map(|filter| filter.nested("S3Key")).transpose()?.flatten() {
        for node in rules.list("Rules")? {
            let rule = Properties::new(rules.scope, rules.resource, format!("{}.Rules", rules.prefix), &node)?;
            let value = rule.required("Value")?;
            match rule.required("Name")?.to_lowercase().as_str() {
                "prefix" if prefix.is_none() => prefix = Some(value),
                "suffix" if suffix.is_none() => suffix = Some(value),
                other => {
                    return Err(rule.problem("Name", format!("found `{other}`, expected prefix or suffix, once each")));
                }
            }
        }
    }
    Ok(Notification { events: vec![event], queue_arn: entry.required("Queue")?, prefix, suffix })
}
