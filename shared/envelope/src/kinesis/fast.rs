//! The fast reader: a scan of the bytes.

use super::{ByShard, complete};
use crate::EnvelopeError;
use crate::members::{members, text};
use crate::pattern::Pattern;
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
    event_id: &'a [u8],
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
    event_id: Option<&'a [u8]>,
    stream_arn: Option<&'a [u8]>,
    sequence: Option<&'a [u8]>,
    arrived_at: Option<Millis>,
    data: Option<Range<usize>>,
    /// Where varying values stand.
    values: Vec<(u8, usize, usize)>,
}

/// Scans an invocation's records; none where the complete reader is to be asked.
pub(super) fn scan<'a>(input: &'a [u8], arena: &mut Vec<u8>) -> Option<Vec<Scanned<'a>>> {
    arena.clear();
    let mut scanner = Scanner::new(input);
    let mut records: Vec<Scanned<'a>> = vec![];
    scanner.space();
    scanner.eat(b'{').then(|| scanner.space())?;
    // The only member that Lambda writes.
    (scanner.key()? == b"Records" && scanner.eat(b'[')).then(|| scanner.space())?;
    let mut pattern = Pattern::default();
    if !scanner.eat(b']') {
        loop {
            let start = scanner.clone();
            let again = records.last().and_then(|last| like(&pattern, last, &mut scanner, arena));
            let record = match again {
                Some(record) => record,
                None => {
                    scanner = start;
                    let (record, found) = whole(input, &mut scanner, arena)?;
                    pattern = found;
                    record
                }
            };
            records.push(record);
            if !scanner.another(b']')? {
                break;
            }
        }
    }
    if scanner.another(b'}')? {
        return None;
    }
    scanner.space();
    scanner.is_at_end().then_some(records)
}

/// A record that is written like the last.
fn like<'a>(
    pattern: &Pattern<'a>,
    last: &Scanned<'a>,
    scanner: &mut Scanner<'a>,
    arena: &mut Vec<u8>,
) -> Option<Scanned<'a>> {
    (!pattern.first.is_empty() && scanner.eat_all(pattern.first)).then_some(())?;
    let mut record = last.clone();
    for (value, after) in &pattern.rest {
        match *value {
            PARTITION_KEY => _ = scanner.raw_string()?,
            SEQUENCE => record.sequence = scanner.string()?,
            DATA => record.data = data(scanner, arena)?,
            ARRIVAL => record.arrived_at = arrival(scanner)?,
            _ => record.event_id = event_id(scanner, last, record.sequence)?,
        }
        scanner.eat_all(after).then_some(())?;
    }
    Some(record)
}

/// A record by its members, and its pattern.
fn whole<'a>(input: &'a [u8], scanner: &mut Scanner<'a>, arena: &mut Vec<u8>) -> Option<(Scanned<'a>, Pattern<'a>)> {
    let start = scanner.at();
    let mut parts = Parts::default();
    let mut kinesis = false;
    members(scanner, |scanner, name| {
        let at = scanner.at();
        match name {
            b"kinesis" if !kinesis => {
                kinesis = true;
                return members(scanner, |scanner, name| inner(scanner, arena, &mut parts, name));
            }
            b"eventID" if parts.event_id.is_none() => {
                parts.event_id = Some(scanner.string()?);
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
        event_id: parts.event_id?,
        stream_arn: parts.stream_arn?,
        sequence: parts.sequence?,
        arrived_at: parts.arrived_at?,
        data: parts.data?,
    };
    Some((record, Pattern::of(input, start, scanner.at(), &parts.values)))
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
            scanner.raw_string()?;
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

/// Seconds with at most three decimals are that many milliseconds: the double in between is off by less than a
/// thousandth of one. What else a number may look like is parsed as the complete reader does.
fn arrival(scanner: &mut Scanner<'_>) -> Option<Millis> {
    let number = scanner.number()?;
    let point = number.iter().position(|byte| *byte == b'.').unwrap_or(number.len());
    let (seconds, fraction) = (&number[..point], number.get(point + 1..).unwrap_or_default());
    let plain = seconds.len() <= 11 && fraction.len() <= 3;
    if plain && seconds.iter().chain(fraction).all(u8::is_ascii_digit) {
        let digits = seconds.iter().chain(fraction).chain(&b"000"[fraction.len()..]);
        return Some(Millis(digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))));
    }
    serde_json::from_slice(number).ok().map(complete::arrival)
}

/// `shard:sequence`: nearly always that of the last record but for the sequence number, which was just read.
fn event_id<'a>(scanner: &mut Scanner<'a>, last: &Scanned<'a>, sequence: &[u8]) -> Option<&'a [u8]> {
    let start = scanner.clone();
    let shard = last.event_id.strip_suffix(last.sequence).unwrap_or_default();
    if scanner.eat(b'"') && scanner.eat_all(shard) && scanner.eat_all(sequence) && scanner.eat(b'"') {
        return Some(scanner.since(start.at() + 1)).and_then(|id| id.strip_suffix(b"\""));
    }
    *scanner = start;
    scanner.string()
}

/// Gives the records to their shards, with the payloads that now stand in the arena.
pub(super) fn by_shard<'a>(scanned: Vec<Scanned<'a>>, arena: &'a [u8]) -> Result<ByShard<'a>, EnvelopeError> {
    let mut shards = ByShard::new();
    let mut rest = scanned.as_slice();
    while let Some(first) = rest.first() {
        let shard = shard(first)?;
        // A batch is of one shard, so usually this is all of it.
        let same = rest.iter().position(|record| !is_of(record, first, shard)).unwrap_or(rest.len());
        let records = shards.entry((text(first.stream_arn), text(shard))).or_default();
        records.reserve(same);
        for record in &rest[..same] {
            records.push(Record {
                sequence: SequenceNumber::parse(&text(record.sequence))?,
                arrived_at: record.arrived_at,
                data: Cow::Borrowed(arena.get(record.data.clone()).unwrap_or_default()),
            });
        }
        rest = &rest[same..];
    }
    Ok(shards)
}

fn is_of(record: &Scanned<'_>, first: &Scanned<'_>, shard: &[u8]) -> bool {
    let same_stream = record.stream_arn == first.stream_arn;
    same_stream && record.event_id.strip_prefix(shard).is_some_and(|rest| rest.starts_with(b":"))
}

fn shard<'a>(record: &Scanned<'a>) -> Result<&'a [u8], EnvelopeError> {
    let colon = memchr(b':', record.event_id);
    colon
        .map(|colon| &record.event_id[..colon])
        .ok_or(EnvelopeError::Record("a record whose eventID is no shard:sequence"))
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
            // By the pattern all but the first are, where nothing but the values differs.
            let pattern = whole(&input, &mut first(&input), &mut vec![]).expect("a record").1;
            let kinds: Vec<u8> = pattern.rest.iter().map(|(value, _)| *value).collect();
            assert_eq!(kinds, [PARTITION_KEY, SEQUENCE, DATA, ARRIVAL, EVENT_ID], "{name}");
        }
    }

    fn first(input: &[u8]) -> Scanner<'_> {
        let at = memchr::memmem::find(input, b"\"kinesis\"").expect("a record");
        Scanner::from(input, memchr::memrchr(b'{', &input[..at]).expect("its beginning"))
    }
}
