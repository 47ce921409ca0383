//! A record, message or object payload: one event, an array of events, or one event a line, plain or
//! compressed. Splits it into events and holds each against its arrival.

use crate::decompress;
use crate::epoch::Epoch;
use crate::event::{self, JSON_SPACE, Refusal};
use crate::json;
use crate::limits::Limits;
use crate::reject::{Limit, Reason, Rejected};
use crate::series::{OTHER, Series};
use crate::time::{Millis, Window};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// How far before its arrival an event may lie, milliseconds.
const LATENESS_MS_MAX: i64 = 48 * 3_600_000;
/// How an aggregate of the Kinesis Producer Library begins ("KPL Aggregated Record Format").
const KPL_MAGIC: &[u8] = &[0xf3, 0x89, 0x9a, 0xc2];
/// How far after its arrival an event may lie (clocks of producers), milliseconds.
const FUTURE_MS_MAX: i64 = 10 * 60_000;

/// An event that is counted, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The minute of event time.
    pub window: Window,
    /// Service and endpoint, normalised.
    pub series: Series,
    /// 0–999; none when the event has none.
    pub status: Option<u16>,
    /// Microseconds, 0 to a day.
    pub duration_us: Option<u64>,
    /// Goes into a sketch only, hashed; never logged.
    pub user: Option<String>,
}

/// What one payload holds. Both empty: the payload was empty or white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Counted, in the payload's order.
    pub accepted: Vec<Accepted>,
    /// Set aside, in the payload's order.
    pub rejected: Vec<Rejected>,
}

/// Decodes a payload under the rules of `epoch`. `arrival` is the event time of events that name none, and
/// what lateness is measured from. Never fails: what cannot be counted is in [`Decoded::rejected`].
pub fn decode_payload(payload: &[u8], arrival: Millis, epoch: &Epoch) -> Decoded {
    let limits = &epoch.limits;
    if payload.starts_with(KPL_MAGIC) {
        let detail = "a KPL aggregate, which this version does not take apart";
        return whole(payload, (Reason::UnsupportedForm, detail.to_owned()));
    }
    let plain = match decompress::plain(payload, limits.payload_bytes_max) {
        Ok(plain) => plain,
        Err(refusal) => return whole(payload, refusal),
    };
    let events = match split(&plain, limits) {
        Ok(events) => events,
        Err(refusal) => return whole(payload, refusal),
    };
    let mut decoded = Decoded::default();
    for (index, event) in events.into_iter().enumerate() {
        match event.and_then(|text| decode_event(text, arrival, epoch).map_err(|refusal| (text.as_bytes(), refusal))) {
            Ok(accepted) => decoded.accepted.push(accepted),
            Err((bytes, (reason, detail))) => {
                // An index fits: events_per_record_max is a u32.
                decoded.rejected.push(Rejected {
                    reason,
                    detail,
                    event_index: Some(index as u32),
                    payload: bytes.to_vec(),
                });
                if decoded.rejected.len() > limits.rejected_per_record_max as usize {
                    return whole(payload, too_many_rejected(limits, &decoded.rejected));
                }
            }
        }
    }
    limit_series(&mut decoded.accepted, limits.series_per_record_max as usize);
    decoded
}

/// The whole record set aside, as it came.
fn whole(payload: &[u8], (reason, detail): Refusal) -> Decoded {
    Decoded {
        accepted: vec![],
        rejected: vec![Rejected { reason, detail, event_index: None, payload: payload.to_vec() }],
    }
}

fn too_many_rejected(limits: &Limits, rejected: &[Rejected]) -> Refusal {
    let first =
        rejected.first().map_or(String::new(), |first| format!("; the first is {}: {}", first.reason, first.detail));
    let limit = Limit::RejectedPerRecord;
    (
        Reason::Exceeds(limit),
        format!("more than {} rejected events ({}){first}", limits.rejected_per_record_max, limit.name()),
    )
}

