use super::*;
use crate::ledger::{Incoming, LedgerSettings, intake};
use crate::memory::MemoryStore;
use crate::ports::QuarantinePut;
use crate::quarantine::Coordinates;
use futures::executor::block_on;
use weir_telemetry::{Epoch, EpochTable, Generation, Reason, Rejected};

const ARRIVAL: Millis = Millis(1_795_224_605_000);
const ASKED: Millis = Millis(ARRIVAL.0 + 3_600_000);

fn layout() -> Layout {
    Layout::new("live", Generation { lanes: 4, partitions: 2 })
}

fn object(source: &'static str, event_index: Option<u32>, payload: &[u8]) -> QuarantineObject {
    QuarantineObject {
        coordinates: Coordinates::new(source, [("queue", "q"), ("message_id", "m")]),
        arrived_at: ARRIVAL,
        rejected: Rejected {
            reason: Reason::NotJson,
            detail: "a detail".to_owned(),
            event_index,
            payload: payload.to_vec(),
        },
    }
}

/// What becomes of a request for `object`, and how many events it puts.
fn replay(
    store: &MemoryStore,
    object: &QuarantineObject,
    asked: Millis,
    sent_at: Millis,
) -> Result<String, StoreError> {
    block_on(store.quarantine(object))?;
    let request = Request { key: object.key(), requested_at: asked };
    let epochs = EpochView::new(EpochTable::genesis(), sent_at);
    Ok(match block_on(take_up(store, &layout(), &epochs, &request, sent_at))? {
        None => "gone".to_owned(),
        Some(Settled::TooOld) => "too old".to_owned(),
        Some(Settled::NotHeld(why)) => why.to_owned(),
        Some(Settled::Message(message)) => {
            let incoming = vec![(0, Incoming::Message(message))];
            let done = block_on(intake(store, &layout(), &epochs, LedgerSettings::default(), incoming, &|| false));
            let (put, twice) = (done.outcome.put, done.outcome.duplicate);
            format!("{put} put, {twice} twice, {} set aside", done.outcome.quarantined.values().sum::<u64>())
        }
    })
}

fn check(object: &QuarantineObject, expect: &str) {
    assert_eq!(replay(&MemoryStore::default(), object, ASKED, ASKED).as_deref(), Ok(expect), "{object:?}");
}

#[test]
fn what_is_held_is_put_back_as_what_it_was() {
    check(&object("sqs", None, b"{}\n{}"), "2 put, 0 twice, 0 set aside");
    check(&object("sqs", Some(3), b"{}"), "1 put, 0 twice, 0 set aside");
    // One rejected event does not become two.
    check(&object("sqs", Some(3), b"[{},{}]"), "0 put, 0 twice, 1 set aside");
    check(&object("sqs", None, b"nonsense"), "0 put, 0 twice, 1 set aside");
    check(&object("s3", Some(3), b"{}"), "1 put, 0 twice, 0 set aside");
    check(&object("kinesis", None, b"[{},{},{}]"), "3 put, 0 twice, 0 set aside");
}

#[test]
fn what_is_not_held_is_never_counted_from_its_document() {
    let pointer = br#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;
    check(&object("sqs", None, pointer), "it is a pointer to an object");
    let notice = br#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k","size":1}}}]}"#;
    check(&object("sqs", None, notice), "it is a notice of objects");
    check(&object("s3", None, b"{}"), "it is an object, which is still where it was put");
    let mut cut = object("s3", Some(0), b"{}");
    cut.rejected.detail = "too long; the first 2 of 9 bytes are kept".to_owned();
    check(&cut, "only its beginning is kept");
}

#[test]
fn twice_counts_once_and_too_late_not_at_all() {
    let store = MemoryStore::default();
    let whole = object("sqs", None, b"{}");
    assert_eq!(replay(&store, &whole, ASKED, ASKED).as_deref(), Ok("1 put, 0 twice, 0 set aside"));
    let later = ASKED.plus(60_000);
    assert_eq!(replay(&store, &whole, later, later).as_deref(), Ok("0 put, 1 twice, 0 set aside"));
    let last = ARRIVAL.plus(RETURN_MS_MAX);
    assert_eq!(replay(&store, &whole, last, last).as_deref(), Ok("0 put, 1 twice, 0 set aside"));
    assert_eq!(replay(&store, &whole, last.plus(1), last.plus(1)).as_deref(), Ok("too old"));
    // Requested in time, and redriven too late.
    assert_eq!(replay(&store, &whole, ASKED, last.plus(1)).as_deref(), Ok("too old"));
}

