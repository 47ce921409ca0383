//! A strict scanner over JSON text, for readers that know what they expect: no tree, no copy, no allocation.
//!
//! It reads a subset and never more than JSON (RFC 8259): what it takes is JSON, and what it does not take may be. So
//! every method answers `None` for "not understood", and the reader then asks a complete parser, which decides. That
//! is what lets a reader be fast and agree with the complete one on every input; the readers' tests hold it.
//!
//! ```
//! use weir_json::Scanner;
//!
//! let mut scanner = Scanner::new(br#"{"status": 200}"#);
//! assert!(scanner.eat(b'{'));
//! assert_eq!(scanner.key(), Some(&b"status"[..]));
//! assert_eq!(scanner.number(), Some(&b"200"[..]));
//! assert!(scanner.eat(b'}') && scanner.is_at_end());
//! ```
//!
//! Not here: numbers' values, escapes' meaning, positions of errors.

mod vector;

/// Deepest nesting that [`Scanner::skip`] follows, whatever it is asked for: it recurses.
pub const SKIP_DEPTH_MAX: u32 = 64;

/// What stands in a string of a JSON text, as it is written there: a backslash before every quote, nothing else escaped.
/// UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a>(&'a [u8]);

impl<'a> Quoted<'a> {
    /// As it is written: at least as long as the text.
    pub fn written(self) -> &'a [u8] {
        self.0
    }

    /// At the beginning of the text, which is then read where it stands.
    pub fn scanner(self) -> Scanner<'a, true> {
        Scanner { text: self.0, at: 0 }
    }

    /// The text.
    pub fn unquoted(self) -> String {
        // UTF-8 as scanned, so nothing is ever replaced.
        String::from_utf8_lossy(self.0).replace("\\\"", "\"")
    }
}

/// As the text is shown.
impl std::fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.unquoted().fmt(f)
    }
}

/// A place in a JSON text. `QUOTED`: the text stands in a string of another and is read as it is written there, with a
/// backslash before every quote; of texts that needed other escapes nothing is understood.
#[derive(Clone, Debug)]
pub struct Scanner<'a, const QUOTED: bool = false> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`, of which nothing is assumed.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// At byte `at` of `text`.
    pub fn from(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// At the beginning of the text that the next string holds. Whoever has read it goes on with [`Self::leave`].
    pub fn enter(&self) -> Option<Scanner<'a, true>> {
        (self.peek()? == b'"').then_some(Scanner { text: self.text, at: self.at + 1 })
    }

    /// Goes on behind the string whose text `inner` has read to its end.
    pub fn leave(&mut self, inner: &Scanner<'a, true>) -> Option<()> {
        self.at = inner.at;
        self.eat(b'"').then_some(())
    }

    /// A string in which nothing is escaped but quotes, as it is written.
    #[inline]
    pub fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.eat(b'"').then_some(())?;
        let (end, is_ascii) = vector::quoted_until(self.text, self.at)?;
        let string = self.text.get(self.at..end)?;
        self.at = end + 1;
        (is_ascii || std::str::from_utf8(string).is_ok()).then_some(Quoted(string))
    }

    /// What [`Self::unescaped`] needs of room beyond the string's own length, bytes: it copies vectors.
    pub const ROOM_BEYOND: usize = vector::BYTES;

    /// A string with its escapes undone, copied to the beginning of `room`: its length there. None too where the room
    /// is too small, and of escapes that make a character of two.
    pub fn unescaped(&mut self, room: &mut [u8]) -> Option<usize> {
        self.eat(b'"').then_some(())?;
        let mut length = 0;
        loop {
            let (taken, stopped) = vector::copy_until(self.text, self.at, room, length);
            self.at += taken;
            length += taken;
            match self.peek()? {
                _ if !stopped => return None,
                b'"' => break,
                b'\\' => length += self.unescape(room.get_mut(length..)?)?,
                _ => return None,
            }
        }
        self.at += 1;
        std::str::from_utf8(room.get(..length)?).ok().map(str::len)
    }

    /// Undoes one escape at the beginning of `room`: how many bytes it comes to.
    #[inline]
    fn unescape(&mut self, room: &mut [u8]) -> Option<usize> {
        let byte = match *self.text.get(self.at + 1)? {
            plain @ (b'"' | b'\\' | b'/') => plain,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return self.unescape_unit(room),
        };
        *room.first_mut()? = byte;
        self.at += 2;
        Some(1)
    }

    /// `\u` and four digits.
    #[cold]
    fn unescape_unit(&mut self, room: &mut [u8]) -> Option<usize> {
        let start = self.at;
        self.escape()?;
        let digits = std::str::from_utf8(self.text.get(start + 2..start + 6)?).ok()?;
        // None of a surrogate.
        let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        (room.len() >= 4).then(|| character.encode_utf8(room).len())
    }
}

