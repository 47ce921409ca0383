//! An array of events, of unlimited length. Its elements are found by brackets and quotes, and each is parsed alone.

use super::Each;
use super::carry::Carry;
use super::events::Events;
use crate::event::{Refusal, not_json_at};
use crate::form::{is_json_space, too_deep};
use crate::json::Nesting;
use crate::limits::ObjectLimits;
use serde_json::value::RawValue;

/// Splits what is pushed into elements.
#[derive(Debug)]
pub(super) struct Array {
    place: Place,
    nesting: Nesting,
    element: Carry,
    element_bytes_max: usize,
    /// Bytes before the current ones.
    before: u64,
    /// Where damage was found.
    damaged_at: Option<u64>,
    lines: LineCount,
}

/// Where in the array the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Open,
    /// Before the first element or the end.
    First,
    /// After a comma.
    Next,
    /// In an object or array.
    Nested,
    /// In a string.
    Text,
    /// In a number, or `true`, `false`, `null`.
    Word,
    /// After an element.
    After,
    Closed,
    Damaged,
}

/// What a byte does to the current element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Pass,
    Begins,
    /// It ends with this byte.
    Ends,
    /// It ends before this byte, which is then examined again.
    Ended,
}

impl Array {
    pub(super) fn new(limits: &ObjectLimits) -> Self {
        Self {
            place: Place::Open,
            nesting: Nesting::default(),
            element: Carry::new(limits),
            element_bytes_max: limits.event_bytes_max as usize,
            before: 0,
            damaged_at: None,
            lines: LineCount::default(),
        }
    }

    /// Bytes held of the current event.
    pub(super) fn held_bytes(&self) -> usize {
        self.element.held_bytes()
    }

    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        let mut begin = 0;
        for (at, byte) in bytes.iter().copied().enumerate() {
            self.nesting.step(byte);
            self.lines.step(byte);
            match self.step(byte) {
                Step::Pass => {}
                Step::Begins => begin = at,
                Step::Ends => self.end(&bytes[begin..=at], events, each),
                Step::Ended => {
                    self.end(&bytes[begin..at], events, each);
                    self.step(byte);
                }
            }
            if self.place == Place::Damaged && self.damaged_at.is_none() {
                self.damaged_at = Some(self.before + at as u64);
            }
        }
        if matches!(self.place, Place::Nested | Place::Text | Place::Word) {
            self.element.push(&bytes[begin..]);
        }
        self.before += bytes.len() as u64;
    }

    /// Why it is not an array, if so.
    pub(super) fn finish(&self, json_depth_max: u32) -> Option<Refusal> {
        if self.place == Place::Closed {
            return None;
        }
        let damaged = || not_json_at(format_args!("byte {}", self.damaged_at.unwrap_or(self.before)));
        // As for a record: text of several lines is damaged rather than deep.
        let deep = if self.lines.several { None } else { too_deep(self.nesting.deepest(), json_depth_max) };
        Some(deep.unwrap_or_else(damaged))
    }

    fn step(&mut self, byte: u8) -> Step {
        let space = is_json_space(byte);
        let (place, step) = match (self.place, byte) {
            (Place::Open, b'[') => (Place::First, Step::Pass),
            (Place::First | Place::Next | Place::After | Place::Closed, _) if space => return Step::Pass,
            (Place::First, b']') | (Place::After, b']') => (Place::Closed, Step::Pass),
            (Place::After, b',') => (Place::Next, Step::Pass),
            (Place::First | Place::Next, b'{' | b'[') => (Place::Nested, Step::Begins),
            (Place::First | Place::Next, b'"') => (Place::Text, Step::Begins),
            (Place::First | Place::Next, byte) if byte != b',' && byte != b']' => (Place::Word, Step::Begins),
            (Place::Nested, _) if self.nesting.depth() == 1 => return Step::Ends,
            (Place::Text, _) if !self.nesting.in_string() => return Step::Ends,
            (Place::Word, b',' | b']') => return Step::Ended,
            (Place::Word, _) if space => return Step::Ended,
            (Place::Nested | Place::Text | Place::Word, _) => return Step::Pass,
            _ => (Place::Damaged, Step::Pass),
        };
        self.place = place;
        step
    }

    /// Ends the current element with these bytes.
    fn end(&mut self, last: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        self.place = Place::After;
        if self.element.is_empty() && last.len() <= self.element_bytes_max {
            return self.element(last, events, each);
        }
        self.element.push(last);
        // Taken out and put back, so that its memory is reused.
        let mut element = std::mem::replace(&mut self.element, Carry::none());
        if element.fits() {
            self.element(element.bytes(), events, each);
        } else {
            events.reject_long(&element, each);
        }
        element.clear();
        self.element = element;
    }

    fn element(&mut self, element: &[u8], events: &mut Events<'_>, each: Each<'_>) {
        let is_value = || serde_json::from_slice::<&RawValue>(element).is_ok();
        let Ok(text) = std::str::from_utf8(element) else {
            self.place = Place::Damaged;
            return;
        };
        match events.decode(text) {
            Ok(_) if events.is_refused() => events.pass(),
            Ok(accepted) => events.accept(accepted, each),
            Err(refusal) if is_value() => events.reject(element, element.len() as u64, refusal, each),
            Err(_) => self.place = Place::Damaged,
        }
    }
}

/// Whether text has several lines, apart from trailing white space.
#[derive(Debug, Default)]
struct LineCount {
    fed: bool,
    several: bool,
}

impl LineCount {
    fn step(&mut self, byte: u8) {
        if byte == b'\n' {
            self.fed = true;
        } else if self.fed && !is_json_space(byte) {
            self.several = true;
        }
    }
}