/// Whatever it was, the notifications' queue holds no telemetry: replayed, it would count as an event without fields.
#[test]
fn what_its_queue_does_not_take_is_no_event() {
    let unsupported = |payload: &[u8]| {
        let whole = object("sqs", None, payload);
        QuarantineObject { rejected: Rejected { reason: Reason::UnsupportedForm, ..whole.rejected.clone() }, ..whole }
    };
    check(&unsupported(br#"{"Records":[]}"#), "its queue takes no message of that form");
    check(&unsupported(br#"{"Type":"Notification","Message":"x"}"#), "its queue takes no message of that form");
}

/// Rules that allow deeper nesting, from [`ASKED`] on.
fn deeper_from_asked() -> EpochTable {
    let genesis = EpochTable::genesis();
    let mut deeper = genesis.epoch_at(ARRIVAL).clone();
    deeper.number += 1;
    deeper.from_ms = ASKED.0;
    deeper.limits.json_depth_max *= 2;
    genesis.announce(deeper, ARRIVAL, &Epoch::DECODERS).expect("it is announced in time")
}

/// The simulation's seed 42946, shortened: requests for one object are in one batch, and the first was made under rules
/// that accept nothing of it. It claims nothing, and the one behind it must not be taken for the same.
#[test]
fn a_request_under_the_old_rules_hides_none_under_the_new() {
    let store = MemoryStore::default();
    let epochs = EpochView::new(deeper_from_asked(), ASKED.plus(1));
    let event = format!(r#"{{"more":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let object = object("kinesis", Some(0), event.as_bytes());
    block_on(store.quarantine(&object)).expect("it is kept");
    let mut requests = [ASKED.plus(-2), ASKED.plus(-1), ASKED, ASKED.plus(1)].to_vec();
    let (mut put, mut deliveries) = (0, 0);
    while !requests.is_empty() {
        let message = |requested_at: &Millis| {
            let request = Request { key: object.key(), requested_at: *requested_at };
            match block_on(take_up(&store, &layout(), &epochs, &request, ASKED.plus(1))) {
                Ok(Some(Settled::Message(message))) => Incoming::Message(message),
                other => panic!("{other:?}"),
            }
        };
        let incoming = requests.iter().map(message).enumerate().collect();
        let done = block_on(intake(&store, &layout(), &epochs, LedgerSettings::default(), incoming, &|| false));
        put += done.outcome.put;
        deliveries += 1;
        requests = done.outcome.failed.iter().map(|place| requests[*place]).collect();
    }
    assert_eq!((put, deliveries), (1, 2));
}

/// A record that was quarantined whole is replayed under rules that split it and accept none of its events: each now
/// has its own document. Under rules that accept them everything is replayed, and each event counts once.
#[test]
fn what_a_replay_took_apart_counts_by_its_parts_alone() {
    let store = MemoryStore::default();
    let epochs = EpochView::new(deeper_from_asked(), ASKED.plus(1));
    let event = format!(r#"{{"more":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let whole = object("sqs", None, format!("{event}\n{event}").as_bytes());
    block_on(store.quarantine(&whole)).expect("it is kept");
    let put = |key: String, requested_at: Millis| {
        let request = Request { key, requested_at };
        match block_on(take_up(&store, &layout(), &epochs, &request, ASKED.plus(1))) {
            Ok(Some(Settled::Message(message))) => {
                let incoming = vec![(0, Incoming::Message(message))];
                block_on(intake(&store, &layout(), &epochs, LedgerSettings::default(), incoming, &|| false)).outcome.put
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(put(whole.key(), ASKED.plus(-1)), 0);
    assert_eq!(store.quarantined().len(), 3, "the whole and its events");
    let keys: Vec<String> = store.quarantined().into_keys().collect();
    assert_eq!(keys.into_iter().map(|key| put(key, ASKED)).sum::<u64>(), 2);
}

#[test]
fn a_document_counts_under_its_own_key_alone() {
    let store = MemoryStore::default();
    let epochs = EpochView::new(EpochTable::genesis(), ASKED);
    let request = Request { key: "not_json/2026/11/21/sqs/q!gone!record.json".to_owned(), requested_at: ASKED };
    assert!(matches!(block_on(take_up(&store, &layout(), &epochs, &request, ASKED)), Ok(None)));
    struct Elsewhere(QuarantineObject);
    impl QuarantineGet for Elsewhere {
        async fn set_aside(&self, _: &str) -> Result<Option<QuarantineObject>, StoreError> {
            Ok(Some(self.0.clone()))
        }
    }
    impl ContributionGet for Elsewhere {
        async fn get(&self, _: &crate::ports::ItemKey) -> Result<Option<crate::ports::Item>, StoreError> {
            Ok(None)
        }
    }
    impl ContributionPut for Elsewhere {
        async fn put(
            &self,
            _: &crate::ports::Item,
            _: &crate::ports::Expected,
        ) -> Result<crate::ports::PutOutcome, StoreError> {
            Ok(crate::ports::PutOutcome::Written)
        }
    }
    let store = Elsewhere(object("sqs", None, b"{}"));
    let error = block_on(take_up(&store, &layout(), &epochs, &request, ASKED)).unwrap_err();
    assert!(error.to_string().contains("belongs under not_json/2026/11/21/sqs/q!m!record.json"), "{error}");
}
