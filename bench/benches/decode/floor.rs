//! The least that has to be done with an invocation: the parse-only floor. Its JSON is skipped, outer and inner, each
//! payload decoded from base64, unescaped or decompressed, all by SIMD libraries; nothing is looked at, named or counted.

use sonic_rs::LazyValue;
use std::io::{Read as _, Write as _};
use std::ops::Range;

/// Where the `name` strings stand in an invocation, found beforehand: finding them is not the floor's work.
pub(crate) fn places(input: &[u8], name: &str) -> Vec<Range<usize>> {
    let text = std::str::from_utf8(input).expect("text");
    let begins = format!("\"{name}\":\"");
    let mut places = vec![];
    for (at, _) in text.match_indices(&begins) {
        let from = at + begins.len();
        let end = (from..).find(|end| input[*end] == b'"' && input[end - 1] != b'\\').expect("a closing quote");
        places.push(from..end);
    }
    places
}

/// How a payload is packed.
#[derive(Clone, Copy)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub(crate) fn kinesis(input: &[u8], data: &[Range<usize>], packing: Packing, room: &mut [Vec<u8>; 2]) -> usize {
    skip(input);
    let [payload, plain] = room;
    let mut bytes = 0;
    for place in data {
        payload.clear();
        base64_simd::STANDARD.decode_append(&input[place.clone()], payload).expect("base64");
        let text: &[u8] = match packing {
            Packing::Plain => payload,
            Packing::Gzip => {
                plain.clear();
                flate2::read::GzDecoder::new(&payload[..]).read_to_end(plain).expect("gzip");
                plain
            }
            Packing::Zstd => {
                plain.clear();
                zstd::stream::copy_decode(&payload[..], &mut *plain).expect("zstd");
                plain
            }
        };
        bytes += lines(text).map(skip).sum::<usize>();
    }
    bytes
}

/// The text's lines, the last with or without an end.
fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let (line, rest) = text.split_at(end);
        text = rest.get(1..).unwrap_or_default();
        (!line.is_empty()).then_some(line)
    })
}

pub(crate) fn sqs(input: &[u8], bodies: &[Range<usize>]) -> usize {
    skip(input);
    let body = |place: &Range<usize>| {
        let quoted = &input[place.start - 1..=place.end];
        let text: String = sonic_rs::from_slice(quoted).expect("a string");
        skip(text.as_bytes())
    };
    bodies.iter().map(body).sum()
}

/// Looks through a JSON value.
pub(crate) fn skip(input: &[u8]) -> usize {
    let value: LazyValue<'_> = sonic_rs::from_slice(input).expect("JSON");
    value.as_raw_str().len()
}

pub(crate) fn plain(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

pub(crate) fn gzip(payload: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(payload).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

pub(crate) fn zstd(payload: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(payload, 3).expect("zstd")
}
