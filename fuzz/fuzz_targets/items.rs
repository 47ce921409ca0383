//! Any bytes as the small stored things: the epoch table, a shard's progress, a window's series, fences, windows. What can be read is
//! written again as what it was read from, or reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_exact::finalize::Catalog;
use weir_exact::layout::Layout;
use weir_exact::ports::{Item, ItemKey};
use weir_exact::progress::Progress;
use weir_exact::sequence::{Fence, SequenceNumber};
use weir_telemetry::{EpochTable, EpochView, Millis, Window};

fuzz_target!(|bytes: &[u8]| {
    epochs(bytes);
    progress(bytes);
    catalog(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        texts(text);
    }
});

fn epochs(bytes: &[u8]) {
    let Ok(table) = EpochTable::from_json(bytes) else { return };
    assert_eq!(EpochTable::from_json(&table.to_json()).as_ref(), Ok(&table));
    let edges = table.epochs.iter().flat_map(|epoch| [epoch.from_ms.saturating_sub(1), epoch.from_ms]);
    for arrival in edges.chain([i64::MIN, 0, i64::MAX]).map(Millis) {
        let epoch = table.epoch_at(arrival);
        let first = epoch == &table.epochs[0];
        assert!(first || epoch.from_ms <= arrival.0);
        let read_at = Millis(0);
        let known = EpochView::new(table.clone(), read_at);
        if let Ok(known) = known.epoch_for(arrival) {
            assert!(arrival <= read_at.plus(EpochTable::NOTICE_MS), "a guess");
            assert_eq!(known, epoch);
        }
    }
}

/// The fence, a line's end, the body.
fn progress(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (fence, body) = bytes.split_at(at);
    let item = Item {
        key: ItemKey { pk: "live#progress".to_owned(), sk: "a shard".to_owned() },
        fence: std::str::from_utf8(fence).ok().map(str::to_owned),
        body: body.strip_prefix(b"\n").unwrap_or(body).to_vec(),
        expires_at: None,
    };
    match Progress::from_item(&item) {
        Ok(progress) => {
            let body = serde_json::to_vec(&progress.totals).expect("numbers");
            let again = Item { fence: Some(progress.fence.to_string()), body, ..item };
            assert_eq!(Progress::from_item(&again), Ok(progress));
        }
        Err(error) => assert!(!error.is_retryable(), "reading it again helps nobody: {error}"),
    }
}

fn catalog(bytes: &[u8]) {
    let layout = Layout::new("live", EpochTable::genesis().generation);
    let window = Window::containing(Millis(0));
    let item = Item { body: bytes.to_vec(), ..Catalog::default().to_item(&layout, window) };
    if let Ok(catalog) = Catalog::from_item(&item) {
        assert_eq!(Catalog::from_item(&catalog.to_item(&layout, window)), Ok(catalog));
    }
}

fn texts(text: &str) {
    if let Ok(fence) = Fence::parse(text) {
        assert_eq!(Fence::parse(&fence.to_string()), Ok(fence));
    }
    if let Some((a, b)) = text.split_once('<')
        && let (Ok(a), Ok(b)) = (SequenceNumber::parse(a), SequenceNumber::parse(b))
    {
        let padded = |number: &SequenceNumber| format!("{:0>128}", number.as_str());
        assert_eq!(a.cmp(&b), padded(&a).cmp(&padded(&b)), "compared as integers");
    }
    if let Ok(window) = Window::parse(text) {
        assert_eq!(Window::parse(&window.to_string()), Ok(window));
    }
    let layout = Layout::new("live", EpochTable::genesis().generation);
    if let Some(window) = layout.window_of(text) {
        let prefix = format!("live#w#{window}#");
        assert!(layout.window_partitions(window).iter().all(|pk| pk.starts_with(&prefix)));
    }
}