impl<'a, const QUOTED: bool> Scanner<'a, QUOTED> {
    /// Bytes taken so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The text from `start` up to here.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the next `length` bytes, whatever they are.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The next byte.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes `byte` if it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Takes `bytes` if they are next.
    #[inline]
    pub fn eat_all(&mut self, bytes: &[u8]) -> bool {
        let next = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(bytes));
        self.at += if next { bytes.len() } else { 0 };
        next
    }

    /// Takes white space. Within a string of JSON only the blank is written as it is.
    #[inline]
    pub fn space(&mut self) {
        while let Some(space @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek()
            && (!QUOTED || space == b' ')
        {
            self.at += 1;
        }
    }

    /// Whether a string is next.
    #[inline]
    pub fn is_at_string(&self) -> bool {
        self.peek() == Some(if QUOTED { b'\\' } else { b'"' })
    }

    /// The place behind the quote that stands at `at`.
    #[inline]
    fn behind_quote(&self, at: usize) -> Option<usize> {
        let quote: &[u8] = if QUOTED { b"\\\"" } else { b"\"" };
        self.text.get(at..)?.starts_with(quote).then_some(at + quote.len())
    }

    /// A string without escapes, without its quotes: UTF-8.
    #[inline]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.behind_quote(self.at)?;
        let end = vector::plain_until(self.text, start);
        if let Some(behind) = self.behind_quote(end) {
            self.at = behind;
            return self.text.get(start..end);
        }
        self.unusual_string(start)
    }

    /// [`Self::string`] where it is likely to have that length, without its quotes: quicker if it has.
    #[inline]
    pub fn string_of(&mut self, length: usize) -> Option<&'a [u8]> {
        let start = self.behind_quote(self.at)?;
        let end = start.saturating_add(length);
        if let Some(behind) = self.behind_quote(end)
            && let Some(string) = self.text.get(start..end)
            && vector::is_plain(string)
        {
            self.at = behind;
            return Some(string);
        }
        self.string()
    }

    /// The same where the string is not all ASCII.
    #[cold]
    fn unusual_string(&mut self, start: usize) -> Option<&'a [u8]> {
        let end = vector::any_until(self.text, start);
        self.at = self.behind_quote(end)?;
        std::str::from_utf8(self.text.get(start..end)?).ok().map(str::as_bytes)
    }

    /// A string that may have escapes, as it is written, without its quotes.
    pub fn raw_string(&mut self) -> Option<&'a [u8]> {
        if QUOTED {
            return self.string();
        }
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        loop {
            self.at = vector::any_until(self.text, self.at);
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
        let string = self.since(start);
        self.at += 1;
        std::str::from_utf8(string).ok().map(str::as_bytes)
    }

    /// An escape, of which `\u` may be half of a pair.
    fn escape(&mut self) -> Option<()> {
        match self.text.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let digits = self.text.get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                self.at += 6;
            }
            _ => return None,
        }
        Some(())
    }

    /// A member's name without escapes, its colon, and white space around it.
    #[inline]
    pub fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string()?;
        if self.eat(b':') {
            if self.peek()? <= b' ' {
                self.space();
            }
            return Some(key);
        }
        self.space();
        self.eat(b':').then(|| self.space())?;
        Some(key)
    }

    /// After a member or element: true when another follows and the scanner is at it, false when `close` was taken.
    #[inline]
    pub fn another(&mut self, close: u8) -> Option<bool> {
        if self.peek()? <= b' ' {
            self.space();
        }
        if self.eat(b',') {
            if self.peek()? <= b' ' {
                self.space();
            }
            return Some(true);
        }
        self.eat(close).then_some(false)
    }

    /// A number, as it is written. What follows it is the caller's to look at.
    #[inline]
    pub fn number(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(self.since(start))
    }

    /// One digit or more.
    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Any value that nests at most `depth_max` deep, looked through to its last byte.
    pub fn skip(&mut self, depth_max: u32) -> Option<()> {
        self.value(depth_max.min(SKIP_DEPTH_MAX))
    }

    fn value(&mut self, depth_max: u32) -> Option<()> {
        match self.peek()? {
            _ if self.is_at_string() => self.raw_string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b'{' => self.members(depth_max.checked_sub(1)?),
            b'[' => self.elements(depth_max.checked_sub(1)?),
            b't' => self.eat_all(b"true").then_some(()),
            b'f' => self.eat_all(b"false").then_some(()),
            b'n' => self.eat_all(b"null").then_some(()),
            _ => None,
        }
    }

    fn members(&mut self, depth_max: u32) -> Option<()> {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            self.raw_string()?;
            self.space();
            self.eat(b':').then(|| self.space())?;
            self.value(depth_max)?;
            if !self.another(b'}')? {
                return Some(());
            }
        }
    }

    fn elements(&mut self, depth_max: u32) -> Option<()> {
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.value(depth_max)?;
            if !self.another(b']')? {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
