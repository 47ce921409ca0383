//! A record's text with its varying values left out: what lies between them is the same in the next record.
//!
//! The text in between was read as part of a sound record. Where the next record has the very same bytes there, with a
//! sound string where a string stood and a sound number where a number stood, it is sound as well, and means the same.

/// The texts around a record's varying values.
#[derive(Debug, Default)]
pub(crate) struct Pattern<'a> {
    /// Before the first value; empty where there is no pattern yet, since no record begins with a value.
    pub(crate) first: &'a [u8],
    /// Which value comes next, and the text after it.
    pub(crate) rest: Vec<(u8, &'a [u8])>,
}

impl<'a> Pattern<'a> {
    /// Of a record that stands at `start..end` of `text`, with its varying values in order: which each is, and where it
    /// begins and ends.
    pub(crate) fn of(text: &'a [u8], start: usize, end: usize, values: &[(u8, usize, usize)]) -> Self {
        let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let next = values.iter().skip(1).map(|(_, begin, _)| *begin).chain([end]);
        Self {
            first: between(start, values.first().map_or(end, |(_, begin, _)| *begin)),
            rest: values.iter().zip(next).map(|((value, _, after), next)| (*value, between(*after, next))).collect(),
        }
    }
}
