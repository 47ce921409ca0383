//! The fast reader: a scan of the bytes.

use super::{ATTRIBUTES, Body, Message};
use crate::members::{members, text};
use crate::pattern::{self, Pattern, Value};
use weir_json::{SKIP_DEPTH_MAX, Scanner};
use weir_telemetry::Millis;

/// The values that differ from message to message.
const ID: u8 = 0;
const BODY: u8 = 1;
const SENT: u8 = 2;
const TRACE: u8 = 3;
/// One that is not looked at.
const OTHER: u8 = 4;

/// Room for bodies in which more is escaped than quotes.
struct Arena<'a> {
    room: &'a mut [u8],
}

impl<'a> Arena<'a> {
    /// A body, its escapes undone where there are others than those of quotes.
    #[inline]
    fn body(&mut self, scanner: &mut Scanner<'a>) -> Option<Body<'a>> {
        let start = scanner.clone();
        if let Some(quoted) = scanner.quoted() {
            return Some(Body::Quoted(quoted));
        }
        *scanner = start;
        self.unescaped(scanner).map(|body| Body::Text(text(body)))
    }

    fn unescaped(&mut self, scanner: &mut Scanner<'_>) -> Option<&'a [u8]> {
        let length = scanner.unescaped(self.room)?;
        let (body, room) = std::mem::take(&mut self.room).split_at_mut_checked(length)?;
        self.room = room;
        Some(body)
    }
}

/// Scans an invocation's messages; none where the complete reader is to be asked.
pub(super) fn scan<'a>(input: &'a [u8], arena: &'a mut Vec<u8>) -> Option<Vec<Message<'a>>> {
    // Undone escapes are shorter than escapes. A record may be begun twice, never more.
    let bytes = 2 * input.len() + Scanner::ROOM_BEYOND;
    if arena.len() < bytes {
        arena.resize(bytes, 0);
    }
    pattern::records(input, &mut Arena { room: arena }, like, whole)
}

/// A message that is written like the last.
fn like<'a>(
    pattern: &Pattern<'a>,
    message: &mut Message<'a>,
    scanner: &mut Scanner<'a>,
    arena: &mut Arena<'a>,
) -> Option<()> {
    scanner.eat_all(pattern.first).then_some(())?;
    for part in &pattern.rest {
        match part.value {
            ID => message.id = Some(text(scanner.string_of(part.length)?)),
            BODY => message.body = Some(arena.body(scanner)?),
            SENT => message.sent_at = Some(millis(scanner.string_of(part.length)?)?),
            TRACE => message.trace_header = Some(text(scanner.string_of(part.length)?)),
            _ => _ = scanner.string_of(part.length)?,
        }
        scanner.eat_all(part.after).then_some(())?;
    }
    Some(())
}

/// A message by its members, and its values.
fn whole<'a>(scanner: &mut Scanner<'a>, arena: &mut Arena<'a>) -> Option<(Message<'a>, Vec<Value>)> {
    let mut message = Message::default();
    let mut values = vec![];
    // What stands twice the complete reader refuses.
    let mut seen: Vec<&[u8]> = vec![];
    members(scanner, |scanner, name| {
        let at = scanner.at();
        if !seen.is_empty() && seen.contains(&name) {
            return None;
        }
        let value = match name {
            b"messageId" => {
                message.id = Some(text(scanner.string()?));
                ID
            }
            b"body" => {
                message.body = Some(arena.body(scanner)?);
                BODY
            }
            b"receiptHandle" | b"md5OfBody" | b"md5OfMessageAttributes" | b"eventSource" | b"awsRegion" => {
                scanner.string()?;
                OTHER
            }
            b"eventSourceARN" => {
                message.queue_arn = Some(text(scanner.string()?));
                seen.push(name);
                return Some(());
            }
            b"attributes" => {
                seen.push(name);
                return members(scanner, |scanner, name| attribute(scanner, name, &mut message, &mut values));
            }
            b"messageAttributes" => {
                seen.push(name);
                return members(scanner, |scanner, name| own_attribute(scanner, name, &mut message));
            }
            _ => return scanner.skip(SKIP_DEPTH_MAX),
        };
        seen.push(name);
        // A queue and its region are those of the message before.
        if !matches!(name, b"eventSource" | b"awsRegion") {
            values.push((value, at, scanner.at()));
        }
        Some(())
    })?;
    Some((message, values))
}

