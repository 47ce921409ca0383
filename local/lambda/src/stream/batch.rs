//! Which part of a batch to deliver next: the retry rules, without a clock, a source or a function.

use std::ops::Range;

/// A run of records to be delivered together, by their indices in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) records: Range<usize>,
    /// Failed deliveries that count as retries used up.
    pub(crate) attempts: u32,
}

/// What a failure led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    Retry,
    Bisected,
    /// Out of retries: these are given up.
    Discarded(Segment),
}

/// The rest of one batch. Segments are delivered from the front; everything before the front is settled.
///
/// The rules are those of "Lambda: how event source mappings handle errors with stream-based sources" and "Using
/// partial batch responses": a failed batch is retried whole, or in halves with bisect, and halving does not use up a
/// retry; a partial failure settles what precedes the lowest reported record, and cuts there. Progress starts the
/// count anew, so that every record at the front has all of its retries.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    pending: Vec<Segment>,
    bisect: bool,
    attempts_max: Option<u32>,
}

impl Segments {
    pub(crate) fn new(records: usize, bisect: bool, attempts_max: Option<u32>) -> Segments {
        let mut pending = Vec::new();
        if records > 0 {
            pending.push(Segment { records: 0..records, attempts: 0 });
        }
        Segments { pending, bisect, attempts_max }
    }

    /// The segment to deliver now; `None` once all are settled.
    pub(crate) fn front(&self) -> Option<&Segment> {
        self.pending.last()
    }

    /// Cuts the front to its first `records`; the rest comes after it, as a batch of its own.
    pub(crate) fn truncate(&mut self, records: usize) -> bool {
        let Some(front) = self.pending.last_mut() else { return false };
        let cut = front.records.start + records.max(1);
        if cut >= front.records.end {
            return false;
        }
        let rest = Segment { records: cut..front.records.end, attempts: front.attempts };
        front.records.end = cut;
        let at = self.pending.len() - 1;
        self.pending.insert(at, rest);
        true
    }

    /// The front was processed.
    pub(crate) fn succeeded(&mut self) -> Option<Segment> {
        self.pending.pop()
    }

    /// The front was processed up to the record `first_failed`, counted from its start. Zero is no progress, and a
    /// failure of the whole.
    pub(crate) fn failed_from(&mut self, first_failed: usize) -> AfterFailure {
        if first_failed == 0 {
            return self.failed();
        }
        if let Some(front) = self.pending.last_mut() {
            front.records.start = (front.records.start + first_failed).min(front.records.end);
            front.attempts = 0;
        }
        AfterFailure::Retry
    }

    /// The front failed as a whole.
    pub(crate) fn failed(&mut self) -> AfterFailure {
        let Some(mut front) = self.pending.pop() else { return AfterFailure::Retry };
        if self.bisect && front.records.len() > 1 {
            let middle = front.records.start + front.records.len().div_ceil(2);
            let attempts = front.attempts;
            self.pending.push(Segment { records: middle..front.records.end, attempts });
            self.pending.push(Segment { records: front.records.start..middle, attempts });
            return AfterFailure::Bisected;
        }
        front.attempts = front.attempts.saturating_add(1);
        if self.attempts_max.is_some_and(|max| front.attempts > max) {
            return AfterFailure::Discarded(front);
        }
        self.pending.push(front);
        AfterFailure::Retry
    }

    /// Gives up the first `records` of the front, undelivered.
    pub(crate) fn discard(&mut self, records: usize) -> Option<Segment> {
        let front = self.pending.last_mut()?;
        let cut = (front.records.start + records).min(front.records.end);
        let gone = Segment { records: front.records.start..cut, attempts: front.attempts };
        front.records.start = cut;
        if front.records.is_empty() {
            self.pending.pop();
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn front(segments: &Segments) -> (Range<usize>, u32) {
        let front = segments.front().expect("something is pending");
        (front.records.clone(), front.attempts)
    }

    #[test]
    fn retries_the_same_batch_and_then_discards_it() {
        let mut segments = Segments::new(3, false, Some(2));
        assert_eq!(segments.failed(), AfterFailure::Retry);
        assert_eq!(segments.failed(), AfterFailure::Retry);
        assert_eq!(front(&segments), (0..3, 2));
        assert_eq!(segments.failed(), AfterFailure::Discarded(Segment { records: 0..3, attempts: 3 }));
        assert_eq!(segments.front(), None);
    }

    #[test]
    fn halves_down_to_the_poison_and_discards_only_that() {
        let mut segments = Segments::new(5, true, Some(1));
        let (mut processed, mut discarded) = (Vec::new(), Vec::new());
        while let Some(front) = segments.front().cloned() {
            if !front.records.contains(&3) {
                processed.extend(front.records);
                segments.succeeded();
            } else if let AfterFailure::Discarded(gone) = segments.failed() {
                discarded.extend(gone.records);
            }
        }
        assert_eq!((processed, discarded), (vec![0, 1, 2, 4], vec![3]));
    }

    #[test]
    fn a_partial_failure_settles_its_prefix_and_starts_counting_anew() {
        let mut segments = Segments::new(9, true, Some(3));
        segments.failed_from(0);
        assert_eq!(front(&segments), (0..5, 0), "no progress is a failure of the whole, so it is halved");
        assert_eq!(segments.failed_from(4), AfterFailure::Retry);
        assert_eq!(front(&segments), (4..5, 0));
    }

    #[test]
    fn truncating_keeps_the_rest() {
        let mut segments = Segments::new(4, false, None);
        assert!(segments.truncate(0), "at least one");
        assert_eq!(front(&segments), (0..1, 0));
        assert!(!segments.truncate(5));
        segments.succeeded();
        assert_eq!(front(&segments), (1..4, 0));
    }

    proptest! {
        /// Whatever happens, every record is settled exactly once, in order.
        #[test]
        fn settles_everything_in_order(
            records in 1..60_usize,
            bisect: bool,
            attempts_max in proptest::option::of(0..3_u32),
            script in proptest::collection::vec((0..5_u8, 0..60_usize), 0..400),
        ) {
            let mut segments = Segments::new(records, bisect, attempts_max);
            let mut settled = Vec::new();
            for (action, at) in script {
                let Some(front) = segments.front().cloned() else { break };
                let outcome = match action {
                    0 => { settled.extend(segments.succeeded().expect("pending").records); continue }
                    1 => segments.failed(),
                    2 => { segments.truncate(at); continue }
                    3 => { settled.extend(segments.discard(at).expect("pending").records); continue }
                    _ => {
                        let from = at % front.records.len();
                        settled.extend(front.records.start..front.records.start + from);
                        segments.failed_from(from)
                    }
                };
                if let AfterFailure::Discarded(gone) = outcome { settled.extend(gone.records); }
            }
            while let Some(front) = segments.succeeded() { settled.extend(front.records); }
            prop_assert_eq!(settled, (0..records).collect::<Vec<_>>());
        }
    }
}
