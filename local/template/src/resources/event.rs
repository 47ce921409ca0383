//! Events of a function: event source mappings and schedules.

use crate::error::Outcome;
use crate::names;
use crate::node::{Entry, Node};
use crate::plan::{Mapping, Plan, Schedule, Source, StartingPosition, StreamMapping};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Refused, Warned};
use crate::resources::mapping;

const STREAM_RULES: &[(&str, crate::properties::Treatment)] = &[
    ("Stream", Honoured),
    ("StartingPosition", Honoured),
    ("StartingPositionTimestamp", Honoured),
    ("BatchSize", Honoured),
    ("MaximumBatchingWindowInSeconds", Honoured),
    ("ParallelizationFactor", Honoured),
    ("FunctionResponseTypes", Honoured),
    ("BisectBatchOnFunctionError", Honoured),
    ("MaximumRetryAttempts", Honoured),
    ("MaximumRecordAgeInSeconds", Honoured),
    ("Enabled", Honoured),
    ("TumblingWindowInSeconds", Honoured),
    ("FilterCriteria", Honoured),
    ("DestinationConfig", Honoured),
    ("ProvisionedPollerConfig", NoEffect),
    ("KmsKeyArn", NoEffect),
    ("MetricsConfig", NoEffect),
    ("LoggingConfig", NoEffect),
];

const QUEUE_RULES: &[(&str, crate::properties::Treatment)] = &[
    ("Queue", Honoured),
    ("BatchSize", Honoured),
    ("MaximumBatchingWindowInSeconds", Honoured),
    ("FunctionResponseTypes", Honoured),
    ("ScalingConfig", Honoured),
    ("Enabled", Honoured),
    ("FilterCriteria", Honoured),
    ("ProvisionedPollerConfig", Warned("pollers scale with the queue locally")),
    ("KmsKeyArn", NoEffect),
    ("MetricsConfig", NoEffect),
    ("LoggingConfig", NoEffect),
];

/// SQS batches beyond this need a batching window of at least 1 s (AWS: "CreateEventSourceMapping", BatchSize).
const UNWINDOWED_QUEUE_BATCH_MAX: u32 = 10;

pub(crate) fn add_all(function: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    let Some(events) = function.nested("Events")? else { return Ok(()) };
    for Entry { key, node, .. } in events.node.entries().unwrap_or_default() {
        let event = Properties::new(function.scope, function.resource, format!("Events.{key}"), node)?;
        let kind = event.required("Type")?;
        let empty = Node::map(node.line, Vec::new());
        let prefix = format!("Events.{key}");
        let properties =
            Properties::new(function.scope, function.resource, prefix, node.get("Properties").unwrap_or(&empty))?;
        match kind.as_str() {
            "Kinesis" | "DynamoDB" => stream(&properties, key, &kind, plan)?,
            "SQS" => queue(&properties, key, plan)?,
            "Schedule" | "ScheduleV2" => schedule(&properties, key, &kind, plan)?,
            "S3" | "SNS" | "MSK" | "MQ" | "SelfManagedKafka" | "DocumentDB" => {
                let message = format!(
                    "found `{kind}`, which the local plane does not deliver; expected Kinesis, DynamoDB, SQS or Schedule"
                );
                return Err(event.problem("Type", message));
            }
            other => event.warn(plan, "Type", &format!("{other} events are not delivered locally")),
        }
    }
    Ok(())
}

fn reports_item_failures(properties: &Properties<'_>) -> Outcome<bool> {
    let types = properties.texts("FunctionResponseTypes")?;
    match types.iter().find(|kind| *kind != "ReportBatchItemFailures") {
        Some(other) => {
            Err(properties
                .problem("FunctionResponseTypes", format!("found `{other}`, expected ReportBatchItemFailures")))
        }
        None => Ok(!types.is_empty()),
    }
}

