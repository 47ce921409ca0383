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
/// How a zstd frame begins (RFC 8878).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

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
    let fits = |length: usize| if length as u64 > bytes_max { Err(Failure::TooLong) } else { Ok(()) };
    if !payload.starts_with(GZIP) && !payload.starts_with(ZSTD) {
        return fits(payload.len()).map(|()| Cow::Borrowed(payload));
    }
    let mut plain = vec![];
    let mut sink = |bytes: &[u8]| {
        plain.extend_from_slice(bytes);
        fits(plain.len())
    };
    let mut inflater = Inflater::default();
    inflater.push(payload, &mut sink)?;
    inflater.finish(&mut sink)?;
    Ok(Cow::Owned(plain))
}
