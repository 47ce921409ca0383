//! What to do about a finding: a command to paste, or the page that says why there is not one.

use weir_exact::layout::Layout;
use weir_exact::reconcile::Finding;
use weir_exact::row::{Resolution, RowKey};

const RUNBOOK: &str = "RUNBOOK.md: rows do not reconcile";

/// The next step, in one line.
pub(super) fn next(finding: &Finding, stack: &str, layout: &Layout) -> String {
    match finding {
        Finding::Missing { row, .. } | Finding::Behind { row, .. } => recompute(row, stack, layout),
        Finding::Differs { row, .. } | Finding::Contradicts { row, .. } | Finding::Unreadable { row, .. } => {
            format!("{} && {}", delete(row, stack), recompute(row, stack, layout))
        }
        Finding::Ahead { row, .. } | Finding::Surplus { row, .. } if row.window.resolution() == Resolution::Minute => {
            format!("this window's contributions are gone: do not recompute it until they are restored; {RUNBOOK}")
        }
        Finding::Ahead { row, .. } | Finding::Surplus { row, .. } => {
            format!(
                "repair the rows below first; if it persists: {} && {}",
                delete(row, stack),
                recompute(row, stack, layout)
            )
        }
        Finding::Shard { .. } => format!("events of this shard are lost, or counted twice; {RUNBOOK}"),
        Finding::Quarantine { .. } => format!("objects were deleted from quarantine before they expired; {RUNBOOK}"),
        Finding::CountedAndSetAside { key, .. } => {
            format!(
                "do not replay it, since it counts already: weir quarantine show --stack {stack} {}; {RUNBOOK}",
                quoted(key)
            )
        }
        Finding::Unjudged { .. } => {
            format!("this version cannot read it: deploy the version that wrote it, or a later one; {RUNBOOK}")
        }
    }
}

/// Nothing rewrites a row of the same revision: it must be gone first.
fn delete(row: &RowKey, stack: &str) -> String {
    let text = |text: String| serde_json::json!({ "S": text });
    let key = serde_json::json!({ "series": text(row.series()), "window": text(row.window_text()) });
    format!("aws dynamodb delete-item --table-name {stack}-rollups --key {}", quoted(&key.to_string()))
}

/// A trigger as the table's stream would send it. To the function itself and not its alias: a sandbox of its own, which
/// remembers no row that it has put.
fn recompute(row: &RowKey, stack: &str, layout: &Layout) -> String {
    let text = |text: String| serde_json::json!({ "S": text });
    let (function, keys) = match row.window.minute() {
        Some(minute) => {
            let pk = layout.window_partitions(minute).into_iter().next().unwrap_or_default();
            ("rollup-finalize", serde_json::json!({ "pk": text(pk), "sk": text("reconcile".to_owned()) }))
        }
        None => {
            let below = row.window.below().next().map(|below| below.to_string()).unwrap_or_default();
            ("rollup-compact", serde_json::json!({ "series": text(row.series()), "window": text(below) }))
        }
    };
    let record = serde_json::json!({ "eventName": "MODIFY", "dynamodb": { "Keys": keys, "SequenceNumber": "1" } });
    let payload = serde_json::json!({ "Records": [record] }).to_string();
    format!(
        "aws lambda invoke --function-name {stack}-{function} --cli-binary-format raw-in-base64-out --payload {} /dev/stdout",
        quoted(&payload)
    )
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::row::RowWindow;
    use weir_telemetry::{EpochTable, Millis};

    #[test]
    fn a_command_can_be_pasted() {
        let window = |resolution| RowWindow::containing(resolution, Millis(1_795_224_605_000));
        let row = |resolution| RowKey { service: "it's".into(), endpoint: "/a b".into(), window: window(resolution) };
        let layout = Layout::new("live", EpochTable::genesis().generation);
        let next = |finding: Finding| next(&finding, "weir", &layout);
        let differs = |resolution| Finding::Differs {
            row: row(resolution),
            what: "events".into(),
            stands: "1".into(),
            should: "2".into(),
        };
        assert_eq!(
            next(differs(Resolution::Minute)),
            r#"aws dynamodb delete-item --table-name weir-rollups --key '{"series":{"S":"it'\''s#/a b"},"window":{"S":"1m#2026-11-21T01:30:00Z"}}' && aws lambda invoke --function-name weir-rollup-finalize --cli-binary-format raw-in-base64-out --payload '{"Records":[{"dynamodb":{"Keys":{"pk":{"S":"live#w#2026-11-21T01:30:00Z#0"},"sk":{"S":"reconcile"}},"SequenceNumber":"1"},"eventName":"MODIFY"}]}' /dev/stdout"#
        );
        let hour = next(differs(Resolution::Hour));
        assert!(hour.contains("weir-rollup-compact") && hour.contains("1m#2026-11-21T01:00:00Z"), "{hour}");
        let surplus = next(Finding::Surplus { row: row(Resolution::Minute), events: 1 });
        assert!(!surplus.contains("delete-item"), "{surplus}");
    }
}
