//! The forms of a payload, the fast way: one event, an array, one event per line, as in [`crate::form::split`].
//!
//! `None` wherever that function might see another form than this one does: then the payload is decoded the complete
//! way.

use super::{Adding, Batch};
use crate::event::scan;
use crate::form::{self, BYTE_ORDER_MARK};
use crate::payload::{self, decode_event};
use memchr::memchr;
use weir_json::{Quoted, Scanner};

impl Batch {
    /// Adds the events of a plain payload.
    pub(super) fn plain(&mut self, plain: &[u8], adding: &mut Adding<'_>) -> Option<()> {
        let plain = plain.strip_prefix(BYTE_ORDER_MARK).unwrap_or(plain);
        let mut scanner = Scanner::new(plain);
        scanner.space();
        match scanner.peek() {
            None => Some(()),
            Some(b'[') => self.array(scanner, adding),
            Some(b'{') => self.lines(plain, scanner, adding),
            Some(_) => None,
        }
    }

    /// Adds the event or events of a payload that stands in a string: one object, or an array of them.
    pub(super) fn quoted(&mut self, text: Quoted<'_>, adding: &mut Adding<'_>) -> Option<()> {
        let mut scanner = text.scanner();
        // As written it is longer, so what is too long is left.
        (text.written().len() as u64 <= adding.epoch.limits.payload_bytes_max).then_some(())?;
        match scanner.peek()? {
            b'[' => self.array(scanner, adding),
            b'{' => {
                self.event(&mut scanner, adding)?;
                scanner.is_at_end().then_some(())
            }
            _ => None,
        }
    }

    fn array<const QUOTED: bool>(&mut self, mut scanner: Scanner<'_, QUOTED>, adding: &mut Adding<'_>) -> Option<()> {
        scanner.eat(b'[');
        scanner.space();
        if !scanner.eat(b']') {
            loop {
                self.event(&mut scanner, adding)?;
                if !scanner.another(b']')? {
                    break;
                }
            }
        }
        scanner.space();
        scanner.is_at_end().then_some(())
    }

    /// One event, or one per line. A first line that is an event by itself, with more below, means one per line: text
    /// that continues after an object is not a JSON value.
    fn lines<'p>(&mut self, plain: &'p [u8], mut scanner: Scanner<'p>, adding: &mut Adding<'_>) -> Option<()> {
        let first = scanner.at();
        self.event(&mut scanner, adding)?;
        let event = &plain[first..scanner.at()];
        scanner.space();
        if scanner.is_at_end() {
            return Some(());
        }
        if event.contains(&b'\n') || !plain[first + event.len()..scanner.at()].contains(&b'\n') {
            return None;
        }
        while !scanner.is_at_end() {
            let start = scanner.at();
            let mark = self.mark();
            let events = adding.events;
            if self.event(&mut scanner, adding).is_none() || !ends_its_line(plain, start, &mut scanner) {
                self.back_to(mark);
                adding.undo(events);
                scanner = self.slow_line(plain, start, adding)?;
            }
        }
        Some(())
    }

    /// An unusual line: decoded the complete way, alone.
    #[cold]
    fn slow_line<'p>(&mut self, plain: &'p [u8], start: usize, adding: &mut Adding<'_>) -> Option<Scanner<'p>> {
        let end = memchr(b'\n', &plain[start..]).map_or(plain.len(), |length| start + length);
        let line = plain[start..end].trim_ascii();
        if !line.is_empty() {
            let decoded = form::line_piece(line)
                .and_then(|text| decode_event(text, adding.arrival, adding.epoch).map_err(|r| (text.as_bytes(), r)));
            match decoded {
                Ok(accepted) => self.import(accepted),
                Err((bytes, refusal)) => adding.reject(bytes, refusal)?,
            }
            adding.count()?;
        }
        let mut scanner = Scanner::from(plain, end);
        scanner.space();
        Some(scanner)
    }

    /// Adds one event, or rejects it by its time.
    #[inline]
    fn event<const QUOTED: bool>(&mut self, scanner: &mut Scanner<'_, QUOTED>, adding: &mut Adding<'_>) -> Option<()> {
        let start = scanner.at();
        let scanned = scan::scan(scanner, adding.epoch.limits.json_depth_max)?;
        let at = scanned.timestamp.unwrap_or(adding.arrival);
        match payload::out_of_time(at, adding.arrival) {
            None => self.push(&scanned, at, adding.epoch),
            // What is kept of it is its text.
            Some(_) if QUOTED => return None,
            Some(refusal) => adding.reject(scanner.since(start), refusal)?,
        }
        adding.count()
    }
}

/// Whether the event that began at `start` is alone on its line; consumes the line's end and the white space after it.
#[inline]
fn ends_its_line(plain: &[u8], start: usize, scanner: &mut Scanner<'_>) -> bool {
    let end = scanner.at();
    scanner.space();
    let after = &plain[end..scanner.at()];
    (scanner.is_at_end() || memchr(b'\n', after).is_some()) && memchr(b'\n', &plain[start..end]).is_none()
}
