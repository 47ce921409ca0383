//! The functions' own lines, from a fleet under trouble: what they count is conserved, what RUNBOOK.md queries is in them,
//! and nothing that a producer said.

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_aws::clock;
use weir_local::{EndpointFault, EndpointFaults, FleetRequest};
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent, root};

/// In every payload, and so in no line.
const SECRET: &str = "secret-user-4711";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Puts into contributions fail for a while, beyond what the SDK's retries outlast.
#[derive(Default)]
struct Storm {
    puts: AtomicU64,
}

impl EndpointFaults for Storm {
    fn before(&self, request: &FleetRequest) -> EndpointFault {
        let put = request.service == "dynamodb" && request.operation == "PutItem";
        let nth = if put { self.puts.fetch_add(1, Ordering::Relaxed) } else { 0 };
        if (3..200).contains(&nth) { EndpointFault::Fail } else { EndpointFault::None }
    }
}

fn event(service: &str, n: u64) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-60_000 * (1 + (n % 5) as i64)).to_string();
    Sent {
        service: service.to_owned(),
        endpoint: "/login".to_owned(),
        series_endpoint: "/login".to_owned(),
        status: Some(200),
        duration_us: Some(1_000),
        minute: minute[..16].to_owned(),
        second: (n % 60) as u8,
    }
}

/// The event with a user, of which no line may speak.
fn json(event: &Sent) -> String {
    let mut event: Value = serde_json::from_str(&event.json()).expect("JSON");
    event["user_id"] = SECRET.into();
    event.to_string()
}

const RECORDS: u64 = 400;
const MESSAGES: u64 = 40;
const REJECTED: u64 = 3;

async fn traffic(fleet: &Fleet, oracle: &mut Oracle) {
    let mut records: Vec<_> = (0..RECORDS)
        .map(|n| {
            let event = event("stream", n);
            oracle.count(&event);
            (format!("key-{n}"), json(&event).into_bytes())
        })
        .collect();
    records.extend((0..REJECTED).map(|n| (format!("bad-{n}"), format!("{SECRET} {n}").into_bytes())));
    for request in records.chunks(100) {
        fleet.put_records(request.to_vec()).await;
    }
    for request in (0..MESSAGES).collect::<Vec<_>>().chunks(10) {
        let entries = request.iter().map(|n| {
            let event = event("queue", *n);
            oracle.count(&event);
            let trace = MessageAttributeValue::builder().data_type("String").string_value(TRACEPARENT).build();
            SendMessageBatchRequestEntry::builder()
                .id(format!("m{n}"))
                .message_body(json(&event))
                .message_attributes("traceparent", trace.expect("a data type"))
                .build()
                .expect("id and body are set")
        });
        fleet.send_messages(entries.collect()).await;
    }
    let bad = SendMessageBatchRequestEntry::builder().id("bad").message_body(SECRET).build();
    fleet.send_messages(vec![bad.expect("id and body are set")]).await;
    let lines = (0..20).map(|n| event("object", n)).inspect(|sent| oracle.count(sent)).map(|e| json(&e));
    let lines: Vec<String> = lines.chain([SECRET.to_owned()]).collect();
    let put =
        fleet.s3.put_object().bucket(Fleet::LANDING).key("in/a.ndjson").body(lines.join("\n").into_bytes().into());
    put.send().await.expect("PutObject");
}

/// Every line that is JSON, by function; and all text.
fn lines(directory: &std::path::Path) -> (BTreeMap<String, Vec<Value>>, String) {
    let (mut lines, mut all) = (BTreeMap::<String, Vec<Value>>::new(), String::new());
    for file in std::fs::read_dir(directory).expect("a directory").filter_map(Result::ok) {
        let text = std::fs::read_to_string(file.path()).expect("a log");
        let json = text.lines().filter_map(|line| serde_json::from_str(line.split_once(' ')?.1).ok());
        let name = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
        lines.entry(name).or_default().extend(json);
        all.push_str(&text);
    }
    (lines, all)
}

fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("no {name}: {line:#}"))
}

fn batches<'a>(lines: &'a BTreeMap<String, Vec<Value>>, function: &str) -> Vec<&'a Value> {
    lines[function].iter().filter(|line| line["message"] == "batch").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lines_count_is_conserved() {
    let directory = tempfile::tempdir().expect("a directory");
    let log_dir = directory.path().to_owned();
    let fleet = Fleet::start_with(|options| {
        options.log_dir = Some(log_dir);
        options.endpoint_faults = Some(Arc::new(Storm::default()));
    })
    .await;
    let mut oracle = Oracle::default();
    traffic(&fleet, &mut oracle).await;
    fleet.settle().await;
    fleet.assert_no_dead_letters().await;
    fleet.assert_rows(&oracle).await;
    // It is set aside again.
    fleet.weir(0, &["quarantine", "replay", "--since", "1h", "--yes"]).await;
    fleet.settle().await;
    fleet.plane.host().invoke("weir-rollup-reconcile:live", "{}".into()).await.expect("an invocation");
    let url = r#"{"version":"2.0","body":"[{\"status\":200},17]","isBase64Encoded":false}"#;
    fleet.plane.host().invoke("weir-burst-summary:live", url.into()).await.expect("an invocation");
    fleet.plane.shutdown().await;

    let (lines, all) = lines(directory.path());
    conserved(&lines);
    assert!(!all.contains(SECRET), "a payload is in a line");
    metrics_are_sound(&lines);
    the_runbook_speaks_of(&lines);
}

