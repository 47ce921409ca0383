//! Any bytes as a record's payload: every event in it is counted or set aside with a reason, within the limits, and the
//! same whenever and however it is delivered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};
use std::collections::BTreeSet;
use weir_telemetry::{
    Accepted, Decoded, Epoch, Limits, Millis, Rejected, SERVICE_BYTES_MAX, STATUS_MAX, Series, USER_ID_BYTES_MAX,
    decode_payload, decode_record,
};

/// 2026-11-21T01:30:05Z, when the samples of `events/` arrive.
const ARRIVAL: Millis = Millis(1_795_224_605_000);
/// How the forms begin that are not text: KPL aggregate, gzip, zstd.
const MAGIC: [&[u8]; 3] = [&[0xf3, 0x89, 0x9a, 0xc2], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];

fuzz_target!(|payload: &[u8]| {
    for epoch in [Epoch::genesis(), narrow()] {
        check(payload, &epoch);
        check_aggregate(payload, &epoch);
    }
});

/// The bytes as what a KPL aggregate holds, with the MD5 that it should have: no mutator finds one.
fn check_aggregate(message: &[u8], epoch: &Epoch) {
    let record = [MAGIC[0], message, Md5::digest(message).as_slice()].concat();
    let decoded = decode_record(&record, ARRIVAL, epoch);
    assert_eq!(decode_record(&record, ARRIVAL, epoch), decoded, "two deliveries of one aggregate");
    within_limits(&decoded, &record, &epoch.limits);
    decoded.accepted.iter().for_each(countable);
    decoded.rejected.iter().for_each(explained);
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
    Epoch { limits, ..Epoch::genesis() }
}

fn check(payload: &[u8], epoch: &Epoch) {
    let decoded = decode_payload(payload, ARRIVAL, epoch);
    assert_eq!(decode_payload(payload, ARRIVAL, epoch), decoded, "two deliveries of one record");
    within_limits(&decoded, payload, &epoch.limits);
    decoded.accepted.iter().for_each(countable);
    decoded.rejected.iter().for_each(explained);
    let is_text = !MAGIC.iter().any(|magic| payload.starts_with(magic)) && !is_skippable_frame(payload);
    if is_text && payload.len() < epoch.limits.payload_bytes_max as usize {
        other_forms(payload, epoch, &decoded);
    }
}

fn within_limits(decoded: &Decoded, payload: &[u8], limits: &Limits) {
    let Decoded { accepted, rejected } = decoded;
    let whole = rejected.iter().find(|rejected| rejected.event_index.is_none());
    if let Some(whole) = whole {
        assert!(accepted.is_empty() && rejected.len() == 1, "part of a record that is set aside whole");
        assert_eq!(whole.payload, payload, "a record is set aside as it came");
        return;
    }
    let events = accepted.len() + rejected.len();
    assert!(events <= limits.events_per_record_max as usize);
    assert!(rejected.len() <= limits.rejected_per_record_max as usize);
    let indices: Vec<u32> = rejected.iter().filter_map(|rejected| rejected.event_index).collect();
    assert!(indices.is_sorted_by(|a, b| a < b), "one rejection an event, in the record's order");
    assert!(indices.last().is_none_or(|last| (*last as usize) < events), "an index beyond the events");
    let series: BTreeSet<&Series> = accepted.iter().map(|event| &event.series).collect();
    // Beyond the limit a service has one more, and services beyond the limit one in all.
    assert!(series.len() <= 2 * limits.series_per_record_max as usize + 1);
}

fn countable(event: &Accepted) {
    let Series { service, endpoint } = &event.series;
    assert!(!service.is_empty() && service.len() <= 3 * SERVICE_BYTES_MAX && !service.contains('#'));
    assert!(!endpoint.is_empty() && endpoint != "*", "the summary row's name");
    assert!(service.len() + endpoint.len() <= Series::BYTES_MAX);
    // But for escapes: what looks like one of ours is written one longer, or two names could share a row.
    if !service.contains('%') && !endpoint.contains('%') {
        assert_eq!(Series::new(Some(service), Some(endpoint)), event.series, "normalising is done once");
    }
    assert!(event.status.is_none_or(|status| status <= STATUS_MAX));
    assert!(event.duration_us.is_none_or(|us| us <= 86_400_000_000));
    assert!(event.user.as_ref().is_none_or(|user| (1..=USER_ID_BYTES_MAX).contains(&user.len())));
    let (from, to) = (ARRIVAL.plus(-48 * 3_600_000), ARRIVAL.plus(600_000));
    assert!(event.window.end() > from && event.window.start() <= to, "{} is out of time", event.window);
}

fn explained(rejected: &Rejected) {
    let reason = rejected.reason.to_string();
    assert!(reason.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9')), "{reason}");
    assert!(!reason.is_empty() && !rejected.detail.is_empty());
    assert!(rejected.detail.len() <= 400 && !rejected.detail.contains('\n'), "{}", rejected.detail);
}

/// How a skippable zstd frame begins (RFC 8878 §3.1.2).
fn is_skippable_frame(payload: &[u8]) -> bool {
    matches!(payload, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The same text compressed, or with a line's end after it, counts the same.
fn other_forms(text: &[u8], epoch: &Epoch, plain: &Decoded) {
    let compressed = zstd::bulk::compress(text, 1).expect("zstd of a few bytes");
    let compressed = decode_payload(&compressed, ARRIVAL, epoch);
    assert_eq!(compressed.accepted, plain.accepted, "compressed");
    let reasons = |decoded: &Decoded| -> Vec<_> {
        decoded.rejected.iter().map(|rejected| (rejected.reason, rejected.event_index)).collect()
    };
    assert_eq!(reasons(&compressed), reasons(plain), "compressed");
    let longer = decode_payload(&[text, b"\n"].concat(), ARRIVAL, epoch);
    assert_eq!(longer.accepted, plain.accepted, "with a line's end");
}
