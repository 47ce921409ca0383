//! Event source mappings of any fleet.

use crate::finding::Findings;
use crate::fleet::{Fleet, SourceKind, or_default};
use crate::rule::{Example, Rule, Severity};

const REPORT: &str = "ReportBatchItemFailures";

pub(crate) static ITEM_FAILURES: Rule = Rule {
    id: "W010",
    severity: Severity::Error,
    title: "Every mapping has FunctionResponseTypes: [ReportBatchItemFailures].",
    reason: "Without it one failed record brings its whole batch back, and what a function reports as failed is taken \
             for success and lost.",
    source: "AWS Lambda Developer Guide, \"Configuring partial batch response\"",
    example: Example { right: "FunctionResponseTypes: [ReportBatchItemFailures]", wrong: "FunctionResponseTypes: []" },
    judge: item_failures,
};

fn item_failures(fleet: &Fleet<'_>, findings: &mut Findings) {
    for mapping in &fleet.mappings {
        let types = mapping.get("FunctionResponseTypes");
        let decided = !types.is_unknown() && !types.items().iter().any(|item| item.is_unknown());
        if decided && !types.items().iter().any(|item| item.text() == Some(REPORT)) {
            findings.add(
                mapping.place("FunctionResponseTypes"),
                "a function that reports failed records is not heard, and a thrown error repeats the whole batch",
                format!("set FunctionResponseTypes: [{REPORT}], and answer with batchItemFailures"),
            );
        }
    }
}

pub(crate) static STREAM_SETTINGS: Rule = Rule {
    id: "W011",
    severity: Severity::Error,
    title: "A queue's mapping has no setting that only streams have.",
    reason: "AWS refuses some and ignores the others: windows, bisecting, retries and ages are the queue's own \
             (visibility, redrive policy, retention).",
    source: "AWS Lambda API Reference, \"CreateEventSourceMapping\"",
    example: Example {
        right: "ScalingConfig: { MaximumConcurrency: 8 }",
        wrong: "ScalingConfig: { MaximumConcurrency: 8 }, BisectBatchOnFunctionError: true",
    },
    judge: stream_settings,
};

const STREAM_ONLY: &[&str] = &[
    "TumblingWindowInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "ParallelizationFactor",
    "StartingPosition",
    "DestinationConfig",
];

fn stream_settings(fleet: &Fleet<'_>, findings: &mut Findings) {
    for mapping in fleet.mappings.iter().filter(|mapping| mapping.kind == SourceKind::Queue) {
        for key in STREAM_ONLY.iter().filter(|key| !mapping.get(key).is_absent()) {
            findings.add(
                mapping.place(key),
                format!("{key} is for streams, and this mapping reads a queue"),
                "remove it; retries, ages and dead letters are set on the queue",
            );
        }
    }
}

pub(crate) static SCALING: Rule = Rule {
    id: "W012",
    severity: Severity::Error,
    title: "A mapping has ScalingConfig or ProvisionedPollerConfig, not both.",
    reason: "AWS refuses a mapping with both, when the stack is already half deployed.",
    source: "AWS Lambda API Reference, \"CreateEventSourceMapping\"; AWS Lambda Developer Guide, \"Using provisioned mode \
             with an Amazon SQS event source mapping\"",
    example: Example {
        right: "ScalingConfig: { MaximumConcurrency: 8 }",
        wrong: "ScalingConfig: { MaximumConcurrency: 8 }, ProvisionedPollerConfig: { MinimumPollers: 2 }",
    },
    judge: scaling,
};

fn scaling(fleet: &Fleet<'_>, findings: &mut Findings) {
    for mapping in &fleet.mappings {
        let both = ["ScalingConfig", "ProvisionedPollerConfig"].map(|key| !mapping.get(key).is_absent());
        if both == [true, true] {
            findings.add(
                mapping.place("ProvisionedPollerConfig"),
                "ScalingConfig and ProvisionedPollerConfig stand together",
                "keep one: MaximumConcurrency bounds invocations, pollers are provisioned capacity",
            );
        }
    }
}

