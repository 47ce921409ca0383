//! Numbers in as many bits as their likely size needs. Hashes and bin counts are most of a stored
//! rollup, and a general compressor finds little in them below the byte; these codes come within a few
//! hundredths of the entropy of a hash.
//!
//! Bits fill bytes from the lowest up. The reader answers `None` at the end, whatever the bits say.

const CHUNK_BITS_MAX: u32 = 32;

#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, fewer than eight between calls.
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// The low `width` (at most 64) bits of `value`.
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        let first = width.min(CHUNK_BITS_MAX);
        self.put_chunk(value, first);
        if width > first {
            self.put_chunk(value >> CHUNK_BITS_MAX, width - first);
        }
    }

    fn put_chunk(&mut self, value: u64, width: u32) {
        self.pending |= (value & ((1 << width) - 1)) << self.pending_bits;
        self.pending_bits += width;
        while self.pending_bits >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.pending_bits -= 8;
        }
    }

    /// `n` ones and a zero.
    pub(crate) fn put_unary(&mut self, mut n: u64) {
        while n >= u64::from(CHUNK_BITS_MAX) {
            self.put(u64::MAX, CHUNK_BITS_MAX);
            n -= u64::from(CHUNK_BITS_MAX);
        }
        self.put((1 << n) - 1, n as u32 + 1);
    }

    /// Rice code: best where numbers fall off geometrically with a mean about 2^`k`.
    pub(crate) fn put_rice(&mut self, value: u64, k: u32) {
        self.put_unary(value >> k);
        self.put(value, k);
    }

    /// Exponential Golomb code: for numbers with a long tail, most below 2^`k`. `value` is below
    /// `u64::MAX`.
    pub(crate) fn put_golomb(&mut self, value: u64, k: u32) {
        let (head, width) = golomb_head(value, k);
        self.put_unary(width.into());
        self.put(head, width);
        self.put(value, k);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// What of `value` stands above its low `k` bits, plus one, and its width without the leading one.
fn golomb_head(value: u64, k: u32) -> (u64, u32) {
    let head = (value >> k) + 1;
    (head, head.ilog2())
}

/// Bits of [`BitWriter::put_golomb`].
pub(crate) fn golomb_bits(value: u64, k: u32) -> u64 {
    u64::from(2 * golomb_head(value, k).1 + 1 + k)
}

pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn get(&mut self, width: u32) -> Option<u64> {
        let mut value = 0;
        let mut have = 0;
        while have < width {
            let within = self.at as u32 % 8;
            let take = (8 - within).min(width - have);
            let byte = u64::from(*self.bytes.get(self.at / 8)?);
            value |= (byte >> within & ((1 << take) - 1)) << have;
            have += take;
            self.at += take as usize;
        }
        Some(value)
    }

    pub(crate) fn get_unary(&mut self) -> Option<u64> {
        let mut n = 0;
        loop {
            let within = self.at % 8;
            let byte = *self.bytes.get(self.at / 8)? >> within;
            let ones = (byte.trailing_ones() as usize).min(8 - within);
            n += ones as u64;
            self.at += ones;
            if within + ones < 8 {
                self.at += 1;
                return Some(n);
            }
        }
    }

    pub(crate) fn get_rice(&mut self, k: u32) -> Option<u64> {
        let high = self.get_unary()?;
        let low = self.get(k)?;
        (high.leading_zeros() >= k).then(|| high << k | low)
    }

    pub(crate) fn get_golomb(&mut self, k: u32) -> Option<u64> {
        let width = self.get_unary()?;
        if width + u64::from(k) >= 64 {
            return None;
        }
        let head = 1 << width | self.get(width as u32)?;
        let low = self.get(k)?;
        Some((head - 1) << k | low)
    }

    /// Whether everything was read: no byte is left, and the rest of the last is zero.
    pub(crate) fn is_at_end(&mut self) -> bool {
        let rest = self.at.next_multiple_of(8) - self.at;
        self.get(rest as u32) == Some(0) && self.at == self.bytes.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_got(numbers in prop::collection::vec((any::<u64>(), 0u32..64, 0u32..20), 0..50)) {
            let numbers: Vec<_> = numbers.into_iter().map(|(n, shift, k)| (n >> shift & !(1 << 63), k)).collect();
            let mut writer = BitWriter::default();
            let mut golombs = 0;
            for &(n, k) in &numbers {
                writer.put(n, 64);
                writer.put_golomb(n, k);
                writer.put_rice(n & 0xfff, k % 12);
                golombs += golomb_bits(n, k) + 64 + ((n & 0xfff) >> (k % 12)) + 1 + u64::from(k % 12);
            }
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len() as u64, golombs.div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            for &(n, k) in &numbers {
                prop_assert_eq!(reader.get(64), Some(n));
                prop_assert_eq!(reader.get_golomb(k), Some(n));
                prop_assert_eq!(reader.get_rice(k % 12), Some(n & 0xfff));
            }
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn any_bits_end(bytes in prop::collection::vec(any::<u8>(), 0..60), k in 0u32..40) {
            let mut reader = BitReader::new(&bytes);
            while reader.get_golomb(k).is_some() && reader.get_rice(k).is_some() {}
        }
    }
}
