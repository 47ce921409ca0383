//! Trouble between a source and its processor, as AWS documents that it happens: a delivery that fails before or
//! after the function ran, a batch cut otherwise, a batch delivered twice.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Mutex, PoisonError};
use weir_local_lambda::{BatchInfo, Fault, Faults};

/// Of a hundred deliveries, this many have each of the four faults.
const PERCENT_EACH: u32 = 4;

/// Faults drawn from a seed.
pub(crate) struct SeededFaults {
    random: Mutex<StdRng>,
}

impl SeededFaults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Mutex::new(StdRng::seed_from_u64(seed ^ 0xfa17)) }
    }
}

impl Faults for SeededFaults {
    fn before_invoke(&self, batch: &BatchInfo<'_>) -> Fault {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        match random.random_range(0..100) / PERCENT_EACH {
            0 => Fault::FailBeforeInvoke,
            1 => Fault::FailAfterInvoke,
            2 => Fault::Truncate(random.random_range(1..=batch.records.max(1))),
            3 => Fault::DuplicateDelivery,
            _ => Fault::None,
        }
    }
}
