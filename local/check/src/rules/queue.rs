//! Queues: how long a message is out of sight, and where it goes in the end.

use weir_local_template::{Kind, Resource, Value};

use crate::finding::{Findings, Place};
use crate::fleet::{Fleet, Function, Mapping, SourceKind, or_default};
use crate::rule::{Example, Rule, Severity};

const QUEUE: &str = "AWS::SQS::Queue";
/// AWS's defaults, s (AWS: "SetQueueAttributes").
const VISIBILITY_SECONDS: i64 = 30;
const RETENTION_SECONDS: i64 = 345_600;
/// Time for Lambda to try again when it is throttled while it processes an earlier batch.
const TIMEOUTS: i64 = 6;

pub(crate) static VISIBILITY_BELOW_TIMEOUT: Rule = Rule {
    id: "W014",
    severity: Severity::Error,
    title: "A queue's visibility timeout is not below its function's timeout.",
    reason: "AWS refuses the mapping; and a message would be delivered again while it is still worked on.",
    source: "AWS Lambda Developer Guide, \"Configuring an Amazon SQS queue to use with Lambda\"",
    example: Example { right: "VisibilityTimeout: 181", wrong: "VisibilityTimeout: 20" },
    judge: visibility_below_timeout,
};

fn visibility_below_timeout(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (queue, visibility, _, function) in read_queues(fleet) {
        if let Some(timeout) = function.timeout_seconds().filter(|timeout| visibility < *timeout) {
            findings.add(
                Place::property(queue, "VisibilityTimeout"),
                format!("{visibility} s is below the Timeout of {}, {timeout} s", function.resource.id),
                "raise VisibilityTimeout, at best to 6 × the timeout and the batching window",
            );
        }
    }
}

pub(crate) static VISIBILITY: Rule = Rule {
    id: "W015",
    severity: Severity::Error,
    title: "A queue's visibility timeout is at least 6 × its function's timeout, plus the batching window.",
    reason: "Lambda retries a throttled batch within the visibility timeout; a shorter one delivers messages twice and \
             counts receives that were no attempts.",
    source: "AWS Lambda Developer Guide, \"Configuring an Amazon SQS queue to use with Lambda\"",
    example: Example { right: "VisibilityTimeout: 181", wrong: "VisibilityTimeout: 180" },
    judge: visibility,
};

fn visibility(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (queue, visibility, mapping, function) in read_queues(fleet) {
        let (Some(timeout), Some(window)) = (function.timeout_seconds(), mapping.window_seconds()) else { continue };
        let wanted = TIMEOUTS.saturating_mul(timeout).saturating_add(window);
        // Below the timeout itself is a rule of its own.
        if (timeout..wanted).contains(&visibility) {
            findings.add(
                Place::property(queue, "VisibilityTimeout"),
                format!(
                    "{visibility} s is below 6 × the Timeout of {} ({timeout} s) + its window ({window} s)",
                    function.resource.id
                ),
                format!("set VisibilityTimeout: {wanted} or more"),
            );
        }
    }
}

/// Queues of the template that functions of the template read, with their visibility timeouts, s.
fn read_queues<'f, 'a>(
    fleet: &'f Fleet<'a>,
) -> impl Iterator<Item = (&'a Resource, i64, &'f Mapping<'a>, &'f Function<'a>)> {
    fleet.fed().filter(|(mapping, _)| mapping.kind == SourceKind::Queue).filter_map(|(mapping, function)| {
        let queue = mapping.source(fleet)?;
        let visibility = or_default(queue.properties.get("VisibilityTimeout"), VISIBILITY_SECONDS)?;
        Some((queue, visibility, mapping, function))
    })
}

pub(crate) static REDRIVE: Rule = Rule {
    id: "W020",
    severity: Severity::Warning,
    title: "A queue has a redrive policy, unless it is where dead letters go.",
    reason: "A message that never succeeds is delivered until its retention ends, takes the place of others, and is gone.",
    source: "Amazon SQS Developer Guide, \"Using dead-letter queues in Amazon SQS\"",
    example: Example {
        right: "RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 10 },",
        wrong: "",
    },
    judge: redrive,
};

fn redrive(fleet: &Fleet<'_>, findings: &mut Findings) {
    let mut dead_letters = Vec::new();
    for resource in fleet.resources {
        targets(&resource.properties, &mut dead_letters);
    }
    for queue in fleet.of_kind(QUEUE) {
        let is_target = queue.arn.as_deref().is_none_or(|arn| dead_letters.contains(&arn));
        if queue.properties.get("RedrivePolicy").is_absent() && !is_target {
            findings.add(
                Place::property(queue, "RedrivePolicy"),
                "a message that never succeeds has nowhere to go",
                "add RedrivePolicy: { deadLetterTargetArn: …, maxReceiveCount: … }, and an alarm on that queue's depth",
            );
        }
    }
}

/// ARNs that something sends to when it gives up.
fn targets<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match &value.kind {
        Kind::List(items) => items.iter().for_each(|item| targets(item, found)),
        Kind::Map(entries) => {
            for (key, _, value) in entries {
                match (key.as_str(), value.text()) {
                    ("deadLetterTargetArn" | "Destination" | "TargetArn", Some(arn)) => found.push(arn),
                    ("DeadLetterConfig", None) => found.extend(value.get("Arn").text()),
                    _ => {}
                }
                targets(value, found);
            }
        }
        _ => {}
    }
}

pub(crate) static DEAD_LETTER_RETENTION: Rule = Rule {
    id: "W021",
    severity: Severity::Error,
    title: "A dead-letter queue keeps messages longer than the queue that they come from.",
    reason: "A message keeps its first enqueue time when it is moved: in a dead-letter queue that keeps it no longer, it \
             may be gone before anybody looks.",
    source: "Amazon SQS Developer Guide, \"Using dead-letter queues in Amazon SQS\"",
    example: Example { right: "MessageRetentionPeriod: 1209600", wrong: "MessageRetentionPeriod: 345600" },
    judge: dead_letter_retention,
};

fn dead_letter_retention(fleet: &Fleet<'_>, findings: &mut Findings) {
    let kept = |queue: &Resource| or_default(queue.properties.get("MessageRetentionPeriod"), RETENTION_SECONDS);
    for queue in fleet.of_kind(QUEUE) {
        let target = queue.properties.at(&["RedrivePolicy", "deadLetterTargetArn"]).text();
        let Some(target) = target.and_then(|arn| fleet.by_arn(arn)) else { continue };
        if let (Some(own), Some(dead)) = (kept(queue), kept(target))
            && dead <= own
        {
            findings.add(
                Place::property(target, "MessageRetentionPeriod"),
                format!("{dead} s is not longer than the {own} s of {}", queue.id),
                "set MessageRetentionPeriod: 1209600 (14 days)",
            );
        }
    }
}
