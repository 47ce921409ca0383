//! Every golden, read by today's readers, says what it said.

use crate::attributes::{self, Attributes};
use crate::{directory, goldens};
use std::fmt::Write as _;
use weir_aws::contributions::ContributionsTable;
use weir_aws::rows::RollupsTable;
use weir_exact::finalize::Catalog;
use weir_exact::layout::Layout;
use weir_exact::ledger::Claim;
use weir_exact::ports::{ContributionGet, Item, RowOutcome, RowPut, RowVersions};
use weir_exact::progress::Progress;
use weir_exact::quarantine::QuarantineObject;
use weir_exact::row::{Row, RowKey};
use weir_exact::skips::SkipList;
use weir_local::{Plane, PlaneOptions};
use weir_rollup::{Body, Ledger, Rollup, UserSketch, otlp};
use weir_telemetry::{EpochTable, Millis, Window};

fn check(format: &str, name: &str, said: &str) {
    insta::with_settings!({
        snapshot_path => directory(format),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, said) });
}

fn rollup(lines: &mut String, rollup: &Rollup) {
    let statuses: Vec<String> = rollup.statuses().map(|(status, n)| format!("{}×{n}", status.label())).collect();
    let _ = write!(lines, "{} events ({})", rollup.events(), statuses.join(" "));
    if let Some(durations) = rollup.durations() {
        let (min, max) = (durations.min_us(), durations.max_us());
        let _ = write!(lines, ", {} durations of {min}–{max} µs, {} in all", durations.count(), durations.sum_us());
        let histogram = durations.histogram();
        let first = histogram.bins().next().map_or(0, |(bin, _)| bin);
        let _ = write!(lines, ", {} of zero and {} bins from {first}", histogram.zeros(), histogram.bins().count());
    }
    // An estimate's digits are DataSketches'; whole users are ours to promise.
    let _ = writeln!(lines, ", {:.0} users", rollup.users().estimate());
}

fn body(bytes: &[u8]) -> String {
    let body = Body::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
    let mut lines = String::new();
    for (key, series) in &body.series {
        let _ = write!(lines, "{}#{}, touched {} times: ", key.service, key.endpoint, series.touches);
        rollup(&mut lines, &series.rollup);
    }
    lines
}

fn ledger(bytes: &[u8]) -> String {
    let ledger = Ledger::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
    let mut lines = String::new();
    for entry in &ledger.entries {
        let _ = writeln!(lines, "{}", entry.identity);
        for (key, series) in &entry.series {
            let _ = write!(lines, "  {}#{}: ", key.service, key.endpoint);
            rollup(&mut lines, series);
        }
    }
    lines
}

#[test]
fn bodies() {
    for (name, bytes) in goldens("body") {
        check("body", &name, &body(&bytes));
    }
}

#[test]
fn ledgers() {
    for (name, bytes) in goldens("ledger") {
        check("ledger", &name, &ledger(&bytes));
    }
}

/// What an item of the contributions table says, told by its key as the fleet does.
fn item(item: &Item) -> String {
    let Item { key, fence, expires_at, .. } = item;
    let window = Layout::new("live", EpochTable::genesis().generation).window_of(&key.pk);
    let content = match (key.pk.as_str(), &window, fence) {
        ("epochs", ..) => epochs(&EpochTable::from_json(&item.body).unwrap_or_else(|error| panic!("{error}"))),
        ("live#progress", ..) => {
            format!("{:#?}\n", Progress::from_item(item).unwrap_or_else(|error| panic!("{error}")))
        }
        ("skips", ..) => {
            format!("{:#?}\n", SkipList::from_item(Some(item)).unwrap_or_else(|error| panic!("{error}")))
        }
        (pk, ..) if pk.starts_with("live#claim#") => {
            format!("{:#?}\n", Claim::from_item(item).unwrap_or_else(|error| panic!("{error}")))
        }
        (pk, ..) if pk.starts_with("live#series#") => {
            format!("{:#?}\n", Catalog::from_item(item).unwrap_or_else(|error| panic!("{error}")))
        }
        (_, Some(_), Some(_)) => body(&item.body),
        (_, Some(_), None) => ledger(&item.body),
        _ => panic!("{key:?}: an item that no reader of today's asks for"),
    };
    let window = window.map_or("none".to_owned(), |window| window.to_string());
    format!("{}\n{}\nwindow: {window}, fence: {fence:?}, expires: {expires_at:?}\n\n{content}", key.pk, key.sk)
}

fn epochs(table: &EpochTable) -> String {
    let lines = table.epochs.iter().map(|epoch| format!("{epoch:?}\n"));
    format!("{:?}\n{}", table.generation, lines.collect::<String>())
}

/// The tables of template.yaml without the fleet that would work on them.
async fn tables() -> Plane {
    let dir = tempfile::tempdir().expect("a directory");
    let template = dir.path().join("template.yaml");
    let key = |pk: &str, sk: &str| {
        format!(
            "AttributeDefinitions: [{{ AttributeName: {pk}, AttributeType: S }}, {{ AttributeName: {sk}, AttributeType: S }}], \
             KeySchema: [{{ AttributeName: {pk}, KeyType: HASH }}, {{ AttributeName: {sk}, KeyType: RANGE }}]"
        )
    };
    let table = |name: &str, key: String| {
        let properties = format!("{{ TableName: {name}, BillingMode: PAY_PER_REQUEST, {key} }}");
        format!("  {name}: {{ Type: AWS::DynamoDB::Table, Properties: {properties} }}\n")
    };
    let text =
        ["Resources:\n".to_owned(), table("contributions", key("pk", "sk")), table("rows", key("series", "window"))];
    std::fs::write(&template, text.concat()).expect("a template");
    let plane = Plane::start(PlaneOptions { port: 0, ..PlaneOptions::new(template) }).await;
    plane.unwrap_or_else(|error| panic!("{error}"))
}

