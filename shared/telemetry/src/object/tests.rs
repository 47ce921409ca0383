use super::*;
use crate::limits::Limits;
use crate::{Decoded, decode_payload};
use proptest::prelude::*;
use std::io::Write;

const ARRIVAL: Millis = Millis(1_795_224_605_000);
/// The tests' limits: small, so that few bytes are many.
const EVENT_BYTES_MAX: usize = 200;

/// The same limits for records and objects, so that both are decoded alike.
fn epoch() -> Epoch {
    Epoch {
        limits: Limits {
            payload_bytes_max: 4_000,
            events_per_record_max: 40,
            rejected_per_record_max: 12,
            series_per_record_max: 3,
            json_depth_max: 6,
        },
        object_limits: ObjectLimits {
            object_bytes_max: 4_000,
            events_per_object_max: 40,
            event_bytes_max: EVENT_BYTES_MAX as u32,
            kept_bytes_max: EVENT_BYTES_MAX as u32,
            ..ObjectLimits::default()
        },
        ..Epoch::genesis()
    }
}

/// An object's result, as a record's outcome.
fn decode_pieces<'p>(pieces: impl Iterator<Item = &'p [u8]>, epoch: &Epoch) -> Decoded {
    let mut decoded = Decoded::default();
    let mut each = |event| match event {
        ObjectEvent::Accepted(event) => decoded.accepted.push(event),
        ObjectEvent::Rejected(event) => decoded.rejected.push(event),
    };
    let mut decoder = ObjectDecoder::new(ARRIVAL, epoch);
    pieces.for_each(|piece| decoder.push(piece, &mut each));
    match decoder.finish(&mut each) {
        Ok(totals) => {
            assert_eq!(totals.accepted, decoded.accepted.len() as u64);
            assert_eq!(totals.rejected, decoded.rejected.len() as u64);
            decoded
        }
        Err(rejected) => Decoded { accepted: vec![], rejected: vec![rejected] },
    }
}

fn decode(object: &[u8]) -> Decoded {
    decode_pieces(std::iter::once(object), &epoch())
}

/// `accepted reason@index …`, whatever the pieces.
fn check(object: &[u8], expect: &str) {
    for length in [object.len().max(1), 1, 7] {
        let decoded = decode_pieces(object.chunks(length), &epoch());
        let mut got = decoded.accepted.len().to_string();
        for rejected in &decoded.rejected {
            let at = rejected.event_index.map_or("object".to_owned(), |index| index.to_string());
            got.push_str(&format!(" {}@{at}", rejected.reason));
        }
        assert_eq!(got, expect, "{} in pieces of {length}", String::from_utf8_lossy(object));
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 1).unwrap()
}

#[test]
fn forms_longer_than_what_is_held() {
    let event = r#"{"status":200,"endpoint":"/a"}"#;
    let lines = format!("{event}\n").repeat(30);
    check(lines.as_bytes(), "30");
    check(lines.trim_end().as_bytes(), "30");
    check(lines.replace('\n', "\r\n").as_bytes(), "30");
    check(lines.replace('\n', " \t\n\n \x0c\r\n").as_bytes(), "30");
    check(format!("\u{feff}{}{lines}", " \n".repeat(300)).as_bytes(), "30");
    check(format!("[{}{event}]", format!("{event} ,\n").repeat(29)).as_bytes(), "30");
    check(
        format!("\n [ {}1 , \"[,\\\"\" ,null]\n ", format!("{event},").repeat(9)).as_bytes(),
        "9 not_an_object@9 not_an_object@10 not_an_object@11",
    );
    check(&gzip(lines.as_bytes()), "30");
    check(&zstd(lines.as_bytes()), "30");
    check(&[gzip(&lines.as_bytes()[..200]), gzip(b""), gzip(&lines.as_bytes()[200..])].concat(), "30");
    check(&[zstd(&lines.as_bytes()[..200]), zstd(b""), zstd(&lines.as_bytes()[200..])].concat(), "30");
    check(" \r\n".repeat(500).as_bytes(), "0");
    check(&gzip(&[b' '; 999]), "0");
    check(b"", "0");
    check(b"{\n\"status\":\n200}\n", "1");
}

