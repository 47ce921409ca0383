//! Durations in logarithmic bins: an OpenTelemetry exponential histogram at scale 5.
//!
//! The base is 2^(1/32), so a bin is 2.2 % wide and its centre is within 1.1 % of every value in it.
//! Bins are numbered as the OpenTelemetry data model numbers them: bin `i` holds the durations of
//! (base^i, base^(i+1)] milliseconds, the upper end included. Zero has a bin of its own.
//!
//! Two writers on two architectures must put the same duration into the same bin, for ever. So the
//! bin is found with integers alone: durations are whole microseconds, a bin's ends are multiples
//! of 2^(1/32), and 32 hard-coded 64-bit numbers decide every comparison exactly. `log2` of libm is
//! allowed to differ in its last bit from machine to machine and is not used.
//!
//! Counts sit in pages of neighbouring bins, and only pages that hold something are there; hence two
//! histograms of the same durations are equal whatever the order in which they were filled, and two durations
//! far apart cost two pages, not everything between them (a producer chooses the durations of each of 10,000
//! series, and a finalizer holds them all). A histogram of a single bin, as each message of one event has, needs none.

use crate::Inconsistent;

/// OpenTelemetry's name for the resolution: the base is 2^(2^-5).
pub const SCALE: i32 = 5;
/// The bin of 1 µs, the smallest duration that is not zero.
pub const BIN_MIN: i32 = -319;
/// The bin of `u64::MAX` µs.
pub const BIN_MAX: i32 = 1729;

/// `ENDS[j]` is ⌊1000 · 2^((j+2)/32) · 2^53⌋: the upper end, in microseconds, of the bin
/// `j + 1 + 32 · n` for any n, scaled to fill 64 bits. A test proves each with long integers.
const ENDS: [u64; 32] = [
    0x8288_c2d3_5d7e_c832,
    0x8564_7e29_8f69_6608,
    0x8850_3f58_930c_8fdd,
    0x8b4c_6032_022a_83c9,
    0x8e59_3c7e_f50f_58a2,
    0x9177_320b_08fd_3f28,
    0x94a6_a0af_a466_5576,
    0x97e7_ea5f_7a4e_7f39,
    0x9b3b_7332_4e37_4b43,
    0x9ea1_a170_f9ff_afa8,
    0xa21a_dda1_b729_5194,
    0xa5a7_9294_acfd_269e,
    0xa948_2d70_c511_8305,
    0xacfd_1dc0_c7bc_1cae,
    0xb0c6_d580_c203_2e29,
    0xb4a5_c92b_b6a9_b92f,
    0xb89a_6fc9_9bfb_ed76,
    0xbca5_42fd_a809_f0dc,
    0xc0c6_bf14_ed08_b1bc,
    0xc4ff_6315_479a_0cb4,
    0xc94f_b0cc_a0c7_65de,
    0xcdb8_2ce0_8583_e2ff,
    0xd239_5ede_1595_ba72,
    0xd6d3_d14a_4bd0_8a09,
    0xdb88_11b2_a195_63ca,
    0xe056_b0be_0f98_34f4,
    0xe540_423e_6df5_5fd7,
    0xea45_5d42_35ad_d408,
    0xef66_9c26_a5ab_a363,
    0xf4a4_9caa_4d7d_0727,
    0xfa00_0000_0000_0000,
    0xff79_6ae2_3045_3818,
];

/// For the six bits below a duration's leading one: how many [`ENDS`] lie below every duration that
/// starts so. A cell is 1/64 of an octave and the narrowest bin 1/46, so at most one end falls
/// inside a cell and one comparison finishes the search.
const ENDS_BELOW: [u8; 64] = {
    let mut table = [0; 64];
    let mut cell = 0;
    while cell < 64 {
        let lowest = (1 << 63) | ((cell as u64) << 57);
        let mut below = 0;
        while below < 32 && ENDS[below as usize] < lowest {
            below += 1;
        }
        table[cell] = below;
        cell += 1;
    }
    table
};

