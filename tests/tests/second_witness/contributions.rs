//! Items of the contributions table: conditions, content, pages.

use crate::witness::Witness;
use weir_exact::ports::{
    ContributionGet, ContributionPut, ContributionQuery, Expected, Item, ItemKey, PutOutcome, StoreErrorKind,
};

fn item(key: &ItemKey, fence: Option<&str>, body: &[u8]) -> Item {
    Item { key: key.clone(), fence: fence.map(str::to_owned), body: body.to_vec(), expires_at: None }
}

fn fence(text: &str) -> Expected {
    Expected::Fence(text.to_owned())
}

/// Bytes that no store can make smaller.
pub(crate) fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// A refused put changes nothing and is answered with what stands (`ALL_OLD`).
pub(crate) async fn a_put_expects_what_stands(witness: &Witness) {
    let store = &witness.contributions;
    let key = witness.key("conditions", "f#shard@1/shardId-000000000000#e1#s0#p0");
    let refused = async |expected: Expected, stands: Option<&Item>| {
        let other = item(&key, Some("999"), b"must not be written");
        let outcome = store.put(&other, &expected).await.expect("a failed condition is an outcome");
        assert_eq!(outcome, PutOutcome::Conflict(stands.cloned()), "put under {expected:?}");
        assert_eq!(store.get(&key).await.expect("a consistent read").as_ref(), stands, "after {expected:?}");
    };
    let written = async |item: &Item, expected: Expected| {
        assert_eq!(store.put(item, &expected).await, Ok(PutOutcome::Written), "put under {expected:?}");
        assert_eq!(store.get(&key).await.expect("a consistent read").as_ref(), Some(item));
    };

    refused(fence("17"), None).await;
    let first = item(&key, Some("9"), b"one");
    written(&first, Expected::Absent).await;
    refused(Expected::Absent, Some(&first)).await;
    // Equal to the text and to nothing else: not as a number, not as a prefix.
    for wrong in ["8", "10", "09", "9.0", "9+", "", " 9"] {
        if !wrong.is_empty() {
            refused(fence(wrong), Some(&first)).await;
        }
    }
    let second = item(&key, Some("49590338271490256608559692538361571095921575989136588898"), b"two");
    written(&second, fence("9")).await;
    refused(fence("9"), Some(&second)).await;
    // 38 digits are alike: as numbers of DynamoDB's precision the two would be equal.
    refused(fence("49590338271490256608559692538361571095921575989136588899"), Some(&second)).await;
    let closed = item(&key, Some("49590338271490256608559692538361571095921575989136588898+"), b"closed");
    written(&closed, fence("49590338271490256608559692538361571095921575989136588898")).await;
    refused(fence("49590338271490256608559692538361571095921575989136588898"), Some(&closed)).await;

    // An item without a fence is there, whatever its time to live says, and has no fence to be equal to.
    let key = witness.key("conditions", "l#00007#digest");
    let ledger = Item { expires_at: Some(1), ..item(&key, None, b"immutable") };
    assert_eq!(store.put(&ledger, &Expected::Absent).await, Ok(PutOutcome::Written));
    for expected in [Expected::Absent, fence("9")] {
        let outcome = store.put(&item(&key, None, b"another"), &expected).await;
        assert_eq!(outcome, Ok(PutOutcome::Conflict(Some(ledger.clone()))), "put under {expected:?}");
    }
}

/// Bytes, texts and numbers, at their edges.
pub(crate) async fn an_item_comes_back_as_it_was_put(witness: &Witness) {
    let store = &witness.contributions;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let long = "i".repeat(1_024);
    for (sk, body, expires_at) in [
        ("s", every_byte.clone(), Some(i64::from(i32::MAX) + 1)),
        ("sqs:arn:aws:sqs:us-east-1:000000000000:q/Zoë #\"'\\", vec![], Some(0)),
        (long.as_str(), noise(1, 380_000), None),
    ] {
        let put = Item { expires_at, ..item(&witness.key("content", sk), Some("0"), &body) };
        assert_eq!(store.put(&put, &Expected::Absent).await, Ok(PutOutcome::Written));
        let got = store.get(&put.key).await.expect("a consistent read").expect("what was put");
        assert!(got == put, "{} bytes under {sk}", body.len());
    }
    assert_eq!(store.get(&witness.key("content", "nothing")).await, Ok(None));
}

/// A page ends at 1 MB ("Paginating table query results", Amazon DynamoDB Developer Guide).
pub(crate) async fn a_query_returns_every_page(witness: &Witness) {
    let store = &witness.contributions;
    let pk = &witness.key("pages", "").pk;
    assert_eq!(store.query(pk).await, Ok(vec![]));
    // Neighbours whose key begins alike belong to other windows.
    for neighbour in ["pages#1", "page"] {
        let put = item(&witness.key(neighbour, "a"), Some("1"), b"a neighbour");
        assert_eq!(store.put(&put, &Expected::Absent).await, Ok(PutOutcome::Written));
    }
    let items: Vec<Item> = (0..40)
        .map(|n| item(&ItemKey { pk: pk.clone(), sk: format!("f#{n:02}") }, Some("1"), &noise(n, 90_000)))
        .collect();
    for put in &items {
        assert_eq!(store.put(put, &Expected::Absent).await, Ok(PutOutcome::Written));
    }
    let found = store.query(pk).await.expect("a query");
    assert_eq!(found.len(), items.len());
    assert!(found == items, "each item once, whole, ascending");
}

/// What can never be written must not look like what may be written later.
pub(crate) async fn an_item_beyond_400_kb_is_refused_for_good(witness: &Witness) {
    let put = item(&witness.key("size", "s"), Some("1"), &noise(3, 410_000));
    let error = witness.contributions.put(&put, &Expected::Absent).await.expect_err("410 KB in an item");
    assert_eq!((error.kind(), error.is_retryable()), (StoreErrorKind::Refused, false), "{error}");
    assert_eq!(witness.contributions.get(&put.key).await, Ok(None));
}
