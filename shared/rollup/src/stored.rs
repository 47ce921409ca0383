//! The private bytes of a contribution: what one writer adds to one window.
//!
//! The first byte is the format's number, here [`FORMAT`]; readers take every number still stored,
//! writers write the newest that every live reader takes. The rest of format 1 is one zstd frame
//! (with its content size and a checksum) around postcard of structs of their own, see `format_1`.
//!
//! Decoding trusts nothing: decompression is bounded by [`PLAIN_BYTES_MAX`], every value is rebuilt
//! through the checks of `from_parts`, trailing bytes are an error, and no input panics. What
//! comes out could have been counted event by event.
//!
//! # Sizes
//!
//! Bytes per series, with its share of names and frame. Durations as in the burst workload
//! (exponential, mean 120 ms, over a uniform 0..30), all users different up to the number given:
//!
//! | events | users | alone | among 100 | of which users | public sketch |
//! |---:|---:|---:|---:|---:|---:|
//! | 1 | 1 | 64 | 14 | 4 | 12 |
//! | 10 | 10 | 117 | 61 | 32 | 52 |
//! | 100 | 100 | 406 | 352 | 290 | 412 |
//! | 1,000 | 384 | 1,233 | 1,174 | 1,016 | 1,548 |
//! | 2,000 | 2,000 | 1,217 | 1,148 | 950 | 2,088 |
//! | 20,000 | 20,000 | 1,946 | 1,853 | 1,519 | 2,092 |
//!
//! Sketches are most of it, so their encoding was chosen by these figures. Coupons cost 2.7 bytes
//! each; in whole bytes of differences they would cost 3 at the least. Registers of 20,000 users cost 1,519
//! bytes (their entropy is 1,454); a byte each under zstd they cost 1,810 at its usual level and 1,516
//! at level 13, packed by DataSketches' HLL_4 2,088, by six bits 3,072. Durations cost 19 bytes for
//! ten events, 142 for a thousand. Of a ledger an entry of one event costs 27 bytes, its identity
//! with 32 random hexadecimal digits included.
//!
//! A body of which the frame would not be read back, being beyond [`PLAIN_BYTES_MAX`], is left
//! uncompressed: no store takes an item that large, so the writer fails and not every later reader.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use zstd::zstd_safe;

use crate::bits::BitWriter;
use crate::{Inconsistent, Rollup};

mod bound;
mod format_1;

pub use bound::{EVENT_BYTES, ITEM_BYTES, bytes_max};

use format_1::{RollupReader, StoredBody, StoredEntry, StoredLedger, StoredService, store};

/// The format that [`encode`] and [`encode_ledger`] write.
pub const FORMAT: u8 = 1;
/// Bound of a decompressed item: some ten times what a DynamoDB item holds, and small enough for
/// the smallest function.
pub const PLAIN_BYTES_MAX: usize = 4 << 20;
/// Series of a body, or of all entries of a ledger together: writers begin a new item beyond it, readers refuse
/// more. Small series compress to a few bytes and take half a kilobyte when read, so without it an item of
/// 400 KB could need more memory than a function has.
pub const ROLLUPS_MAX: usize = 20_000;

/// Only names and small numbers compress. Against level 3, 6 saves 5 % of a body of small series
/// and 11 % of a ledger for at most a third more time; 9 saves little more and takes twice as long.
const ZSTD_LEVEL: i32 = 6;
/// From here on the bits are worth the three bytes of a block of their own.
const BLOCK_BYTES_MIN: usize = 64;

/// What one writer adds to one window: rollups by series, each with the number of writes that
/// changed it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Body {
    /// By service, then endpoint.
    pub series: BTreeMap<SeriesKey, SeriesBody>,
}

/// A series' name: who served, and what was called. Ordered by service, then endpoint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesKey {
    /// Who served it.
    pub service: String,
    /// What was called, normalised.
    pub endpoint: String,
}

/// A series within a [`Body`].
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SeriesBody {
    /// The events that this writer counted.
    pub rollup: Rollup,
    /// How many writes of the body changed this series.
    pub touches: u64,
}

/// Contributions by identity, of a writer whose source has no order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Ledger {
    /// In the writer's order, which is kept.
    pub entries: Vec<LedgerEntry>,
}

/// What one message, object or replay adds to one window.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// Where it came from: `sqs:<queue ARN>/<message id>` and the like.
    pub identity: String,
    /// By service, then endpoint.
    pub series: BTreeMap<SeriesKey, Rollup>,
}

