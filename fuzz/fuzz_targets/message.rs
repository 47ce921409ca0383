//! Any text as a message's body: what it turns out to be is told the same twice and with white space around, and what
//! is held as a payload is the body, or what the body is base64 of.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use weir_json::Scanner;
use weir_telemetry::{Batch, Epoch, MessageBody, Millis, Payload, Rejected, decode_payload};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fuzz_target!(|body: &str| {
    let held = MessageBody::of(body);
    assert_eq!(MessageBody::of(body), held, "two deliveries of one message");
    where_it_stands(body, &held);
    let spaced = format!(" \t{body}\r\n");
    match (&held, MessageBody::of(&spaced)) {
        (MessageBody::Payload(Payload::Plain(Cow::Borrowed(payload))), MessageBody::Payload(spaced)) => {
            assert_eq!(*payload, body.as_bytes());
            counted_alike(payload, &spaced.bytes());
        }
        (MessageBody::Payload(Payload::Plain(Cow::Owned(payload))), spaced) => {
            // Whatever tool wrote it: in lines or not, in either alphabet, with padding or without.
            let mut letters: String = body.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
            letters = letters.replace('-', "+").replace('_', "/");
            let padding = "=".repeat(letters.trim_end_matches('=').len().wrapping_neg() % 4);
            assert_eq!(STANDARD.decode(letters.trim_end_matches('=').to_owned() + &padding).as_ref(), Ok(payload));
            assert_eq!(spaced, held);
        }
        (_, spaced) => assert_eq!(spaced, held, "white space around a body says nothing"),
    }
});

/// In an invocation, where nothing but quotes may be escaped in it, a body is the same.
fn where_it_stands(body: &str, held: &MessageBody<'_>) {
    let string = serde_json::to_string(body).expect("a string");
    let Some(quoted) = Scanner::new(string.as_bytes()).quoted() else { return };
    assert_eq!(quoted.unquoted(), body);
    match (MessageBody::of_quoted(quoted), held) {
        (MessageBody::Payload(there), MessageBody::Payload(held)) => {
            assert_eq!(there.bytes(), held.bytes());
            counted_where_it_stands(&there);
        }
        (there, held) => assert_eq!(there, *held),
    }
}

fn counted_where_it_stands(payload: &Payload<'_>) {
    let epoch = Epoch::genesis();
    let count = |add: &dyn Fn(&mut Batch) -> Vec<Rejected>| {
        let mut batch = Batch::default();
        let rejected = add(&mut batch);
        let users: Vec<_> = batch.events().iter().map(|event| batch.user(event)).collect();
        format!("{:?} {users:?} {:?} {rejected:?}", batch.events(), batch.all_series())
    };
    let there = count(&|batch| batch.add_held(payload, ARRIVAL, &epoch));
    assert_eq!(there, count(&|batch| batch.add_payload(&payload.bytes(), ARRIVAL, &epoch)));
}

fn counted_alike(body: &[u8], spaced: &[u8]) {
    let epoch = Epoch::genesis();
    let decode = |payload: &[u8]| decode_payload(payload, ARRIVAL, &epoch).accepted;
    // A byte order mark is one only at the start. A skippable zstd frame begins with ASCII, but with a control character
    // (U+0018) that SQS delivers in no body (Amazon SQS API Reference, "SendMessage").
    if !body.starts_with(b"\xef\xbb\xbf") && !body.iter().any(|byte| matches!(byte, 0..=8 | 11 | 12 | 14..=31)) {
        assert_eq!(decode(body), decode(spaced));
    }
}
