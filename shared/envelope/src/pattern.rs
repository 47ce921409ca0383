//! A record's text with its varying values left out: what lies between them is the same in the next record.
//!
//! The text in between was read as part of a sound record. Where the next record has the very same bytes there, with a
//! sound string where a string stood and a sound number where a number stood, it is sound as well, and means the same.

/// The texts between a record's varying values, in order: one more than there are values.
#[derive(Debug, Default)]
pub(crate) struct Pattern<'a> {
    between: Vec<&'a [u8]>,
    /// Which value follows each text but the last.
    values: Vec<u8>,
}

impl<'a> Pattern<'a> {
    /// Of a record that stands at `start..end` of `text`, with its varying values: where each stands, and which it is.
    pub(crate) fn of(text: &'a [u8], start: usize, end: usize, values: &[(u8, usize, usize)]) -> Self {
        let mut pattern = Self::default();
        let mut from = start;
        for (value, begin, after) in values {
            pattern.between.push(text.get(from..*begin).unwrap_or_default());
            pattern.values.push(*value);
            from = *after;
        }
        pattern.between.push(text.get(from..end).unwrap_or_default());
        pattern
    }

    /// The text before the first value, and each value with the text after it.
    pub(crate) fn parts(&self) -> Option<(&'a [u8], impl Iterator<Item = (u8, &'a [u8])> + '_)> {
        let (first, rest) = self.between.split_first()?;
        Some((first, self.values.iter().copied().zip(rest.iter().copied())))
    }
}
