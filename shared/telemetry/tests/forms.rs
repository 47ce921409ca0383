//! One set of events in every form that it may travel in, sound and damaged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use proptest::prelude::*;
use std::io::Write;
use weir_telemetry::{
    Accepted, Decoded, Epoch, MessageBody, Millis, ObjectDecoder, ObjectEvent, decode_payload, decode_record,
};

const ARRIVAL: Millis = Millis(1_795_224_605_000);

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum: without one, damage may make other text of it.
fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(vec![], 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn length_delimited(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![tag << 3 | 2];
    prost::encode_length_delimiter(bytes.len(), &mut field).unwrap();
    [field, bytes.to_vec()].concat()
}

/// As the Kinesis Producer Library writes it: partition keys, then records that name theirs by index.
fn aggregate(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut message = length_delimited(1, b"a partition key");
    for payload in payloads {
        message.extend(length_delimited(3, &[&[0x08, 0x00][..], &length_delimited(3, payload)].concat()));
    }
    [&[0xf3, 0x89, 0x9a, 0xc2][..], &message, Md5::digest(&message).as_slice()].concat()
}

fn payload(bytes: &[u8]) -> Decoded {
    decode_payload(bytes, ARRIVAL, &Epoch::genesis())
}

fn record(bytes: &[u8]) -> Decoded {
    decode_record(bytes, ARRIVAL, &Epoch::genesis())
}

fn message(bytes: &[u8]) -> Decoded {
    match MessageBody::of(std::str::from_utf8(bytes).unwrap()) {
        MessageBody::Payload(held) => payload(&held.bytes()),
        other => panic!("{other:?}"),
    }
}

fn object(bytes: &[u8]) -> Decoded {
    let epoch = Epoch::genesis();
    let mut decoded = Decoded::default();
    let mut each = |event| match event {
        ObjectEvent::Accepted(event) => decoded.accepted.push(event),
        ObjectEvent::Rejected(event) => decoded.rejected.push(event),
    };
    let mut decoder = ObjectDecoder::new(ARRIVAL, &epoch);
    bytes.chunks(11).for_each(|chunk| decoder.push(chunk, &mut each));
    match decoder.finish(&mut each) {
        Ok(_) => decoded,
        Err(rejected) => Decoded { accepted: vec![], rejected: vec![rejected] },
    }
}

/// How a form is read.
type Read = fn(&[u8]) -> Decoded;

/// A form of the events, and how it is read.
struct Form {
    name: &'static str,
    bytes: Vec<u8>,
    read: Read,
    /// Whether any damage shows: lines lack a frame.
    framed: bool,
}

fn forms(events: &[String]) -> Vec<Form> {
    let singles: Vec<Vec<u8>> = events.iter().map(|event| event.clone().into_bytes()).collect();
    let lines = events.join("\n").into_bytes();
    let array = format!("[{}]", events.join(",")).into_bytes();
    let (head, tail) = singles.split_at(singles.len() / 2);
    let mixed = [head.join(&b'\n'), vec![], gzip(&tail.join(&b'\n')), b" \n".to_vec(), zstd(b"")];
    let sound: Vec<(&'static str, Vec<u8>, bool)> = vec![
        ("lines", lines.clone(), false),
        ("lines with CRLF", (events.join("\r\n") + "\r\n").into_bytes(), false),
        ("an array", array.clone(), true),
        ("gzip lines", gzip(&lines), true),
        ("zstd lines", zstd(&lines), true),
        ("gzip array", gzip(&array), true),
        ("zstd array", zstd(&array), true),
    ];
    let mut forms = vec![];
    for (name, bytes, framed) in sound {
        let readers: [Read; 3] = [payload, record, object];
        forms.extend(readers.map(|read| Form { name, bytes: bytes.clone(), read, framed }));
    }
    let more: [(&'static str, Vec<u8>, Read); 5] = [
        ("base64 of gzip", STANDARD.encode(gzip(&lines)).into_bytes(), message),
        ("base64 of zstd", STANDARD.encode(zstd(&array)).into_bytes(), message),
        ("an aggregate", aggregate(&singles), record),
        ("an aggregate of other forms", aggregate(&mixed), record),
        ("an aggregate of one", aggregate(&[gzip(&array)]), record),
    ];
    forms.extend(more.map(|(name, bytes, read)| Form { name, bytes, read, framed: true }));
    let members: Vec<u8> = singles.iter().flat_map(|event| gzip(&[event, &b"\n"[..]].concat())).collect();
    let frames: Vec<u8> = singles.iter().flat_map(|event| zstd(&[event, &b"\n"[..]].concat())).collect();
    for (name, bytes) in [("gzip members", members), ("zstd frames", frames)] {
        let readers: [Read; 2] = [payload, object];
        forms.extend(readers.map(|read| Form { name, bytes: bytes.clone(), read, framed: false }));
    }
    forms
}

/// Every event of them counts.
fn event() -> impl Strategy<Value = String> {
    ("[a-z/0-9é{}\\[\\]]{1,12}", 0_u16..1_000, 0_u32..90_000, "[a-z0-9\u{1f600}]{1,6}", any::<bool>()).prop_map(
        |(endpoint, status, duration, user, spread)| {
            let space = if spread { " " } else { "" };
            format!(
                r#"{{"endpoint":{space}"/{endpoint}","status":{space}{status},"duration_ms":{duration}.25,{space}"user_id":"{user}"}}"#
            )
        },
    )
}

fn alone(events: &[String]) -> Vec<Accepted> {
    events.iter().flat_map(|event| payload(event.as_bytes()).accepted).collect()
}

proptest! {
    // A failing case is printed; kept ones stand as tests of their own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_same_events_in_any_form_are_the_same(events in proptest::collection::vec(event(), 1..30)) {
        let expect = Decoded { accepted: alone(&events), rejected: vec![] };
        prop_assert_eq!(expect.accepted.len(), events.len());
        for form in forms(&events) {
            prop_assert_eq!(&(form.read)(&form.bytes), &expect, "{}", form.name);
        }
    }

    #[test]
    fn what_is_cut_short_is_set_aside(events in proptest::collection::vec(event(), 1..12), at in any::<usize>()) {
        let expect = alone(&events);
        for form in forms(&events) {
            // Base64 is whole without its padding.
            let padding = form.bytes.iter().rev().take_while(|byte| form.name.starts_with("base64") && **byte == b'=');
            let length = form.bytes.len() - padding.count();
            let cut = &form.bytes[..1 + at % (length - 1)];
            let Ok(decoded) = std::panic::catch_unwind(|| (form.read)(cut)) else {
                return Err(TestCaseError::fail(form.name));
            };
            if form.framed {
                prop_assert_eq!(decoded.accepted, vec![], "{} at {}", form.name, cut.len());
                prop_assert_eq!(decoded.rejected.len(), 1, "{} at {}", form.name, cut.len());
                prop_assert!(decoded.rejected[0].event_index.is_none());
            } else {
                // What ends between two lines, members or frames is whole; nothing else is.
                prop_assert!(expect.starts_with(&decoded.accepted), "{} at {}", form.name, cut.len());
                let silent = decoded.rejected.is_empty() && decoded.accepted.len() < expect.len();
                let whole_lines = payload(cut).rejected.is_empty();
                prop_assert!(!silent || whole_lines, "{} at {}", form.name, cut.len());
            }
        }
    }

    #[test]
    fn what_is_damaged_is_set_aside(events in proptest::collection::vec(event(), 1..12), at in any::<usize>(), bit in 0_u8..8) {
        let expect = alone(&events);
        for form in forms(&events).into_iter().filter(|form| form.framed && form.name != "an array") {
            let mut damaged = form.bytes.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            // A body is text.
            if form.name.starts_with("base64") && !damaged.is_ascii() {
                continue;
            }
            let decoded = (form.read)(&damaged);
            // Some bits of a compressed frame mean nothing: the time of a gzip, the window of a zstd.
            let harmless = decoded.rejected.is_empty() && decoded.accepted == expect;
            let set_aside = decoded.accepted.is_empty() && decoded.rejected.len() == 1;
            // Without its magic number an aggregate is text, of which some lines may be events: the others are named.
            let nameless = form.name.starts_with("an aggregate") && at < 4 && !decoded.rejected.is_empty();
            prop_assert!(harmless || set_aside || nameless, "{} at {at}: {:?}", form.name, decoded.rejected);
        }
    }
}

#[test]
fn nothing_is_an_empty_record_in_every_form() {
    for nothing in [&b""[..], b" ", b"\n", b"\r\n\t ", b"\xef\xbb\xbf", b"[]", b" [ ] \n"] {
        for bytes in [nothing.to_vec(), gzip(nothing), zstd(nothing), [gzip(nothing), gzip(b"")].concat()] {
            for read in [payload, record, object] {
                assert_eq!(read(&bytes), Decoded::default(), "{nothing:?}");
            }
            assert_eq!(record(&aggregate(&[bytes.clone(), bytes])), Decoded::default(), "{nothing:?}");
        }
        assert_eq!(message(STANDARD.encode(gzip(nothing)).as_bytes()), Decoded::default());
    }
    assert_eq!(record(&aggregate(&[])), Decoded::default());
}