/// One event of a record, or bytes that should have been one.
type Piece<'a> = Result<&'a str, (&'a [u8], Refusal)>;

/// Splits a plain payload into events.
///
/// One JSON value is tried first, since an object may be spread over lines; what is not one JSON value is
/// taken line by line, so that a damaged line costs only itself. When no line is an object the payload is
/// no NDJSON either, and is set aside whole: noise must not become one rejection a line.
fn split<'a>(plain: &'a [u8], limits: &Limits) -> Result<Vec<Piece<'a>>, Refusal> {
    let plain = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(plain);
    let text = std::str::from_utf8(plain);
    let first_refusal = match text {
        Ok(text) if text.trim_matches(JSON_SPACE).is_empty() => return Ok(vec![]),
        Ok(text) => match split_value(text, limits) {
            Ok(events) => return Ok(events),
            Err(refusal) => refusal,
        },
        Err(error) => (Reason::NotUtf8, format!("not UTF-8 at byte {}", error.valid_up_to())),
    };
    if matches!(first_refusal.0, Reason::NotJson | Reason::NotUtf8) {
        split_lines(plain, limits)?.ok_or(first_refusal)
    } else {
        Err(first_refusal)
    }
}

/// One object, or an array of events.
fn split_value<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Piece<'a>>, Refusal> {
    let trimmed = text.trim_matches(JSON_SPACE);
    if !trimmed.starts_with('[') {
        let value: &RawValue = serde_json::from_str(trimmed).map_err(|error| no_value(trimmed, &error, limits))?;
        return if value.get().starts_with('{') {
            Ok(vec![Ok(value.get())])
        } else {
            let expected = "expected an event, an array of events or one event a line, found another value";
            Err((Reason::NotAnObject, expected.to_owned()))
        };
    }
    let elements: Elements<'_> = serde_json::from_str(trimmed).map_err(|error| no_value(trimmed, &error, limits))?;
    bounded(elements.0.len(), limits)?;
    Ok(elements.0.into_iter().map(|element| Ok(element.get())).collect())
}

/// Not JSON; where it also nests too deep (100,000 brackets, never closed), that is the better reason.
fn no_value(text: &str, error: &serde_json::Error, limits: &Limits) -> Refusal {
    // An array is a level that its events do not have. Text of several lines may be NDJSON.
    let (depth, depth_max) = (json::depth(text.as_bytes()), limits.json_depth_max.saturating_add(1));
    if depth > depth_max && !text.contains('\n') {
        let limit = Limit::JsonDepth;
        return (Reason::Exceeds(limit), format!("nests {depth} deep; at most {depth_max} ({})", limit.name()));
    }
    event::not_json(error)
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Elements<'a>(#[serde(borrow)] Vec<&'a RawValue>);

/// One event a line; `None` when no line is an object.
fn split_lines<'a>(plain: &'a [u8], limits: &Limits) -> Result<Option<Vec<Piece<'a>>>, Refusal> {
    let lines = || plain.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let is_object = |line: &[u8]| line.starts_with(b"{") && serde_json::from_slice::<&RawValue>(line).is_ok();
    if !lines().any(is_object) {
        return Ok(None);
    }
    bounded(lines().count(), limits)?;
    let piece = |line| {
        std::str::from_utf8(line).map_err(|error| {
            (line, (Reason::NotUtf8, format!("not UTF-8 at byte {} of its line", error.valid_up_to())))
        })
    };
    Ok(Some(lines().map(piece).collect()))
}

fn bounded(events: usize, limits: &Limits) -> Result<(), Refusal> {
    if events > limits.events_per_record_max as usize {
        let limit = Limit::EventsPerRecord;
        return Err((
            Reason::Exceeds(limit),
            format!("{events} events; at most {} ({})", limits.events_per_record_max, limit.name()),
        ));
    }
    Ok(())
}

