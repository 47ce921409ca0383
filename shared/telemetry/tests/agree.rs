//! The fast decoder is held against the complete one on every input that can be thought of: what they accept, under
//! which names, what they set aside, and in which words.

use proptest::prelude::*;
use std::io::Write as _;
use weir_json::Scanner;
use weir_telemetry::{
    Accepted, Batch, Decoded, Epoch, Limits, Millis, Payload, Rejected, Rules, Template, decode_payload, decode_record,
};

/// 2026-11-21T01:30:05Z.
const ARRIVAL: Millis = Millis(1_795_224_605_000);

/// What a batch makes of a record that comes after another, as the complete decoder says it.
fn fast(batch: &mut Batch, add: impl FnOnce(&mut Batch) -> Vec<Rejected>) -> Decoded {
    let before = batch.events().len();
    let rejected = add(batch);
    let accepted = batch.events()[before..].iter().map(|event| Accepted {
        window: event.window,
        series: batch.series(event.series).clone(),
        status: event.status,
        duration_us: event.duration_us,
        user: batch.user(event).map(|user| String::from_utf8(user.to_vec()).expect("UTF-8")),
    });
    Decoded { accepted: accepted.collect(), rejected }
}

fn check(payload: &[u8]) {
    let mut batch = Batch::default();
    for epoch in [Epoch::genesis(), narrow(), renaming()] {
        let text = String::from_utf8_lossy(payload);
        let record = fast(&mut batch, |batch| batch.add_record(payload, ARRIVAL, &epoch));
        assert_eq!(record, decode_record(payload, ARRIVAL, &epoch), "{text}");
        let expect = decode_payload(payload, ARRIVAL, &epoch);
        assert_eq!(fast(&mut batch, |batch| batch.add_payload(payload, ARRIVAL, &epoch)), expect, "{text}");
        // Once more, with its names known.
        assert_eq!(fast(&mut batch, |batch| batch.add_payload(payload, ARRIVAL, &epoch)), expect, "{text}");
        // And as it stands in an invocation.
        let string = serde_json::to_string(&text).expect("a string");
        if let Some(quoted) = Scanner::new(string.as_bytes()).quoted().filter(|_| text.as_bytes() == payload) {
            let held = Payload::Quoted(quoted);
            assert_eq!(*held.bytes(), *payload);
            assert_eq!(fast(&mut batch, |batch| batch.add_held(&held, ARRIVAL, &epoch)), expect, "{text}");
        }
    }
}

/// Limits that small inputs reach.
fn narrow() -> Epoch {
    let limits = Limits {
        payload_bytes_max: 2_000,
        events_per_record_max: 6,
        rejected_per_record_max: 2,
        series_per_record_max: 2,
        json_depth_max: 3,
    };
    Epoch { limits, number: 2, ..Epoch::genesis() }
}

fn renaming() -> Epoch {
    let template = |path: &str| Template { path: path.to_owned(), service: None };
    let rules = Rules::new(false, vec![template("/a/{x}"), template("/files/{path...}")]).expect("sound templates");
    Epoch { rules, number: 3, ..Epoch::genesis() }
}

