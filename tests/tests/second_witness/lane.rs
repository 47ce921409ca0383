//! The lanes and the finalizer over the real stores.

use crate::witness::Witness;
use std::sync::Arc;
use tokio::task::JoinSet;
use weir_aws::intake::IntakeStores;
use weir_exact::fenced::{FencedLane, FencedSettings, Record};
use weir_exact::finalize::{self, FinalizeSettings, Finalizer};
use weir_exact::layout::Layout;
use weir_exact::ports::{ContributionQuery, RowVersions};
use weir_exact::progress::Progress;
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_telemetry::{EpochTable, EpochView, Millis, Window};

const POLLERS: usize = 8;
const RECORDS: usize = 400;
/// How often a batch is delivered again before the test calls it blocked.
const DELIVERIES_MAX: usize = 200;
const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn record(n: usize) -> Record<'static> {
    let data = format!(
        r#"{{"service":"s{}","endpoint":"/{}","status":200,"user_id":"u{n}","duration_ms":{n}}}"#,
        n % 2,
        n % 5
    );
    let sequence = SequenceNumber::parse(&format!("4959033827149025660855969253836157109592157598913658{n:04}"));
    Record { sequence: sequence.expect("digits"), arrived_at: ARRIVAL, data: data.into_bytes().into() }
}

/// Several pollers read one shard from its start, each in a cut of its own, into parts so small that they are closed and
/// continued under way.
pub(crate) async fn pollers_of_one_shard_count_every_event_once(witness: &Witness) {
    let layout = Layout::new(&witness.run, EpochTable::genesis().generation);
    let shard = Shard { stream: "s".to_owned(), created_at: Millis(5), id: "shardId-000000000000".to_owned() };
    let settings = FencedSettings { item_bytes_max: 700, ..FencedSettings::default() };
    let records: Arc<Vec<Record>> = Arc::new((0..RECORDS).map(record).collect());
    let mut pollers = JoinSet::new();
    for poller in 0..POLLERS {
        let lane = FencedLane::new(witness.intake.clone(), settings);
        let (layout, shard, records) = (layout.clone(), shard.clone(), records.clone());
        pollers.spawn(async move {
            for batch in records.chunks(8 + poller) {
                poll(&lane, &layout, &shard, batch).await;
            }
        });
    }
    pollers.join_all().await;

    let progress = witness.contributions.query(&layout.progress_pk()).await.expect("a query");
    let progress: Vec<Progress> = progress.iter().map(|item| Progress::from_item(item).expect("progress")).collect();
    let [progress] = progress.as_slice() else { panic!("one shard, found {progress:?}") };
    assert_eq!((progress.totals.records, progress.totals.accepted), (RECORDS as u64, RECORDS as u64));

    let window = Window::containing(ARRIVAL);
    let mut items = vec![];
    for pk in layout.window_partitions(window) {
        items.extend(witness.contributions.query(&pk).await.expect("a query"));
    }
    assert!(items.len() > 1, "the chain was never continued");
    let totals = finalize::fold(&items).expect("readable items");
    let events: u64 = totals.series.values().map(|(rollup, _)| rollup.events()).sum();
    assert_eq!(events, RECORDS as u64, "each event once");
    finalized(witness, &layout, window, &totals).await;
}

/// Delivers a batch until all of it is settled, from the record that was reported, as the mapping does.
async fn poll(lane: &FencedLane<IntakeStores>, layout: &Layout, shard: &Shard, batch: &[Record<'_>]) {
    let epochs = EpochView::new(EpochTable::genesis(), ARRIVAL);
    let mut from = 0;
    for _ in 0..DELIVERIES_MAX {
        let outcome = lane.process(layout, shard, batch[from..].to_vec(), &epochs, &|| false).await;
        let Some(failed) = outcome.failed_from else { return };
        assert!(outcome.errors.iter().all(|error| error.is_retryable()), "{:?}", outcome.errors);
        from = batch.iter().position(|record| record.sequence == failed).expect("a record of the batch");
    }
    panic!("a batch was not settled by {DELIVERIES_MAX} deliveries");
}

/// The window's rows are put, by their versions, and not again.
async fn finalized(witness: &Witness, layout: &Layout, window: Window, totals: &finalize::Totals) {
    let now = window.end().plus(1_000);
    let computed = finalize::rows(window, totals.clone());
    let make = || {
        let settings = FinalizeSettings::default();
        Finalizer::new(witness.contributions.clone(), witness.rows.clone(), layout.clone(), settings)
    };
    let first = make().finalize(window, &[], now, true, &|| false).await.expect("a finalized window");
    let keys: Vec<_> = computed.iter().map(|row| row.key.clone()).collect();
    let versions = witness.rows.row_versions(&keys).await.expect("versions");
    for row in &computed {
        assert_eq!(versions.get(&row.key).map(|version| version.revision), Some(row.revision), "{:?}", row.key);
    }
    assert!(first.superseded <= first.written, "{first:?}");
    let again = make().finalize(window, &[], now, true, &|| false).await.expect("a finalized window");
    assert_eq!((again.written, again.superseded, again.unmoved), (0, 0, computed.len() as u64));
}
