//! What is held of one event while its end is not there yet.

use crate::limits::ObjectLimits;

/// An event's bytes: all of them up to a bound, beyond it only the first.
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

    /// Stands in while another is looked at.
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

    /// Length of the whole event, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
    }
}

/// A detail that says when not all bytes are kept.
pub(super) fn noting_the_cut(detail: String, kept: usize, length: u64) -> String {
    if kept as u64 == length { detail } else { format!("{detail}; the first {kept} of {length} bytes are kept") }
}
