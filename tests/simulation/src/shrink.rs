//! From a failing run to a short one: fewer and smaller choices that still fail, as Hypothesis shrinks (MacIver and
//! Donaldson 2020).

/// Runs at most.
const TRIES_MAX: u32 = 4_000;

/// The shortest and calmest choices found that `fails` still holds for.
pub(crate) fn shrink(choices: Vec<u32>, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut best = choices;
    let mut tries = 0;
    let mut try_one = |candidate: Vec<u32>, best: &mut Vec<u32>| {
        tries += 1;
        if tries > TRIES_MAX || !fails(&candidate) {
            return false;
        }
        *best = candidate;
        true
    };
    loop {
        let before = best.clone();
        // The end first: what comes after the choices is calm anyway.
        let mut keep = best.len() / 2;
        while keep < best.len() {
            if !try_one(best[..keep].to_vec(), &mut best) {
                keep += (best.len() - keep).div_ceil(2).max(1);
            }
        }
        for size in [512, 72, 8, 1] {
            let mut at = 0;
            while at < best.len() {
                let end = (at + size).min(best.len());
                let mut calm = best.clone();
                calm[at..end].fill(0);
                if calm == best || !try_one(calm, &mut best) {
                    let mut without = best.clone();
                    without.drain(at..end);
                    if size > 1 && try_one(without, &mut best) {
                        continue;
                    }
                }
                at += size;
            }
        }
        for at in 0..best.len() {
            while best.get(at).is_some_and(|choice| *choice > 0) {
                let mut smaller = best.clone();
                smaller[at] /= 2;
                if !try_one(smaller, &mut best) {
                    break;
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let choices: Vec<u32> = (0..500).collect();
        let fails = |choices: &[u32]| choices.iter().filter(|choice| **choice >= 100).count() >= 2;
        let shrunk = shrink(choices, fails);
        assert_eq!(shrunk.len(), 2);
        assert!(shrunk.iter().all(|choice| (100..200).contains(choice)), "{shrunk:?}");
    }
}