#[test]
fn an_event_without_end_costs_itself_alone() {
    let long = "x".repeat(EVENT_BYTES_MAX);
    let lines = format!("{{}}\n{{\"endpoint\":\"{long}\"}}\n{{}}\ny{long}\n{{}}\n{{\"x\":\"{long}");
    check(lines.as_bytes(), "3 exceeds_event_bytes_max@1 exceeds_event_bytes_max@3 exceeds_event_bytes_max@5");
    check(format!("{{\"x\":\"{long}\"}}\n{{}}").as_bytes(), "1 exceeds_event_bytes_max@0");
    let array = format!("[{{}},{{\"x\":\"{long}\"}},{{}},[\"{long}\"],\"{long}\",{{}}]");
    check(array.as_bytes(), "3 exceeds_event_bytes_max@1 exceeds_event_bytes_max@3 exceeds_event_bytes_max@4");
    let kept = &decode(array.as_bytes()).rejected[0];
    assert_eq!(kept.payload, array.as_bytes()[4..4 + EVENT_BYTES_MAX]);
    assert_eq!(
        kept.detail,
        "an event of 208 bytes; at most 200 (event_bytes_max); the first 200 of 208 bytes are kept"
    );
    // Over several lines it is the whole object, and none of its lines is an event.
    let spread = format!("{{\"y\":[\n{{\"status\":200}}\n],\"x\":\"{long}\"\n}}");
    check(spread.as_bytes(), "0 exceeds_event_bytes_max@object");
    // A damaged first line is not the beginning of such an event.
    check(format!("{{\"x\":\n{}", "{\"status\":200}\n".repeat(20)).as_bytes(), "20 not_json@0");
}

#[test]
fn noise_is_set_aside_as_one() {
    check("GET /a 200\n".repeat(8).as_bytes(), "0 not_json@object");
    check("GET /a 200\n".repeat(90).as_bytes(), "0 not_json@object");
    check(&[0xff; 900], "0 not_utf8@object");
    check(&[&b"\n".repeat(5)[..], &b"a\xff\n".repeat(100)].concat(), "0 not_utf8@object");
    check(
        format!("{}{{}}\n", "GET /a 200\n".repeat(12)).as_bytes(),
        &format!("1{}", (0..12).map(|n| format!(" not_json@{n}")).collect::<String>()),
    );
    let kept = decode("GET /a 200\n".repeat(90).as_bytes()).rejected.remove(0);
    assert_eq!(kept.payload.len(), EVENT_BYTES_MAX);
    assert!(kept.detail.ends_with("the first 200 of 990 bytes are kept"), "{}", kept.detail);
}

#[test]
fn limits_name_themselves() {
    let lines = |event: &str, times: usize| format!("{event}\n").repeat(times).into_bytes();
    let some = "{\"status\":200}";
    check(&lines(some, 40), "40");
    check(&lines(some, 41), "0 exceeds_events_per_object_max@object");
    check(format!("[{}{some}]", format!("{some},").repeat(40)).as_bytes(), "0 exceeds_events_per_object_max@object");
    check(&lines("{\"status\":-1,\"x\":\"xxxxxxxxx\"}", 13), "0 exceeds_rejected_per_record_max@object");
    check(&lines(&" ".repeat(99), 41), "0 exceeds_object_bytes_max@object");
    check(&gzip(&[b' '; 4_001]), "0 exceeds_object_bytes_max@object");
    check(&zstd(&[b' '; 4_001]), "0 exceeds_object_bytes_max@object");
    check(&[&b"\xf3\x89\x9a\xc2"[..], &[b' '; 999]].concat(), "0 unsupported_form@object");
    check(&gzip(b"\xf3\x89\x9a\xc2 {}"), "0 unsupported_form@object");
    check(&[b'['; 999], "0 exceeds_json_depth_max@object");
}