pub(crate) static BATCH_WINDOW: Rule = Rule {
    id: "W013",
    severity: Severity::Error,
    title: "An SQS batch of more than 10 messages has a batching window, and a FIFO queue's has at most 10.",
    reason: "AWS refuses a BatchSize above 10 without a MaximumBatchingWindowInSeconds of at least 1.",
    source: "AWS Lambda Developer Guide, \"Creating and configuring an Amazon SQS event source mapping\"",
    example: Example { right: "BatchSize: 1000, MaximumBatchingWindowInSeconds: 1,", wrong: "BatchSize: 1000," },
    judge: batch_window,
};

/// What SQS returns at once.
const UNWINDOWED_BATCH_MAX: i64 = 10;

fn batch_window(fleet: &Fleet<'_>, findings: &mut Findings) {
    for mapping in fleet.mappings.iter().filter(|mapping| mapping.kind == SourceKind::Queue) {
        let (Some(size), Some(window)) = (mapping.batch_size(), mapping.window_seconds()) else { continue };
        let fifo = mapping.source(fleet).is_some_and(|queue| queue.properties.get("FifoQueue").is_true());
        if size > UNWINDOWED_BATCH_MAX && fifo {
            findings.add(
                mapping.place("BatchSize"),
                format!("{size} messages of a FIFO queue"),
                format!("set at most {UNWINDOWED_BATCH_MAX}"),
            );
        } else if size > UNWINDOWED_BATCH_MAX && window < 1 {
            findings.add(
                mapping.place("BatchSize"),
                format!("{size} messages without a batching window"),
                "set MaximumBatchingWindowInSeconds to 1 or more, or BatchSize to 10 or less",
            );
        }
    }
}

pub(crate) static DESTINATION: Rule = Rule {
    id: "W016",
    severity: Severity::Warning,
    title: "A stream's mapping that discards tells somebody.",
    reason: "After MaximumRetryAttempts or MaximumRecordAgeInSeconds a batch is gone; an OnFailure destination keeps at \
             least its place in the stream.",
    source: "AWS Lambda Developer Guide, \"Retaining discarded batch records for a Kinesis Data Streams event source\"",
    example: Example {
        right: "DestinationConfig: { OnFailure: { Destination: !GetAtt DeadLetters.Arn } }",
        wrong: "DestinationConfig: {}",
    },
    judge: destination,
};

fn destination(fleet: &Fleet<'_>, findings: &mut Findings) {
    for mapping in fleet.mappings.iter().filter(|mapping| mapping.kind.is_stream()) {
        // On those that are counted discarding is an error of its own.
        if fleet.fed_by(mapping).is_some_and(|function| function.counts) {
            continue;
        }
        let limits = ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds"];
        let discards = limits.into_iter().find(|key| or_default(mapping.get(key), -1).is_some_and(|limit| limit >= 0));
        let configured = mapping.get("DestinationConfig");
        if let Some(key) = discards
            && configured.at(&["OnFailure", "Destination"]).is_absent()
        {
            findings.add(
                mapping.place(key),
                "batches are discarded, and nobody is told which",
                "add DestinationConfig: { OnFailure: { Destination: … } }, or set it to -1",
            );
        }
    }
}

pub(crate) static RESERVED_CONCURRENCY: Rule = Rule {
    id: "W017",
    severity: Severity::Error,
    title: "A function's reserved concurrency is not below what its mappings may use.",
    reason: "Messages that are received and then throttled count as received, and go to the dead-letter queue without \
             having been tried.",
    source: "AWS Lambda Developer Guide, \"Configuring maximum concurrency for Amazon SQS event sources\"",
    example: Example { right: "ReservedConcurrentExecutions: 20", wrong: "ReservedConcurrentExecutions: 5" },
    judge: reserved_concurrency,
};

fn reserved_concurrency(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let Some(reserved) = function.resource.properties.get("ReservedConcurrentExecutions").integer() else {
            continue;
        };
        let own = fleet.fed().filter(|(_, fed)| fed.resource.id == function.resource.id);
        let most = own.filter_map(|(mapping, _)| mapping.get("ScalingConfig").get("MaximumConcurrency").integer());
        let most = most.fold(0_i64, i64::saturating_add);
        if reserved < most {
            findings.add(
                function.place("ReservedConcurrentExecutions"),
                format!("{reserved} is below the MaximumConcurrency of its mappings, {most}"),
                format!("reserve {most} or more, or lower MaximumConcurrency"),
            );
        }
    }
}
