//! Format 1: the structs of its postcard and the bits beside it.
//!
//! These structs are the format and never change; the domain's may. A body or ledger is two
//! sections: what repeats (names, statuses, small numbers), left to zstd, and a string of bits in
//! codes that fit (see `bits`), in which zstd finds little more.
//!
//! Bits of a rollup, in this order:
//!
//! - *bins*, if it has any beyond zero: where the shortest duration is zero and so does not tell,
//!   the first bin above [`BIN_MIN`] (12 bits: there are 2,049); if there are several, two code
//!   parameters (4 bits each); for each bin its distance from the last one less 1 (none for the
//!   first) and its count less 1, in exponential Golomb codes of those parameters;
//! - *coupons*: ascending, the key's distance from the last in a Rice code whose parameter follows
//!   from their number, and the value less 1 in a Rice code of parameter 0;
//! - or *registers*: how many different values they have (7 bits), these by falling frequency (6
//!   bits each), which of two codes follows (1 bit), and each register's rank in that order: in
//!   unary, or in 2 bits for the first three and 3, 4, 5… for the others. From
//!   2,000 users on that is within a twentieth of the entropy; just above 384, where most registers
//!   are zero and still cost a bit, a third more, after zstd has taken some of it back.

use serde::{Deserialize, Serialize};

use crate::bits::{BitReader, BitWriter, golomb_bits};
use crate::histogram::{BIN_MAX, BIN_MIN, Histogram, bin_of};
use crate::users::{COUPONS_MAX, Coupon, REGISTERS, State, UserSketch, VALUE_MAX};
use crate::{Durations, Inconsistent, Rollup, Status};