/// Why stored bytes could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all, or fewer than their own header announces.
    #[error("stored rollups end early")]
    Truncated,
    /// Written by a newer version, or not by this product.
    #[error("stored rollups have format {0}, this version reads {FORMAT}")]
    UnknownFormat(u8),
    /// More than [`PLAIN_BYTES_MAX`] when decompressed.
    #[error("stored rollups decompress to {0} bytes, more than {PLAIN_BYTES_MAX}")]
    TooLarge(u64),
    /// More than [`ROLLUPS_MAX`] series.
    #[error("stored rollups of {0} series, more than {ROLLUPS_MAX}")]
    TooMany(usize),
    /// Bytes that no version wrote; the text says what is wrong with them.
    #[error("stored rollups are corrupt: {0}")]
    Corrupt(&'static str),
}

impl From<Inconsistent> for DecodeError {
    fn from(Inconsistent(what): Inconsistent) -> Self {
        Self::Corrupt(what)
    }
}

/// A body's stored bytes: for one version of this crate a function of the value.
pub fn encode(body: &Body) -> Vec<u8> {
    let mut bits = BitWriter::default();
    let stored = StoredBody {
        services: services_of(body.series.keys()),
        touches: body.series.values().map(|series| series.touches).collect(),
        rollups: body.series.values().map(|series| store(&series.rollup, &mut bits)).collect(),
    };
    frame(&stored, bits)
}

/// The body of which `bytes` are the stored form.
pub fn decode(bytes: &[u8]) -> Result<Body, DecodeError> {
    let plain = plain(bytes)?;
    let (stored, mut reader) = sections::<StoredBody>(&plain)?;
    bounded(stored.rollups.len())?;
    let keys = keys_of(stored.services)?;
    if keys.len() != stored.rollups.len() || keys.len() != stored.touches.len() {
        return Err(DecodeError::Corrupt("as many series as names"));
    }
    let mut series = BTreeMap::new();
    for ((key, rollup), touches) in keys.into_iter().zip(stored.rollups).zip(stored.touches) {
        series.insert(key, SeriesBody { rollup: reader.restore(rollup)?, touches });
    }
    at_end(reader)?;
    Ok(Body { series })
}

/// A ledger's stored bytes: for one version of this crate a function of the value.
pub fn encode_ledger(ledger: &Ledger) -> Vec<u8> {
    let keys: BTreeSet<&SeriesKey> = ledger.entries.iter().flat_map(|entry| entry.series.keys()).collect();
    let positions: BTreeMap<&SeriesKey, u32> = keys.iter().copied().zip(0..).collect();
    let mut bits = BitWriter::default();
    let entries = ledger.entries.iter().map(|entry| StoredEntry {
        identity: entry.identity.clone(),
        series: entry.series.keys().map(|key| positions[key]).collect(),
    });
    let rollups = ledger.entries.iter().flat_map(|entry| entry.series.values());
    let stored = StoredLedger {
        services: services_of(keys.iter().copied()),
        entries: entries.collect(),
        rollups: rollups.map(|rollup| store(rollup, &mut bits)).collect(),
    };
    frame(&stored, bits)
}

/// The ledger of which `bytes` are the stored form.
pub fn decode_ledger(bytes: &[u8]) -> Result<Ledger, DecodeError> {
    let plain = plain(bytes)?;
    let (stored, mut reader) = sections::<StoredLedger>(&plain)?;
    bounded(stored.rollups.len())?;
    let keys = keys_of(stored.services)?;
    let mut rollups = stored.rollups.into_iter();
    let mut entries = Vec::with_capacity(stored.entries.len());
    for entry in stored.entries {
        if !entry.series.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::Corrupt("series of an entry out of order"));
        }
        let mut series = BTreeMap::new();
        for position in entry.series {
            let key = keys.get(position as usize).ok_or(DecodeError::Corrupt("a series without a name"))?;
            let rollup = rollups.next().ok_or(DecodeError::Corrupt("a series without a rollup"))?;
            series.insert(key.clone(), reader.restore(rollup)?);
        }
        entries.push(LedgerEntry { identity: entry.identity, series });
    }
    if rollups.next().is_some() {
        return Err(DecodeError::Corrupt("rollups of no series"));
    }
    at_end(reader)?;
    Ok(Ledger { entries })
}

impl Ledger {
    /// [`encode_ledger`].
    pub fn encode(&self) -> Vec<u8> {
        encode_ledger(self)
    }

    /// [`decode_ledger`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_ledger(bytes)
    }
}

