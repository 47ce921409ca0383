//! gzip and zstd, recognised by their magic bytes, decompressed up to a limit: whole, or as bytes arrive.
//!
//! Both take one path, in blocks counted from the beginning, since a decoder's verdict on damaged input can depend on
//! how it is cut.

mod inflate;

pub(crate) use inflate::Inflater;
use std::borrow::Cow;
use std::io;

/// Start of a gzip member (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Start of a zstd frame (RFC 8878 §3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Start of a skippable zstd frame after its first byte, which is 0x50 to 0x5f (RFC 8878 §3.1.2): pzstd begins with
/// one.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// Our own wording: the library's may change with its version, and this is part of what is stored.
pub(crate) const DAMAGED: &str = "the payload begins like gzip or zstd but is damaged or cut short";

/// Why a payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Longer than its limit after decompression.
    TooLong,
    /// Not gzip or zstd, though it begins like one, or truncated.
    Damaged,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Damaged
    }
}

/// The payload as text bytes: unchanged, or decompressed (all members of a gzip, all frames of a zstd). A bomb is
/// expanded little further than the limit.
///
/// # Errors
/// [`Failure`], if there are more than `bytes_max` bytes or damaged ones.
pub(crate) fn plain(payload: &[u8], bytes_max: u64) -> Result<Cow<'_, [u8]>, Failure> {
    if !is_compressed(payload) {
        return fits(payload.len(), bytes_max).map(|()| Cow::Borrowed(payload));
    }
    let mut plain = vec![];
    inflate(payload, bytes_max, &mut plain)?;
    Ok(Cow::Owned(plain))
}

/// Whether it begins like gzip or zstd.
pub(crate) fn is_compressed(payload: &[u8]) -> bool {
    payload.starts_with(GZIP) || is_zstd(payload)
}

/// Whether it begins like zstd, with a data frame or a skippable one.
fn is_zstd(payload: &[u8]) -> bool {
    payload.starts_with(ZSTD) || matches!(payload, [0x50..=0x5f, rest @ ..] if rest.starts_with(ZSTD_SKIPPABLE))
}

/// Appends to `plain` what a compressed payload decompresses to.
///
/// # Errors
/// As [`plain`].
pub(crate) fn inflate(payload: &[u8], bytes_max: u64, plain: &mut Vec<u8>) -> Result<(), Failure> {
    let mut sink = |bytes: &[u8]| {
        plain.extend_from_slice(bytes);
        fits(plain.len(), bytes_max)
    };
    let mut inflater = Inflater::default();
    inflater.push(payload, &mut sink)?;
    inflater.finish(&mut sink)
}

fn fits(length: usize, bytes_max: u64) -> Result<(), Failure> {
    if length as u64 > bytes_max { Err(Failure::TooLong) } else { Ok(()) }
}
