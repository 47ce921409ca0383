//! Where a string's plain part ends, eight bytes at a time: carries run upwards only, so the lowest mark is exact
//! ("Bit Twiddling Hacks", S. E. Anderson, "Determine if a word has a byte less than n"). A long string's middle is passed
//! over in chunks that compilers turn into a few vector instructions of every processor.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Most strings of telemetry end within so many bytes.
const SHORT: usize = 16;
/// Looked at in one step where a string goes on, bytes.
const CHUNK: usize = 32;

/// Marks bytes equal to `byte`; above the lowest mark also others.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (ONES * byte as u64);
    zero.wrapping_sub(ONES) & !zero
}

/// Marks `"`, `\` and control characters; above the lowest mark also others.
#[inline]
fn special(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (equal(word, b'"') | equal(word, b'\\') | control) & HIGHS
}

/// Marks `"`, `\`, control characters and bytes beyond ASCII; above the lowest mark also others.
#[inline]
fn unlike_plain(word: u64) -> u64 {
    special(word) | word & HIGHS
}

/// The place of the first quote, backslash, control character or byte beyond ASCII from `at` on, else the end.
#[inline]
pub(crate) fn plain_until(text: &[u8], at: usize) -> usize {
    until(text, at, unlike_plain)
}

/// Whether none of these is in `text`.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    // A last word begins where it must to be one.
    let last = text.last_chunk::<8>().map_or_else(|| padded(text), |last| u64::from_le_bytes(*last));
    words(text).fold(unlike_plain(last), |marks, word| marks | unlike_plain(word)) == 0
}

/// At most a word of bytes, and spaces, which are never marked.
#[inline]
fn padded(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(ONES * 0x20, |word, byte| word << 8 | u64::from(*byte))
}

/// The same, passing over bytes beyond ASCII.
#[inline]
pub(crate) fn any_until(text: &[u8], at: usize) -> usize {
    until(text, at, special)
}

/// Copies what stands from `at` on to `room` from `to` on, up to the first quote, backslash or control character: how
/// many bytes, and whether that is where it stopped, and not for want of room or text. Beyond them the room may hold
/// anything.
#[inline]
pub(crate) fn copy_until(text: &[u8], at: usize, room: &mut [u8], to: usize) -> (usize, bool) {
    let mut copied = 0;
    while let Some(chunk) = text.get(at + copied..).and_then(<[u8]>::first_chunk::<8>)
        && let Some(place) = room.get_mut(to + copied..).and_then(<[u8]>::first_chunk_mut::<8>)
    {
        *place = *chunk;
        let marked = special(u64::from_le_bytes(*chunk));
        if marked != 0 {
            return (copied + marked.trailing_zeros() as usize / 8, true);
        }
        copied += 8;
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

/// Marks what does not belong to a string in which nothing is escaped but quotes, where `before` holds the bytes before
/// those of `word`: a quote without a backslash before it, any other byte with one, control characters. Above the lowest
/// mark also others.
#[inline]
fn unlike_quoted(before: u64, word: u64) -> u64 {
    // Its highest bit says exactly whether a byte is another.
    let other = |word: u64, byte: u8| {
        let zero = word ^ (ONES * byte as u64);
        ((zero & !HIGHS) + !HIGHS) | zero
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (other(word, b'"') ^ other(before, b'\\') | control) & HIGHS
}

/// Where the string that begins at `at`, behind its quote, ends, if nothing in it is escaped but quotes, and whether all
/// of it is ASCII.
#[inline]
pub(crate) fn quoted_until(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut bytes = 0;
    loop {
        let pairs = text.get(at.checked_sub(1)?..)?;
        if let Some(chunk) = pairs.first_chunk::<{ CHUNK + 1 }>() {
            let (before, own) = (words(&chunk[..CHUNK]), words(&chunk[1..]));
            if before.zip(own).fold(0, |marks, (before, own)| marks | unlike_quoted(before, own)) == 0 {
                bytes |= words(&chunk[1..]).fold(0, |bytes, word| bytes | word);
                at += CHUNK;
                continue;
            }
        }
        let own = pairs.get(1..)?;
        let (before, own) = match own.first_chunk::<8>().zip(pairs.first_chunk::<8>()) {
            Some((own, before)) => (u64::from_le_bytes(*before), u64::from_le_bytes(*own)),
            None => (padded(pairs), padded(own)),
        };
        let marked = unlike_quoted(before, own);
        bytes |= own;
        if marked != 0 {
            at += marked.trailing_zeros() as usize / 8;
            return (*text.get(at)? == b'"').then_some((at, bytes & HIGHS == 0));
        }
        at += 8;
    }
}

/// The place of the first byte that `marks` marks in a word.
#[inline]
fn until(text: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    let begin = at;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let marked = marks(u64::from_le_bytes(*chunk));
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
        if at == begin + SHORT {
            // What goes on is long: of a chunk it is only asked whether there is anything in it.
            while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<CHUNK>)
                && words(chunk).fold(0, |marked, word| marked | marks(word)) == 0
            {
                at += CHUNK;
            }
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    let marked = marks(padded(rest));
    at + rest.len().min(if marked == 0 { 8 } else { marked.trailing_zeros() as usize / 8 })
}

/// The whole words of `text`.
#[inline]
fn words(text: &[u8]) -> impl Iterator<Item = u64> {
    text.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}
