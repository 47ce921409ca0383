//! Every decision of a run, drawn from a seed or played back.
//!
//! All randomness is a sequence of small numbers, 0 always being the calmest choice: no fault, the first of a list,
//! the shortest wait. A run is a function of that sequence, so a failing one is made shorter by making its sequence
//! shorter or smaller ([`crate::shrink`]), without knowing what the numbers mean.

/// A source of decisions that remembers them.
#[derive(Debug)]
pub(crate) struct Choices {
    source: Source,
    made: Vec<u32>,
}

#[derive(Debug)]
enum Source {
    Seeded(u64),
    Played { choices: Vec<u32>, next: usize },
}

impl Choices {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { source: Source::Seeded(seed), made: vec![] }
    }

    /// Plays `choices` back; what comes after them is calm.
    pub(crate) fn played(choices: Vec<u32>) -> Self {
        Self { source: Source::Played { choices, next: 0 }, made: vec![] }
    }

    /// What was chosen so far.
    pub(crate) fn into_made(self) -> Vec<u32> {
        self.made
    }

    /// A number below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let choice = match &mut self.source {
            Source::Seeded(state) => {
                // The upper half times the bound: without a division, and even enough for small bounds.
                ((u64::from((split_mix(state) >> 32) as u32) * u64::from(bound)) >> 32) as u32
            }
            Source::Played { choices, next } => {
                let choice = choices.get(*next).copied().unwrap_or(0).min(bound - 1);
                *next += 1;
                choice
            }
        };
        self.made.push(choice);
        choice
    }

    /// True with a probability of `per_mille`, and never when that is 0, without a draw.
    pub(crate) fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1_000) >= 1_000 - per_mille.min(1_000)
    }

    /// From `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below((high - low + 1) as u32))
    }

    /// Draws `inside` from a stretch of `length` choices, whatever it needs of them: what comes after means the same
    /// when something inside becomes calmer and draws less.
    pub(crate) fn stretch<T>(&mut self, length: usize, inside: impl FnOnce(&mut Self) -> T) -> T {
        let begin = self.made.len();
        let drawn = inside(self);
        let end = (begin + length).max(self.made.len());
        let rest = end - self.made.len();
        self.made.resize(end, 0);
        if let Source::Played { next, .. } = &mut self.source {
            *next += rest;
        }
        drawn
    }

    /// One of `all`, which is not empty; the first is the calmest.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014). Written out, since a seed must mean the same schedule under every version
/// of a library.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut choices = Choices::seeded(1);
        let drawn: Vec<u32> = (0..6).map(|_| choices.below(1_000)).collect();
        assert_eq!(drawn, [566, 745, 971, 444, 444, 762]);
        let mut again = Choices::played(choices.into_made());
        assert_eq!((0..7).map(|_| again.below(1_000)).collect::<Vec<_>>(), [566, 745, 971, 444, 444, 762, 0]);
    }
}