fn stream(properties: &Properties<'_>, event: &str, kind: &str, plan: &mut Plan) -> Outcome<()> {
    properties.account(plan, STREAM_RULES)?;
    let arn = properties.required("Stream")?;
    let source = if kind == "Kinesis" {
        let stream = plan
            .streams
            .iter()
            .find(|stream| arn == names::arn(properties.scope, "kinesis", &format!("stream/{}", stream.name)));
        stream.map(|stream| Source::Stream(stream.name.clone()))
    } else {
        let table = plan.tables.iter().find(|table| {
            let prefix = names::arn(properties.scope, "dynamodb", &format!("table/{}/stream/", table.name));
            arn.starts_with(&prefix)
        });
        match table {
            Some(table) if table.stream_view.is_none() => {
                return Err(properties.problem("Stream", format!("{} has no StreamSpecification", table.logical_id)));
            }
            other => other.map(|table| Source::TableStream(table.name.clone())),
        }
    };
    let Some(source) = source else {
        return Err(
            properties.problem("Stream", format!("found `{arn}`, expected the ARN of a stream in this template"))
        );
    };
    let starting_position = match properties.required("StartingPosition")?.as_str() {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        "AT_TIMESTAMP" if kind == "Kinesis" => {
            let text = properties.required("StartingPositionTimestamp")?;
            match text.parse::<f64>() {
                Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => StartingPosition::AtTimestamp(seconds),
                _ => {
                    return Err(properties
                        .problem("StartingPositionTimestamp", format!("found `{text}`, expected epoch seconds")));
                }
            }
        }
        other => {
            return Err(
                properties.problem("StartingPosition", format!("found `{other}`, expected TRIM_HORIZON or LATEST"))
            );
        }
    };
    let unless_minus_one = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let record_age = properties.integer("MaximumRecordAgeInSeconds", -1..=604_800)?;
    if record_age.is_some_and(|seconds| (0..60).contains(&seconds)) {
        return Err(properties.problem("MaximumRecordAgeInSeconds", "expected -1 or 60 to 604800"));
    }
    let on_failure = mapping::on_failure(properties, plan)?;
    plan.mappings.push(Mapping {
        logical_id: format!("{}{event}", properties.resource),
        function: properties.resource.to_owned(),
        source,
        batch_size: properties.count("BatchSize", 1..=10_000)?.unwrap_or(100),
        batching_window_seconds: properties.count("MaximumBatchingWindowInSeconds", 0..=300)?.unwrap_or(0),
        report_batch_item_failures: reports_item_failures(properties)?,
        filters: mapping::filters(properties)?,
        enabled: properties.boolean("Enabled")?.unwrap_or(true),
        stream: Some(StreamMapping {
            starting_position,
            bisect_on_error: properties.boolean("BisectBatchOnFunctionError")?.unwrap_or(false),
            retries_max: unless_minus_one(properties.integer("MaximumRetryAttempts", -1..=10_000)?),
            record_age_max_seconds: unless_minus_one(record_age),
            parallelization: properties.count("ParallelizationFactor", 1..=10)?.unwrap_or(1),
            tumbling_window_seconds: properties.count("TumblingWindowInSeconds", 0..=900)?.unwrap_or(0),
            on_failure,
        }),
        concurrency_max: None,
    });
    Ok(())
}

