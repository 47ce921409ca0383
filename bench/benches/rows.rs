//! From contributions to rows: what a put of the fenced lane merges, and what the finalizer computes of a window, at 100
//! and 10,000 series. The floor is reading the stored bytes, which neither can do without.

#![allow(missing_docs, reason = "a benchmark is no library")]

use futures::executor::block_on;
use std::borrow::Cow;
use std::fmt::Write as _;
use weir_bench::case::{self, Case};
use weir_exact::fenced::{FencedLane, FencedSettings, Record};
use weir_exact::finalize::{FinalizeSettings, Finalizer};
use weir_exact::layout::Layout;
use weir_exact::memory::MemoryStore;
use weir_exact::ports::Item;
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_rollup::stored;
use weir_telemetry::{EpochTable, EpochView, Millis, Window};

/// 2026-11-21T01:30:05Z.
const NOW: Millis = Millis(weir_bench::ARRIVAL_MS);
/// Shards that count into the window.
const SHARDS: usize = 4;
/// Events of a series that each shard has seen.
const EVENTS_PER_SERIES: usize = 20;

fn main() {
    let cases = [100, 1_000, 10_000].into_iter().flat_map(|series| [merge(series), finalize(series)]);
    case::run("rows", cases.collect());
}

/// Two contributions to one, as a put makes it: both read, merged, written.
fn merge(series: usize) -> Case {
    let store = counted(series);
    // As many bodies of the second shard as the first has parts.
    let (ours, theirs) = (bodies(&store, 0), bodies(&store, 1));
    let bytes = ours.iter().chain(&theirs).map(Vec::len).sum::<usize>();
    let (own, other) = (ours.clone(), theirs.clone());
    let fleet = move || {
        let merged = own.iter().zip(&other).map(|(own, other)| {
            let mut body = stored::decode(own).expect("a body");
            for (key, more) in stored::decode(other).expect("a body").series {
                let into = body.series.entry(key).or_default();
                into.rollup.merge(&more.rollup);
                into.touches += more.touches;
            }
            stored::encode(&body).len()
        });
        merged.sum::<usize>()
    };
    let floor = move || {
        ours.iter().chain(&theirs).map(|body| stored::decode(body).expect("a body").series.len()).sum::<usize>()
    };
    Case {
        name: format!("merge {series}"),
        events: series,
        bytes,
        floor: Box::new(floor),
        fleet: Box::new(fleet),
        alike: None,
    }
}

/// A window's contributions to its rows, by a finalizer that knows nothing yet.
fn finalize(series: usize) -> Case {
    let (store, table) = (counted(series), EpochTable::genesis());
    let layout = Layout::new("live", table.generation);
    let window = Window::containing(NOW);
    let stored: Vec<Vec<u8>> = contributions(&store).into_iter().map(|item| item.body).collect();
    let bytes = stored.iter().map(Vec::len).sum::<usize>();
    let fleet = move || {
        let finalizer = Finalizer::new(&store, &store, layout.clone(), FinalizeSettings::default());
        let report = block_on(finalizer.finalize(window, &[], NOW, false, &|| false)).expect("memory");
        assert!(report.written + report.superseded > series as u64, "{report:?}");
        report.written as usize
    };
    let floor = move || stored.iter().map(|body| stored::decode(body).expect("a body").series.len()).sum::<usize>();
    Case {
        name: format!("finalize {series}"),
        events: series,
        bytes,
        floor: Box::new(floor),
        fleet: Box::new(fleet),
        alike: None,
    }
}

/// Contributions of all shards to one window.
fn counted(series: usize) -> MemoryStore {
    let (store, table) = (MemoryStore::default(), EpochTable::genesis());
    let layout = Layout::new("live", table.generation.clone());
    let epochs = EpochView::new(table, NOW);
    for shard in 0..SHARDS {
        let shard = Shard { stream: "s".into(), created_at: Millis(0), id: format!("shardId-{shard:012}") };
        let lane = FencedLane::new(&store, FencedSettings::default());
        let records = (0..series).map(|at| {
            let mut text = String::new();
            for event in 0..EVENTS_PER_SERIES {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    r#"{{"service":"service-{}","endpoint":"/v1/resource-{at}","status":200,"duration_ms":{},"user_id":"{}-{}"}}"#,
                    at / 20,
                    event * event * 7 + at % 100,
                    shard.id,
                    at * 31 + event
                );
            }
            let sequence = SequenceNumber::parse(&(at + 1).to_string()).expect("digits");
            Record { sequence, arrived_at: NOW, data: Cow::Owned(text.into_bytes()) }
        });
        let outcome = block_on(lane.process(&layout, &shard, records.collect(), &epochs, &|| false));
        assert_eq!(outcome.applied as usize, series * EVENTS_PER_SERIES, "{:?}", outcome.errors);
    }
    store
}

fn contributions(store: &MemoryStore) -> Vec<Item> {
    store.items().into_iter().filter(|item| item.key.pk.contains("#w#")).collect()
}

/// The bodies of a shard's items, in the order of their parts.
fn bodies(store: &MemoryStore, shard: usize) -> Vec<Vec<u8>> {
    let id = format!("shardId-{shard:012}");
    contributions(store).into_iter().filter(|item| item.key.sk.contains(&id)).map(|item| item.body).collect()
}
