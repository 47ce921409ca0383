//! Goldens of what recomputes: contributions that stand there before, and the rows that follow from them.

use super::oracle::Oracle;
use super::{golden, payload, settled, shard, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_gate::golden::{Batch, Before, Contribution, Golden};
use canary_gate::observed;
use futures::executor::block_on;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_exact::fenced::{FencedLane, FencedSettings, Record};
use weir_exact::layout::Layout;
use weir_exact::memory::MemoryStore;
use weir_exact::row::{Resolution, Row, RowKey, RowVersion, RowWindow, State};
use weir_exact::scratch::Left;
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_rollup::Rollup;
use weir_telemetry::{EpochTable, EpochView, Millis, Window};

const SHARD: &str = "shardId-000000000000";
const SAMPLE: &str = "kinesis-one-event-records.json";

fn layout() -> Layout {
    Layout::new("live", EpochTable::genesis().generation)
}

/// The sample's contributions as `kinesis-rollup` writes them: in what form is not what the golden is about.
fn contributions() -> Vec<Contribution> {
    let samples = shard(SAMPLE, SHARD);
    let record = |record: &Value| {
        let arrived_at = record["kinesis"]["approximateArrivalTimestamp"].as_f64().expect("seconds");
        Record {
            sequence: SequenceNumber::parse(text(&record["kinesis"], "sequenceNumber")).expect("a sequence number"),
            arrived_at: Millis((arrived_at * 1_000.0).round() as i64),
            data: payload(record).into(),
        }
    };
    let records: Vec<Record<'_>> = samples.iter().map(record).collect();
    let view = EpochView::new(EpochTable::genesis(), records[0].arrived_at);
    let shard = Shard { stream: "weir-telemetry".into(), created_at: Millis(0), id: SHARD.into() };
    let lane = FencedLane::new(MemoryStore::default(), FencedSettings::default());
    let outcome = block_on(lane.process(&layout(), &shard, records, &view, &|| false));
    assert_eq!((outcome.failed_from, outcome.errors), (None, vec![]));
    let items = lane.into_store().items();
    let of_a_window = items.into_iter().filter(|item| layout().window_of(&item.key.pk).is_some());
    of_a_window
        .map(|item| Contribution {
            pk: item.key.pk,
            sk: item.key.sk,
            fence: item.fence,
            body_base64: STANDARD.encode(item.body),
        })
        .collect()
}

fn oracle() -> Oracle {
    let mut oracle = Oracle::default();
    oracle.events(&shard(SAMPLE, SHARD));
    oracle
}

/// The rows of a resolution: each series and each service's summary, added up from the events' windows.
fn rows(oracle: &Oracle, resolution: Resolution) -> Vec<Row> {
    let mut series: BTreeMap<(RowWindow, String, String), Rollup> = BTreeMap::new();
    for ((window, key), rollup) in &oracle.counted {
        let start = Window::parse(window).expect("a window").start();
        let window = RowWindow::containing(resolution, start);
        for endpoint in [key.endpoint.as_str(), "*"] {
            series.entry((window, key.service.clone(), endpoint.to_owned())).or_default().merge(rollup);
        }
    }
    let row = |((window, service, endpoint), rollup): (&(RowWindow, String, String), &Rollup)| {
        let mut top: Vec<(String, u64)> = series
            .iter()
            .filter(|((of, by, name), _)| of == window && by == service && name != "*")
            .map(|((_, _, name), rollup)| (name.clone(), rollup.events()))
            .collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Row {
            key: RowKey { service: service.clone(), endpoint: endpoint.clone(), window: *window },
            rollup: rollup.clone(),
            top_endpoints: (endpoint == "*").then_some(top),
            version: RowVersion { revision: 1, algorithm: 1, state: State::Open },
            updated_at: Millis(0),
            expires_at: None,
        }
    };
    series.iter().map(row).collect()
}

fn lines(oracle: &Oracle, rows: Vec<Row>) -> Vec<String> {
    let left = Left { rows, ..Left::default() };
    let mut lines = observed::lines(&layout(), &left, false).expect("nothing to decode");
    lines.extend(oracle.lines());
    lines.sort();
    lines
}

/// A change of a table, as its stream tells it.
fn change(place: usize, keys: Value) -> Value {
    let sequence = format!("{}00000000000000000001", place + 1);
    json!({"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys, "SequenceNumber": sequence}})
}

fn triggered(changes: Vec<Value>) -> Vec<Batch> {
    let all = changes.len();
    let invocation = json!({ "Records": changes });
    // Twice: a window that is computed again comes to the same rows.
    vec![Batch { invocation, cuts: vec![(0, all), (0, all)], plain: false, answer: settled() }]
}

pub(crate) fn rollup_finalize() -> Golden {
    let (contributions, oracle) = (contributions(), oracle());
    let key =
        |(place, item): (usize, &Contribution)| change(place, json!({"pk": {"S": item.pk}, "sk": {"S": item.sk}}));
    let changes = contributions.iter().enumerate().map(key).collect();
    let leaves = lines(&oracle, rows(&oracle, Resolution::Minute));
    let before = Before { contributions, ..Before::default() };
    golden("Two minutes' contributions and the rows that they make.", before, triggered(changes), leaves)
}

pub(crate) fn rollup_compact() -> Golden {
    let oracle = oracle();
    let minutes = rows(&oracle, Resolution::Minute);
    let key = |(place, row): (usize, &Row)| {
        change(place, json!({"series": {"S": row.key.series()}, "window": {"S": row.key.window_text()}}))
    };
    let changes = minutes.iter().enumerate().map(key).collect();
    let all = minutes.iter().cloned().chain(rows(&oracle, Resolution::Hour)).collect();
    let leaves = lines(&oracle, all);
    let before = Before { contributions: contributions(), rows: true, ..Before::default() };
    golden("Two minutes' rows and the hour that they make.", before, triggered(changes), leaves)
}