fn attribute<'a>(
    scanner: &mut Scanner<'a>,
    name: &[u8],
    message: &mut Message<'a>,
    values: &mut Vec<Value>,
) -> Option<()> {
    let at = scanner.at();
    let string = scanner.string()?;
    let (value, twice) = match name {
        b"SentTimestamp" => (SENT, message.sent_at.replace(millis(string)?).is_some()),
        b"AWSTraceHeader" => (TRACE, message.trace_header.replace(text(string)).is_some()),
        _ => (OTHER, false),
    };
    if twice {
        return None;
    }
    values.push((value, at, scanner.at()));
    Some(())
}

/// A number as Lambda writes it: digits, as many as certainly fit.
fn millis(string: &[u8]) -> Option<Millis> {
    let digit = |value: i64, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'));
    (1..=18).contains(&string.len()).then_some(string)?.iter().try_fold(0, digit).map(Millis)
}

/// A message attribute, as producers set it: a string, nothing else in it.
fn own_attribute<'a>(scanner: &mut Scanner<'a>, name: &[u8], message: &mut Message<'a>) -> Option<()> {
    let own = ATTRIBUTES.into_iter().find(|own| own.as_bytes() == name);
    let (mut value, mut members_seen) = (None, 0_u8);
    members(scanner, |scanner, name| {
        let bit = match name {
            b"stringValue" => {
                value = Some(text(scanner.string()?));
                1
            }
            b"dataType" => {
                scanner.string()?;
                2
            }
            b"stringListValues" => {
                scanner.eat_all(b"[]").then_some(())?;
                4
            }
            b"binaryListValues" => {
                scanner.eat_all(b"[]").then_some(())?;
                8
            }
            _ => return None,
        };
        let twice = members_seen & bit != 0;
        members_seen |= bit;
        (!twice).then_some(())
    })?;
    let Some(own) = own else { return Some(()) };
    // Of two the complete reader knows which one counts.
    let twice = message.attributes.iter().any(|(name, _)| *name == own);
    message.attributes.push((own, value));
    // As the complete reader has them.
    message.attributes.sort_by_key(|(name, _)| ATTRIBUTES.iter().position(|known| known == name));
    (!twice).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a first record says of the others bounds nothing.
    #[test]
    fn room_is_made_for_a_batch_and_no_more() {
        let input = format!(r#"{{"Records":[{{}},{{"x":"{}"}}]}}"#, "a".repeat(1 << 20));
        let mut arena = vec![];
        let scanned = scan(input.as_bytes(), &mut arena).expect("read fast");
        assert_eq!(scanned.len(), 2);
        assert!(scanned.capacity() <= pattern::RECORDS_MAX + 1, "{}", scanned.capacity());
    }

    #[test]
    fn what_lambda_writes_is_read_fast() {
        let path = format!("{}/../../events/sqs-messages.json", env!("CARGO_MANIFEST_DIR"));
        let input = std::fs::read(path).expect("a sample batch");
        let mut value: serde_json::Value = serde_json::from_slice(&input).expect("JSON");
        let messages = value["Records"].as_array_mut().expect("messages");
        // Bytes as an attribute are for the complete reader.
        messages.retain(|message| !message.to_string().contains("binaryValue"));
        let (left, text) = (messages.len(), value.to_string());
        assert!(left > 20);
        let mut arena = vec![];
        let scanned = scan(text.as_bytes(), &mut arena).expect("read fast");
        assert_eq!(scanned.len(), left);
        // A body of one event, or an array of them, is not even copied.
        let stays = |message: &&Message<'_>| matches!(message.body, Some(Body::Quoted(_)));
        let other_escapes = |body: &str| body.contains(|c: char| c < ' ' || c == '\\');
        let bodies: Vec<&str> =
            value["Records"].as_array().into_iter().flatten().filter_map(|m| m["body"].as_str()).collect();
        let expect = bodies.iter().filter(|body| !other_escapes(body)).count();
        assert_eq!(scanned.iter().filter(stays).count(), expect);
        assert!((1..left).contains(&expect));
    }
}
