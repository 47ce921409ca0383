//! From an invocation's raw bytes to planned rollups, on one core, beside the parse-only floor of the same input
//! (`floor.rs`): `cargo bench --bench decode`, with `-- WORD` only the cases that hold that word.
//!
//! Floor and fleet take turns, so that whatever else the machine does meets both; what is printed is the median of the
//! ratios of the turns. The same figures as JSON go to `target/bench/decode.json`.

#![allow(missing_docs, reason = "a benchmark is no library")]

mod floor;
#[path = "../../../processors/sqs-rollup/src/message.rs"]
#[allow(unreachable_pub, dead_code, reason = "the handler beside it uses the rest")]
mod message;
#[path = "../../../processors/burst-summary/src/summary.rs"]
#[allow(unreachable_pub, dead_code, reason = "the handler beside it uses the rest")]
mod summary;

use floor::Packing;
use weir_bench::case::{self, Case};
use weir_bench::{ARRIVAL_MS, Workload};
use weir_exact::fenced::{FencedSettings, planned};
use weir_exact::layout::Layout;
use weir_exact::ledger::{LedgerSettings, Planner};
use weir_exact::sequence::Shard;
use weir_telemetry::{EpochTable, EpochView, Millis};

fn main() {
    case::run("decode", cases());
}

fn cases() -> Vec<Case> {
    let mut workload = Workload::new();
    let mut cases: Vec<Case> = [100, 1_000, 5_000]
        .into_iter()
        .map(|records| {
            kinesis(
                format!("kinesis {records} x 1"),
                records,
                1,
                Packing::Plain,
                workload.kinesis(records, 1, floor::plain),
            )
        })
        .collect();
    for (name, pack, packing) in [
        ("ndjson", floor::plain as fn(&[u8]) -> Vec<u8>, Packing::Plain),
        ("gzip", floor::gzip, Packing::Gzip),
        ("zstd", floor::zstd, Packing::Zstd),
    ] {
        let input = workload.kinesis(1_000, 50, pack);
        cases.push(kinesis(format!("kinesis 1000 x 50 {name}"), 1_000, 50, packing, input));
    }
    cases.push(sqs(workload.sqs(1_000), 1_000));
    cases.extend([100, 1_000, 5_000, 10_000, 20_000].into_iter().map(|events| burst(workload.burst(events), events)));
    cases
}

fn kinesis(name: String, records: usize, events: usize, packing: Packing, input: Vec<u8>) -> Case {
    let places = floor::places(&input, "data");
    assert_eq!(places.len(), records);
    let (bytes, own) = (input.len(), input.clone());
    let mut room = [vec![], vec![]];
    let mut arena = vec![];
    let epochs = EpochView::new(EpochTable::genesis(), Millis(ARRIVAL_MS));
    let shard = Shard { stream: "weir-telemetry".into(), created_at: Millis(0), id: "shardId-000000000006".into() };
    let settings = FencedSettings::default();
    let fleet = move || {
        let mut counted = 0;
        let shards = weir_envelope::kinesis::read(&own, &mut arena).expect("an invocation");
        for (_, records) in shards {
            let bodies = planned(&shard, records, &epochs, &settings).expect("a known epoch");
            counted += bodies.iter().flat_map(|(_, body)| body.series.values()).map(|s| s.rollup.events()).sum::<u64>();
        }
        assert_eq!(counted as usize, records * events);
        counted as usize
    };
    // The peers' standard libraries have no zstd.
    let alike = (!matches!(packing, Packing::Zstd)).then(|| ("kinesis", input.clone()));
    let floor = move || floor::kinesis(&input, &places, packing, &mut room);
    Case { name, events: records * events, bytes, floor: Box::new(floor), fleet: Box::new(fleet), alike }
}

fn sqs(input: Vec<u8>, messages: usize) -> Case {
    let places = floor::places(&input, "body");
    assert_eq!(places.len(), messages);
    let (bytes, own) = (input.len(), input.clone());
    let mut arena = vec![];
    let table = EpochTable::genesis();
    let layout = Layout::new("live", table.generation.clone());
    let epochs = EpochView::new(table, Millis(ARRIVAL_MS));
    let settings = LedgerSettings::default();
    let fleet = move || {
        let delivered = weir_envelope::sqs::read(&own, &mut arena).expect("an invocation");
        let queues = message::Queues::of(&delivered);
        let (mut incoming, _) = message::read_all(&delivered, &queues).expect("messages");
        assert_eq!(incoming.len(), messages);
        let plan = Planner::new(&layout, &epochs, &settings).round(&mut &mut incoming[..]);
        assert_eq!(plan.received(), messages as u64);
        messages
    };
    let alike = Some(("sqs", input.clone()));
    let floor = move || floor::sqs(&input, &places);
    let name = format!("sqs {messages} x 1");
    Case { name, events: messages, bytes, floor: Box::new(floor), fleet: Box::new(fleet), alike }
}

fn burst(input: Vec<u8>, events: usize) -> Case {
    let places = floor::places(&input, "body");
    assert_eq!(places.len(), 1);
    let (bytes, own) = (input.len(), input.clone());
    let fleet = move || {
        let summary = weir_envelope::url::read_in_place(&own, summary::summarise_quoted).expect("an array");
        assert_eq!(summary.total_events, events);
        serde_json::to_string(&summary).expect("JSON").len()
    };
    let alike = Some(("burst", input.clone()));
    let floor = move || floor::sqs(&input, &places);
    Case { name: format!("burst {events}"), events, bytes, floor: Box::new(floor), fleet: Box::new(fleet), alike }
}
