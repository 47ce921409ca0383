//! gzip and zstd payloads, told by their magic bytes, decompressed within a bound.

use std::borrow::Cow;
use std::io::{self, Read};

/// How a gzip member begins (RFC 1952).
pub(crate) const GZIP: &[u8] = &[0x1f, 0x8b];
/// How a zstd frame begins (RFC 8878).
pub(crate) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Largest window of a zstd frame, as a power of two, bytes: 128 MiB, the library's own default, written down since
/// a frame that one version refuses every version must refuse.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// In words. The library's may change with its version; ours are part of what is stored.
pub(crate) const DAMAGED: &str = "the payload begins like gzip or zstd but is damaged or cut short";

/// Why a payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Longer than its bound after decompression.
    TooLong,
    /// No gzip or zstd, though it begins like one, or cut short.
    Damaged,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Damaged
    }
}

/// The payload as text bytes: as it is, or decompressed (all members of a gzip, all frames of a zstd).
///
/// # Errors
/// [`Failure`], with more than `bytes_max` bytes or damaged ones.
pub(crate) fn plain(payload: &[u8], bytes_max: u64) -> Result<Cow<'_, [u8]>, Failure> {
    if payload.starts_with(GZIP) {
        read_within(flate2::read::MultiGzDecoder::new(payload), bytes_max).map(Cow::Owned)
    } else if payload.starts_with(ZSTD) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        read_within(decoder, bytes_max).map(Cow::Owned)
    } else if payload.len() as u64 > bytes_max {
        Err(Failure::TooLong)
    } else {
        Ok(Cow::Borrowed(payload))
    }
}

/// Reads to the end, or one byte past the bound: a bomb is not expanded further than that.
fn read_within(reader: impl Read, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    reader.take(bytes_max + 1).read_to_end(&mut plain)?;
    if plain.len() as u64 > bytes_max { Err(Failure::TooLong) } else { Ok(plain) }
}