/// The bin of a duration of `duration_us` microseconds; none for zero, which has its own.
///
/// ```
/// use weir_rollup::bin_of;
/// assert_eq!(bin_of(0), None);
/// assert_eq!(bin_of(1_000), Some(-1)); // 1 ms = base^0, the upper end of bin -1
/// assert_eq!(bin_of(1_001), Some(0));
/// assert_eq!(bin_of(2_000), Some(31));
/// ```
pub fn bin_of(duration_us: u64) -> Option<i32> {
    if duration_us == 0 {
        return None;
    }
    let zeros = duration_us.leading_zeros();
    let scaled = duration_us << zeros;
    let below = ENDS_BELOW[(scaled >> 57 & 63) as usize];
    let beyond = match ENDS.get(usize::from(below)) {
        Some(&end) => i32::from(scaled > end),
        None => 0,
    };
    let exponent = 63 - zeros as i32;
    Some(32 * (exponent - 10) + 1 + i32::from(below) + beyond)
}

/// The longest duration of `bin`, whole microseconds; `u64::MAX` where that is beyond 64 bits, 0
/// where it is below one microsecond.
pub fn bin_end_us(bin: i32) -> u64 {
    let from_first = i64::from(bin) - 1 + 320; // bin 1 - 320 ends in [1, 2) µs
    let exponent = from_first.div_euclid(32);
    match exponent {
        0..=63 => ENDS[from_first.rem_euclid(32) as usize] >> (63 - exponent),
        i64::MIN..0 => 0,
        64.. => u64::MAX,
    }
}

/// 2,049 bins in pages of 33 are 63 pages, so that one word says which are there.
const PAGE_BINS: usize = 33;

/// Bins `BIN_MIN + 33·p ..` of page p.
type Page = [u64; PAGE_BINS];

/// How many durations fell into each bin.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Histogram {
    zeros: u64,
    /// Of all bins and zero together.
    count: u64,
    bins: Bins,
}

/// Bins that hold something.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Bins {
    /// The bin and its count while it is the only one.
    one: Option<(i32, u64)>,
    /// From two bins on.
    several: Pages,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Pages {
    /// Bit p: page p is there.
    present: u64,
    /// Those present, ascending; none is empty.
    pages: Vec<Page>,
}

/// The page of `bin` and its place there.
fn place_of(bin: i32) -> (u32, usize) {
    let from_first = (bin - BIN_MIN) as u32;
    (from_first / PAGE_BINS as u32, from_first as usize % PAGE_BINS)
}

impl Histogram {
    /// Rebuilds a histogram from stored or foreign counts: `zeros` durations of zero, and bins with their counts, in
    /// any order. Counts of zero say nothing.
    pub fn from_bins(zeros: u64, bins: impl IntoIterator<Item = (i32, u64)>) -> Result<Self, Inconsistent> {
        let mut histogram = Self { zeros, count: zeros, ..Self::default() };
        for (bin, n) in bins {
            if n == 0 {
                continue;
            }
            if !(BIN_MIN..=BIN_MAX).contains(&bin) {
                return Err(Inconsistent("a duration bin no duration can have"));
            }
            let count = histogram.count.checked_add(n);
            histogram.count = count.ok_or(Inconsistent("more durations than can be counted"))?;
            histogram.bins.add(bin, n);
        }
        Ok(histogram)
    }

    /// Counts one duration, microseconds.
    pub fn record(&mut self, duration_us: u64) {
        match bin_of(duration_us) {
            None => self.zeros = self.zeros.saturating_add(1),
            Some(bin) => self.bins.add(bin, 1),
        }
        self.count = self.count.saturating_add(1);
    }

    /// Adds all of `other`'s durations.
    pub fn merge(&mut self, other: &Self) {
        // Saturating addition keeps the merge associative even at counts nobody reaches.
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.count = self.count.saturating_add(other.count);
        self.bins.merge(&other.bins);
    }

    /// Bins that hold anything, with their counts, ascending; [`BIN_MIN`]`..=`[`BIN_MAX`].
    pub fn bins(&self) -> impl Iterator<Item = (i32, u64)> {
        self.bins.one.into_iter().chain(self.bins.several.bins())
    }

