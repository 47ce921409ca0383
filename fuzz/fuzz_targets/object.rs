//! Any bytes as an object: the same events and the same verdict in whatever pieces it is read, within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_telemetry::{Epoch, Limits, Millis, ObjectDecoder, ObjectEvent, ObjectLimits, ObjectTotals, Rejected};

/// 2026-11-21T01:30:05Z, when the samples of `events/` arrive.
const ARRIVAL: Millis = Millis(1_795_224_605_000);

fuzz_target!(|input: &[u8]| {
    let Some((cut, object)) = input.split_first() else { return };
    for epoch in [Epoch::genesis(), narrow()] {
        let whole = decode(&[object], &epoch);
        let pieces: Vec<&[u8]> = object.chunks(usize::from(*cut).max(1)).collect();
        assert_eq!(decode(&pieces, &epoch), whole, "in pieces of {cut} bytes");
        within_limits(&whole, &epoch);
    }
});

/// Limits that small inputs reach.
fn narrow() -> Epoch {
    let limits =
        Limits { rejected_per_record_max: 3, series_per_record_max: 3, json_depth_max: 4, ..Epoch::genesis().limits };
    let object_limits = ObjectLimits {
        object_bytes_max: 2_000,
        events_per_object_max: 12,
        event_bytes_max: 200,
        kept_bytes_max: 50,
        ..ObjectLimits::default()
    };
    Epoch { limits, object_limits, ..Epoch::genesis() }
}

/// Events and verdict; of an object that is set aside whole its events are void.
fn decode(pieces: &[&[u8]], epoch: &Epoch) -> (Vec<ObjectEvent>, Result<ObjectTotals, Rejected>) {
    let mut decoder = ObjectDecoder::new(ARRIVAL, epoch);
    let mut events = vec![];
    for piece in pieces {
        decoder.push(piece, |event| events.push(event));
    }
    let verdict = decoder.finish(|event| events.push(event));
    (if verdict.is_ok() { events } else { vec![] }, verdict)
}

fn within_limits((events, verdict): &(Vec<ObjectEvent>, Result<ObjectTotals, Rejected>), epoch: &Epoch) {
    match verdict {
        Ok(totals) => {
            assert_eq!(totals.accepted + totals.rejected, events.len() as u64, "every event is told");
            assert!(events.len() as u64 <= u64::from(epoch.object_limits.events_per_object_max));
            assert!(totals.rejected <= u64::from(epoch.limits.rejected_per_record_max));
            assert!(totals.plain_bytes <= epoch.object_limits.object_bytes_max);
        }
        Err(whole) => {
            assert_eq!(whole.event_index, None);
            assert!(whole.payload.len() <= epoch.object_limits.kept_bytes_max as usize);
            assert!(!whole.detail.is_empty());
        }
    }
}
