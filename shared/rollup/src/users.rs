//! How many different users: an Apache DataSketches HLL of lgK 12 in canonical form.
//!
//! DataSketches' own sketches remember the order in which users came (the HIP accumulator, the
//! layout of hash tables), so two of the same users differ in bytes and even in estimate. This one
//! keeps only what is a function of the *set* of users, in the same terms, so that its public bytes
//! ([`UserSketch::to_datasketches_bytes`]) are a plain DataSketches image:
//!
//! - up to [`COUPONS_MAX`] distinct *coupons* (26 bits of one hash word, and the leading zeros of
//!   the other), a sorted list of them;
//! - beyond, 4,096 registers with the largest leading-zero count that each has seen.
//!
//! Which of the two it is depends on the number of distinct coupons in the union alone, hence never
//! on the order of merges. The estimate is DataSketches' own for those bytes: nearly exact while
//! coupons are kept, with a standard error of 1.6 % beyond.

use crate::Inconsistent;
use crate::murmur3::murmur3_x64_128;
use smallvec::SmallVec;

/// Binary logarithm of the number of registers.
pub const LG_K: u8 = 12;
/// Distinct coupons kept as such. DataSketches' sketches of lgK 12 change to registers at one more
/// (a hash set of 512 filled over three quarters).
pub const COUPONS_MAX: usize = 384;

pub(crate) const REGISTERS: usize = 1 << LG_K;
/// The largest value of a coupon or register: 62 leading zeros and one.
pub(crate) const VALUE_MAX: u8 = 63;
const KEY_BITS: u32 = 26;
const VALUE_BITS: u32 = 6;
/// DataSketches hashes with this seed unless told otherwise, in every language.
const SEED: u64 = 9001;

/// A user's hash as DataSketches keeps it, with the key above the value. (DataSketches has the
/// value above; this way the sorted order spreads evenly and packs better.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Coupon(u32);

impl Coupon {
    fn of(user: &[u8]) -> Self {
        let (low, high) = murmur3_x64_128(user, SEED);
        let value = high.leading_zeros().min(u32::from(VALUE_MAX) - 1) + 1;
        Self((low as u32) << VALUE_BITS | value)
    }

    /// From a key below 2^26 and a value of 1..=63; none for anything else.
    pub(crate) fn from_parts(key: u32, value: u8) -> Option<Self> {
        let valid = key >> KEY_BITS == 0 && (1..=VALUE_MAX).contains(&value);
        valid.then(|| Self(key << VALUE_BITS | u32::from(value)))
    }

    pub(crate) fn from_datasketches(raw: u32) -> Option<Self> {
        Self::from_parts(raw & ((1 << KEY_BITS) - 1), (raw >> KEY_BITS) as u8)
    }

    pub(crate) fn to_datasketches(self) -> u32 {
        self.0.rotate_right(VALUE_BITS)
    }

    pub(crate) fn key(self) -> u32 {
        self.0 >> VALUE_BITS
    }

    pub(crate) fn value(self) -> u8 {
        (self.0 & u32::from(VALUE_MAX)) as u8
    }

    fn raise(self, registers: &mut [u8; REGISTERS]) {
        let register = &mut registers[self.key() as usize % REGISTERS];
        *register = (*register).max(self.value());
    }
}

/// A user as sketches know one: hashed. Of the same text the same, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User(Coupon);

impl User {
    /// The user of that name, UTF-8 bytes; none of an empty one, which is not counted: DataSketches' libraries skip
    /// empty strings too.
    pub fn of(name: &[u8]) -> Option<Self> {
        (!name.is_empty()).then(|| Self(Coupon::of(name)))
    }
}

/// A message of one event has one, and no room of its own for it.
pub(crate) type Coupons = SmallVec<[Coupon; 2]>;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Strictly ascending, at most [`COUPONS_MAX`].
    Coupons(Coupons),
    Registers(Box<[u8; REGISTERS]>),
}

/// The set of users, as far as 4,096 registers can tell.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSketch(State);

impl Default for UserSketch {
    fn default() -> Self {
        Self(State::Coupons(Coupons::new()))
    }
}