/// By each line, and over all of them by what was sent.
fn conserved(lines: &BTreeMap<String, Vec<Value>>) {
    let mut returned = 0;
    let sent =
        [("weir-kinesis-rollup", RECORDS, REJECTED), ("weir-sqs-rollup", MESSAGES, 1), ("weir-s3-rollup", 20, 1)];
    for (function, events, rejected) in sent {
        let batches = batches(lines, function);
        let (mut applied, mut quarantined) = (0, 0);
        for line in &batches {
            let of = |name: &str| number(line, name);
            let parts = of("applied") + of("duplicate") + of("quarantined") + of("returned");
            assert_eq!(of("received"), parts, "{line:#}");
            applied += of("applied");
            quarantined += of("quarantined");
            returned += of("returned");
            assert_eq!((&line["version"], &line["alias"]), (&"1".into(), &"live".into()), "{line:#}");
        }
        // What a storm took is a duplicate, or was never there. A message that comes back in other company stands in
        // another item besides, and counts once when its window is finalized.
        assert!(applied == events || (function == "weir-sqs-rollup" && applied > events), "{function}: {applied}");
        assert!(quarantined >= rejected, "{function}");
        assert!(batches[0]["cold_start"].as_bool().is_some_and(|cold| cold), "{:#}", batches[0]);
    }
    assert!(returned > 0, "the storm was noticed by nobody");
    let link = serde_json::json!({ "trace_id": &TRACEPARENT[3..35], "span_id": &TRACEPARENT[36..52] });
    assert!(batches(lines, "weir-sqs-rollup").iter().any(|line| line["links"][0] == link));
}

/// Each named metric is a number of its line, and every function has some.
fn metrics_are_sound(lines: &BTreeMap<String, Vec<Value>>) {
    for function in lines.keys() {
        let batches = batches(lines, function);
        assert!(!batches.is_empty(), "{function} has no line");
        for line in batches {
            assert_eq!(line["function"], function.as_str());
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().expect("directives") {
                assert_eq!(directive["Namespace"], "weir");
                for dimension in directive["Dimensions"][0].as_array().expect("dimensions") {
                    assert!(line[dimension.as_str().expect("a name")].is_string(), "{dimension}: {line:#}");
                }
                for metric in directive["Metrics"].as_array().expect("metrics") {
                    number(line, metric["Name"].as_str().expect("a name"));
                }
            }
            assert!(line.to_string().len() < 4_096, "{line:#}");
        }
    }
}

/// What a line has besides its own fields.
const OF_EVERY_LINE: [&str; 4] = ["timestamp", "level", "message", "_aws"];

/// Each field of RUNBOOK.md's table is in a line of each processor that it names, and each that a query reads is in one.
fn the_runbook_speaks_of(lines: &BTreeMap<String, Vec<Value>>) {
    let runbook = std::fs::read_to_string(root().join("RUNBOOK.md")).expect("RUNBOOK.md");
    let has = |function: &str, field: &str| lines[function].iter().any(|line| line.get(field).is_some());
    let rows: Vec<Vec<&str>> = runbook
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let functions: Vec<String> = match row[1] {
            "all" => lines.keys().cloned().collect(),
            names => names.split(", ").map(|name| format!("weir-{name}")).collect(),
        };
        for (field, function) in row[0]
            .split('`')
            .skip(1)
            .step_by(2)
            .flat_map(|field| functions.iter().map(move |function| (field, function)))
        {
            assert!(has(function, field), "RUNBOOK.md: no line of {function} has {field}");
        }
    }
    // And none has a field of which the table, or the sentence below it, knows nothing.
    let named: BTreeSet<&str> = runbook.split('`').skip(1).step_by(2).collect();
    for (function, field) in lines
        .iter()
        .flat_map(|(function, lines)| lines.iter().filter_map(move |line| Some((function, line.as_object()?))))
        .filter(|(_, line)| line.get("message").is_some_and(|message| message == "batch"))
        .flat_map(|(function, line)| line.keys().map(move |field| (function, field.as_str())))
    {
        assert!(named.contains(field) || OF_EVERY_LINE.contains(&field), "RUNBOOK.md: {function} has a field {field}");
    }
    let known: BTreeSet<&str> = lines
        .values()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|line| line.keys())
        .map(String::as_str)
        .collect();
    // Of the platform, not of a line; and of lines that this fleet had no reason for.
    let others = ["@timestamp", "@log", "@message", "window", "stack"];
    let queries: Vec<&str> = runbook.lines().filter(|line| line.starts_with("    ") && reads(line)).collect();
    assert!(queries.len() >= 6, "{queries:?}");
    for field in queries.iter().flat_map(|line| fields(line)) {
        assert!(
            known.contains(field.as_str()) || others.contains(&field.as_str()),
            "RUNBOOK.md queries {field}: {known:?}"
        );
    }
}

fn reads(line: &str) -> bool {
    ["fields ", "filter ", "stats "].iter().any(|verb| line.trim().trim_start_matches("| ").starts_with(verb))
}

/// The fields that a line of a query reads: words that are no verb, no function, no text and no name that it gives.
fn fields(line: &str) -> Vec<String> {
    const WORDS: [&str; 14] = [
        "fields",
        "filter",
        "stats",
        "and",
        "or",
        "as",
        "by",
        "ispresent",
        "sum",
        "count",
        "max",
        "latest",
        "like",
        "desc",
    ];
    let mut words = vec![];
    let mut text = false;
    for part in line.split('"') {
        if !text {
            let split =
                part.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '@')).filter(|word| !word.is_empty());
            words.extend(split.map(str::to_owned));
        }
        text = !text;
    }
    let given: BTreeSet<String> = words.windows(2).filter(|pair| pair[0] == "as").map(|pair| pair[1].clone()).collect();
    words.retain(|word| !WORDS.contains(&word.as_str()) && !given.contains(word));
    words
}
