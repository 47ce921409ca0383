//! The fast reader: a scan of the bytes.

use super::{ByShard, complete};
use crate::EnvelopeError;
use crate::members::{members, text};
use crate::pattern::{self, Pattern, Value};
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Range;
use weir_exact::fenced::Record;
use weir_exact::sequence::SequenceNumber;
use weir_json::Scanner;
use weir_telemetry::Millis;

/// A record as it stands in the input; its payload's place in the arena.
#[derive(Clone)]
pub(super) struct Scanned<'a> {
    /// Of `eventID`, which is `shard:sequence`.
    shard: &'a [u8],
    stream_arn: &'a [u8],
    sequence: &'a [u8],
    arrived_at: Millis,
    data: Range<usize>,
}

/// The values that differ from record to record.
const PARTITION_KEY: u8 = 0;
const SEQUENCE: u8 = 1;
const DATA: u8 = 2;
const ARRIVAL: u8 = 3;
const EVENT_ID: u8 = 4;

/// What there is of a record so far.
#[derive(Default)]
struct Parts<'a> {
    shard: Option<&'a [u8]>,
    stream_arn: Option<&'a [u8]>,
    sequence: Option<&'a [u8]>,
    arrived_at: Option<Millis>,
    data: Option<Range<usize>>,
    /// Where varying values stand.
    values: Vec<Value>,
}

/// Scans an invocation's records; none where the complete reader is to be asked.
pub(super) fn scan<'a>(input: &'a [u8], arena: &mut Vec<u8>) -> Option<Vec<Scanned<'a>>> {
    arena.clear();
    pattern::records(input, arena, like, whole)
}

/// A record that is written like the last.
fn like<'a>(
    pattern: &Pattern<'a>,
    record: &mut Scanned<'a>,
    scanner: &mut Scanner<'a>,
    arena: &mut Vec<u8>,
) -> Option<()> {
    scanner.eat_all(pattern.first).then_some(())?;
    for part in &pattern.rest {
        match part.value {
            PARTITION_KEY => partition_key(scanner)?,
            SEQUENCE => record.sequence = scanner.string_of(part.length)?,
            DATA => record.data = data(scanner, arena)?,
            ARRIVAL => record.arrived_at = arrival(scanner)?,
            _ => record.shard = shard(scanner, record.shard, record.sequence)?,
        }
        scanner.eat_all(part.after).then_some(())?;
    }
    Some(())
}

/// A record by its members, and its values.
fn whole<'a>(scanner: &mut Scanner<'a>, arena: &mut Vec<u8>) -> Option<(Scanned<'a>, Vec<Value>)> {
    let mut parts = Parts::default();
    let mut kinesis = false;
    members(scanner, |scanner, name| {
        let at = scanner.at();
        match name {
            b"kinesis" if !kinesis => {
                kinesis = true;
                return members(scanner, |scanner, name| inner(scanner, arena, &mut parts, name));
            }
            b"eventID" if parts.shard.is_none() => {
                parts.shard = Some(shard(scanner, b"", b"")?);
                parts.values.push((EVENT_ID, at, scanner.at()));
            }
            b"eventSourceARN" if parts.stream_arn.is_none() => parts.stream_arn = Some(scanner.string()?),
            // What stands twice the complete reader refuses.
            b"kinesis" | b"eventID" | b"eventSourceARN" => return None,
            _ => scanner.skip(weir_json::SKIP_DEPTH_MAX)?,
        }
        Some(())
    })?;
    let record = Scanned {
        shard: parts.shard?,
        stream_arn: parts.stream_arn?,
        sequence: parts.sequence?,
        arrived_at: parts.arrived_at?,
        data: parts.data?,
    };
    Some((record, parts.values))
}

fn inner<'a>(scanner: &mut Scanner<'a>, arena: &mut Vec<u8>, parts: &mut Parts<'a>, name: &[u8]) -> Option<()> {
    let at = scanner.at();
    let value = match name {
        b"sequenceNumber" if parts.sequence.is_none() => {
            parts.sequence = Some(scanner.string()?);
            SEQUENCE
        }
        b"data" if parts.data.is_none() => {
            parts.data = Some(data(scanner, arena)?);
            DATA
        }
        b"approximateArrivalTimestamp" if parts.arrived_at.is_none() => {
            parts.arrived_at = Some(arrival(scanner)?);
            ARRIVAL
        }
        b"sequenceNumber" | b"data" | b"approximateArrivalTimestamp" => return None,
        b"partitionKey" if scanner.peek() == Some(b'"') => {
            partition_key(scanner)?;
            PARTITION_KEY
        }
        _ => return scanner.skip(weir_json::SKIP_DEPTH_MAX),
    };
    parts.values.push((value, at, scanner.at()));
    Some(())
}