/// The second frame declares 64 bytes and holds none. The library rejects it only if it sees it whole.
#[test]
fn damage_does_not_depend_on_the_pieces() {
    let frames = b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00\x28\xb5\x2f\xfd\x20\x40\x01\x00\x00";
    check(frames, "0");
    assert_eq!(decode_payload(frames, ARRIVAL, &epoch()), Decoded::default());
}

/// Both too long and damaged: which of the two it is called must depend on the object, not on its reader.
#[test]
fn what_is_damaged_and_too_long_does_not_depend_on_the_pieces() {
    let long = "{}\n".repeat(40_000);
    for compressed in [gzip(long.as_bytes()), zstd(long.as_bytes())] {
        for at in (12..compressed.len()).step_by(1 + compressed.len() / 60) {
            let mut damaged = compressed.clone();
            damaged[at] ^= 0x5a;
            let whole = decode(&damaged);
            for length in [1, 7, 100] {
                assert_eq!(decode_pieces(damaged.chunks(length), &epoch()), whole, "byte {at}, pieces of {length}");
            }
        }
    }
}

#[test]
fn a_bomb_is_not_held() {
    let epoch = Epoch::genesis();
    let lines = b"{}\n".repeat(1 << 20);
    for object in [gzip(&lines), zstd(&lines)] {
        let mut decoder = ObjectDecoder::new(ARRIVAL, &epoch);
        let mut events = 0_u32;
        decoder.push(&object, |_| events += 1);
        decoder.finish(|_| events += 1).unwrap();
        assert_eq!(events, 1 << 20);
    }
}

/// A zstd frame of one raw block (RFC 8878), with this window, as a power of two, bytes.
fn frame(window_log: u8, plain: &[u8]) -> Vec<u8> {
    let block = (plain.len() as u32) << 3 | 1;
    [&b"\x28\xb5\x2f\xfd\x00"[..], &[(window_log - 10) << 3], &block.to_le_bytes()[..3], plain].concat()
}

#[test]
fn what_is_held_is_said() {
    let epoch = Epoch::genesis();
    let held = |object: &[u8]| {
        let mut decoder = ObjectDecoder::new(ARRIVAL, &epoch);
        decoder.push(object, |_| {});
        decoder.held_bytes()
    };
    let near = |got: usize, expect: usize| assert!((expect..expect + (1 << 20)).contains(&got), "{got}, not {expect}");
    near(held(b"{}"), 0);
    near(held(&gzip(b"{}\n{}")), 0);
    // The window is allocated before its frame holds as much.
    let more_than_a_block_of_input = b"{}\n".repeat(20_000);
    for window_log in [17, 21, 23, 27] {
        near(held(&frame(window_log, &more_than_a_block_of_input)), 1 << window_log);
    }
    // An event whose end has not arrived; and more of one than is kept.
    near(held(&[b' '; 2_000_000]), 0);
    near(held(format!("[\"{}", "x".repeat(2_000_000)).as_bytes()), 1 << 20);
    // Lines that are not objects, until one is.
    let noise = format!("{}\n", "x".repeat(10_000)).repeat(300);
    near(held(noise.as_bytes()), 3_000_000);
    near(held(format!("{noise}{{}}\n").as_bytes()), 0);
}

/// A piece of an object: an event, or what came in its place. None begins an object that another could end.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |text: &'static [u8]| Just(text.to_vec());
    prop_oneof![
        8 => (0_u16..1_100, "[abc]").prop_map(|(status, endpoint)| {
            format!(r#"{{"status":{status},"endpoint":"/{endpoint}","x":[{{"y":"]}}\\\""}}]}}"#).into_bytes()
        }),
        2 => bytes(b"{}"),
        1 => bytes("{\"user_id\":\"\u{fc}\u{1f680}\"}".as_bytes()),
        1 => prop_oneof![
            bytes(b"{\"status\": 2"), bytes(b"{\"endpoint\":\"/a"), bytes(b"nonsense"), bytes(b"}"), bytes(b"17"),
            bytes(b"[1,{}]"), bytes(b"\"text, {\""), bytes(b"null"), bytes(b"{\"x\":[[[[[[[]]]]]]]}"), bytes(b""),
            bytes(b"{\"endpoint\":\"\xff\"}"), bytes(b"\xe2\x82"), bytes(b"{\"timestamp\":0}"), bytes(b"{\"\\ud800\":1}"),
        ],
    ]
}

