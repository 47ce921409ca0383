//! Any bytes through the fast readers and the complete ones: as a record's payload, as an array of events, and as an
//! invocation's input. What is read, what is refused, and in which words, is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fmt::Debug;
use weir_envelope::{EnvelopeError, kinesis, sqs, url};
use weir_telemetry::{
    Accepted, Batch, Decoded, Epoch, Limits, Millis, Reason, WrittenEvent, decode_payload, decode_record, read_array,
    read_quoted_array,
};

/// 2026-11-21T01:30:05Z, when the samples of `events/` arrive.
const ARRIVAL: Millis = Millis(1_795_224_605_000);

fuzz_target!(|input: &[u8]| {
    let mut batch = Batch::default();
    for epoch in [Epoch::genesis(), narrow()] {
        assert_eq!(fast(&mut batch, input, false, &epoch), decode_payload(input, ARRIVAL, &epoch));
        // Once more, with its names known, and as what may also be an aggregate.
        assert_eq!(fast(&mut batch, input, true, &epoch), decode_record(input, ARRIVAL, &epoch));
    }
    let mut arena = b"left over".to_vec();
    assert_eq!(shown(kinesis::read(input, &mut arena)), shown(kinesis::read_completely(input)));
    assert_eq!(shown(sqs::read(input, &mut arena)), shown(sqs::read_completely(input)));
    assert_eq!(shown(url::read(input, &mut arena)), shown(url::read_completely(input)));
    if let Some(events) = url::read_in_place(input, |body| read_quoted_array(body, vec![], collect)) {
        let body = url::read_completely(input).expect("an invocation").expect("no base64");
        assert_eq!(Ok(events), read_array(&body, Vec::new, collect));
    }
});

type Events<'a> = Vec<(usize, Result<WrittenEvent<'a>, (Reason, String)>)>;

fn collect<'a>(read: &mut Events<'a>, index: usize, event: Result<WrittenEvent<'a>, (Reason, String)>) {
    read.push((index, event));
}

fn fast(batch: &mut Batch, data: &[u8], record: bool, epoch: &Epoch) -> Decoded {
    let before = batch.events().len();
    let rejected =
        if record { batch.add_record(data, ARRIVAL, epoch) } else { batch.add_payload(data, ARRIVAL, epoch) };
    let accepted = batch.events()[before..].iter().map(|event| Accepted {
        window: event.window,
        series: batch.series(event.series).clone(),
        status: event.status,
        duration_us: event.duration_us,
        user: batch.user(event).map(|user| String::from_utf8(user.to_vec()).expect("UTF-8")),
    });
    Decoded { accepted: accepted.collect(), rejected }
}

/// Limits that small inputs reach.
fn narrow() -> Epoch {
    let limits = Limits {
        payload_bytes_max: 2_000,
        events_per_record_max: 12,
        rejected_per_record_max: 3,
        series_per_record_max: 3,
        json_depth_max: 4,
    };
    Epoch { number: 2, limits, ..Epoch::genesis() }
}

fn shown<T: Debug>(read: Result<T, EnvelopeError>) -> String {
    match read {
        Ok(read) => format!("{read:?}"),
        Err(error) => format!("refused: {error}"),
    }
}
