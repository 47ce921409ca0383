//! Any bytes as an invocation's input, read as each processor reads it: no record is lost or invented on the way to the
//! protocol, and what is set aside has a key that S3 takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_envelope::triggers::Trigger;
use weir_envelope::{kinesis, sqs};
use weir_exact::layout::Layout;
use weir_exact::ledger::Incoming;
use weir_telemetry::EpochTable;

#[allow(dead_code, unreachable_pub, reason = "the handler beside it uses the rest")]
#[path = "../../processors/sqs-rollup/src/message.rs"]
mod message;
#[allow(dead_code, unreachable_pub, reason = "the handler beside it uses the rest")]
#[path = "../../processors/rollup-finalize/src/trigger.rs"]
mod trigger;

/// Longest key of an S3 object, bytes ("Naming Amazon S3 objects", Amazon S3 User Guide).
const KEY_BYTES_MAX: usize = 1_024;

fuzz_target!(|input: &[u8]| {
    records(input);
    messages(input);
    changes(input);
});

fn records(input: &[u8]) {
    let mut arena = vec![];
    let Ok(shards) = kinesis::read(input, &mut arena) else { return };
    let received = serde_json::from_slice::<serde_json::Value>(input).ok();
    let received = received.and_then(|input| input["Records"].as_array().map(Vec::len));
    assert!(received.is_none_or(|received| received == shards.values().map(Vec::len).sum::<usize>()));
    for ((_, shard), records) in &shards {
        assert!(!shard.contains(':'), "{shard}");
        assert!(!records.is_empty());
    }
}

fn messages(input: &[u8]) {
    let mut arena = vec![];
    let Ok(messages) = sqs::read(input, &mut arena) else { return };
    let queues = message::Queues::of(&messages);
    if let Ok((here, elsewhere)) = message::read_all(&messages, &queues) {
        assert_eq!(here.len() + elsewhere.len(), messages.len(), "every message is one or the other");
    }
    for delivered in &messages {
        let Ok(received) = message::read(delivered, &queues) else { continue };
        assert!(delivered.id.is_some(), "a failure must be reported under the message's own id");
        let incoming = match received {
            message::Received::Here(incoming) => incoming,
            message::Received::Elsewhere(pointer) => pointer.incoming,
        };
        match incoming {
            Incoming::Message(message) | Incoming::Claiming { message, .. } => {
                assert!(message.identity.to_string().starts_with("sqs:"));
                let sent_at = delivered.sent_at.expect("read without a time of sending");
                let ahead_ms = message.arrived_at.0.saturating_sub(sent_at.0);
                assert!((-14 * 86_400_000..=600_000).contains(&ahead_ms), "arrived {ahead_ms} ms after it was sent");
            }
            Incoming::SetAside(object) => {
                assert!(object.key().len() <= KEY_BYTES_MAX, "{}", object.key());
                let body: serde_json::Value = serde_json::from_slice(&object.body()).expect("JSON");
                assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
            }
        }
    }
}

fn changes(input: &[u8]) {
    let Ok(Trigger::<trigger::Keys>::Stream { records }) = serde_json::from_slice(input) else { return };
    let layout = Layout::new("live", EpochTable::genesis().generation);
    let Ok(touched) = trigger::touched(&layout, &records) else { return };
    assert!(touched.len() <= records.len());
    assert!(touched.is_sorted_by(|a, b| a.first <= b.first), "in the order of their first triggers");
    let mut windows: Vec<_> = touched.iter().map(|touched| touched.what).collect();
    windows.sort();
    assert!(windows.is_sorted_by(|a, b| a < b), "a window is computed once");
}
