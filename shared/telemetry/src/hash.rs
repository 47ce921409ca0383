//! A hash that never changes, for splits and lanes: where an event is stored is part of the protocol, so the hash must
//! not depend on a library's version. Not for untrusted hash tables, not cryptographic.

/// A stable 64-bit hash of `bytes`: FNV-1a, then MurmurHash3's finalizer so that the low bits are good enough for
/// `% small number`.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    StableHasher::default().with(bytes).finish()
}

/// The same for bytes that come in parts. It works byte by byte, so hash a prefix shared by many texts once.
#[derive(Clone, Copy, Debug)]
pub struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl StableHasher {
    /// Adds bytes.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| next(hash, *byte)))
    }

    /// Adds bytes, each text to a hash of its own. A hash waits for its last byte's multiplication; several do so together.
    #[must_use]
    pub fn with_each<const N: usize>(self, texts: [&[u8]; N]) -> [Self; N] {
        let common = texts.iter().map(|text| text.len()).min().unwrap_or_default();
        let (begins, rest) = (texts.map(|text| &text[..common]), texts.map(|text| &text[common..]));
        let mut hashes = [self.0; N];
        for at in 0..common {
            for (hash, text) in hashes.iter_mut().zip(begins) {
                *hash = next(*hash, text[at]);
            }
        }
        let mut rest = rest.into_iter();
        hashes.map(|hash| Self(hash).with(rest.next().unwrap_or_default()))
    }

    /// The hash of all bytes so far.
    pub fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    }
}

#[inline]
fn next(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::{StableHasher, stable_hash};

    #[test]
    fn never_changes() {
        // These values are part of the stored layout: changing them moves items.
        assert_eq!(stable_hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(stable_hash(b"a"), 0x82a2_a958_a9be_ce5b);
    }

    #[test]
    fn parts_hash_as_the_whole() {
        let parts = StableHasher::default().with(b"sqs:queue/").with(b"").with(b"id");
        assert_eq!(parts.finish(), stable_hash(b"sqs:queue/id"));
        let texts: [&[u8]; 4] = [b"some", b"a longer one", b"", b"some others"];
        for texts in [texts, [b"all", b"are", b"as", b"short"]] {
            let hashes = StableHasher::default().with(b"sqs:").with_each(texts).map(StableHasher::finish);
            assert_eq!(hashes, texts.map(|text| stable_hash(&[b"sqs:", text].concat())));
        }
    }
}