impl std::fmt::Debug for UserSketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            State::Coupons(coupons) => write!(f, "UserSketch({} coupons)", coupons.len()),
            State::Registers(_) => write!(f, "UserSketch(~{:.0} users)", self.estimate()),
        }
    }
}

impl UserSketch {
    /// What it takes in memory beside itself, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            State::Coupons(coupons) if coupons.spilled() => coupons.capacity() * size_of::<Coupon>(),
            State::Coupons(_) => 0,
            State::Registers(_) => REGISTERS,
        }
    }

    /// Counts a user, identified by UTF-8 bytes ([`User::of`]).
    pub fn add(&mut self, user: &[u8]) {
        if let Some(user) = User::of(user) {
            self.add_hashed(user);
        }
    }

    /// One user.
    pub(crate) fn of(User(coupon): User) -> Self {
        let mut coupons = Coupons::new();
        coupons.push(coupon);
        Self(State::Coupons(coupons))
    }

    /// Counts a user.
    pub fn add_hashed(&mut self, User(coupon): User) {
        match &mut self.0 {
            State::Registers(registers) => coupon.raise(registers),
            State::Coupons(coupons) => {
                if let Err(at) = coupons.binary_search(&coupon) {
                    coupons.insert(at, coupon);
                    if coupons.len() > COUPONS_MAX {
                        self.0 = State::Registers(registers_of(coupons));
                    }
                }
            }
        }
    }

    /// Adds all of `other`'s users.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (State::Registers(mine), State::Registers(theirs)) => raise_all(mine, theirs),
            (State::Registers(mine), State::Coupons(theirs)) => {
                theirs.iter().for_each(|coupon| coupon.raise(mine));
            }
            (State::Coupons(mine), State::Registers(theirs)) => {
                let mut registers = theirs.clone();
                mine.iter().for_each(|coupon| coupon.raise(&mut registers));
                self.0 = State::Registers(registers);
            }
            (State::Coupons(_), State::Coupons(theirs)) if theirs.is_empty() => {}
            (State::Coupons(mine), State::Coupons(theirs)) => {
                let union = union(mine, theirs);
                self.0 = if union.len() > COUPONS_MAX {
                    State::Registers(registers_of(&union))
                } else {
                    State::Coupons(union)
                };
            }
        }
    }

    /// Whether no user was counted.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, State::Coupons(coupons) if coupons.is_empty())
    }

    /// A number of events without which this sketch cannot have come about.
    pub(crate) fn events_min(&self) -> u64 {
        match &self.0 {
            State::Coupons(coupons) => coupons.len() as u64,
            State::Registers(registers) => {
                let hit = registers.iter().filter(|&&value| value > 0).count();
                hit.max(COUPONS_MAX + 1) as u64
            }
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.0
    }

    pub(crate) fn from_coupons(coupons: Vec<Coupon>) -> Result<Self, Inconsistent> {
        if coupons.len() > COUPONS_MAX {
            return Err(Inconsistent("more coupons than a sketch keeps"));
        }
        if !coupons.is_sorted_by(|a, b| a < b) {
            return Err(Inconsistent("coupons out of order"));
        }
        Ok(Self(State::Coupons(coupons.into())))
    }

    pub(crate) fn from_registers(registers: Box<[u8; REGISTERS]>) -> Result<Self, Inconsistent> {
        if registers.iter().any(|&value| value > VALUE_MAX) {
            return Err(Inconsistent("a register no hash can raise so high"));
        }
        // More cannot be asked: 385 coupons may share a register.
        if registers.iter().all(|&value| value == 0) {
            return Err(Inconsistent("registers without a user"));
        }
        Ok(Self(State::Registers(registers)))
    }
}

fn union(a: &[Coupon], b: &[Coupon]) -> Coupons {
    let mut union = Coupons::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        union.push(x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    union.extend_from_slice(&a[i..]);
    union.extend_from_slice(&b[j..]);
    union
}

fn registers_of(coupons: &[Coupon]) -> Box<[u8; REGISTERS]> {
    let mut registers = Box::new([0; REGISTERS]);
    coupons.iter().for_each(|coupon| coupon.raise(&mut registers));
    registers
}

fn raise_all(mine: &mut [u8; REGISTERS], theirs: &[u8; REGISTERS]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine = (*mine).max(*theirs);
    }
}
