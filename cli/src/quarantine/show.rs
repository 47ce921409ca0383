//! `weir quarantine show`: one document.

use crate::args::QuarantineShow;
use crate::aws::Aws;
use crate::failure::Failure;
use crate::terminal::{print_json, shown};
use serde_json::{Map, Value};
use std::process::ExitCode;
use weir_aws::quarantine::QuarantineBucket;
use weir_exact::ports::QuarantineGet;
use weir_exact::quarantine::QuarantineObject;

pub(crate) async fn run(aws: &Aws, show: &QuarantineShow) -> Result<ExitCode, Failure> {
    let name = aws.bucket("quarantine").await?;
    let bucket = QuarantineBucket::new(aws.s3(), &name);
    let object = bucket.set_aside(&show.key).await?;
    let Some(object) = object else {
        return Err(Failure::Failed(format!("no object s3://{name}/{}", shown(&show.key))));
    };
    if show.json {
        print_json(&document(&object, show.payload))?;
    } else {
        print(&object, show.payload);
    }
    Ok(ExitCode::SUCCESS)
}

/// The document as it is stored, with the payload's length in its place unless it is asked for.
fn document(object: &QuarantineObject, payload: bool) -> Map<String, Value> {
    // What was read can be written again.
    let mut document: Map<String, Value> = serde_json::from_slice(&object.body()).unwrap_or_default();
    if !payload {
        document.remove("payload_base64");
    }
    document.insert("payload_bytes".to_owned(), object.rejected.payload.len().into());
    document
}

fn print(object: &QuarantineObject, payload: bool) {
    for line in lines(object, payload) {
        println!("{line}");
    }
}

fn lines(object: &QuarantineObject, payload: bool) -> Vec<String> {
    let rejected = &object.rejected;
    let mut lines = vec![
        format!("reason           {}", rejected.reason),
        format!("detail           {}", shown(&rejected.detail)),
        format!("arrived          {}", object.arrived_at),
        format!("source           {}", object.coordinates.source),
    ];
    lines.extend(object.coordinates.path.iter().map(|(name, value)| format!("{name:<16} {}", shown(value))));
    if let Some(index) = rejected.event_index {
        lines.push(format!("event            {index} (counted from 0)"));
    }
    lines.push(format!(
        "payload          {} bytes{}",
        rejected.payload.len(),
        if payload { "" } else { "; --payload shows it" }
    ));
    if let Some(why) = object.not_held() {
        lines.push(format!("replay           not possible: {why}; use weir backfill if the object is still in its bucket, otherwise upload a corrected copy below in/"));
    }
    if payload {
        lines.push(String::new());
        lines.extend(match std::str::from_utf8(&rejected.payload) {
            Ok(text) => text.lines().map(shown).collect(),
            Err(_) => vec!["(not text; --json prints it in base64)".to_owned()],
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_exact::quarantine::Coordinates;
    use weir_telemetry::{Field, Millis, Reason, Rejected};

    fn object() -> QuarantineObject {
        QuarantineObject {
            coordinates: Coordinates::new("sqs", [("queue", "weir-telemetry"), ("message_id", "a\u{1b}[2Jb")]),
            arrived_at: Millis(1_795_224_605_000),
            rejected: Rejected {
                reason: Reason::Invalid(Field::Status),
                detail: "status: expected an integer from 0 to 999, found a string".to_owned(),
                event_index: Some(2),
                payload: b"{\"user_id\":\"u1\"}\n\x1b]0;".to_vec(),
            },
        }
    }

    #[test]
    fn an_object_is_shown_without_its_payload_and_drives_no_terminal() {
        assert_eq!(
            lines(&object(), false).join("\n"),
            "reason           invalid_status
detail           status: expected an integer from 0 to 999, found a string
arrived          2026-11-21T01:30:05Z
source           sqs
queue            weir-telemetry
message_id       a\\u{1b}[2Jb
event            2 (counted from 0)
payload          21 bytes; --payload shows it"
        );
        assert_eq!(lines(&object(), true)[9..], ["{\"user_id\":\"u1\"}", "\\u{1b}]0;"]);
        assert!(document(&object(), false).get("payload_base64").is_none());
        assert_eq!(document(&object(), false)["payload_bytes"], 21);
        assert!(document(&object(), true).contains_key("payload_base64"));
    }
}