fn queue(properties: &Properties<'_>, event: &str, plan: &mut Plan) -> Outcome<()> {
    properties.account(plan, QUEUE_RULES)?;
    let arn = properties.required("Queue")?;
    let Some(queue) = plan.queues.iter().find(|queue| arn == names::arn(properties.scope, "sqs", &queue.name)).cloned()
    else {
        return Err(properties.problem("Queue", format!("found `{arn}`, expected the ARN of a queue in this template")));
    };
    let timeout = plan.functions.last().map_or(0, |function| function.timeout_seconds);
    if queue.visibility_timeout_seconds < timeout {
        let message = format!(
            "{} has a VisibilityTimeout of {} s, expected at least the function's Timeout of {timeout} s",
            queue.logical_id, queue.visibility_timeout_seconds
        );
        return Err(properties.problem("Queue", message));
    }
    let batch_size_max = if queue.fifo { UNWINDOWED_QUEUE_BATCH_MAX } else { 10_000 };
    let batch_size = properties.count("BatchSize", 1..=batch_size_max)?.unwrap_or(10);
    let window = properties.count("MaximumBatchingWindowInSeconds", 0..=300)?.unwrap_or(0);
    if queue.fifo && window > 0 {
        return Err(properties.problem("MaximumBatchingWindowInSeconds", "expected none, since the queue is FIFO"));
    }
    if batch_size > UNWINDOWED_QUEUE_BATCH_MAX && window == 0 {
        let message = format!(
            "found {batch_size} without MaximumBatchingWindowInSeconds, expected at most 10 or a window of 1 to 300"
        );
        return Err(properties.problem("BatchSize", message));
    }
    let concurrency_max = match properties.nested("ScalingConfig")? {
        Some(scaling) => scaling.count("MaximumConcurrency", 2..=1_000)?,
        None => None,
    };
    if concurrency_max.is_some() && properties.value("ProvisionedPollerConfig")?.is_some() {
        return Err(
            properties.problem("ScalingConfig", "found together with ProvisionedPollerConfig, expected one of them")
        );
    }
    plan.mappings.push(Mapping {
        logical_id: format!("{}{event}", properties.resource),
        function: properties.resource.to_owned(),
        source: Source::Queue(queue.name),
        batch_size,
        batching_window_seconds: window,
        report_batch_item_failures: reports_item_failures(properties)?,
        filters: mapping::filters(properties)?,
        enabled: properties.boolean("Enabled")?.unwrap_or(true),
        stream: None,
        concurrency_max,
    });
    Ok(())
}

fn schedule(properties: &Properties<'_>, event: &str, kind: &str, plan: &mut Plan) -> Outcome<()> {
    let expression_key = if kind == "Schedule" { "Schedule" } else { "ScheduleExpression" };
    properties.account(
        plan,
        &[
            (expression_key, Honoured),
            ("Input", Honoured),
            ("Enabled", Honoured),
            ("State", Honoured),
            ("Name", NoEffect),
            ("Description", NoEffect),
            ("RoleArn", NoEffect),
            ("PermissionsBoundary", NoEffect),
            ("GroupName", NoEffect),
            ("KmsKeyArn", NoEffect),
            ("OmitName", NoEffect),
            ("RetryPolicy", Warned("a failed invocation is not retried locally; the next one is on time")),
            ("DeadLetterConfig", Warned("a failed invocation is not kept locally")),
            ("FlexibleTimeWindow", Warned("invoked on time locally")),
            ("ScheduleExpressionTimezone", NoEffect),
            ("StartDate", Refused("not honoured locally")),
            ("EndDate", Refused("not honoured locally")),
        ],
    )?;
    let expression = properties.required(expression_key)?;
    let every_seconds = match rate_seconds(&expression) {
        Some(seconds) => seconds,
        None if expression.starts_with("cron(") || expression.starts_with("at(") => {
            properties.warn(plan, expression_key, &format!("`{expression}` does not run locally: only rate(…) does"));
            return Ok(());
        }
        None => {
            let message =
                format!("found `{expression}`, expected rate(value unit), such as rate(1 minute) or rate(5 minutes)");
            return Err(properties.problem(expression_key, message));
        }
    };
    let state = properties.one_of("State", &["ENABLED", "DISABLED"])?;
    plan.schedules.push(Schedule {
        logical_id: format!("{}{event}", properties.resource),
        function: properties.resource.to_owned(),
        every_seconds,
        input: properties.text("Input")?,
        enabled: properties.boolean("Enabled")?.unwrap_or(true) && state.as_deref() != Some("DISABLED"),
    });
    Ok(())
}

/// `rate(1 minute)`: one is singular and more is plural, as EventBridge insists.
fn rate_seconds(expression: &str) -> Option<u64> {
    let (value, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
    let unit_seconds = match (unit, value) {
        ("minute", 1) => 60,
        ("hour", 1) => 3_600,
        ("day", 1) => 86_400,
        ("minutes", 2..) => 60,
        ("hours", 2..) => 3_600,
        ("days", 2..) => 86_400,
        _ => return None,
    };
    value.checked_mul(unit_seconds)
}
