//! Streams whose records are applied behind a fence: the highest sequence number applied.

use crate::finding::Findings;
use crate::fleet::{Fleet, Function, Mapping, SourceKind, or_default};
use crate::rule::{Example, Rule, Severity};

/// What a shard takes, bytes and records a second (AWS: "Quotas and limits", Amazon Kinesis Data Streams).
const SHARD_BYTES_PER_SECOND: i64 = 1 << 20;
const SHARD_RECORDS_PER_SECOND: i64 = 1_000;
/// A batch's payload, bytes (AWS: "Lambda quotas", invocation payload).
const PAYLOAD_BYTES_MAX: i64 = 6 << 20;
/// Payloads are base64 within JSON: a sixth of the batch is not records at best.
const WINDOW_SECONDS_MAX: i64 = PAYLOAD_BYTES_MAX / SHARD_BYTES_PER_SECOND - 1;
/// AWS's largest BatchSize of a stream.
const BATCH_SIZE_MAX: i64 = 10_000;

pub(crate) static PARALLELIZATION: Rule = Rule {
    id: "W001",
    severity: Severity::Error,
    title: "A fenced source has a ParallelizationFactor of 1.",
    reason: "Above 1 two batches of one shard run at once: the one that is written second lies below the fence and is \
             dropped as a duplicate.",
    source: "protocol.md §2",
    example: Example { right: "ParallelizationFactor: 1", wrong: "ParallelizationFactor: 2" },
    judge: parallelization,
};

fn parallelization(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, _) in fenced(fleet) {
        if let Some(factor) = or_default(mapping.get("ParallelizationFactor"), 1).filter(|factor| *factor > 1) {
            findings.add(
                mapping.place("ParallelizationFactor"),
                format!("{factor} batches of one shard run at once, and the fence loses events"),
                "set ParallelizationFactor: 1; a shard that is too slow wants more shards",
            );
        }
    }
}

pub(crate) static DISCARD: Rule = Rule {
    id: "W002",
    severity: Severity::Error,
    title: "A stream that is counted never discards: MaximumRetryAttempts and MaximumRecordAgeInSeconds are -1.",
    reason: "A discarded batch is counted nowhere and quarantined nowhere; bad records are quarantined inside the \
             function, and what then still fails is the world's fault and passes.",
    source: "protocol.md §2 and §4; AWS Lambda Developer Guide, \"Using Lambda to process records from Amazon Kinesis Data \
             Streams\"",
    example: Example { right: "MaximumRetryAttempts: -1", wrong: "MaximumRetryAttempts: 3" },
    judge: discard,
};

fn discard(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, _) in counted_streams(fleet) {
        for (key, what) in [("MaximumRetryAttempts", "retries"), ("MaximumRecordAgeInSeconds", "seconds")] {
            if let Some(limit) = or_default(mapping.get(key), -1).filter(|limit| *limit >= 0) {
                findings.add(
                    mapping.place(key),
                    format!("records are discarded after {limit} {what}, and are counted nowhere"),
                    format!("set {key}: -1"),
                );
            }
        }
    }
}

pub(crate) static STARTING_POSITION: Rule = Rule {
    id: "W003",
    severity: Severity::Error,
    title: "A stream that is counted is read from TRIM_HORIZON.",
    reason: "A mapping that is created anew with LATEST begins ahead of what is settled; the records between are never \
             delivered, and no fence can know.",
    source: "ARCHITECTURE.md, \"Known limits of what is stated\"; AWS Lambda Developer Guide, \"Polling and stream \
             starting positions\"",
    example: Example { right: "StartingPosition: TRIM_HORIZON", wrong: "StartingPosition: LATEST" },
    judge: starting_position,
};

fn starting_position(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, _) in counted_streams(fleet) {
        if let Some(position) = mapping.get("StartingPosition").text().filter(|position| *position != "TRIM_HORIZON") {
            findings.add(
                mapping.place("StartingPosition"),
                format!("{position} passes over records that nobody has counted"),
                "set StartingPosition: TRIM_HORIZON; what was counted is dropped by the fence",
            );
        }
    }
}

pub(crate) static BATCH: Rule = Rule {
    id: "W004",
    severity: Severity::Warning,
    title: "A fenced source's batch has room for what its window gathers, and its window for what a payload holds.",
    reason: "A shard delivers 1 MB or 1,000 records a second: beyond 5 s a payload of 6 MB is full and nothing is gained, \
             and a smaller BatchSize ends the window early, which costs a conditional write a batch.",
    source: "protocol.md §10; AWS Lambda Developer Guide, \"Batching behavior\" and \"Lambda quotas\"",
    example: Example { right: "BatchSize: 5000", wrong: "BatchSize: 500" },
    judge: batch,
};

fn batch(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, _) in fenced(fleet) {
        let (Some(size), Some(window)) = (mapping.batch_size(), mapping.window_seconds()) else { continue };
        let gathered = window.saturating_mul(SHARD_RECORDS_PER_SECOND).min(BATCH_SIZE_MAX);
        if window > WINDOW_SECONDS_MAX {
            findings.add(
                mapping.place("MaximumBatchingWindowInSeconds"),
                format!("a shard fills Lambda's 6 MB payload before {window} s are over"),
                format!("set at most {WINDOW_SECONDS_MAX}"),
            );
        } else if size < gathered {
            findings.add(
                mapping.place("BatchSize"),
                format!("{size} records end the window of {window} s, in which a shard delivers up to {gathered}"),
                format!("set BatchSize: {gathered} or more, or a shorter window"),
            );
        }
    }
}

fn fenced<'f, 'a>(fleet: &'f Fleet<'a>) -> impl Iterator<Item = (&'f Mapping<'a>, &'f Function<'a>)> {
    fleet.fed().filter(|(mapping, function)| function.fenced && mapping.kind == SourceKind::Kinesis)
}

/// Streams whose records, or whose notices that a window moved, must all be seen.
fn counted_streams<'f, 'a>(fleet: &'f Fleet<'a>) -> impl Iterator<Item = (&'f Mapping<'a>, &'f Function<'a>)> {
    fleet.fed().filter(|(mapping, function)| function.counts && mapping.kind.is_stream())
}
