//! gzip and zstd payloads, told by their magic bytes, decompressed within a bound.

use crate::reject::{Limit, Reason};
use std::borrow::Cow;
use std::io::Read;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The payload as text bytes: as it is, or decompressed (all members of a gzip, all frames of a zstd).
///
/// # Errors
/// [`Reason::NotDecompressible`] or [`Reason::Exceeds`] with what was found.
pub(crate) fn plain(payload: &[u8], bytes_max: u64) -> Result<Cow<'_, [u8]>, (Reason, String)> {
    let plain = if payload.starts_with(GZIP) {
        read_within(flate2::read::MultiGzDecoder::new(payload), bytes_max).map(Cow::Owned)
    } else if payload.starts_with(ZSTD) {
        zstd::stream::read::Decoder::with_buffer(payload)
            .map_err(Failure::Io)
            .and_then(|decoder| read_within(decoder, bytes_max))
            .map(Cow::Owned)
    } else if payload.len() as u64 > bytes_max {
        Err(Failure::TooLong)
    } else {
        Ok(Cow::Borrowed(payload))
    };
    plain.map_err(|failure| match failure {
        Failure::TooLong => (
            Reason::Exceeds(Limit::PayloadBytes),
            format!(
                "the payload is longer than {bytes_max} bytes after decompression ({})",
                Limit::PayloadBytes.name()
            ),
        ),
        // The library's words may change with its version; ours are part of what is stored.
        Failure::Io(_) => {
            (Reason::NotDecompressible, "the payload begins like gzip or zstd but is damaged or cut short".to_owned())
        }
    })
}

enum Failure {
    TooLong,
    Io(#[expect(dead_code, reason = "kept for a debugger; not shown, see plain")] std::io::Error),
}

/// Reads to the end, or one byte past the bound: a bomb is not expanded further than that.
fn read_within(reader: impl Read, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    reader.take(bytes_max + 1).read_to_end(&mut plain).map_err(Failure::Io)?;
    if plain.len() as u64 > bytes_max { Err(Failure::TooLong) } else { Ok(plain) }
}
