//! The public image of a [`UserSketch`]: what C++, Java and Python call a compact HLL sketch.
//!
//! The layout is Apache DataSketches' (serial version 1, family 7): LIST up to 7 coupons, SET up to
//! 384, then HLL_4, which packs a register into four bits above the smallest one and lists the few
//! that do not fit (2.1 KB against 4.1 of HLL_8; the estimate is the same). The image is a function
//! of the set of users: coupons ascend, exceptions ascend, and the sums of the registers' inverse
//! powers are exact in 64-bit floating point, so no order of addition shows. The out-of-order flag
//! says that there is no HIP accumulator; every library then estimates from the registers.

use datasketches::hll::HllSketch;

use crate::Inconsistent;
use crate::users::{Coupon, LG_K, REGISTERS, State, UserSketch, VALUE_MAX};

const SERIAL_VERSION: u8 = 1;
const FAMILY_HLL: u8 = 7;

/// Lengths of the preamble in 4-byte words; they tell the modes apart, too.
const PREAMBLE_LIST: u8 = 2;
const PREAMBLE_SET: u8 = 3;
const PREAMBLE_HLL: u8 = 10;

const FLAG_EMPTY: u8 = 4;
const FLAG_COMPACT: u8 = 8;
const FLAG_OUT_OF_ORDER: u8 = 16;

/// The mode byte: the mode in its low two bits, above them the register type, 0 for HLL_4.
const MODE_LIST: u8 = 0;
const MODE_SET: u8 = 1;
const MODE_HLL: u8 = 2;

/// A list is an array of 8 and becomes a set when full.
const LIST_COUPONS_MAX: usize = 7;
const LG_LIST: u8 = 3;
/// A set's table starts at 2^5 and doubles when filled over three quarters.
const LG_SET_MIN: u8 = 5;

/// A nibble of this value means: look among the exceptions.
const EXCEPTION: u8 = 15;
const HLL_PREAMBLE_BYTES: usize = PREAMBLE_HLL as usize * 4;

impl UserSketch {
    /// The sketch as a serialised Apache DataSketches HLL sketch (lgK 12), 8 to about 2,200 bytes.
    ///
    /// ```
    /// use weir_rollup::UserSketch;
    /// let mut users = UserSketch::default();
    /// users.add("Zoë".as_bytes());
    /// let sketch = datasketches::hll::HllSketch::deserialize(&users.to_datasketches_bytes()).unwrap();
    /// assert_eq!(sketch.estimate(), 1.0);
    /// ```
    pub fn to_datasketches_bytes(&self) -> Vec<u8> {
        match self.state() {
            State::Coupons(coupons) => coupon_image(coupons),
            State::Registers(registers) => register_image(registers),
        }
    }

    /// Reads back what [`to_datasketches_bytes`](Self::to_datasketches_bytes) wrote, losing
    /// nothing: rows of minutes can be merged into hours from their public form. Images of other
    /// writers (another lgK or register type, a HIP accumulator) are refused.
    pub fn from_datasketches_bytes(bytes: &[u8]) -> Result<Self, Inconsistent> {
        let foreign = Inconsistent("not a user sketch as this crate writes it");
        let sketch = match bytes.first() {
            Some(&PREAMBLE_LIST) => from_coupon_image(bytes, 8),
            Some(&PREAMBLE_SET) => from_coupon_image(bytes, 12),
            Some(&PREAMBLE_HLL) => from_register_image(bytes),
            _ => None,
        };
        // Written again it must give the same bytes: that covers every field not looked at.
        sketch.filter(|sketch| sketch.to_datasketches_bytes() == bytes).ok_or(foreign)
    }

    /// The number of different users, by DataSketches' own estimator: within 5 %.
    pub fn estimate(&self) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        // The image is well-formed by construction; tests read every kind back.
        HllSketch::deserialize(&self.to_datasketches_bytes()).map_or(f64::NAN, |sketch| sketch.estimate())
    }
}

