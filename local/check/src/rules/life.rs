//! How long things live against one another, and what weir's processors need to start.

use weir_exact::retention::{CONTRIBUTION_LIFE_MS, LATENESS_MS_MAX, RETURN_MS_MAX};

use crate::finding::Findings;
use crate::fleet::{Fleet, SourceKind, or_default};
use crate::rule::{Example, Rule, Severity};

const DAY_SECONDS: i64 = 86_400;
const CONTRIBUTION_LIFE_SECONDS: i64 = CONTRIBUTION_LIFE_MS / 1_000;
/// How long a dead letter or a quarantined record may come back.
const RETURN_SECONDS: i64 = RETURN_MS_MAX / 1_000;
/// How much older than its arrival an event may be.
const LATENESS_SECONDS: i64 = LATENESS_MS_MAX / 1_000;
/// A row must outlive the contributions of its window, which DynamoDB deletes "within a few days" of their expiry:
/// computed from what is left of them it would be a smaller one.
const MINUTE_ROW_DAYS_MIN: i64 = CONTRIBUTION_LIFE_SECONDS / DAY_SECONDS + 3;

pub(crate) static RETENTION: Rule = Rule {
    id: "W005",
    severity: Severity::Error,
    title: "A source keeps records for less than what is left of the contributions' life.",
    reason: "An event may be 48 h late, wait in its source, and come back from a dead-letter queue or quarantine for 14 \
             days more; if its window's contributions are gone by then, it is counted again.",
    source: "protocol.md §5; Amazon SQS Developer Guide, \"Amazon SQS message quotas\"",
    example: Example { right: "RetentionPeriodHours: 24", wrong: "RetentionPeriodHours: 168" },
    judge: retention,
};

fn retention(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, _) in fleet.fed().filter(|(_, function)| function.counts) {
        let Some(source) = mapping.source(fleet) else { continue };
        let (key, unit_seconds, default) = match mapping.kind {
            SourceKind::Kinesis => ("RetentionPeriodHours", 3_600, 24),
            SourceKind::Queue => ("MessageRetentionPeriod", 1, 4 * DAY_SECONDS),
            SourceKind::TableStream => continue,
        };
        let Some(kept) = or_default(source.properties.get(key), default) else { continue };
        let kept_seconds = kept.saturating_mul(unit_seconds);
        if kept_seconds >= CONTRIBUTION_LIFE_SECONDS - LATENESS_SECONDS - RETURN_SECONDS {
            let days = |seconds: i64| format!("{:.1}", seconds as f64 / DAY_SECONDS as f64);
            let most = (CONTRIBUTION_LIFE_SECONDS - LATENESS_SECONDS - RETURN_SECONDS - DAY_SECONDS) / unit_seconds;
            findings.add(
                crate::Place::property(source, key),
                format!(
                    "{} d late + {} d in the source + {} d before it comes back is not below the {} d that \
                     contributions live",
                    days(LATENESS_SECONDS),
                    days(kept_seconds),
                    days(RETURN_SECONDS),
                    days(CONTRIBUTION_LIFE_SECONDS)
                ),
                format!("set {key}: {most} (4 days) or less"),
            );
        }
    }
}

pub(crate) static MINUTE_ROWS: Rule = Rule {
    id: "W006",
    severity: Severity::Error,
    title: "1m rows outlive the contributions that they are computed from.",
    reason: "Contributions live 21 days and DynamoDB deletes them one by one in the days after; a row that is gone by \
             then would be computed again from what is left.",
    source: "protocol.md §4 and §5; Amazon DynamoDB Developer Guide, \"Using time to live (TTL) in DynamoDB\"",
    example: Example { right: "WEIR_MINUTE_ROW_DAYS: 30", wrong: "WEIR_MINUTE_ROW_DAYS: 14" },
    judge: minute_rows,
};

fn minute_rows(fleet: &Fleet<'_>, findings: &mut Findings) {
    const PATH: &str = "Environment.Variables.WEIR_MINUTE_ROW_DAYS";
    for function in fleet.functions.iter().filter(|function| function.counts) {
        let days = function.resource.properties.at(&["Environment", "Variables", "WEIR_MINUTE_ROW_DAYS"]).integer();
        // 0 keeps rows for ever.
        if let Some(days) = days.filter(|days| (1..MINUTE_ROW_DAYS_MIN).contains(days)) {
            findings.add(
                function.place(PATH),
                format!("rows of {days} days may go before the contributions of their window"),
                format!("set {MINUTE_ROW_DAYS_MIN} or more, or 0 to keep them"),
            );
        }
    }
}

pub(crate) static ENVIRONMENT: Rule = Rule {
    id: "W007",
    severity: Severity::Error,
    title: "A weir processor has the variables that it needs.",
    reason: "Without one it stops at init, and so does every batch, until its shard or queue is behind.",
    source: "the processors' configuration, shared/aws/src/config.rs",
    example: Example { right: "WEIR_ROLLUPS_TABLE: !Ref Rollups", wrong: "WEIR_ROLLUP_TABLE: !Ref Rollups" },
    judge: environment,
};

fn environment(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let variables = function.resource.properties.at(&["Environment", "Variables"]);
        for name in function.processor.map(|processor| processor.environment).unwrap_or_default() {
            if variables.get(name).is_absent() {
                let binary = function.binary.unwrap_or_default();
                findings.add(
                    function.place("Environment.Variables"),
                    format!("{binary} does not start without {name}"),
                    format!("add {name}"),
                );
            }
        }
    }
}