impl Body {
    /// [`encode`].
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// [`decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

fn services_of<'a>(keys: impl Iterator<Item = &'a SeriesKey>) -> Vec<StoredService> {
    let mut services: Vec<StoredService> = Vec::new();
    for key in keys {
        match services.last_mut() {
            Some(last) if last.service == key.service => last.endpoints.push(key.endpoint.clone()),
            _ => services.push(StoredService { service: key.service.clone(), endpoints: vec![key.endpoint.clone()] }),
        }
    }
    services
}

/// In ascending order, or it is an error: a second form of the same value would be no value's form.
fn keys_of(services: Vec<StoredService>) -> Result<Vec<SeriesKey>, DecodeError> {
    let mut keys = Vec::new();
    for StoredService { service, endpoints } in services {
        keys.extend(endpoints.into_iter().map(|endpoint| SeriesKey { service: service.clone(), endpoint }));
    }
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::Corrupt("names out of order"));
    }
    Ok(keys)
}

/// The sections of format 1, as postcard has them one after the other.
type Sections<'a, T> = (T, &'a [u8]);

fn sections<T: for<'de> Deserialize<'de>>(plain: &[u8]) -> Result<(T, RollupReader<'_>), DecodeError> {
    match postcard::take_from_bytes::<Sections<'_, T>>(plain) {
        Err(_) => Err(DecodeError::Corrupt("not the sections of format 1")),
        Ok((_, [_, ..])) => Err(DecodeError::Corrupt("bytes after the last section")),
        Ok(((small, bits), [])) => Ok((small, RollupReader::new(bits))),
    }
}

fn bounded(rollups: usize) -> Result<(), DecodeError> {
    if rollups > ROLLUPS_MAX { Err(DecodeError::TooMany(rollups)) } else { Ok(()) }
}

fn at_end(mut rollups: RollupReader<'_>) -> Result<(), DecodeError> {
    match rollups.is_at_end() {
        true => Ok(()),
        false => Err(DecodeError::Corrupt("bits of no rollup")),
    }
}

fn frame<T: Serialize>(small: &T, bits: BitWriter) -> Vec<u8> {
    let bits = bits.finish();
    // Both can only fail where memory does: the structs hold nothing that postcard refuses, and the
    // destination is a vector.
    let plain = postcard::to_stdvec::<Sections<'_, &T>>(&(small, &bits));
    let plain = plain.expect("postcard of plain structs");
    compress(&plain, plain.len() - bits.len()).expect("zstd into a vector")
}

/// The format's number and the frame. The bits after `small_bytes` get a block of their own, lest
/// they spoil the entropy table of what comes before; a reader need not know.
fn compress(plain: &[u8], small_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![FORMAT];
    if plain.len() > PLAIN_BYTES_MAX {
        bytes.extend_from_slice(plain);
        return Ok(bytes);
    }
    let (small, bits) = plain.split_at(small_bytes);
    let mut frame = zstd::Encoder::new(bytes, ZSTD_LEVEL)?;
    frame.include_checksum(true)?;
    frame.set_pledged_src_size(Some(plain.len() as u64))?;
    frame.write_all(small)?;
    if bits.len() >= BLOCK_BYTES_MIN {
        frame.flush()?;
    }
    frame.write_all(bits)?;
    frame.finish()
}

fn plain(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let frame = match bytes {
        [] => return Err(DecodeError::Truncated),
        [FORMAT, frame @ ..] => frame,
        [format, ..] => return Err(DecodeError::UnknownFormat(*format)),
    };
    let plain_bytes = match zstd_safe::get_frame_content_size(frame) {
        Ok(Some(n)) if n > PLAIN_BYTES_MAX as u64 => return Err(DecodeError::TooLarge(n)),
        Ok(Some(n)) => n as usize,
        Ok(None) | Err(_) => return Err(DecodeError::Corrupt("no zstd frame of a known size")),
    };
    match zstd_safe::find_frame_compressed_size(frame) {
        Ok(n) if n == frame.len() => {}
        Ok(_) => return Err(DecodeError::Corrupt("bytes after the frame")),
        Err(_) => return Err(DecodeError::Truncated),
    }
    DECOMPRESSOR.with_borrow_mut(|reader| {
        let reader = match reader {
            Some(reader) => reader,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(|_| DecodeError::Corrupt(NO_ZSTD))?),
        };
        reader.decompress(frame, plain_bytes).map_err(|_| DecodeError::Corrupt("a damaged frame"))
    })
}

/// Out of memory is all that can be in the way.
const NO_ZSTD: &str = "zstd gives no context to read it with";

thread_local! {
    /// Kept from item to item: setting one up costs more than reading a small item.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests;