fn coupon_image(coupons: &[Coupon]) -> Vec<u8> {
    let n = coupons.len();
    let mut bytes = Vec::with_capacity(12 + 4 * n);
    if n <= LIST_COUPONS_MAX {
        let flags = if n == 0 { FLAG_COMPACT | FLAG_EMPTY } else { FLAG_COMPACT };
        bytes.extend([PREAMBLE_LIST, SERIAL_VERSION, FAMILY_HLL, LG_K, LG_LIST, flags, n as u8, MODE_LIST]);
    } else {
        let mut lg_table = LG_SET_MIN;
        while 4 * n > 3 << lg_table {
            lg_table += 1;
        }
        bytes.extend([PREAMBLE_SET, SERIAL_VERSION, FAMILY_HLL, LG_K, lg_table, FLAG_COMPACT, 0, MODE_SET]);
        bytes.extend((n as u32).to_le_bytes());
    }
    bytes.extend(coupons.iter().flat_map(|coupon| coupon.to_datasketches().to_le_bytes()));
    bytes
}

fn from_coupon_image(bytes: &[u8], preamble_bytes: usize) -> Option<UserSketch> {
    let (words, rest) = bytes.get(preamble_bytes..)?.as_chunks::<4>();
    let coupons = words.iter().map(|word| Coupon::from_datasketches(u32::from_le_bytes(*word)));
    let coupons = coupons.collect::<Option<Vec<_>>>()?;
    if !rest.is_empty() {
        return None;
    }
    UserSketch::from_coupons(coupons).ok()
}

fn register_image(registers: &[u8; REGISTERS]) -> Vec<u8> {
    let lowest = registers.iter().copied().min().unwrap_or(0);
    let at_lowest = registers.iter().filter(|&&value| value == lowest).count();
    let exceptional = |value: u8| value - lowest >= EXCEPTION;
    let exceptions = (0u32..).zip(registers).filter(|&(_, &value)| exceptional(value));
    let (low_sum, high_sum) = inverse_power_sums(registers);

    let mut bytes = Vec::with_capacity(HLL_PREAMBLE_BYTES + REGISTERS / 2 + 64);
    let flags = FLAG_COMPACT | FLAG_OUT_OF_ORDER;
    bytes.extend([PREAMBLE_HLL, SERIAL_VERSION, FAMILY_HLL, LG_K, 0, flags, lowest, MODE_HLL]);
    bytes.extend(0f64.to_le_bytes()); // the HIP accumulator there is not
    bytes.extend(low_sum.to_le_bytes());
    bytes.extend(high_sum.to_le_bytes());
    bytes.extend((at_lowest as u32).to_le_bytes());
    bytes.extend((exceptions.clone().count() as u32).to_le_bytes());
    let nibble = |value: u8| (value - lowest).min(EXCEPTION);
    bytes.extend(registers.as_chunks().0.iter().map(|&[even, odd]| nibble(even) | nibble(odd) << 4));
    for (slot, &value) in exceptions {
        bytes.extend((u32::from(value) << 26 | slot).to_le_bytes());
    }
    bytes
}

fn from_register_image(bytes: &[u8]) -> Option<UserSketch> {
    let lowest = *bytes.get(6)?;
    let (nibbles, exceptions) = bytes.get(HLL_PREAMBLE_BYTES..)?.split_at_checked(REGISTERS / 2)?;
    let (exceptions, rest) = exceptions.as_chunks::<4>();
    if lowest > VALUE_MAX || !rest.is_empty() {
        return None;
    }
    let mut registers = Box::new([0; REGISTERS]);
    for (pair, byte) in registers.as_chunks_mut::<2>().0.iter_mut().zip(nibbles) {
        *pair = [lowest + (byte & 15), lowest + (byte >> 4)];
    }
    for exception in exceptions {
        let exception = Coupon::from_datasketches(u32::from_le_bytes(*exception))?;
        *registers.get_mut(exception.key() as usize)? = exception.value();
    }
    UserSketch::from_registers(registers).ok()
}

/// Σ 2^-register, below 32 and from 32 on apart as the image has them. 4,096 terms of at most 32
/// bits' range need 44 bits, so each sum is exact.
fn inverse_power_sums(registers: &[u8; REGISTERS]) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for &value in registers {
        let inverse = 1.0 / (1u64 << value) as f64;
        if value < 32 {
            sums.0 += inverse;
        } else {
            sums.1 += inverse;
        }
    }
    sums
}