fn client(plane: &Plane) -> aws_sdk_dynamodb::Client {
    let configuration = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .endpoint_url(plane.endpoint_url())
        .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "test"))
        .http_client(weir_aws::clients::http_client());
    aws_sdk_dynamodb::Client::from_conf(configuration.build())
}

async fn put(client: &aws_sdk_dynamodb::Client, table: &str, attributes: &Attributes) {
    let put = client.put_item().table_name(table).set_item(Some(attributes.clone())).send().await;
    put.unwrap_or_else(|error| panic!("{table}: {:?}", error.into_service_error()));
}

/// Attribute by attribute as they were stored, through the adapter that the processors read with.
#[tokio::test]
async fn items() {
    let plane = tables().await;
    let client = client(&plane);
    let table = ContributionsTable::new(client.clone(), "contributions");
    for (name, bytes) in goldens("item") {
        let attributes = attributes::from_json(&bytes);
        put(&client, "contributions", &attributes).await;
        let stored = attributes::item(&attributes);
        let read = table.get(&stored.key).await.expect("a consistent read").expect("what was put");
        assert_eq!(read, stored, "{name}");
        check("item", &name, &item(&read));
    }
    plane.shutdown().await;
}

/// Rows are public: each attribute, with the sketches read back; and a row of today's is put over it by its version alone.
#[tokio::test]
async fn rows() {
    let plane = tables().await;
    let client = client(&plane);
    let table = RollupsTable::new(client.clone(), "rows");
    for (name, bytes) in goldens("row") {
        let attributes = attributes::from_json(&bytes);
        put(&client, "rows", &attributes).await;
        let text = |name: &str| attributes::text(&attributes, name).unwrap_or_else(|| panic!("no {name}"));
        let window = Window::parse(&text("start")).expect("a window");
        let key = RowKey { service: text("service"), endpoint: text("endpoint"), window: window.into() };
        assert_eq!((key.series(), key.window_text()), (text("series"), text("window")), "{name}");
        let stands = table.row_versions(std::slice::from_ref(&key)).await.expect("versions")[&key];

        let mut said = format!("{stands:?}\n");
        let users = attributes::bytes(&attributes, "users_sketch").expect("a sketch");
        let users = UserSketch::from_datasketches_bytes(&users).expect("our own sketch");
        let _ = writeln!(said, "users_sketch: {:.0} users", users.estimate());
        if let Some(histogram) = attributes::bytes(&attributes, "duration_histogram") {
            let point = otlp::parse_data_point(&histogram).expect("a data point");
            let _ = writeln!(said, "duration_histogram: {}", histogram_said(&point));
        }
        let binary = ["users_sketch", "duration_histogram"];
        let mut names: Vec<&String> = attributes.keys().filter(|name| !binary.contains(&name.as_str())).collect();
        names.sort();
        for name in names {
            let _ = writeln!(said, "{name}: {}", sorted(&attributes[name]));
        }
        check("row", &name, &said);

        let row = |version| Row {
            key: key.clone(),
            rollup: Rollup::default(),
            top_endpoints: None,
            version,
            updated_at: Millis(0),
            expires_at: None,
        };
        assert_eq!(table.put_row(&row(stands)).await, Ok(RowOutcome::Superseded), "{name}: its own version");
        let mut higher = stands;
        higher.revision += 1;
        assert_eq!(table.put_row(&row(higher)).await, Ok(RowOutcome::Written), "{name}: a higher version");
    }
    plane.shutdown().await;
}

fn histogram_said(point: &otlp::DataPoint) -> String {
    let otlp::DataPoint { start_unix_nano, end_unix_nano, sum_ms, min_ms, max_ms, histogram } = point;
    let bins: Vec<String> = histogram.bins().map(|(bin, n)| format!("{bin}×{n}")).collect();
    format!(
        "{start_unix_nano}–{end_unix_nano}, sum {sum_ms:?}, min {min_ms:?}, max {max_ms:?}, {} of zero, bins {}",
        histogram.zeros(),
        bins.join(" ")
    )
}

/// Attributes in an order that does not change from run to run.
fn sorted(value: &aws_sdk_dynamodb::types::AttributeValue) -> String {
    let single = Attributes::from([("value".to_owned(), value.clone())]);
    let json: serde_json::Value = serde_json::from_slice(&attributes::to_json(&single)).expect("JSON");
    json["value"].to_string()
}

/// Contract §3: whoever replays an object needs these fields, and the payload as it came.
#[test]
fn quarantine_objects() {
    use base64::Engine as _;
    for (name, bytes) in goldens("quarantine") {
        let object: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let text = |field: &str| object[field].as_str().unwrap_or_else(|| panic!("{name} has no {field}"));
        let arrived = Millis::parse_rfc3339(text("arrived_at")).expect("a time");
        let payload = base64::engine::general_purpose::STANDARD.decode(text("payload_base64")).expect("base64");
        let said = format!(
            "{}: {}\nfrom {}, {}\narrived {}\n{}\n",
            text("reason"),
            text("detail"),
            text("source"),
            object["coordinates"],
            arrived.0,
            String::from_utf8_lossy(&payload)
        );
        check("quarantine", &name, &said);
        // And as today's replay reads it: a key and a body like those that were written.
        let read = QuarantineObject::from_body(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.body(), bytes, "{name}");
    }
}
