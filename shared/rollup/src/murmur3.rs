//! MurmurHash3 x64 128, the hash by which Apache DataSketches makes sketches of different
//! languages comparable. The `datasketches` crate has it too but lets no one read the hash, only
//! sketches whose state depends on the order of updates.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The two words of the hash of `bytes`.
pub(crate) fn murmur3_x64_128(bytes: &[u8], seed: u64) -> (u64, u64) {
    let (mut h1, mut h2) = (seed, seed);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = words(block);
        h1 ^= mix_first(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_second(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    // The words of a padded tail mix zero to zero, so no case for its length is needed.
    let mut block = [0; 16];
    block[..tail.len()].copy_from_slice(tail);
    let (k1, k2) = words(&block);
    h2 ^= mix_second(k2);
    h1 ^= mix_first(k1);

    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2)
}

fn words(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

fn mix_first(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_second(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // From Apache DataSketches' own tests of the hash, seed 0: tails of 11, 1, 8 and 0 bytes.
        for (key, words) in [
            ("The quick brown fox jumps over the lazy dog", (0xe34b_bc7b_bc07_1b6c, 0x7a43_3ca9_c49a_9347)),
            ("The quick brown fox jumps over the lazy eog", (0x3621_0810_2c62_d1c9, 0x3285_cd10_0292_b305)),
            ("The quick brown fox jumps over the lazy dogdogdog", (0x9c82_0530_0e61_2fc4, 0xcbc0_af61_36aa_3df9)),
            ("The quick brown fox jumps over the lazy1", (0xe330_1a82_7e5c_dfe3, 0xbdbf_05f8_da0f_0392)),
            ("The quick brown fox jumps over t", (0xdf6a_f91b_b29b_dacf, 0x91a3_41c5_8df1_f3a6)),
        ] {
            assert_eq!(murmur3_x64_128(key.as_bytes(), 0), words, "{key}");
        }
    }
}
