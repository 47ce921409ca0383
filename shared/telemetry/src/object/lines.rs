//! One event per line, of unlimited length.

use super::Each;
use super::carry::Carry;
use super::events::Events;
use crate::form::{is_object, line_piece};
use crate::limits::ObjectLimits;

/// Splits what is pushed into lines.
#[derive(Debug)]
pub(super) struct Lines {
    line: Carry,
    line_bytes_max: usize,
    /// Whether a line was an object: until then all may be noise, which is rejected as one.
    seen_object: bool,
}

impl Lines {
    pub(super) fn new(limits: &ObjectLimits, events: &mut Events<'_>) -> Self {
        events.hold();
        Self { line: Carry::new(limits), line_bytes_max: limits.event_bytes_max as usize, seen_object: false }
    }

    /// Bytes held of the current event.
    pub(super) fn held_bytes(&self) -> usize {
        self.line.held_bytes()
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            self.end(&bytes[..at], events, each);
            bytes = &bytes[at + 1..];
        }
        self.line.push(self.without_indent(bytes));
    }

    /// Ends the last line, which needs no line feed. Returns whether any line was an object.
    pub(super) fn finish(&mut self, events: &mut Events<'_>, each: Each<'_>) -> bool {
        self.end(b"", events, each);
        self.seen_object
    }

    /// A line's length counts from its first character: a file of spaces is empty, not one long line.
    fn without_indent<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        if self.line.is_empty() { bytes.trim_ascii_start() } else { bytes }
    }

    /// Ends the current line with these bytes.
    fn end(&mut self, last: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        let last = self.without_indent(last);
        if self.line.is_empty() && last.len() <= self.line_bytes_max {
            return self.line(last.trim_ascii_end(), events, each);
        }
        self.line.push(last);
        // Taken out and put back, so that its memory is reused.
        let mut line = std::mem::replace(&mut self.line, Carry::none());
        if line.fits() {
            self.line(line.bytes().trim_ascii_end(), events, each);
        } else {
            self.see(line.bytes().starts_with(b"{"), events, each);
            events.reject_long(&line, each);
        }
        line.clear();
        self.line = line;
    }

    fn line(&mut self, line: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        if !line.is_empty() {
            self.see(!self.seen_object && is_object(line), events, each);
            events.piece(line_piece(line), each);
        }
    }

    fn see(&mut self, object: bool, events: &mut Events<'_>, each: Each<'_>) {
        if object && !self.seen_object {
            self.seen_object = true;
            events.release(each);
        }
    }
}
