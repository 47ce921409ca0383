//! The one clock: handlers read it here and pass times down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_telemetry::Millis;

/// Now.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A handler stops beginning writes this long before its deadline, to report what is not settled instead of being
/// killed. What is killed anyway is delivered again.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(6);

/// Whether a handler with this deadline should begin nothing more. A timeout shorter than twice the margin leaves half
/// of it for work.
pub fn out_of_time(begun: SystemTime, deadline: SystemTime) -> bool {
    let whole = deadline.duration_since(begun).unwrap_or(Duration::ZERO);
    SystemTime::now() + margin(whole) >= deadline
}

fn margin(whole: Duration) -> Duration {
    DEADLINE_MARGIN.min(whole / 2)
}

/// Reading stops this long before writing does: what was read by then can be written, some thousand items a few at a
/// time or as many as a round holds.
pub const READING_MARGIN: Duration = Duration::from_secs(10);

/// How long what was read waits for more before it is written.
const A_WHILE: Duration = Duration::from_secs(1);

/// Time limits of a batch of notifications: [`out_of_time`] for writing, and earlier for reading. A timeout too short
/// for that gives half of its working time to reading.
#[derive(Clone, Copy, Debug)]
pub struct ReadingTime {
    begun: SystemTime,
    deadline: SystemTime,
}

impl ReadingTime {
    /// For a handler that began then, with that deadline.
    pub fn new(begun: SystemTime, deadline: SystemTime) -> Self {
        Self { begun, deadline }
    }

    fn reading_is_over_at(&self, now: SystemTime) -> bool {
        let whole = self.deadline.duration_since(self.begun).unwrap_or(Duration::ZERO);
        let writing = whole - margin(whole);
        let reading = writing - READING_MARGIN.min(writing / 2);
        now >= self.begun + reading
    }
}

impl weir_exact::objects::Deadline for ReadingTime {
    fn reading_is_over(&self) -> bool {
        self.reading_is_over_at(SystemTime::now())
    }

    fn writing_is_over(&self) -> bool {
        out_of_time(self.begun, self.deadline)
    }

    async fn a_while(&self) {
        tokio::time::sleep(A_WHILE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reading_ends_before_writing_does() {
        let ends_after = |timeout: u64| {
            let time = ReadingTime::new(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(timeout));
            let over = |ms: &u64| time.reading_is_over_at(UNIX_EPOCH + Duration::from_millis(*ms));
            (0..=timeout * 1_000).step_by(250).find(over)
        };
        // Of 300 s the last 6 are for the response, and 10 before them for writing.
        assert_eq!(ends_after(300), Some(284_000));
        assert_eq!(ends_after(20), Some(7_000));
        // A short timeout leaves half of it for work, and half of that for reading.
        assert_eq!(ends_after(4), Some(1_000));
        assert_eq!(ends_after(0), Some(0));
    }

    proptest! {
        #[test]
        fn some_time_is_left_for_both(timeout_ms in 2_u64..900_000) {
            let whole = Duration::from_millis(timeout_ms);
            let time = ReadingTime::new(UNIX_EPOCH, UNIX_EPOCH + whole);
            let writing = whole - margin(whole);
            prop_assert!(!time.reading_is_over_at(UNIX_EPOCH));
            prop_assert!(time.reading_is_over_at(UNIX_EPOCH + writing.mul_f64(0.999)));
        }
    }
}
