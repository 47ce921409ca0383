use super::*;
use crate::aggregate::tests::aggregate;
use crate::event::JSON_SPACE;
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

/// `accepted reason@index …`
fn check(payload: &[u8], expect: &str) {
    check_decoded(payload, &decode(payload), expect);
}

/// The same of a Kinesis record.
fn check_record(data: &[u8], expect: &str) {
    check_decoded(data, &decode_record(data, ARRIVAL, &Epoch::genesis()), expect);
}

fn check_decoded(payload: &[u8], decoded: &Decoded, expect: &str) {
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
    let frame = zstd::encode_all(&b"{}\n"[..], 1).unwrap();
    check(&[&frame[..], &frame, &frame].concat(), "3");
    // As pzstd writes it: before each frame a skippable one with its length.
    for magic in [0x50, 0x57, 0x5f] {
        let skippable = [&[magic, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], &[0, 1, 2, 3]].concat();
        check(&[&skippable[..], &frame, &skippable, &frame].concat(), "2");
        check(&skippable, "0");
        check(&[&frame[..], &skippable].concat(), "1");
        check(&skippable[..10], "0 not_decompressible@record");
        check(&[&skippable[..], &frame[..6]].concat(), "0 not_decompressible@record");
    }
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
    check(b"[{},\n{},\n{}\n", "0 not_json@record");
    // A truncated object is one damaged event, and no line within it is an event by itself.
    check(b"{\n  \"calls\": [\n    {\"status\":200},\n    {\"status\":500}\n", "0 not_json@record");
    check(b"{\n\"a\":\n{\"status\":200}\n", "0 not_json@record");
    check(b"{\"a\":[\n{}\n", "0 not_json@record");
    // Lines, of which the first or the last is truncated, are not.
    check(b"{\"status\":20\n{}\n{}\n", "2 not_json@0");
    check(b"{\"endpoint\":\"/lo\n{}\n{}\n", "2 not_json@0");
    check(b"{\"a\":[\n{}\n{}\n", "2 not_json@0");
    check(b"{}\n{}\n{\"status\":", "2 not_json@2");
    check(b"[1]\n{}\n", "0 not_json@record");
    check(b" [{}\n\xff\n{}\n", "0 not_utf8@record");
    check(b"\x1f\x8bnot gzip", "0 not_decompressible@record");
    check(b"\x28\xb5\x2f\xfdnot zstd", "0 not_decompressible@record");
}

#[test]
fn an_aggregate_is_one_record_of_payloads() {
    let nested = aggregate(&["{}"]);
    check_record(b"{}", "1");
    check_record(&aggregate(&["{}", "[{},{}]", "{}\n{}\n"]), "5");
    check_record(&aggregate(&[gzip(b"{}\n{}"), zstd::encode_all(&b"{}"[..], 1).unwrap()]), "3");
    check_record(&aggregate(&["", " \n", "{}", "\t"]), "1");
    check_record(&aggregate(&[gzip(b""), b"[]".to_vec()]), "0");
    check_record(&aggregate(&[""; 0]), "0");
    // Events are indexed through the whole aggregate; a payload that is no event takes one index.
    check_record(
        &aggregate(&["{}\nx\n{}", "noise", "", "{\"status\":1000}", "{}"]),
        "3 not_json@1 not_json@3 invalid_status@4",
    );
    check_record(&aggregate(&[b"{}", &nested[..], b"{}"]), "2 unsupported_form@1");
    check_record(&aggregate(&[gzip(b"{}")[..9].to_vec(), gzip(&nested)]), "0 not_decompressible@0 unsupported_form@1");
    check_record(&nested[..nested.len() - 1], "0 damaged_aggregate@record");
    check_record(b"\xf3\x89\x9a\xc2\n{}\n{}\n", "0 damaged_aggregate@record");
}

#[test]
fn only_a_kinesis_record_may_be_an_aggregate_and_only_uncompressed() {
    let whole = aggregate(&["{}"]);
    check(&whole, "0 unsupported_form@record");
    check(b"\xf3\x89\x9a\xc2\n{}\n{}\n", "0 unsupported_form@record");
    check(&gzip(&whole), "0 unsupported_form@record");
    check_record(&gzip(&whole), "0 unsupported_form@record");
    assert!(std::str::from_utf8(&whole).is_err(), "no message's body can be one: it is text");
}

#[test]
fn limits_hold_for_an_aggregate_as_a_whole() {
    let lines = "{}\n".repeat(60_000);
    check_record(&aggregate(&[&lines]), "60000");
    check_record(&aggregate(&[&lines, &lines]), "0 exceeds_events_per_record_max@record");
    let space = gzip(&vec![b' '; 10 << 20]);
    check_record(&aggregate(&[&space]), "0");
    check_record(&aggregate(&[&space, &space]), "0 exceeds_payload_bytes_max@record");
    let bad = "{\"status\":-1}\n".repeat(600);
    check_record(&aggregate(&[&bad, &bad]), "0 exceeds_rejected_per_record_max@record");
    check_record(&aggregate(&vec!["noise"; 1_001]), "0 exceeds_rejected_per_record_max@record");
    let events = |from: u32| (from..from + 800).map(|n| format!("{{\"endpoint\":\"e{n}\"}}\n")).collect::<String>();
    let decoded = decode_record(&aggregate(&[events(0), events(800)]), ARRIVAL, &Epoch::genesis());
    assert_eq!(decoded.accepted.iter().filter(|event| event.series.endpoint == "~other").count(), 600);
    let strict = Epoch { limits: Limits { events_per_record_max: 2, ..Limits::genesis() }, ..Epoch::genesis() };
    let decoded = decode_record(&aggregate(&["{}", "{}", "noise"]), ARRIVAL, &strict);
    check_decoded(b"", &decoded, "0 exceeds_events_per_record_max@record");
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
fn a_record_of_too_many_series_overflows_into_one_a_service() {
    let mut many: Vec<String> = (0..1_500).map(|n| format!(r#"{{"service":"s","endpoint":"e{n}"}}"#)).collect();
    many.extend([r#"{"service":"t","endpoint":"e0"}"#.to_owned(), r#"{"service":"s","endpoint":"e0"}"#.to_owned()]);
    let decoded = decode(many.join("\n").as_bytes());
    let series: Vec<String> = decoded.accepted.iter().map(|event| event.series.to_string()).collect();
    assert_eq!(series.len(), 1_502);
    assert_eq!(series[999], "s#e999");
    assert!(series[1_000..1_500].iter().all(|series| series == "s#~other"));
    assert_eq!(series[1_500..], ["~other#~other", "s#e0"]);
    let exactly = decode(many[..1_000].join("\n").as_bytes());
    assert!(exactly.accepted.iter().all(|event| event.series.endpoint != "~other"));
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let decoded = decode(&bytes);
        prop_assert!(decoded.rejected.len() <= 300);
        let magic = [&b"\xf3\x89\x9a\xc2"[..], &bytes].concat();
        prop_assert_eq!(decode_record(&magic, ARRIVAL, &Epoch::genesis()).accepted.len(), 0);
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
