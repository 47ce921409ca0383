//! The quarantine bucket and the epoch table.

use crate::witness::Witness;
use std::collections::BTreeMap;
use weir_exact::epochs::Epochs;
use weir_exact::layout::Layout;
use weir_exact::ports::{ContributionGet, ContributionPut, Expected, Item, PutOutcome, QuarantinePut, StoreErrorKind};
use weir_exact::quarantine::{Coordinates, QuarantineObject};
use weir_telemetry::{Epoch, EpochTable, Millis, Reason, Rejected};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn object(queue: &str, id: &str, payload: &[u8]) -> QuarantineObject {
    let path = [("queue", queue), ("message_id", id)];
    let detail = "not JSON at line 1 column 1".to_owned();
    let rejected = Rejected { reason: Reason::NotJson, detail, event_index: Some(3), payload: payload.to_vec() };
    QuarantineObject { coordinates: Coordinates::new("sqs", path), arrived_at: ARRIVAL, rejected }
}

/// The key is a function of the coordinates, whatever is in them.
pub(crate) async fn a_retry_overwrites_its_quarantine_object(witness: &Witness) {
    let long = "ü".repeat(128);
    let ids = ["plain", "a/b//c", "a b+c%2F", "Zoë!", "..", "é\u{1F600}", long.as_str()];
    for id in ids {
        let last = object(&witness.run, id, b"the second time");
        for object in [&object(&witness.run, id, b"the first time"), &last] {
            witness.intake.quarantine(object).await.unwrap_or_else(|error| panic!("{error}"));
        }
        let stands = witness.s3.get_object().bucket(&witness.bucket).key(last.key()).send().await;
        let stands = stands.unwrap_or_else(|error| panic!("{}: {:?}", last.key(), error.into_service_error()));
        assert_eq!(stands.content_type(), Some("application/json"));
        let body = stands.body.collect().await.expect("its body").into_bytes();
        assert_eq!(body, last.body(), "{id}");
    }
    let prefix = format!("not_json/2026/11/21/sqs/{}", witness.run);
    let listed = witness.s3.list_objects_v2().bucket(&witness.bucket).prefix(prefix).send().await.expect("a list");
    let keys: Vec<String> = listed.contents().iter().filter_map(|object| object.key.clone()).collect();
    let mut expected = ids.map(|id| object(&witness.run, id, b"").key());
    expected.sort();
    assert_eq!(keys, expected);
}

/// Its key is one for all generations, so this comes back to what it found.
pub(crate) async fn an_epoch_table_is_read_or_refused(witness: &Witness) {
    let store = &witness.contributions;
    let view = async || Epochs::new(store.clone(), &witness.run).view(ARRIVAL).await;
    let mut observed = store.get(&Layout::epochs()).await.expect("a consistent read");
    if observed.is_none() {
        let epochs = view().await.expect("no table is the first rules");
        assert_eq!(epochs.epoch_for(ARRIVAL).map(|epoch| epoch.number), Ok(1));
    }
    let later = Epoch { number: 2, from_ms: ARRIVAL.0, ..Epoch::genesis() };
    let table = EpochTable { epochs: vec![Epoch::genesis(), later], ..EpochTable::genesis() };
    let unknown = String::from_utf8(table.to_json()).expect("text").replace("\"splits\"", "\"rename\":1,\"splits\"");
    let mut numbers = BTreeMap::new();
    for (name, body) in [("unknown", unknown.into_bytes()), ("two", table.to_json())] {
        let fence = format!("{name}-{}", witness.run);
        let item = Item { key: Layout::epochs(), fence: Some(fence), body, expires_at: None };
        let expected = match &observed {
            None => Expected::Absent,
            Some(item) => Expected::Fence(item.fence.clone().unwrap_or_default()),
        };
        assert_eq!(store.put(&item, &expected).await, Ok(PutOutcome::Written));
        observed = Some(item);
        numbers.insert(name, view().await.map(|view| view.epoch_for(ARRIVAL).map(|epoch| epoch.number)));
    }
    assert_eq!(numbers["two"], Ok(Ok(2)));
    let refused = numbers["unknown"].as_ref().expect_err("rules that this code does not know");
    assert_eq!(refused.kind(), StoreErrorKind::Unreadable, "{refused}");
}
