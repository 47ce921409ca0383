//! The goldens, made from `events/`: the batches as they stand there, and what they leave behind event by event.

mod oracle;
mod rows;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_gate::golden::{Batch, Before, Golden};
use oracle::Oracle;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_exact::replay::Request;
use weir_telemetry::{MessageBody, Millis, Reason, Rejected};
use weir_tests::root;

/// When the samples arrive. No epoch can have been announced for so early an arrival, so it is of the first one's rules,
/// in every fleet and for ever.
const ARRIVED_AT: Millis = Millis(1_795_224_605_123);

/// Messages of `sqs-messages.json` that need nothing of the landing bucket and name no attribute that is wrong.
const MESSAGES: [usize; 10] = [0, 1, 2, 3, 5, 6, 9, 10, 11, 15];

/// Every golden by its processor.
pub(crate) fn all() -> BTreeMap<String, Golden> {
    let goldens = [
        ("burst-summary", burst_summary()),
        ("kinesis-rollup", kinesis_rollup()),
        ("quarantine-replay", quarantine_replay()),
        ("rollup-compact", rows::rollup_compact()),
        ("rollup-finalize", rows::rollup_finalize()),
        ("rollup-reconcile", rollup_reconcile()),
        ("s3-rollup", s3_rollup()),
        ("sqs-rollup", sqs_rollup()),
    ];
    goldens.into_iter().map(|(name, golden)| (name.to_owned(), golden)).collect()
}

/// Records of a sample batch.
fn records(name: &str) -> Vec<Value> {
    let path = root().join("events").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let batch: Value = serde_json::from_str(&text).expect("JSON");
    batch["Records"].as_array().expect("Records").clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} of {value}"))
}

fn settled() -> Value {
    json!({ "batchItemFailures": [] })
}

fn batch(records: Vec<Value>, cuts: &[(usize, usize)]) -> Batch {
    Batch { invocation: json!({ "Records": records }), cuts: cuts.to_vec(), plain: false, answer: settled() }
}

fn golden(about: &str, before: Before, batches: Vec<Batch>, leaves: Vec<String>) -> Golden {
    Golden { about: about.to_owned(), before, batches, arrives_now: false, leaves }
}

/// Records of one shard, of the fleet's own stream: its name and time of creation make the shard's identity.
fn shard(name: &str, shard: &str) -> Vec<Value> {
    let mut records = records(name);
    for record in &mut records {
        let sequence = text(&record["kinesis"], "sequenceNumber").to_owned();
        record["eventID"] = format!("{shard}:{sequence}").into();
        record["eventSourceARN"] = "${stream}".into();
    }
    records
}

fn payload(record: &Value) -> Vec<u8> {
    STANDARD.decode(text(&record["kinesis"], "data")).expect("base64")
}

fn kinesis_rollup() -> Golden {
    let shards = [
        ("shardId-000000000000", shard("kinesis-forms.json", "shardId-000000000000")),
        ("shardId-000000000001", shard("kinesis-one-event-records.json", "shardId-000000000001")),
    ];
    let mut oracle = Oracle::default();
    for (shard, records) in &shards {
        oracle.shard(shard, records);
    }
    let [(_, forms), (_, ones)] = shards;
    let about = "Every form of a record and every reason to set one aside, redelivered twice in other cuts.";
    let batches = vec![batch(forms, &[(0, 12), (5, 33), (0, 33)]), batch(ones, &[(0, 6), (2, 6)])];
    golden(about, Before::default(), batches, oracle.lines())
}

fn sqs_rollup() -> Golden {
    let samples = records("sqs-messages.json");
    let mut messages: Vec<Value> = MESSAGES.iter().map(|place| samples[*place].clone()).collect();
    let mut oracle = Oracle::default();
    for message in &messages {
        if let MessageBody::Payload(payload) = MessageBody::of(text(message, "body")) {
            let path = [("queue", "weir-telemetry"), ("message_id", text(message, "messageId"))];
            oracle.payload(&payload.bytes(), &Coordinates::new("sqs", path));
        }
    }
    // A producer that tries again: another message under the id that it gave the first.
    let mut again = samples[3].clone();
    again["messageId"] = "059f36b4-87a3-44ab-83d2-661975800099".into();
    messages.push(again);
    let about = "Bodies in every form, redelivered in other company; a producer's second send under its own id.";
    golden(about, Before::default(), vec![batch(messages, &[(0, 4), (2, 11), (0, 11)])], oracle.lines())
}

