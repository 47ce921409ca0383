//! Where a string's plain part ends, a vector of bytes at a time, of the size that every processor has.

use wide::{i8x16, u8x16};

/// Bytes of a vector.
pub(crate) const BYTES: usize = 16;
const HALF: usize = BYTES / 2;

#[inline]
fn equal(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// `"`, `\` and control characters.
#[inline]
fn special(bytes: u8x16) -> u8x16 {
    equal(bytes, b'"') | equal(bytes, b'\\') | bytes.simd_lt(u8x16::splat(0x20))
}

/// `"`, `\`, control characters and bytes beyond ASCII, which are negative as signed ones.
#[inline]
fn unlike_plain(bytes: u8x16) -> u8x16 {
    let control = bytes.cast_signed().simd_lt(i8x16::splat(0x20));
    equal(bytes, b'"') | equal(bytes, b'\\') | control.cast_unsigned()
}

/// What does not belong to a string in which nothing is escaped but quotes, where `before` holds the byte before each: a
/// quote without a backslash before it, any other byte with one, control characters.
#[inline]
fn unlike_quoted(before: u8x16, bytes: u8x16) -> u8x16 {
    (equal(bytes, b'"') ^ equal(before, b'\\')) | bytes.simd_lt(u8x16::splat(0x20))
}

/// The place of the first quote, backslash, control character or byte beyond ASCII from `at` on, else the end.
#[inline]
pub(crate) fn plain_until(text: &[u8], at: usize) -> usize {
    until(text, at, unlike_plain)
}

/// The same, passing over bytes beyond ASCII.
#[inline]
pub(crate) fn any_until(text: &[u8], at: usize) -> usize {
    until(text, at, special)
}

/// Whether all of `text` is ASCII without quotes, backslashes and control characters.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    // The last vector begins where it must to be whole, and so does a short text's second half.
    let last = match (text.last_chunk(), text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
        (Some(last), ..) => u8x16::new(*last),
        (_, Some(first), Some(last)) => {
            let mut both = [0; BYTES];
            let (begin, end) = both.split_at_mut(HALF);
            begin.copy_from_slice(first);
            end.copy_from_slice(last);
            u8x16::new(both)
        }
        _ => short(text),
    };
    let vectors = text.as_chunks::<BYTES>().0.iter().map(|chunk| u8x16::new(*chunk));
    !vectors.fold(unlike_plain(last), |found, vector| found | unlike_plain(vector)).any()
}

/// Copies what stands from `at` on to `room` from `to` on, up to the first quote, backslash or control character: how
/// many bytes, and whether that is where it stopped, and not for want of room or text. Beyond them the room may hold
/// anything.
#[inline]
pub(crate) fn copy_until(text: &[u8], at: usize, room: &mut [u8], to: usize) -> (usize, bool) {
    let mut copied = 0;
    while let Some(chunk) = text.get(at + copied..).and_then(<[u8]>::first_chunk::<BYTES>)
        && let Some(place) = room.get_mut(to + copied..).and_then(<[u8]>::first_chunk_mut::<BYTES>)
    {
        *place = *chunk;
        let marks = special(u8x16::new(*chunk)).to_bitmask();
        if marks != 0 {
            return (copied + marks.trailing_zeros() as usize, true);
        }
        copied += BYTES;
    }
    while let Some(byte) = text.get(at + copied)
        && let Some(place) = room.get_mut(to + copied)
    {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            return (copied, true);
        }
        *place = *byte;
        copied += 1;
    }
    (copied, false)
}

/// Where the string that begins at `at`, behind its quote, ends, if nothing in it is escaped but quotes, and whether all
/// of it is ASCII.
#[inline]
pub(crate) fn quoted_until(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut bytes = u8x16::splat(0);
    loop {
        let pairs = text.get(at.checked_sub(1)?..)?;
        let own = pairs.get(1..)?;
        let (before, own) = match (pairs.first_chunk(), own.first_chunk()) {
            (Some(before), Some(own)) => (u8x16::new(*before), u8x16::new(*own)),
            _ => (short(pairs), short(own)),
        };
        bytes |= own;
        let marks = unlike_quoted(before, own).to_bitmask();
        if marks != 0 {
            at += marks.trailing_zeros() as usize;
            // What stands behind the end may say no as well: then the string is looked at again.
            let is_ascii = bytes.to_bitmask() == 0;
            return (*text.get(at)? == b'"').then_some((at, is_ascii));
        }
        at += BYTES;
    }
}

/// The place of the first byte from `at` on that is one of these, else the end.
#[inline]
fn until(text: &[u8], mut at: usize, marked: impl Fn(u8x16) -> u8x16) -> usize {
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let marks = marked(u8x16::new(*chunk)).to_bitmask();
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += BYTES;
    }
    let rest = text.get(at..).unwrap_or_default();
    // The last vector of a text begins where it must to be whole.
    let marks = match text.last_chunk() {
        Some(last) => marked(u8x16::new(*last)).to_bitmask() >> (BYTES - rest.len()),
        None => marked(short(rest)).to_bitmask(),
    };
    at + rest.len().min(marks.trailing_zeros() as usize)
}

/// Less than a vector of bytes, and spaces, which are never marked.
#[inline]
fn short(bytes: &[u8]) -> u8x16 {
    let mut vector = [b' '; BYTES];
    vector.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
    u8x16::new(vector)
}