#[test]
fn on_what_is_known_to_be_awkward() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    let deeper = format!(r#"[{{"x":{}{}}}]"#, "[".repeat(140), "]".repeat(140));
    for payload in [
        "",
        " \n\t\r",
        "\u{feff}{}",
        "{}",
        "[]",
        "[ ]",
        "[{}]",
        "[{},{}]",
        "[{},]",
        "[{}] x",
        "[{}\n{}]",
        "{}{}",
        "{} {}",
        "{}\n{}",
        "{}\r{}\n{}",
        "{}\u{c}\n{}",
        "{}\n\u{c}{}\u{c}\n",
        "{}\n\n\n{}\n",
        "{}\n{\n}\n{}",
        "{\n}\n{}",
        "{\n}",
        "{}\nnoise\n{}",
        "noise\n{}",
        "{\"a\":\n{}\n}",
        "{\"a\":1}\n{\"a\":\n{}\n}",
        "{}\n[{}]\n17",
        "17",
        "\"{}\"",
        "{\"status\":200,}",
        "{\"status\":0200}",
        "{\"status\":00}",
        "{\"status\":0}",
        "{\"status\":-0}",
        "{\"status\":1000}",
        "{\"status\":200.0}",
        "{\"status\":2e2}",
        "{\"status\":200x}",
        "{\"status\":200",
        "{\"status\":\"200\"}",
        "{\"status\":200,\"status\":200}",
        "{\"x\":1,\"x\":2,\"status\":5}",
        "{\"stat\\u0075s\":404}",
        "{\"stat\\u0075s\":404,\"status\":404}",
        "{\"status\" : 200 , \"endpoint\"\t:\n\"/a\" }",
        "{\"duration_ms\":86400000}",
        "{\"duration_ms\":86400000.001}",
        "{\"duration_ms\":99999999}",
        "{\"duration_ms\":100000000}",
        "{\"duration_ms\":0.0005}",
        "{\"duration_ms\":0.00049999999999999999999999999}",
        "{\"duration_ms\":12.3456789012345678}",
        "{\"duration_ms\":1.}",
        "{\"duration_ms\":01.5}",
        "{\"duration_ms\":1.5e1}",
        "{\"duration_ms\":1e400}",
        "{\"duration_ms\":-0.0}",
        "{\"duration_ms\":-1}",
        "{\"duration_ms\":null}",
        "{\"user_id\":7}",
        "{\"user_id\":-7}",
        "{\"user_id\":07}",
        "{\"user_id\":-0}",
        "{\"user_id\":123456789012345678901}",
        "{\"user_id\":1.0}",
        "{\"user_id\":\"\"}",
        "{\"user_id\":\"é\"}",
        "{\"user_id\":\"a\\\"b\"}",
        "{\"endpoint\":\"*\",\"service\":\"a#b\"}",
        "{\"endpoint\":\"%2A\",\"service\":\"a%23b\"}",
        "{\"endpoint\":\"\\ud800\"}",
        "{\"endpoint\":\"\u{1}\"}",
        "{\"timestamp\":\"2026-11-21T01:30:00Z\"}",
        "{\"timestamp\":\"2026-11-18T01:30:00Z\"}",
        "{\"timestamp\":\"yesterday\"}",
        "{\"timestamp\":1795224605000}",
        "{\"timestamp\":4102444800000}",
        "[{\"timestamp\":4102444800000},{\"timestamp\":1},{\"timestamp\":2}]",
        "{\"timestamp\":4102444800000}\n{\"timestamp\":1}\n{}",
        "{\"timestamp\":9999999999999999999}",
        "{\"timestamp\":1.5}",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"status\":1}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"\\ud800\":1,\"status\":200}",
        "{}\n{\"\\udc00\\ud800\":{\"\\ud800\":1},\"status\":200}\n{}",
        "[{\"\\ud800\":\"\\ud800\"},{\"\\ud8000\":1}]",
        "{}\n{\"a\tb\":1}\n{\"\\x\":1}",
        "{\n\"a\":[\n{\"status\":200},\n{\"status\":500}\n",
        "{\"a\":[\n{}\n",
        "{\"a\":[\n{}\n{}\n",
        "{\"status\":20\n{}\n{}\n",
        "{\"a\":[1,2}",
        "{\"endpoint\":\"/a/1\"}\n{\"endpoint\":\"/b\"}\n{\"endpoint\":\"/c\",\"service\":\"s\"}\n{\"endpoint\":\"/d\"}",
        "{}\n{}\n{}\n{}\n{}\n{}\n{}",
        "{}\nx\nx\nx\n{}",
        &deep,
        &deeper,
    ] {
        check(payload.as_bytes());
    }
    check(b"{\"endpoint\":\"\xff\"}");
    check(b"{\"x\":\"\xff\"}");
    check(b"{}\n{\"endpoint\":\"\xff\xfe\"}\n{}");
    check(b"{}\n\xff\n");
    for length in [255, 256, 257] {
        check(format!(r#"{{"endpoint":"{}"}}"#, "x".repeat(length)).as_bytes());
        check(format!(r#"{{"user_id":{}}}"#, "7".repeat(length)).as_bytes());
    }
}

/// A member, nearly always sound.
fn member() -> impl Strategy<Value = String> {
    let or_odd = |usual: &'static str| {
        prop_oneof![
            6 => usual,
            1 => "(null|true|[0-9]{1,20}|-?[0-9]{1,9}\\.[0-9]{1,20}|-?[0-9]{1,3}([eE][+-]?[0-9]{1,3})|0[0-9]|\"\"|\\[\\]|\\{\"status\":1\\})",
            1 => "\"([ -~é\u{1f600}]|\\\\[n\"\\\\]|\\\\u[0-9a-f]{4}){0,12}\"",
        ]
    };
    prop_oneof![
        or_odd("\"/(a|b|users|files)(/[0-9a-f]{1,3}){0,2}(\\?x=1)?\"")
            .prop_map(|value| format!("\"endpoint\":{value}")),
        or_odd("\"([a-c#]|%23){1,2}\"").prop_map(|value| format!("\"service\":{value}")),
        or_odd("[1-5]0[0-9]").prop_map(|value| format!("\"status\":{value}")),
        or_odd("(0|[1-9][0-9]{0,8})(\\.[0-9]{1,8})?").prop_map(|value| format!("\"duration_ms\":{value}")),
        or_odd("\"u_[a-z0-9]{1,8}\"").prop_map(|value| format!("\"user_id\":{value}")),
        or_odd(
            "(17952[0-9]{8}|\"2026-11-(19|2[01])T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,4})?(Z|[+-]0[0-9]:30)\")"
        )
        .prop_map(|value| format!("\"timestamp\":{value}")),
        ("\"[x-z]{1,2}\"", or_odd("(\"v\"|1|\\[1,\\{\"n\":\\[\\]\\}\\])"))
            .prop_map(|(key, value)| format!("{key}:{value}")),
    ]
}

fn event() -> impl Strategy<Value = String> {
    let space = || "([ \t\r]|\n)?";
    (prop::collection::vec(member(), 0..6), space(), space(), 0..8_u8).prop_map(|(members, before, after, wide)| {
        let separator = if wide == 0 { format!("{before},{after}") } else { ",".to_owned() };
        format!("{{{}}}", members.join(&separator))
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let events = prop::collection::vec(event(), 0..9);
    let lines = prop::collection::vec(prop_oneof![9 => event(), 1 => "[ -~\u{c}]{0,9}"], 0..9);
    prop_oneof![
        event().prop_map(String::into_bytes),
        events.prop_map(|events| format!("[{}]", events.join(",")).into_bytes()),
        (lines, "(\n|\r\n|\n\n| \n|\u{c}\n)").prop_map(|(lines, end)| lines.join(&end).into_bytes()),
    ]
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn on_telemetry(payload in payload()) {
        check(&payload);
    }

    #[test]
    fn on_damaged_telemetry(mut payload in payload(), at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..4_u8) {
        if !payload.is_empty() {
            let at = at.index(payload.len());
            match kind {
                0 => payload[at] = byte,
                1 => drop(payload.remove(at)),
                2 => payload.insert(at, byte),
                _ => payload.truncate(at),
            }
        }
        check(&payload);
    }

    #[test]
    fn on_compressed_telemetry(payload in payload(), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        for mut packed in [gzip(&payload), zstd::bulk::compress(&payload, 1).expect("zstd")] {
            if !whole {
                packed.truncate(cut.index(packed.len()));
            }
            check(&packed);
        }
    }

    #[test]
    fn on_noise(payload in prop::collection::vec(any::<u8>(), 0..60)) {
        check(&payload);
    }

    #[test]
    fn on_noise_of_the_right_characters(payload in "[\\[\\]{}\",:\\\\ \n\t0-9a-e.-]{0,60}") {
        check(payload.as_bytes());
    }

    /// Any double that can be written, and what lies close to where rounding turns.
    #[test]
    fn on_durations(ms in 0.0..86_400_001.0_f64, half in 0..86_400_000_000_u64, decimals in 0..12_usize) {
        check(format!(r#"{{"duration_ms":{ms}}}"#).as_bytes());
        check(format!(r#"{{"duration_ms":{ms:.decimals$}}}"#).as_bytes());
        check(format!(r#"{{"duration_ms":{}.{:03}5}}"#, half / 1_000, half % 1_000).as_bytes());
        check(format!(r#"{{"duration_ms":{}.{:03}}}"#, half / 1_000, half % 1_000).as_bytes());
    }
}