/// A string of base64, decoded to the arena's end. Its alphabet has no quote, escape or control character, so the next
/// quote ends it.
fn data(scanner: &mut Scanner<'_>, arena: &mut Vec<u8>) -> Option<Range<usize>> {
    scanner.eat(b'"').then_some(())?;
    let length = memchr(b'"', scanner.rest())?;
    let begin = arena.len();
    base64_simd::STANDARD.decode_append(scanner.take(length)?, arena).ok()?;
    scanner.eat(b'"').then_some(begin..arena.len())
}

/// Whatever a producer chose; nearly always without an escape.
fn partition_key(scanner: &mut Scanner<'_>) -> Option<()> {
    let start = scanner.clone();
    if scanner.string().is_none() {
        *scanner = start;
        scanner.raw_string()?;
    }
    Some(())
}

/// What is not written as Lambda does is parsed as the complete reader does.
fn arrival(scanner: &mut Scanner<'_>) -> Option<Millis> {
    if let Some((arrived_at, length)) = decimal_seconds(scanner.rest()) {
        scanner.take(length)?;
        return Some(arrived_at);
    }
    serde_json::from_slice(scanner.number()?).ok().map(complete::arrival)
}

/// Seconds with at most three decimals, and their length in bytes. They are that many milliseconds: the double in between
/// is off by less than a thousandth of one.
fn decimal_seconds(text: &[u8]) -> Option<(Millis, usize)> {
    let digits = |text: &[u8], most: usize| text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let value = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    // JSON has no leading zeros.
    let whole = (*text.first()? != b'0').then(|| digits(text, 11))?;
    let (seconds, rest) = text.split_at(whole);
    let fraction = rest.strip_prefix(b".").map_or(&rest[..0], |rest| &rest[..digits(rest, 3)]);
    let point = usize::from(!fraction.is_empty());
    let length = whole + point + fraction.len();
    // Nothing of a number goes on: no more digits, no exponent.
    let ends = !matches!(text.get(length), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
    let millis = value(seconds) * 1_000 + value(fraction) * [0, 100, 10, 1][fraction.len()];
    (whole > 0 && ends).then_some((Millis(millis), length))
}

/// Of `shard:sequence` the shard: nearly always that of the last record, before the sequence number that was just read.
fn shard<'a>(scanner: &mut Scanner<'a>, last: &'a [u8], sequence: &[u8]) -> Option<&'a [u8]> {
    let start = scanner.clone();
    let same = scanner.eat(b'"') && scanner.eat_all(last) && scanner.eat(b':') && scanner.eat_all(sequence);
    if same && scanner.eat(b'"') {
        return Some(last);
    }
    *scanner = start;
    let id = scanner.string()?;
    memchr(b':', id).map(|colon| &id[..colon])
}

/// Gives the records to their shards, with the payloads that now stand in the arena.
pub(super) fn by_shard<'a>(scanned: Vec<Scanned<'a>>, arena: &'a [u8]) -> Result<ByShard<'a>, EnvelopeError> {
    let mut shards = ByShard::new();
    let mut rest = scanned.as_slice();
    while let Some(first) = rest.first() {
        // A batch is of one shard, so usually this is all of it.
        let same = rest.iter().position(|record| !is_of_shard(record, first)).unwrap_or(rest.len());
        let records = shards.entry((text(first.stream_arn), text(first.shard))).or_default();
        records.reserve(same);
        for record in &rest[..same] {
            records.push(Record {
                sequence: SequenceNumber::of_digits(record.sequence)?,
                arrived_at: record.arrived_at,
                data: Cow::Borrowed(arena.get(record.data.clone()).unwrap_or_default()),
            });
        }
        rest = &rest[same..];
    }
    Ok(shards)
}

fn is_of_shard(record: &Scanned<'_>, first: &Scanned<'_>) -> bool {
    // Of a record that is written like the last it is the same text, not only an equal one.
    let same = |a: &[u8], b: &[u8]| std::ptr::eq(a, b) || a == b;
    same(record.shard, first.shard) && same(record.stream_arn, first.stream_arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lambda_writes_is_read_fast() {
        for name in ["kinesis-one-event-records", "kinesis-forms"] {
            let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let input = std::fs::read(path).expect("a sample batch");
            let value: serde_json::Value = serde_json::from_slice(&input).expect("JSON");
            let records = value["Records"].as_array().map(Vec::len);
            assert_eq!(scan(&input, &mut vec![]).map(|records| records.len()), records, "{name}");
            // By the pattern nearly all are, where nothing but the values differs.
            let values = whole(&mut first(&input), &mut vec![]).expect("a record").1;
            let kinds: Vec<u8> = values.iter().map(|(value, ..)| *value).collect();
            assert_eq!(kinds, [PARTITION_KEY, SEQUENCE, DATA, ARRIVAL, EVENT_ID], "{name}");
        }
    }

    fn first(input: &[u8]) -> Scanner<'_> {
        let at = memchr::memmem::find(input, b"\"kinesis\"").expect("a record");
        Scanner::from(input, memchr::memrchr(b'{', &input[..at]).expect("its beginning"))
    }
}
