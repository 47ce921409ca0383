//! Events as the reference workload has them, from a seed.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use weir_rollup::{Rollup, Status};

/// One event's status, duration in microseconds and user.
#[derive(Clone, Debug)]
pub struct Event(pub Status, pub Option<u64>, pub Option<String>);

/// SplitMix64: the same on every machine, for ever, as committed goldens need.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub fn status(number: u16) -> Status {
    Status::new(number).unwrap()
}

/// About exponential with mean 120 ms, and 0..30 ms on top, as the burst workload has it. By the
/// leading zeros of a random number, as `ln` may differ between machines.
pub fn burst_us(seed: &mut Seed) -> u64 {
    const HALF_LIFE_US: u64 = 83_178;
    let halvings = u64::from(seed.next().leading_zeros());
    halvings * HALF_LIFE_US + seed.below(HALF_LIFE_US) + seed.below(30_000)
}

/// `n` events of users `user-0` to `user-<users - 1>`, each at least once if there are as many.
pub fn events(seed: u64, n: usize, users: usize) -> Vec<Event> {
    let mut seed = Seed(seed);
    let statuses = [200, 200, 200, 201, 400, 401, 403, 500];
    let event = |at: usize| {
        let user = if at < users { at as u64 } else { seed.below(users.max(1) as u64) };
        let us = burst_us(&mut seed);
        Event(status(statuses[seed.below(8) as usize]), Some(us), Some(format!("user-{user}")))
    };
    (0..n).map(event).collect()
}

pub fn rollup(events: &[Event]) -> Rollup {
    let mut rollup = Rollup::default();
    for Event(status, us, user) in events {
        rollup.add(*status, *us, user.as_deref().map(str::as_bytes));
    }
    rollup
}
