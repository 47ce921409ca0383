//! What is held of one event until its end arrives.

use crate::limits::ObjectLimits;
use crate::reject::Rejected;

/// An event's bytes: all of them up to a limit, beyond it only the first.
#[derive(Debug)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    length: u64,
    length_max: usize,
    kept_max: usize,
}

impl Carry {
    pub(super) fn new(limits: &ObjectLimits) -> Self {
        let (length_max, kept_max) = (limits.event_bytes_max as usize, limits.kept_bytes_max as usize);
        Self { bytes: vec![], length: 0, length_max, kept_max }
    }

    /// Placeholder while another is being examined.
    pub(super) fn none() -> Self {
        Self { bytes: vec![], length: 0, length_max: 0, kept_max: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.fits() {
            self.bytes.extend_from_slice(bytes);
        } else {
            let room = self.kept_max.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.bytes.truncate(self.kept_max);
        }
    }

    /// Whether all of it is here.
    pub(super) fn fits(&self) -> bool {
        self.length <= self.length_max as u64
    }

    /// The event, or its first bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its memory, bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Length of the whole event, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
    }
}

/// A detail that says if not all bytes are kept; [`crate::Rejected::is_cut`] parses it.
pub(super) fn noting_the_cut(detail: String, kept: usize, length: u64) -> String {
    if kept as u64 == length { detail } else { format!("{detail}{CUT}{kept}{OF}{length}{KEPT}") }
}

const CUT: &str = "; the first ";
const OF: &str = " of ";
const KEPT: &str = " bytes are kept";

impl Rejected {
    /// Whether its payload is only the beginning of what was rejected: its detail says so. Such a one cannot be
    /// replayed from what is kept.
    pub fn is_cut(&self) -> bool {
        let numbers = self.detail.strip_suffix(KEPT).and_then(|rest| rest.rsplit_once(CUT)?.1.split_once(OF));
        numbers.is_some_and(|(kept, length)| {
            kept.parse() == Ok(self.payload.len())
                && length.parse().is_ok_and(|length: u64| length > self.payload.len() as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::noting_the_cut;
    use crate::{Reason, Rejected};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_is_told_from_the_detail(detail in ".{0,40}", kept in 0..50_usize, more in 0..3_u64) {
            let detail = noting_the_cut(detail, kept, kept as u64 + more);
            let rejected = Rejected { reason: Reason::NotJson, detail, event_index: Some(0), payload: vec![0; kept] };
            prop_assert_eq!(rejected.is_cut(), more > 0);
        }
    }
}
