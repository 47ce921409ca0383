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

/// The place of the first quote, backslash, control character or byte beyond ASCII from `at` on, else the end.
#[inline]
pub(crate) fn plain_until(text: &[u8], at: usize) -> usize {
    // As a signed byte, one beyond ASCII is less than zero.
    let unlike = |byte: u8| (byte == b'"') | (byte == b'\\') | ((byte as i8) < 0x20);
    until(text, at, |word| special(word) | word & HIGHS, unlike)
}

/// The same, passing over bytes beyond ASCII.
#[inline]
pub(crate) fn any_until(text: &[u8], at: usize) -> usize {
    until(text, at, special, |byte| (byte == b'"') | (byte == b'\\') | (byte < 0x20))
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

/// The place of the first byte that `marks` marks in a word. `stops` says the same of a byte.
#[inline]
fn until(text: &[u8], mut at: usize, marks: impl Fn(u64) -> u64, stops: impl Fn(u8) -> bool) -> usize {
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
                && !chunk.iter().fold(false, |any, byte| any | stops(*byte))
            {
                at += CHUNK;
            }
        }
    }
    while let Some(byte) = text.get(at) {
        // The upper bytes of the word are spaces, which are never marked.
        if marks(u64::from(*byte) | (ONES * 0x20) << 8) & 0x80 != 0 {
            return at;
        }
        at += 1;
    }
    at
}
