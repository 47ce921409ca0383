//! Trouble between a source and its processor, as AWS documents that it happens: a delivery that fails before or
//! after the function ran, a batch cut differently, a batch delivered twice.

use super::tally::{Tally, Trouble};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex, PoisonError};
use weir_local_lambda::{BatchInfo, Fault, Faults};

/// Of a hundred deliveries of the demo, this many have each of the four faults.
pub(crate) const PERCENT_EACH: u32 = 4;
/// And with `--chaos`.
pub(crate) const PERCENT_EACH_CHAOS: u32 = 10;

/// Faults drawn from a seed.
pub(crate) struct SeededFaults {
    percent_each: u32,
    random: Mutex<StdRng>,
    tally: Arc<Tally>,
}

impl SeededFaults {
    pub(crate) fn new(seed: u64, percent_each: u32, tally: Arc<Tally>) -> Self {
        Self { percent_each, random: Mutex::new(StdRng::seed_from_u64(seed ^ 0xfa17)), tally }
    }
}

impl Faults for SeededFaults {
    fn before_invoke(&self, batch: &BatchInfo<'_>) -> Fault {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, trouble) = match random.random_range(0..100) / self.percent_each {
            0 => (Fault::FailBeforeInvoke, Trouble::DeliveryFailed),
            1 => (Fault::FailAfterInvoke, Trouble::AnswerLost),
            2 => (Fault::Truncate(random.random_range(1..=batch.records.max(1))), Trouble::BatchCut),
            3 => (Fault::DuplicateDelivery, Trouble::BatchDoubled),
            _ => return Fault::None,
        };
        self.tally.one(trouble);
        fault
    }
}