fn s3_rollup() -> Golden {
    let samples = records("kinesis-forms.json");
    let objects = [("events.ndjson.gz", payload(&samples[2])), ("bad-line.ndjson", payload(&samples[8]))];
    let mut oracle = Oracle::arriving_now();
    for (name, body) in &objects {
        oracle.payload(body, &Coordinates::new("s3", [("key", *name)]));
    }
    let notices = records("s3-notices.json");
    let about_object = |(place, (name, _)): (usize, &(&str, Vec<u8>))| {
        let mut message = notices[0].clone();
        let mut notice: Value = serde_json::from_str(text(&message, "body")).expect("JSON");
        let s3 = &mut notice["Records"][0]["s3"];
        s3["bucket"]["name"] = "${landing}".into();
        s3["bucket"]["arn"] = "arn:aws:s3:::${landing}".into();
        s3["object"]["key"] = format!("${{{name}.key}}").into();
        s3["object"]["eTag"] = format!("${{{name}.etag}}").into();
        s3["object"]["versionId"] = format!("${{{name}.version}}").into();
        // A number, once it is filled in.
        let body = notice.to_string().replace(":1024,", &format!(":${{{name}.size}},"));
        assert!(body.contains(".size}"), "{body}");
        message["body"] = body.into();
        message["messageId"] = format!("059f36b4-87a3-44ab-83d2-66197590000{place}").into();
        message["attributes"]["SentTimestamp"] = "${now_ms}".into();
        message
    };
    let messages: Vec<Value> = objects.iter().enumerate().map(about_object).collect();
    let before = Before {
        objects: objects.iter().map(|(name, body)| ((*name).to_owned(), STANDARD.encode(body))).collect(),
        ..Before::default()
    };
    let about = "A compressed object and one with a bad line, each noticed twice.";
    let golden = golden(about, before, vec![batch(messages, &[(0, 1), (0, 2), (1, 2)])], oracle.lines());
    Golden { arrives_now: true, ..golden }
}

fn quarantine_replay() -> Golden {
    let samples = records("kinesis-forms.json");
    let object = |place: usize| {
        let sequence = text(&samples[place]["kinesis"], "sequenceNumber");
        let path = [("stream", "weir-telemetry"), ("shard", "shardId-000000000000"), ("sequence_number", sequence)];
        let rejected = Rejected {
            reason: Reason::NotJson,
            detail: "as a version before this one had it".to_owned(),
            event_index: None,
            payload: payload(&samples[place]),
        };
        let coordinates = Coordinates::new("kinesis", path);
        QuarantineObject { coordinates, arrived_at: ARRIVED_AT, rejected }
    };
    // One that is counted now, and one that is set aside again.
    let objects = [object(0), object(9)];
    let mut oracle = Oracle::default();
    oracle.payload(&objects[0].rejected.payload, &objects[0].coordinates);
    objects.iter().for_each(|object| oracle.set_aside(object.clone()));
    let request = |(place, object): (usize, &QuarantineObject)| {
        let mut message = records("sqs-messages.json")[place].clone();
        message["messageAttributes"] = json!({});
        message["body"] = Request { key: object.key(), requested_at: ARRIVED_AT }.to_body().into();
        message["eventSourceARN"] = "arn:aws:sqs:us-east-1:000000000000:weir-replay".into();
        message
    };
    let document = |object: &QuarantineObject| (object.key(), serde_json::from_slice(&object.body()).expect("JSON"));
    let before = Before { documents: objects.iter().map(document).collect(), ..Before::default() };
    let messages = objects.iter().enumerate().map(request).collect();
    let about = "A document that is counted now and one that is set aside again, each asked for twice.";
    golden(about, before, vec![batch(messages, &[(0, 1), (0, 2), (1, 2)])], oracle.lines())
}

/// It reads what is live and writes nothing, and what it finds is no matter of its version's.
fn rollup_reconcile() -> Golden {
    let path = root().join("events/scheduled.json");
    let invocation = serde_json::from_slice(&std::fs::read(path).expect("a sample")).expect("JSON");
    let batch = Batch { invocation, cuts: vec![], plain: true, answer: Value::Null };
    golden("A tick: it starts, reads the tables and ends.", Before::default(), vec![batch], vec![])
}

fn burst_summary() -> Golden {
    let samples = records("kinesis-one-event-records.json");
    let events: Vec<Value> =
        samples.iter().map(|record| serde_json::from_slice(&payload(record)).expect("JSON")).collect();
    let field = |name: &'static str| events.iter().filter_map(move |event| event.get(name));
    let users: std::collections::BTreeSet<String> =
        field("user_id").map(|user| user.to_string().replace('"', "")).collect();
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for event in &events {
        let status = event.get("status").map_or("unknown".to_owned(), Value::to_string);
        *statuses.entry(status).or_default() += 1;
    }
    let mut durations: Vec<f64> = field("duration_ms").filter_map(Value::as_f64).collect();
    durations.sort_by(f64::total_cmp);
    let refused = json!({"status": "200"});
    let body = Value::from(events.iter().cloned().chain([refused]).collect::<Vec<_>>());
    let answer = json!({
        "statusCode": 200,
        "body": {
            "total_events": events.len(),
            "unique_users": users.len(),
            "p95_duration_ms": durations[(durations.len() - 1) * 95 / 100],
            "status_counts": statuses,
            "rejected": {"events": 1, "reasons": {"invalid_status": 1}},
        },
    });
    let invocation =
        json!({"version": "2.0", "rawPath": "/", "headers": {}, "body": body.to_string(), "isBase64Encoded": false});
    let batch = Batch { invocation, cuts: vec![], plain: true, answer };
    golden("An array of events and one that is refused. Nothing is kept.", Before::default(), vec![batch], vec![])
}
