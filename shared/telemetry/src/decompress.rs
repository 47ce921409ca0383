//! gzip and zstd, told by their magic bytes, decompressed within a bound: whole, or as bytes come.
//!
//! One way for both, in blocks counted from the beginning, since what a decoder makes of damaged input can depend on how
//! it is cut.

mod inflate;

pub(crate) use inflate::Inflater;
use std::borrow::Cow;
use std::io;

/// How a gzip member begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How a zstd frame begins (RFC 8878 §3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How a skippable zstd frame goes on after its first byte, which is 0x50 to 0x5f (RFC 8878 §3.1.2): pzstd begins so.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

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

/// The payload as text bytes: as it is, or decompressed (all members of a gzip, all frames of a zstd). A bomb is
/// expanded little further than the bound.
///
/// # Errors
/// [`Failure`], with more than `bytes_max` bytes or damaged ones.
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

/// Whether it begins like zstd, with a frame that holds something or with a skippable one.
fn is_zstd(payload: &[u8]) -> bool {
    payload.starts_with(ZSTD) || matches!(payload, [0x50..=0x5f, rest @ ..] if rest.starts_with(ZSTD_SKIPPABLE))
}

/// Appends to `plain` what a compressed payload holds.
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
