//! What the sample batches of `events/` decode to. A change here is a change of what producers are told in contract §1:
//! under an epoch that is in force it must not happen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rollup_finalize::Keys;
use serde_json::Value;
use std::fmt::Write as _;
use weir_envelope::triggers::Trigger;
use weir_exact::layout::Layout;
use weir_exact::objects::ObjectAt;
use weir_telemetry::{Decoded, EpochTable, MessageBody, Millis, Notice, decode_payload, decode_record};
use weir_tests::root;

fn sample(name: &str) -> String {
    let path = root().join("events").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Records of a sample batch.
fn records(name: &str) -> Vec<Value> {
    let batch: Value = serde_json::from_str(&sample(name)).expect("JSON");
    batch["Records"].as_array().expect("Records").clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} of {value}"))
}

/// What a payload or record comes to, a line for each event. Never the user: only whether there is one.
fn shown(decoded: &Decoded) -> String {
    let mut lines = String::new();
    for event in &decoded.accepted {
        let status = event.status.map_or("-".to_owned(), |status| status.to_string());
        let duration = event.duration_us.map_or("-".to_owned(), |us| format!("{us} us"));
        let user = if event.user.is_some() { "a user" } else { "-" };
        let _ = writeln!(lines, "  accepted {} {} | {status} | {duration} | {user}", event.window, event.series);
    }
    for event in &decoded.rejected {
        let at = event.event_index.map_or("record".to_owned(), |index| format!("event {index}"));
        let _ = writeln!(lines, "  rejected {at}, {} bytes: {}: {}", event.payload.len(), event.reason, event.detail);
    }
    if lines.is_empty() { "  empty\n".to_owned() } else { lines }
}

fn noticed(notice: &Notice) -> String {
    let mut lines = String::new();
    for object in &notice.objects {
        let (version, etag) = (object.version.as_deref().unwrap_or("-"), object.etag.as_deref().unwrap_or("-"));
        let size = object.size.map_or("-".to_owned(), |size| format!("{size} bytes"));
        let _ = writeln!(lines, "  object {} in {} | {version} | {etag} | {size}", object.key, object.bucket);
    }
    for event in &notice.ignored {
        let _ = writeln!(lines, "  ignored {event}");
    }
    lines
}

fn kinesis(name: &str) -> String {
    let mut lines = String::new();
    for (index, record) in records(name).iter().enumerate() {
        let data = &record["kinesis"];
        let payload = STANDARD.decode(text(data, "data")).expect("base64");
        let arrival = data["approximateArrivalTimestamp"].as_f64().expect("seconds");
        let arrival = Millis((arrival * 1_000.0).round() as i64);
        let table = EpochTable::genesis();
        let decoded = decode_record(&payload, arrival, table.epoch_at(arrival));
        let _ = write!(lines, "record {index}, arrived {arrival}\n{}", shown(&decoded));
    }
    lines
}

#[test]
fn one_event_records() {
    insta::assert_snapshot!(kinesis("kinesis-one-event-records.json"));
}

#[test]
fn every_form_of_a_record() {
    insta::assert_snapshot!(kinesis("kinesis-forms.json"));
}

/// Bodies alone: what `weir-id` and `weir-arrived-at` mean, and whether they are sound, is the processor's to judge.
#[test]
fn messages() {
    let mut lines = String::new();
    for (index, message) in records("sqs-messages.json").iter().enumerate() {
        let arrival = Millis(text(&message["attributes"], "SentTimestamp").parse().expect("milliseconds"));
        let _ = write!(lines, "message {index}");
        for (name, attribute) in message["messageAttributes"].as_object().expect("attributes") {
            let _ = write!(lines, ", {name} {}", attribute["stringValue"].as_str().unwrap_or("without text"));
        }
        let held = match MessageBody::of(text(message, "body")) {
            MessageBody::Payload(payload) => {
                let table = EpochTable::genesis();
                shown(&decode_payload(&payload.bytes(), arrival, table.epoch_at(arrival)))
            }
            MessageBody::Pointer { bucket, key } => format!("  pointer to {key} in {bucket}\n"),
            MessageBody::Notice(notice) => noticed(&notice),
            MessageBody::Malformed { reason, detail } => format!("  rejected: {reason}: {detail}\n"),
            MessageBody::TestEvent => "  test event\n".to_owned(),
            MessageBody::Unsupported(what) => format!("  unsupported: {what}\n"),
        };
        let _ = write!(lines, "\n{held}");
    }
    insta::assert_snapshot!(lines);
}

/// What each notice is about, and what its objects are counted under.
#[test]
fn notices() {
    let mut lines = String::new();
    for (index, message) in records("s3-notices.json").iter().enumerate() {
        let _ = writeln!(lines, "message {index}");
        match MessageBody::of(text(message, "body")) {
            MessageBody::Notice(notice) => {
                let _ = write!(lines, "{}", noticed(&notice));
                for object in &notice.objects {
                    let identity = ObjectAt::noticed(object).map(|at| at.identity().to_string());
                    let _ = writeln!(lines, "  counted under {identity:?}");
                }
            }
            MessageBody::TestEvent => lines.push_str("  test event\n"),
            MessageBody::Payload(payload) => {
                let _ = writeln!(lines, "  a payload: {}", String::from_utf8_lossy(&payload.bytes()));
            }
            other => {
                let _ = writeln!(lines, "  {other:?}");
            }
        }
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn changes_of_contributions() {
    let layout = Layout::new("live", EpochTable::genesis().generation);
    let mut lines = String::new();
    for (index, record) in records("dynamodb-stream.json").iter().enumerate() {
        let change = text(record, "eventName");
        let window = layout.window_of(text(&record["dynamodb"]["Keys"]["pk"], "S"));
        let window = window.map_or("no window of this generation".to_owned(), |window| window.to_string());
        let _ = writeln!(lines, "record {index}: {change} {window}");
    }
    insta::assert_snapshot!(lines);
}

/// The finalizer tells its two triggers apart.
#[test]
fn triggers_of_the_finalizer() {
    let trigger = |name: &str| serde_json::from_str::<Trigger<Keys>>(&sample(name)).expect("a trigger");
    assert!(matches!(trigger("dynamodb-stream.json"), Trigger::Stream { records } if records.len() == 6));
    assert!(matches!(trigger("scheduled.json"), Trigger::Schedule { .. }));
}
