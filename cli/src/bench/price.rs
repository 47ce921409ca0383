//! What invocations cost on AWS, by list price.

use serde::{Deserialize, Serialize};

/// A whole vCPU, MB ("Configure Lambda function memory": "At 1,769 MB, a function has the equivalent of one vCPU").
pub(crate) const WHOLE_CPU_MB: u32 = 1_769;

/// Lambda's prices, US dollars. Those of us-east-1, arm64, first tier by default ("AWS Lambda pricing").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Price {
    /// For one GB of memory during one second.
    pub(crate) gb_second: f64,
    /// For a million invocations, however long.
    pub(crate) million_requests: f64,
}

impl Price {
    /// Of a million invocations of so many billed milliseconds each.
    pub(crate) fn of_million_invocations(self, billed_ms: f64, memory_mb: u32) -> f64 {
        let gb_seconds = billed_ms / 1_000.0 * f64::from(memory_mb) / 1_024.0;
        gb_seconds * 1e6 * self.gb_second + self.million_requests
    }

    /// Of a million events, so many an invocation.
    pub(crate) fn of_million_events(self, billed_ms: f64, memory_mb: u32, events: usize) -> f64 {
        self.of_million_invocations(billed_ms, memory_mb) / events.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_invocations_as_the_price_list_has_them() {
        let price = Price { gb_second: 0.000_013_333_4, million_requests: 0.20 };
        // 10 ms at 512 MB: 5,000 GB-seconds a million.
        assert!((price.of_million_invocations(10.0, 512) - (5_000.0 * 0.000_013_333_4 + 0.2)).abs() < 1e-9);
        assert!((price.of_million_events(10.0, 512, 1_000) - 0.000_266_667).abs() < 1e-9);
    }
}
