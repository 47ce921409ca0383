//! What a version does not know it refuses by name: it never guesses, and never skips.

use crate::{attributes, goldens};
use weir_exact::finalize::{Catalog, fold};
use weir_exact::ports::{Item, StoreErrorKind};
use weir_exact::progress::Progress;
use weir_rollup::{Body, DecodeError, Ledger};
use weir_telemetry::EpochTable;

/// A format that nothing writes yet.
const LATER: u8 = 250;

fn later(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[0] = LATER;
    bytes
}

fn item(name: &str) -> Item {
    let found = goldens("item").into_iter().find(|(golden, _)| golden == name);
    attributes::item(&attributes::from_json(&found.unwrap_or_else(|| panic!("no golden {name}")).1))
}

#[test]
fn bodies_and_ledgers() {
    for (name, bytes) in goldens("body") {
        assert_eq!(Body::decode(&later(bytes)), Err(DecodeError::UnknownFormat(LATER)), "{name}");
    }
    for (name, bytes) in goldens("ledger") {
        assert_eq!(Ledger::decode(&later(bytes)), Err(DecodeError::UnknownFormat(LATER)), "{name}");
    }
}

/// One contribution of a later version stops the window: without it the rows would be too small and look right.
#[test]
fn a_window_with_a_later_item_is_not_finalized() {
    for name in ["1-fenced-open.json", "1-ledger.json"] {
        let mut unknown = item(name);
        unknown.body = later(unknown.body);
        let error = fold(&[item("1-ledger-again.json"), unknown.clone()]).expect_err("a later format");
        let expected = format!(
            "contribution {} {} cannot be read: stored rollups have format {LATER}, this version reads 1",
            unknown.key.pk, unknown.key.sk
        );
        assert_eq!((error.to_string(), error.kind()), (expected, StoreErrorKind::Unreadable), "{name}");
        assert!(!error.is_retryable());
    }
}

fn edited(item: &Item, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(item.body.clone()).expect("JSON");
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn progress_of_a_shard() {
    let known = item("1-progress.json");
    for (from, to, expected) in [
        (r#""format":1"#, r#""format":250"#, "format 250 is not 1"),
        (r#""format":1"#, r#""format":1,"late":0"#, "unknown field `late`"),
    ] {
        let unknown = Item { body: edited(&known, from, to), ..known.clone() };
        let error = Progress::from_item(&unknown).expect_err("a later format");
        let text = error.to_string();
        assert!(text.starts_with(&format!("progress item {} cannot be read: ", known.key.sk)), "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(error.kind(), StoreErrorKind::Unreadable);
    }
}

#[test]
fn a_window_s_series() {
    let known = item("1-catalog.json");
    let body = edited(&known, r#""format":1"#, r#""format":250"#);
    let error = Catalog::from_item(&Item { body, ..known.clone() }).expect_err("a later format");
    assert_eq!(error.to_string(), format!("the series of {} cannot be read: format 250 is not 1", known.key.pk));
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
}

/// The table has no number: a rule that is not known is the number.
#[test]
fn epochs() {
    let known = item("1-epochs.json");
    for (from, to) in [(r#""splits""#, r#""rename":1,"splits""#), (r#""lanes""#, r#""hash":2,"lanes""#)] {
        let error = EpochTable::from_json(&edited(&known, from, to)).expect_err("a rule of a later version");
        let text = error.to_string();
        assert!(text.contains("unknown field") && text.contains("deploy a version that knows it"), "{text}");
    }
}