fn plain() -> impl Strategy<Value = Vec<u8>> {
    let pieces = || proptest::collection::vec(piece(), 0..45);
    let events = || proptest::collection::vec(piece(), 0..14);
    let line = prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n \t\n"), Just(" \n")];
    let comma = prop_oneof![Just(","), Just(" ,\r\n"), Just(", ")];
    let around = prop_oneof![Just(("[", "]")), Just((" [ \n", "\n]\n")), Just(("\u{feff}[", "] "))];
    prop_oneof![
        (pieces(), line, any::<bool>()).prop_map(|(pieces, line, last)| {
            let mut lines = pieces.join(line.as_bytes());
            lines.extend_from_slice(if last { line.as_bytes() } else { b"" });
            lines
        }),
        (events(), comma, around).prop_map(|(events, comma, (open, close))| {
            [open.as_bytes(), &events.join(comma.as_bytes()), close.as_bytes()].concat()
        }),
        piece(),
        proptest::collection::vec(any::<u8>(), 0..300),
    ]
}

fn object() -> impl Strategy<Value = Vec<u8>> {
    let form = |form: u8, plain: Vec<u8>| match form {
        0 => plain,
        1 => gzip(&plain),
        2 => zstd(&plain),
        3 => [gzip(&plain[..plain.len() / 2]), gzip(&plain[plain.len() / 2..])].concat(),
        _ => [zstd(&plain[..plain.len() / 2]), zstd(&plain[plain.len() / 2..])].concat(),
    };
    let damage = |damage: u8, at: usize, mut object: Vec<u8>| {
        let at = at % object.len().max(1);
        match damage {
            0 => object.truncate(at),
            1 if !object.is_empty() => object[at] ^= 1 << (at % 8),
            2 => object.push(b'x'),
            _ => {}
        }
        object
    };
    (plain(), 0_u8..5, 0_u8..9, any::<usize>())
        .prop_map(move |(plain, which, harm, at)| damage(harm, at, form(which, plain)))
}

/// Everything that must agree: limits of records have other names, what is not JSON may be found so at another place,
/// and noise on one line that is too long to be held is not checked for its nesting.
fn shown(decoded: &Decoded) -> Vec<String> {
    let accepted = decoded.accepted.iter().map(|event| format!("{event:?}"));
    let rejected = decoded.rejected.iter().map(|event| {
        let kept = &event.payload[..event.payload.len().min(EVENT_BYTES_MAX)];
        if event.event_index.is_none() && matches!(event.reason, Reason::NotJson | Reason::Exceeds(Limit::JsonDepth)) {
            return format!("no JSON {kept:?}");
        }
        let detail = event.detail.split("; the first 200 of").next().unwrap_or_default();
        let all = format!("{}@{:?} {detail} {kept:?}", event.reason, event.event_index);
        let all = all.replace("payload_bytes", "object_bytes").replace("the payload is", "the object is");
        all.replace("events_per_record", "events_per_object")
    });
    accepted.chain(rejected).collect()
}

proptest! {
    // A failing case is printed; kept ones become their own tests.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
    #[test]
    fn pieces_of_any_length_are_the_whole(object in object(), lengths in proptest::collection::vec(1_usize..90, 1..6)) {
        let epoch = epoch();
        let mut rest = &object[..];
        let pieces = lengths.iter().cycle().map_while(|length| {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let decoded = decode_pieces(pieces, &epoch);
        prop_assert_eq!(shown(&decoded), shown(&decode(&object)));
        // Damage can merge many events into one long one, which only an object rejects individually.
        if decoded.rejected.iter().all(|event| event.reason != Reason::Exceeds(Limit::EventBytes)) {
            prop_assert_eq!(shown(&decoded), shown(&decode_payload(&object, ARRIVAL, &epoch)));
        }
    }

    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let decoded = decode(&bytes);
        prop_assert!(decoded.rejected.len() <= 12);
    }
}