    /// What the bins take in memory besides, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bins.several.pages.capacity() * size_of::<Page>()
    }

    /// All durations counted, those of zero included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Durations of exactly zero.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The duration at 0-based `rank` of all in ascending order, microseconds: the centre of its
    /// bin, hence within 1.1 %; none if there are not as many.
    pub fn at_rank_us(&self, rank: u64) -> Option<f64> {
        if rank >= self.count {
            return None;
        }
        let mut seen = self.zeros;
        if rank < seen {
            return Some(0.0);
        }
        for (bin, n) in self.bins() {
            seen = seen.saturating_add(n);
            if rank < seen {
                return Some(centre_us(bin));
            }
        }
        None
    }
}

impl Bins {
    /// Counts `n` more in `bin`, at least one.
    fn add(&mut self, bin: i32, n: u64) {
        match &mut self.one {
            Some((own, count)) if *own == bin => *count = count.saturating_add(n),
            None if self.several.present == 0 => self.one = Some((bin, n)),
            _ => self.pages().add(bin, n),
        }
    }

    fn merge(&mut self, other: &Self) {
        match other.one {
            Some((bin, count)) => self.add(bin, count),
            None if other.several.present == 0 => {}
            None => self.pages().merge(&other.several),
        }
    }

    /// All of them; the caller then sees to it that they are two or more.
    fn pages(&mut self) -> &mut Pages {
        if let Some((bin, count)) = self.one.take() {
            self.several.add(bin, count);
        }
        &mut self.several
    }
}

impl Pages {
    fn add(&mut self, bin: i32, n: u64) {
        let (number, at) = place_of(bin);
        let count = &mut self.page_mut(number)[at];
        *count = count.saturating_add(n);
    }

    fn merge(&mut self, other: &Self) {
        for (number, theirs) in other.numbered() {
            for (mine, theirs) in self.page_mut(number).iter_mut().zip(theirs) {
                *mine = mine.saturating_add(*theirs);
            }
        }
    }

    /// A page that is there from now on; the caller then puts something into it.
    fn page_mut(&mut self, number: u32) -> &mut Page {
        let bit = 1u64 << number;
        let at = (self.present & (bit - 1)).count_ones() as usize;
        if self.present & bit == 0 {
            self.present |= bit;
            // One more and not four: most histograms stay at one or two, and there are many.
            self.pages.reserve_exact(1);
            self.pages.insert(at, [0; PAGE_BINS]);
        }
        &mut self.pages[at]
    }

    /// Pages with their numbers, ascending.
    fn numbered(&self) -> impl Iterator<Item = (u32, &Page)> {
        (0..u64::BITS).filter(|number| self.present >> number & 1 == 1).zip(&self.pages)
    }

    fn bins(&self) -> impl Iterator<Item = (i32, u64)> {
        let bins = self.numbered().flat_map(|(number, page)| {
            let first = BIN_MIN + number as i32 * PAGE_BINS as i32;
            (first..).zip(page.iter().copied())
        });
        bins.filter(|&(_, n)| n > 0)
    }
}