/// Stored for the unknown status.
const STATUS_UNKNOWN: u16 = 1000;
/// Stored instead of the number of coupons: the sketch has registers.
const USERS_IN_REGISTERS: u16 = COUPONS_MAX as u16 + 1;
const BIN_BITS: u32 = 12;
const PARAMETER_BITS: u32 = 4;
const REGISTER_VALUES_BITS: u32 = 7;
const REGISTER_VALUE_BITS: u32 = 6;
/// Ranks that the second code of registers writes in two bits.
const SHORT_RANKS: usize = 3;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredBody {
    pub(super) services: Vec<StoredService>,
    /// Of each series, in the order of `services`.
    pub(super) touches: Vec<u64>,
    pub(super) rollups: Vec<StoredRollup>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredLedger {
    /// Every series of any entry.
    pub(super) services: Vec<StoredService>,
    pub(super) entries: Vec<StoredEntry>,
    /// Entry after entry, series after series.
    pub(super) rollups: Vec<StoredRollup>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredService {
    pub(super) service: String,
    pub(super) endpoints: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredEntry {
    pub(super) identity: String,
    /// Positions in the ledger's list of series, ascending.
    pub(super) series: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredRollup {
    statuses: Vec<(u16, u64)>,
    durations: Option<StoredDurations>,
    /// Coupons, or [`USERS_IN_REGISTERS`].
    users: u16,
}

/// Differences, so that the single event of a small series costs its duration once.
#[derive(Serialize, Deserialize)]
struct StoredDurations {
    min_us: u64,
    max_over_min_us: u64,
    sum_over_mins_us: u128,
    zeros: u64,
    /// That hold anything.
    bins: u32,
}

pub(super) fn store(rollup: &Rollup, bits: &mut BitWriter) -> StoredRollup {
    let number = |status: Status| status.number().unwrap_or(STATUS_UNKNOWN);
    let statuses = rollup.statuses().map(|(status, n)| (number(status), n)).collect();
    let durations = rollup.durations().map(|durations| store_durations(durations, bits));
    let users = match rollup.users().state() {
        State::Registers(registers) => {
            put_registers(registers, bits);
            USERS_IN_REGISTERS
        }
        State::Coupons(coupons) => {
            put_coupons(coupons, bits);
            coupons.len() as u16
        }
    };
    StoredRollup { statuses, durations, users }
}

fn store_durations(durations: &Durations, bits: &mut BitWriter) -> StoredDurations {
    let histogram = durations.histogram();
    let bins: Vec<(i32, u64)> = histogram.bins().collect();
    if histogram.zeros() > 0
        && let Some((first, _)) = bins.first()
    {
        bits.put((first - BIN_MIN) as u64, BIN_BITS);
    }
    let gaps = bins.windows(2).map(|pair| (pair[1].0 - pair[0].0 - 1) as u64);
    let counts = bins.iter().map(|&(_, n)| n - 1);
    let (gap_parameter, count_parameter) = if bins.len() > 1 {
        let parameters = (best_parameter(gaps.clone()), best_parameter(counts.clone()));
        bits.put(parameters.0.into(), PARAMETER_BITS);
        bits.put(parameters.1.into(), PARAMETER_BITS);
        parameters
    } else {
        (0, 0)
    };
    let mut gaps = std::iter::once(None).chain(gaps.map(Some));
    for count in counts {
        if let Some(gap) = gaps.next().flatten() {
            bits.put_golomb(gap, gap_parameter);
        }
        bits.put_golomb(count, count_parameter);
    }
    let mins = u128::from(durations.min_us()) * u128::from(durations.count());
    StoredDurations {
        min_us: durations.min_us(),
        max_over_min_us: durations.max_us() - durations.min_us(),
        sum_over_mins_us: durations.sum_us().saturating_sub(mins),
        zeros: histogram.zeros(),
        bins: bins.len() as u32,
    }
}

fn best_parameter(numbers: impl Iterator<Item = u64> + Clone) -> u32 {
    let cost = |&k: &u32| numbers.clone().map(|n| golomb_bits(n, k)).sum::<u64>();
    (0..1 << PARAMETER_BITS).min_by_key(cost).unwrap_or(0)
}

fn put_coupons(coupons: &[Coupon], bits: &mut BitWriter) {
    let parameter = coupon_parameter(coupons.len());
    let mut last = 0;
    for coupon in coupons {
        bits.put_rice(u64::from(coupon.key() - last), parameter);
        bits.put_rice(u64::from(coupon.value() - 1), 0);
        last = coupon.key();
    }
}

/// Keys are hashes: n of them lie 2^26 / n apart on average, exponentially spread, for which a
/// parameter just below the mean's logarithm is best.
fn coupon_parameter(n: usize) -> u32 {
    ((1u32 << 26) * 7 / 10 / n.max(1) as u32).ilog2()
}

fn put_registers(registers: &[u8; REGISTERS], bits: &mut BitWriter) {
    let mut counts = [0u32; VALUE_MAX as usize + 1];
    for &value in registers {
        counts[usize::from(value)] += 1;
    }
    let mut ranked: Vec<u8> = (0..=VALUE_MAX).filter(|&value| counts[usize::from(value)] > 0).collect();
    // A stable sort: equal frequencies keep the order of values, so the bits follow from the set.
    ranked.sort_by_key(|&value| std::cmp::Reverse(counts[usize::from(value)]));
    bits.put(ranked.len() as u64, REGISTER_VALUES_BITS);
    let mut ranks = [0; VALUE_MAX as usize + 1];
    // What the second code would cost less than the first.
    let mut gain = 0i64;
    for (rank, &value) in ranked.iter().enumerate() {
        bits.put(value.into(), REGISTER_VALUE_BITS);
        ranks[usize::from(value)] = rank;
        let unary = rank as i64 + 1;
        let short = if rank < SHORT_RANKS { 2 } else { rank as i64 };
        gain += (unary - short) * i64::from(counts[usize::from(value)]);
    }
    let short = gain > 0;
    bits.put(short.into(), 1);
    for &value in registers {
        match ranks[usize::from(value)] {
            rank if !short => bits.put_unary(rank as u64),
            rank @ 0..SHORT_RANKS => bits.put(rank as u64, 2),
            rank => {
                bits.put(SHORT_RANKS as u64, 2);
                bits.put_unary((rank - SHORT_RANKS) as u64);
            }
        }
    }
}

/// Reads rollups back in the order in which they were stored.
pub(super) struct RollupReader<'a> {
    bits: BitReader<'a>,
}

impl<'a> RollupReader<'a> {
    pub(super) fn new(bits: &'a [u8]) -> Self {
        Self { bits: BitReader::new(bits) }
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.bits.is_at_end()
    }

    pub(super) fn restore(&mut self, stored: StoredRollup) -> Result<Rollup, Inconsistent> {
        let statuses = stored.statuses.into_iter().map(|(number, n)| match number {
            STATUS_UNKNOWN => Some((Status::UNKNOWN, n)),
            number => Some((Status::new(number)?, n)),
        });
        let statuses = statuses.collect::<Option<Vec<_>>>();
        let statuses = statuses.ok_or(Inconsistent("a status above 999"))?;
        let durations = stored.durations.map(|durations| self.restore_durations(&durations));
        let durations = durations.transpose()?;
        let users = match stored.users {
            USERS_IN_REGISTERS => {
                let registers = self.registers().ok_or(Inconsistent("registers end early"))?;
                UserSketch::from_registers(registers)?
            }
            n => UserSketch::from_coupons(self.coupons(n.into())?)?,
        };
        Rollup::from_parts(statuses, durations, users)
    }

    fn restore_durations(&mut self, stored: &StoredDurations) -> Result<Durations, Inconsistent> {
        let ended = Inconsistent("bins end early");
        let bin = match bin_of(stored.min_us) {
            Some(bin) => bin,
            None if stored.bins > 0 => BIN_MIN + self.bits.get(BIN_BITS).ok_or(ended)? as i32,
            None => 0,
        };
        let bins = self.bins(bin, stored.bins).ok_or(ended)?;
        let histogram = Histogram::from_bins(stored.zeros, bins)?;
        let overflow = Inconsistent("durations beyond 64 bits");
        let max_us = stored.min_us.checked_add(stored.max_over_min_us).ok_or(overflow)?;
        let mins = u128::from(stored.min_us) * u128::from(histogram.count());
        let sum_us = mins.checked_add(stored.sum_over_mins_us).ok_or(overflow)?;
        Durations::from_parts(sum_us, stored.min_us, max_us, histogram)
    }

    /// `n` bins from `first` on, with their counts.
    fn bins(&mut self, first: i32, n: u32) -> Option<Vec<(i32, u64)>> {
        let mut bins = Vec::new();
        let parameters = if n > 1 { 2 * PARAMETER_BITS } else { 0 };
        let parameters = self.bits.get(parameters)? as u32;
        let mask = (1 << PARAMETER_BITS) - 1;
        let (gap_parameter, count_parameter) = (parameters & mask, parameters >> PARAMETER_BITS);
        let mut bin = first;
        for at in 0..n {
            if at > 0 {
                let gap = self.bits.get_golomb(gap_parameter)?;
                // Below the last bin, or a few bits could ask for any number of them.
                bin = i32::try_from(gap).ok()?.checked_add(bin)?.checked_add(1).filter(|&bin| bin <= BIN_MAX)?;
            }
            bins.push((bin, self.bits.get_golomb(count_parameter)?.checked_add(1)?));
        }
        Some(bins)
    }

    fn coupons(&mut self, n: usize) -> Result<Vec<Coupon>, Inconsistent> {
        if n > COUPONS_MAX {
            return Err(Inconsistent("more coupons than a sketch keeps"));
        }
        let parameter = coupon_parameter(n);
        let mut last = 0u32;
        let mut next = || {
            let key = u32::try_from(self.bits.get_rice(parameter)?).ok()?.checked_add(last)?;
            let value = u8::try_from(self.bits.get_rice(0)?).ok()?.checked_add(1)?;
            last = key;
            Coupon::from_parts(key, value)
        };
        let coupons = (0..n).map(|_| next()).collect::<Option<_>>();
        coupons.ok_or(Inconsistent("coupons end early"))
    }

    fn registers(&mut self) -> Option<Box<[u8; REGISTERS]>> {
        let values = self.bits.get(REGISTER_VALUES_BITS)?;
        let ranked = (0..values).map(|_| self.bits.get(REGISTER_VALUE_BITS).map(|value| value as u8));
        let ranked = ranked.collect::<Option<Vec<u8>>>()?;
        let short = self.bits.get(1)? == 1;
        let mut registers = Box::new([0; REGISTERS]);
        for register in registers.iter_mut() {
            let rank = match short {
                false => self.bits.get_unary()?,
                true => match self.bits.get(2)? as usize {
                    SHORT_RANKS => SHORT_RANKS as u64 + self.bits.get_unary()?,
                    rank => rank as u64,
                },
            };
            *register = *ranked.get(usize::try_from(rank).ok()?)?;
        }
        Some(registers)
    }
}
