//! Rows: which of two versions stands, and the versions of many.

use crate::witness::Witness;
use std::collections::BTreeMap;
use weir_exact::ports::{RowOutcome, RowPut, RowVersions};
use weir_exact::row::{Row, RowKey, RowVersion, State};
use weir_rollup::{Rollup, Status};
use weir_telemetry::{Millis, Window};

const START: Millis = Millis(1_795_224_600_000);

fn key(witness: &Witness, endpoint: String) -> RowKey {
    RowKey { service: witness.run.clone(), endpoint, window: Window::containing(START).into() }
}

fn row(key: &RowKey, version: RowVersion) -> Row {
    let mut rollup = Rollup::default();
    rollup.add(Status::new(200).expect("a status"), Some(1_500), Some(b"ada"));
    let top_endpoints = (key.endpoint == "*").then(|| vec![("/login".to_owned(), 1)]);
    let expires_at = Some(START.0 / 1_000 + 30 * 86_400);
    Row { key: key.clone(), rollup, top_endpoints, version, updated_at: START, expires_at }
}

/// Ascending. 9 before 10 and 2^53 + 1: revisions are compared as numbers, exactly.
fn versions() -> Vec<RowVersion> {
    let mut versions = vec![];
    for revision in [9, 10, (1 << 53) + 1] {
        for algorithm in [1, 2] {
            for state in [State::Open, State::Complete, State::Sealed] {
                versions.push(RowVersion { revision, algorithm, state });
            }
        }
    }
    versions
}

/// Every version put over every version: the put happens where it is higher, and nowhere else.
pub(crate) async fn the_higher_version_stands(witness: &Witness) {
    let versions = versions();
    let mut expected = BTreeMap::new();
    for (a, stands) in versions.iter().enumerate() {
        for (b, put) in versions.iter().enumerate() {
            let key = key(witness, format!("/{a}/{b}"));
            assert_eq!(witness.rows.put_row(&row(&key, *stands)).await, Ok(RowOutcome::Written), "{stands:?}");
            let outcome = witness.rows.put_row(&row(&key, *put)).await;
            let wanted = if put > stands { RowOutcome::Written } else { RowOutcome::Superseded };
            assert_eq!(outcome, Ok(wanted), "{put:?} over {stands:?}");
            expected.insert(key, *put.max(stands));
        }
    }
    let keys: Vec<RowKey> = expected.keys().cloned().collect();
    assert_eq!(witness.rows.row_versions(&keys).await, Ok(expected));
}

/// A BatchGetItem takes 100 keys and may leave some out.
pub(crate) async fn versions_of_more_rows_than_a_request_takes(witness: &Witness) {
    let keys: Vec<RowKey> = (0..330).map(|n| key(witness, format!("many-{n}"))).collect();
    assert_eq!(witness.rows.row_versions(&[]).await, Ok(BTreeMap::new()));
    assert_eq!(witness.rows.row_versions(&keys).await, Ok(BTreeMap::new()));
    let mut expected = BTreeMap::new();
    for (key, revision) in keys.iter().zip(1..).filter(|(_, revision)| revision % 3 != 0) {
        let version = RowVersion { revision, algorithm: 1, state: State::Open };
        assert_eq!(witness.rows.put_row(&row(key, version)).await, Ok(RowOutcome::Written));
        expected.insert(key.clone(), version);
    }
    assert_eq!(witness.rows.row_versions(&keys).await, Ok(expected));
}
