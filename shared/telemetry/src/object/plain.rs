//! The text of an object: its form determined by its beginning, then followed to its end.

use super::array::Array;
use super::events::Events;
use super::lines::Lines;
use super::utf8::Utf8;
use super::{Each, ObjectTotals};
use crate::decompress::Failure;
use crate::epoch::Epoch;
use crate::event::Refusal;
use crate::form::{self, BYTE_ORDER_MARK, KPL_MAGIC, is_json_space, not_utf8};
use crate::limits::ObjectLimits;
use crate::reject::{Limit, Reason};
use crate::time::Millis;
use serde::de::IgnoredAny;

#[derive(Debug)]
pub(super) struct Plain<'e> {
    form: Form,
    events: Events<'e>,
    limits: &'e ObjectLimits,
    utf8: Utf8,
    bytes: u64,
}

#[derive(Debug)]
enum Form {
    /// Too short so far to detect a byte order mark.
    Untold(Vec<u8>),
    /// No longer than one event may be, not counting leading white space: held, and decoded like a record if it ends
    /// here.
    Short(Vec<u8>),
    Lines(Lines),
    Array(Array),
    /// Rejected, whatever follows.
    Refused(Refusal),
}

impl<'e> Plain<'e> {
    pub(super) fn new(arrival: Millis, epoch: &'e Epoch) -> Self {
        Self {
            form: Form::Untold(vec![]),
            events: Events::new(arrival, epoch),
            limits: &epoch.object_limits,
            utf8: Utf8::default(),
            bytes: 0,
        }
    }

    /// Bytes of the text held.
    pub(super) fn held_bytes(&self) -> usize {
        let text = match &self.form {
            Form::Untold(text) | Form::Short(text) => text.capacity(),
            Form::Lines(lines) => lines.held_bytes(),
            Form::Array(array) => array.held_bytes(),
            Form::Refused(_) => 0,
        };
        text + self.events.held_bytes()
    }

    /// # Errors
    /// [`Failure::TooLong`] if there are more bytes than an object may have.
    pub(super) fn push(&mut self, bytes: &[u8], each: Each<'_>) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limits.object_bytes_max {
            return Err(Failure::TooLong);
        }
        if let Form::Untold(begin) = &mut self.form {
            begin.extend_from_slice(bytes);
            if begin.len() >= KPL_MAGIC.len() {
                self.tell(each);
            }
        } else {
            self.text(bytes, each);
        }
        Ok(())
    }

    /// # Errors
    /// Why the object is rejected whole.
    pub(super) fn finish(&mut self, each: Each<'_>) -> Result<ObjectTotals, Refusal> {
        if let Form::Untold(_) = self.form {
            self.tell(each);
        }
        let broken = self.utf8.broken_at().map(|at| (Reason::NotUtf8, not_utf8(at)));
        match &mut self.form {
            Form::Short(text) => short(text, &mut self.events, broken, each)?,
            Form::Lines(lines) => {
                if !lines.finish(&mut self.events, each) {
                    return Err(broken.unwrap_or_else(no_event));
                }
            }
            Form::Array(array) => {
                if let Some(refusal) = broken.or_else(|| array.finish(self.events.json_depth_max())) {
                    return Err(refusal);
                }
            }
            Form::Refused(refusal) => return Err(refusal.clone()),
            Form::Untold(_) => {}
        }
        match self.events.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(ObjectTotals { plain_bytes: self.bytes, ..self.events.totals() }),
        }
    }

    /// Examines the first bytes, and continues with them.
    fn tell(&mut self, each: Each<'_>) {
        let Form::Untold(begin) = std::mem::replace(&mut self.form, Form::Short(vec![])) else { return };
        if begin.starts_with(KPL_MAGIC) {
            self.form = Form::Refused(form::no_aggregate());
        } else {
            self.text(begin.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&begin), each);
        }
    }

    fn text(&mut self, mut bytes: &[u8], each: Each<'_>) {
        self.utf8.push(bytes);
        if let Form::Short(text) = &mut self.form {
            if text.is_empty() {
                let begin = bytes.iter().position(|byte| !is_json_space(*byte)).unwrap_or(bytes.len());
                bytes = &bytes[begin..];
            }
            // One byte more than an event may have: where the form is decided must not depend on the pieces.
            let room = self.limits.event_bytes_max as usize + 1 - text.len();
            let (begin, rest) = bytes.split_at(bytes.len().min(room));
            text.extend_from_slice(begin);
            if begin.len() < room {
                return;
            }
            let text = std::mem::take(text);
            self.form = self.form_of(&text);
            self.follow(&text, each);
            bytes = rest;
        }
        self.follow(bytes, each);
    }

    /// The form of an object that begins with more than one event may have.
    fn form_of(&mut self, begin: &[u8]) -> Form {
        if begin.starts_with(b"[") {
            return Form::Array(Array::new(self.limits));
        }
        let unfinished = || serde_json::from_slice::<IgnoredAny>(begin).is_err_and(|error| error.is_eof());
        if begin.contains(&b'\n') && unfinished() {
            // Its lines are parts of it, and none of them may be taken for an event.
            let (limit, bytes_max) = (Limit::EventBytes, self.limits.event_bytes_max);
            let detail = format!("an event over several lines of more than {bytes_max} bytes ({})", limit.name());
            return Form::Refused((Reason::Exceeds(limit), detail));
        }
        Form::Lines(Lines::new(self.limits, &mut self.events))
    }

    fn follow(&mut self, bytes: &[u8], each: Each<'_>) {
        match &mut self.form {
            Form::Lines(lines) => lines.push(bytes, &mut self.events, each),
            Form::Array(array) => array.push(bytes, &mut self.events, each),
            Form::Untold(_) | Form::Short(_) | Form::Refused(_) => {}
        }
    }
}

/// An object that is held whole.
fn short(text: &[u8], events: &mut Events<'_>, broken: Option<Refusal>, each: Each<'_>) -> Result<(), Refusal> {
    let pieces = form::split(text, events.room(), events.json_depth_max());
    // If it is not UTF-8, the position counts from the object's beginning.
    let pieces = pieces.map_err(|refusal| broken.filter(|_| refusal.0 == Reason::NotUtf8).unwrap_or(refusal))?;
    pieces.into_iter().for_each(|piece| events.piece(piece, each));
    Ok(())
}

fn no_event() -> Refusal {
    (Reason::NotJson, "not JSON: no line of the object is an event".to_owned())
}
