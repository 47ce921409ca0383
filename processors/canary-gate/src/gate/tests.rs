//! What becomes of a version, and that nothing remains whatever happens.

use super::*;
use crate::golden::Batch;
use serde_json::json;
use std::future::{pending, ready};
use std::sync::Mutex;
use weir_exact::ports::{ItemKey, StoreErrorKind};
use weir_telemetry::EpochTable;

/// A version that writes an unexpected item for each invocation, and then does this.
struct Version<'a> {
    store: &'a Store,
    does: Does,
}

#[derive(Clone)]
enum Does {
    Answer(Value),
    Fail,
    Throttle,
    Hang,
}

impl Invoke for Version<'_> {
    async fn invoke(&self, _: &Target, payload: Vec<u8>) -> Result<Invoked, String> {
        let (scratch, inside) = scratch::unwrapped(&payload).expect("a wrapper or none");
        let what = scratch.map_or("live".to_owned(), |scratch| scratch.name().to_owned());
        let key = ItemKey { pk: what, sk: String::from_utf8(inside.to_vec()).expect("JSON") };
        let item = weir_exact::ports::Item { key, fence: None, body: vec![], expires_at: None };
        self.store.0.lock().expect("no panic").items.push(item);
        match &self.does {
            Does::Answer(answer) => Ok(Invoked::Answer(answer.clone())),
            Does::Fail => Ok(Invoked::Failed("Unhandled: out of memory".to_owned())),
            Does::Throttle => Err("TooManyRequestsException".to_owned()),
            Does::Hang => pending().await,
        }
    }
}

/// A generation; `fails` when it is prepared.
#[derive(Default)]
struct Store(Mutex<Left>, bool);

impl Generation for Store {
    async fn prepare(&self, _: &Before, names: &mut Names) -> Result<(), StoreError> {
        names.set("name", "n");
        let failed = StoreError::new(StoreErrorKind::Throttled, "PutItem: later");
        if self.1 { Err(failed) } else { Ok(()) }
    }

    async fn left(&self) -> Result<Left, StoreError> {
        Ok(self.0.lock().expect("no panic").clone())
    }

    async fn empty(&self) -> Result<(), StoreError> {
        *self.0.lock().expect("no panic") = Left::default();
        Ok(())
    }
}

fn golden(leaves: &[&str]) -> Golden {
    let invocation = json!({"Records": ["${name}", 2]});
    let batch = Batch { invocation, cuts: vec![(0, 1), (0, 2)], plain: false, answer: json!({"ok": true}) };
    let leaves = leaves.iter().map(|line| (*line).to_owned()).collect();
    Golden { about: String::new(), before: Before::default(), batches: vec![batch], arrives_now: false, leaves }
}

/// The verdict of a golden that expects these lines, on a version that does this.
fn verdict(leaves: &[&str], does: Does, store: &Store, out_of_time: impl Future<Output = ()> + Send) -> Vec<String> {
    let target = Target { function: "f".to_owned(), version: "2".to_owned() };
    let (golden, scratch) = (golden(leaves), Scratch::parse("gate-1").expect("a name"));
    let layout = Layout::new("live", EpochTable::genesis().generation);
    let case = Case { target: &target, golden: &golden, scratch: &scratch, layout: &layout, names: Names::default() };
    let version = Version { store, does };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let verdict = runtime.block_on(judge(case, &version, store, out_of_time));
    let left = store.0.lock().expect("no panic");
    assert!(left.items.is_empty(), "nothing stays");
    verdict.reasons()
}

const WRITES: [&str; 2] = [r#"of nobody: gate-1 {"Records":["n"]}"#, r#"of nobody: gate-1 {"Records":["n",2]}"#];

#[test]
fn a_version_that_does_as_the_golden_says_passes() {
    let right = Does::Answer(json!({"ok": true}));
    assert_eq!(verdict(&WRITES, right.clone(), &Store::default(), pending()), Vec::<String>::new());
    // Leftovers of an earlier attempt are not the version's fault.
    let store = Store::default();
    let key = ItemKey { pk: "gate-1".to_owned(), sk: "old".to_owned() };
    let item = weir_exact::ports::Item { key, fence: None, body: vec![], expires_at: None };
    store.0.lock().expect("no panic").items.push(item);
    assert_eq!(verdict(&WRITES, right, &store, pending()), Vec::<String>::new());
}

#[test]
fn whatever_else_it_does_it_is_refused_and_nothing_stays() {
    let check = |leaves: &[&str], does, store: &Store, expect: &[&str]| {
        assert_eq!(verdict(leaves, does, store, pending()), expect);
    };
    let right = || Does::Answer(json!({"ok": true}));
    let instead = format!("instead: {}", WRITES[1]);
    check(&[WRITES[0], "x"], right(), &Store::default(), &[&instead, "missing: x"]);
    let answered = r#"batch 0, invocation 0: expected {"ok":true}, answered {"ok":false}"#;
    check(&WRITES, Does::Answer(json!({"ok": false})), &Store::default(), &[answered]);
    let failed = "batch 0, invocation 0: the function failed: Unhandled: out of memory";
    check(&WRITES, Does::Fail, &Store::default(), &[failed]);
    let throttled = "batch 0, invocation 0: it could not be invoked: TooManyRequestsException";
    check(&WRITES, Does::Throttle, &Store::default(), &[throttled]);
    let unprepared = "the scratch generation cannot be prepared: PutItem: later";
    check(&WRITES, right(), &Store(Mutex::default(), true), &[unprepared]);
    let out_of_time = verdict(&WRITES, Does::Hang, &Store::default(), ready(()));
    assert_eq!(out_of_time, ["the gate ran out of time before the golden was through"]);
}