fn decode_event(text: &str, arrival: Millis, epoch: &Epoch) -> Result<Accepted, Refusal> {
    let event = event::decode(text, epoch.limits.json_depth_max, &epoch.rules)?;
    let at = event.timestamp.unwrap_or(arrival);
    if at < arrival.plus(-LATENESS_MS_MAX) {
        return Err((Reason::TooLate, "timestamp: more than 48 h before arrival".to_owned()));
    }
    if at > arrival.plus(FUTURE_MS_MAX) {
        return Err((Reason::FromFuture, "timestamp: more than 10 min after arrival".to_owned()));
    }
    Ok(Accepted {
        window: Window::containing(at),
        series: event.series,
        status: event.status,
        duration_us: event.duration_us,
        user: event.user,
    })
}

/// Counts what goes beyond the first `series_max` series of a record under [`OTHER`], by service where the
/// service is among the first. A function of the record alone, so every delivery agrees.
fn limit_series(accepted: &mut [Accepted], series_max: usize) {
    let mut seen: BTreeSet<Series> = BTreeSet::new();
    let mut services: BTreeSet<String> = BTreeSet::new();
    for event in accepted {
        if seen.contains(&event.series) {
            continue;
        }
        if seen.len() < series_max {
            services.insert(event.series.service.clone());
            seen.insert(event.series.clone());
            continue;
        }
        if !services.contains(&event.series.service) {
            OTHER.clone_into(&mut event.series.service);
        }
        OTHER.clone_into(&mut event.series.endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const ARRIVAL: Millis = Millis(1_795_224_605_000);

    fn decode(payload: &[u8]) -> Decoded {
        decode_payload(payload, ARRIVAL, &Epoch::genesis())
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// `accepted / reason@index, …`
    fn check(payload: &[u8], expect: &str) {
        let decoded = decode(payload);
        let rejected: Vec<String> = decoded
            .rejected
            .iter()
            .map(|rejected| match rejected.event_index {
                Some(index) => format!("{}@{index}", rejected.reason),
                None => format!("{}@record", rejected.reason),
            })
            .collect();
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]);
        assert_eq!(format!("{} {}", decoded.accepted.len(), rejected.join(" ")).trim_end(), expect, "{shown}");
    }

    #[test]
    fn forms() {
        check(b"", "0");
        check(b" \r\n\t", "0");
        check(b"\xef\xbb\xbf{}", "1");
        check(b"{}", "1");
        check(b"{\n\"status\":\n200}\n", "1");
        check(b"[]", "0");
        check(b"[{},{},{}]", "3");
        check(b"{}\n{}\r\n\n{}", "3");
        check(&gzip(b"{}\n{}\n"), "2");
        check(&[gzip(b"{}\n"), gzip(b"{}\n")].concat(), "2");
        check(&zstd::encode_all(&b"[{},{}]"[..], 1).unwrap(), "2");
        check(&gzip(b""), "0");
    }

    #[test]
    fn broken_forms_cost_only_what_is_broken() {
        check(b"[{},17,{\"status\":\"x\"},{}]", "2 not_an_object@1 invalid_status@2");
        check(b"{}\nnonsense\n{}\n[1]\n", "2 not_json@1 not_an_object@3");
        check(b"{}\n{\"endpoint\":\"\xff\"}\n", "1 not_utf8@1");
        check(b"{}{}", "0 not_json@record");
        check(b"nonsense", "0 not_json@record");
        check(b"several\nlines\nof it", "0 not_json@record");
        check(b"17", "0 not_an_object@record");
        check(b"null", "0 not_an_object@record");
        check(b"[{},{}", "0 not_json@record");
        check(b"\xff\xfe\x00", "0 not_utf8@record");
        check(&gzip(b"{}")[..15], "0 not_decompressible@record");
        check(b"\xf3\x89\x9a\xc2\n{}\n{}\n", "0 unsupported_form@record");
        check(b"\x1f\x8bnot gzip", "0 not_decompressible@record");
        check(b"\x28\xb5\x2f\xfdnot zstd", "0 not_decompressible@record");
    }

    #[test]
    fn time_is_held_against_arrival() {
        let at = |ms: i64| format!("{{\"timestamp\":{}}}", ARRIVAL.0 + ms).into_bytes();
        check(&at(-LATENESS_MS_MAX), "1");
        check(&at(-LATENESS_MS_MAX - 1), "0 too_late@0");
        check(&at(FUTURE_MS_MAX), "1");
        check(&at(FUTURE_MS_MAX + 1), "0 from_future@0");
        check(br#"{"timestamp":0}"#, "0 too_late@0");
        check(br#"{"timestamp":"1970-01-01T00:00:00Z"}"#, "0 too_late@0");
        check(br#"{"timestamp":"2100-01-01T00:00:00Z"}"#, "0 from_future@0");
        check(format!("{{\"timestamp\":{}}}", i64::MIN).as_bytes(), "0 too_late@0");
        check(format!("{{\"timestamp\":{}}}", i64::MAX).as_bytes(), "0 from_future@0");
    }

    #[test]
    fn limits_name_themselves() {
        check(&vec![b'['; 100_000], "0 exceeds_json_depth_max@record");
        let closed = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        check(closed.as_bytes(), "0 exceeds_json_depth_max@0");
        let in_event = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        check(in_event.as_bytes(), "0 exceeds_json_depth_max@0");
        check(&gzip(&vec![b' '; 17 << 20]), "0 exceeds_payload_bytes_max@record");
        check(format!("[{}{{}}]", "{},".repeat(100_000)).as_bytes(), "0 exceeds_events_per_record_max@record");
        check(format!("[{}17]", "17,".repeat(1_000)).as_bytes(), "0 exceeds_rejected_per_record_max@record");
        check("17\n".repeat(5_000).as_bytes(), "0 not_json@record");
    }

    #[test]
    fn a_record_of_too_many_series_overflows_into_one() {
        let many: Vec<String> = (0..1_500).map(|n| format!(r#"{{"service":"s","endpoint":"e{n}"}}"#)).collect();
        let decoded = decode(many.join("\n").as_bytes());
        assert_eq!(decoded.accepted.len(), 1_500);
        assert_eq!(decoded.accepted[999].series.to_string(), "s#e999");
        assert_eq!(decoded.accepted[1_000].series.to_string(), "s#~other");
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let decoded = decode(&bytes);
            prop_assert!(decoded.rejected.len() <= 300);
        }

        #[test]
        fn any_json_like_text_is_accounted_for(text in "[\\[\\]{}\",:a-c0-9\n ]{0,80}") {
            let decoded = decode(text.as_bytes());
            let blank = text.trim_matches(JSON_SPACE).is_empty();
            let nothing = decoded.accepted.is_empty() && decoded.rejected.is_empty();
            let empty_array = serde_json::from_str::<Vec<u8>>(&text).is_ok_and(|array| array.is_empty());
            prop_assert_eq!(nothing, blank || empty_array);
        }

        #[test]
        fn one_record_is_decoded_alike_in_every_form(statuses in proptest::collection::vec(-5_i64..1_005, 1..40)) {
            let events: Vec<String> = statuses.iter().map(|status| format!("{{\"status\":{status}}}")).collect();
            let lines = events.join("\n").into_bytes();
            let array = format!("[{}]", events.join(",")).into_bytes();
            let expect = decode(&array);
            prop_assert_eq!(&decode(&gzip(&lines)), &decode(&lines));
            if events.len() > 1 {
                prop_assert_eq!(&decode(&lines), &expect);
            }
            prop_assert_eq!(&decode(&gzip(&array)), &expect);
            prop_assert_eq!(&decode(&zstd::encode_all(&array[..], 1).unwrap()), &expect);
        }
    }
}
