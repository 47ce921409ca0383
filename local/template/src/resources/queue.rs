//! `AWS::SQS::Queue`.

use std::collections::BTreeMap;

use crate::error::Outcome;
use crate::names;
use crate::node::{Node, Value};
use crate::plan::{Plan, Queue, Redrive};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Warned};

/// Queue attributes with a range: template property, `CreateQueue` attribute, least, most (AWS: "SetQueueAttributes").
const NUMBERS: &[(&str, &str, u32, u32)] = &[
    ("DelaySeconds", "DelaySeconds", 0, 900),
    ("MaximumMessageSize", "MaximumMessageSize", 1_024, 1_048_576),
    ("MessageRetentionPeriod", "MessageRetentionPeriod", 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", "ReceiveMessageWaitTimeSeconds", 0, 20),
];

/// AWS's default visibility timeout.
const VISIBILITY_TIMEOUT_SECONDS: u32 = 30;

pub(crate) fn add(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    properties.account(
        plan,
        &[
            ("QueueName", Honoured),
            ("FifoQueue", Honoured),
            ("ContentBasedDeduplication", Honoured),
            ("DeduplicationScope", Honoured),
            ("FifoThroughputLimit", NoEffect),
            ("DelaySeconds", Honoured),
            ("MaximumMessageSize", Honoured),
            ("MessageRetentionPeriod", Honoured),
            ("ReceiveMessageWaitTimeSeconds", Honoured),
            ("VisibilityTimeout", Honoured),
            ("RedrivePolicy", Honoured),
            ("RedriveAllowPolicy", Warned("not enforced locally")),
            ("SqsManagedSseEnabled", NoEffect),
            ("KmsMasterKeyId", NoEffect),
            ("KmsDataKeyReusePeriodSeconds", NoEffect),
            ("Tags", NoEffect),
        ],
    )?;
    let name = names::physical(properties.scope, properties.resource)?;
    let fifo = properties.boolean("FifoQueue")?.unwrap_or(false);
    if fifo != name.ends_with(".fifo") {
        let message = format!("found `{name}`, expected a name that ends with .fifo exactly when FifoQueue is true");
        return Err(properties.problem("QueueName", message));
    }
    let mut attributes = BTreeMap::new();
    for (property, attribute, least, most) in NUMBERS {
        if let Some(number) = properties.count(property, *least..=*most)? {
            attributes.insert((*attribute).to_owned(), number.to_string());
        }
    }
    if let Some(on) = properties.boolean("ContentBasedDeduplication")? {
        attributes.insert("ContentBasedDeduplication".to_owned(), on.to_string());
    }
    if let Some(scope) = properties.one_of("DeduplicationScope", &["queue", "messageGroup"])? {
        attributes.insert("DeduplicationScope".to_owned(), scope);
    }
    plan.queues.push(Queue {
        logical_id: properties.resource.to_owned(),
        name,
        fifo,
        attributes,
        visibility_timeout_seconds: properties
            .count("VisibilityTimeout", 0..=43_200)?
            .unwrap_or(VISIBILITY_TIMEOUT_SECONDS),
        redrive: redrive(properties)?,
    });
    Ok(())
}

fn redrive(properties: &Properties<'_>) -> Outcome<Option<Redrive>> {
    let Some(policy) = properties.value("RedrivePolicy")? else { return Ok(None) };
    if let Value::Scalar(_) = policy.value {
        return Err(properties
            .problem("RedrivePolicy", "found text, expected a map of deadLetterTargetArn and maxReceiveCount"));
    }
    let policy: &Node = &policy;
    let policy = Properties::new(properties.scope, properties.resource, "RedrivePolicy", policy)?;
    let dead_letter_arn = policy.required("deadLetterTargetArn")?;
    match policy.count("maxReceiveCount", 1..=1_000)? {
        Some(receives_max) => Ok(Some(Redrive { dead_letter_arn, receives_max })),
        None => Err(policy.problem("maxReceiveCount", "is missing, expected an integer from 1 to 1000")),
    }
}
