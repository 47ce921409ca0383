//! A Function URL's event (payload format 2.0; "Invoking Lambda function URLs", AWS Lambda Developer Guide): the body.

use crate::EnvelopeError;
use crate::members::members;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use weir_json::{SKIP_DEPTH_MAX, Scanner};

/// A body that is said to be base64 and is not: its sender's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no base64")]
pub struct NotBase64;

/// Reads an invocation's body; empty when it has none. It comes to stand in `arena`, which keeps its room.
///
/// # Errors
/// When the invocation is none of a Function URL's; inside, when its body is not what it says.
pub fn read<'a>(input: &'a [u8], arena: &'a mut Vec<u8>) -> Result<Result<Cow<'a, [u8]>, NotBase64>, EnvelopeError> {
    let Some((length, is_base64)) = scan(input, arena) else { return read_completely(input) };
    let body = arena.get(..length).unwrap_or_default();
    if is_base64 {
        return Ok(decode(body).map(Cow::Owned));
    }
    Ok(Ok(Cow::Borrowed(body)))
}

/// Reads an invocation whose body is text by a reader that takes it where it stands, escaped as it is there, and leaves the
/// scanner at its end. None where either does not understand it, or where there is none: then [`read`] decides.
pub fn read_in_place<'a, T>(input: &'a [u8], body: impl FnOnce(&mut Scanner<'a, true>) -> Option<T>) -> Option<T> {
    let (mut body, mut read, mut said_so) = (Some(body), None, false);
    let mut scanner = Scanner::new(input);
    scanner.space();
    members(&mut scanner, |scanner, name| match name {
        b"body" => {
            let mut inner = scanner.enter()?;
            // Once: what stands twice is for the complete reader.
            read = Some(body.take()?(&mut inner)?);
            scanner.leave(&inner)
        }
        b"isBase64Encoded" if !said_so => {
            said_so = true;
            scanner.eat_all(b"false").then_some(())
        }
        b"isBase64Encoded" => None,
        _ => scanner.skip(SKIP_DEPTH_MAX),
    })?;
    scanner.space();
    read.filter(|_| scanner.is_at_end())
}

/// [`read`] by the complete reader alone: what the fast ones are held against.
///
/// # Errors
/// As [`read`].
pub fn read_completely(input: &[u8]) -> Result<Result<Cow<'_, [u8]>, NotBase64>, EnvelopeError> {
    let Request { body, is_base64_encoded } = serde_json::from_slice(input)?;
    let body = body.unwrap_or_default();
    if is_base64_encoded {
        return Ok(decode(body.as_bytes()).map(Cow::Owned));
    }
    Ok(Ok(Cow::Owned(body.into_bytes())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Length of the body at the arena's beginning, and whether it is base64; none where the complete reader is to be asked.
fn scan(input: &[u8], arena: &mut Vec<u8>) -> Option<(usize, bool)> {
    let bytes = input.len() + Scanner::ROOM_BEYOND;
    if arena.len() < bytes {
        arena.resize(bytes, 0);
    }
    let (mut body, mut is_base64) = (None, None);
    let mut scanner = Scanner::new(input);
    scanner.space();
    members(&mut scanner, |scanner, name| match name {
        b"body" if body.is_none() => {
            body = Some(scanner.unescaped(arena)?);
            Some(())
        }
        b"isBase64Encoded" if is_base64.is_none() => {
            is_base64 = Some(scanner.peek() == Some(b't'));
            (scanner.eat_all(b"true") || scanner.eat_all(b"false")).then_some(())
        }
        b"body" | b"isBase64Encoded" => None,
        _ => scanner.skip(SKIP_DEPTH_MAX),
    })?;
    scanner.space();
    scanner.is_at_end().then_some((body.unwrap_or(0), is_base64.unwrap_or(false)))
}

/// What one decoder refuses the other decides on.
fn decode(body: &[u8]) -> Result<Vec<u8>, NotBase64> {
    base64_simd::STANDARD.decode_to_vec(body).or_else(|_| STANDARD.decode(body).map_err(|_| NotBase64))
}