/// The value with the least relative distance to every whole microsecond of a bin: the harmonic
/// mean of its ends. A bin of one microsecond (all below 45 µs) is answered exactly.
fn centre_us(bin: i32) -> f64 {
    let low = bin_end_us(bin - 1).saturating_add(1) as f64;
    let high = bin_end_us(bin) as f64;
    2.0 * low * high / (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Little-endian 32-bit limbs.
    type Long = Vec<u32>;

    fn long(mut n: u128) -> Long {
        let mut limbs = Vec::new();
        while n > 0 {
            limbs.push(n as u32);
            n >>= 32;
        }
        limbs
    }

    fn times(a: &Long, b: &Long) -> Long {
        let mut product = vec![0u32; a.len() + b.len()];
        for (i, &x) in a.iter().enumerate() {
            let mut carry = 0u64;
            for (j, &y) in b.iter().enumerate() {
                let sum = u64::from(product[i + j]) + u64::from(x) * u64::from(y) + carry;
                product[i + j] = sum as u32;
                carry = sum >> 32;
            }
            product[i + b.len()] = carry as u32;
        }
        while product.last() == Some(&0) {
            product.pop();
        }
        product
    }

    fn to_the_32(a: &Long) -> Long {
        (0..5).fold(a.clone(), |power, _| times(&power, &power))
    }

    fn less(a: &Long, b: &Long) -> bool {
        a.len() < b.len() || a.len() == b.len() && a.iter().rev().lt(b.iter().rev())
    }

    fn two_to(n: u32) -> Long {
        let mut limbs = vec![0; n as usize / 32];
        limbs.push(1 << (n % 32));
        limbs
    }

    /// Whether `us` µs ≤ 2^(k/32) ms, that is `us`^32 ≤ 1000^32 · 2^k, in long integers.
    fn at_most(us: u64, k: i32) -> bool {
        let (mut left, mut right) = (to_the_32(&long(us.into())), to_the_32(&long(1000)));
        match k {
            0.. => right = times(&right, &two_to(k as u32)),
            _ => left = times(&left, &two_to(-k as u32)),
        }
        !less(&right, &left)
    }

    #[test]
    fn ends_are_exact() {
        for (j, &end) in (2u32..).zip(&ENDS) {
            let exact = times(&to_the_32(&long(1000)), &two_to(53 * 32 + j));
            assert!(!less(&exact, &to_the_32(&long(end.into()))), "end {j} is too large");
            assert!(less(&exact, &to_the_32(&long(u128::from(end) + 1))), "end {j} is too small");
        }
    }

    #[test]
    fn known_bins() {
        for (us, bin) in [(1, BIN_MIN), (500, -33), (1_000, -1), (1_001, 0), (1_021, 0), (1_022, 1)] {
            assert_eq!(bin_of(us), Some(bin), "{us} µs");
        }
        assert_eq!(bin_of(86_400_000_000), Some(843));
        assert_eq!(bin_of(u64::MAX), Some(BIN_MAX));
    }

    #[test]
    fn ends_of_every_bin_belong_to_it() {
        for bin in BIN_MIN..=BIN_MAX {
            let (before, end) = (bin_end_us(bin - 1), bin_end_us(bin));
            assert!(before <= end);
            if before < end {
                assert_eq!(bin_of(end), Some(bin));
                assert_eq!(bin_of(before + 1), Some(bin));
            }
        }
    }

    proptest! {
        #[test]
        fn a_bin_holds_what_the_data_model_says(bits in 0u32..64, noise: u64) {
            let us = (1 << bits) | (noise & ((1 << bits) - 1));
            let bin = bin_of(us).unwrap();
            prop_assert!(at_most(us, bin + 1) && !at_most(us, bin));
        }

        #[test]
        fn order_never_shows(mut bins in prop::collection::vec((BIN_MIN..=BIN_MAX, 0..3u64), 0..50), zeros in 0..9u64) {
            let histogram = Histogram::from_bins(zeros, bins.clone()).unwrap();
            bins.reverse();
            prop_assert_eq!(&Histogram::from_bins(zeros, bins).unwrap(), &histogram);
            prop_assert!(histogram.bins().is_sorted_by(|a, b| a.0 < b.0));
            prop_assert_eq!(Histogram::from_bins(zeros, histogram.bins()).unwrap(), histogram);
        }
    }

    #[test]
    fn what_lies_between_two_durations_costs_nothing() {
        let mut histogram = Histogram::default();
        histogram.record(1);
        histogram.record(u64::MAX);
        assert_eq!(histogram.bins().collect::<Vec<_>>(), [(BIN_MIN, 1), (BIN_MAX, 1)]);
        assert_eq!(histogram.bins.several.pages.len(), 2);
    }

    #[test]
    fn foreign_counts_out_of_range_are_refused() {
        for bins in [vec![(BIN_MIN - 1, 1)], vec![(BIN_MAX, 1), (BIN_MAX + 1, 1)], vec![(0, u64::MAX), (1, 1)]] {
            assert!(Histogram::from_bins(0, bins).is_err());
        }
        assert!(Histogram::from_bins(0, [(i32::MAX, 1)]).is_err());
        assert!(Histogram::from_bins(1, [(0, u64::MAX)]).is_err());
    }
}
