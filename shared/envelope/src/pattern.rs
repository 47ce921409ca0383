//! A record's text with its varying values left out: what lies between them is the same in the next record.
//!
//! The text in between was read as part of a sound record. Where the next record has the very same bytes there, with a
//! sound string where a string stood and a sound number where a number stood, it is sound as well, and means the same.
//!
//! Which values vary is learnt from records that are read whole: the first two, and those that are unlike the last. A
//! value that was once another varies from then on, so few are.

use weir_json::Scanner;

/// Records of an invocation for which room is made ahead: as many as a mapping may deliver ("BatchSize",
/// CreateEventSourceMapping, AWS Lambda API Reference).
pub(crate) const RECORDS_MAX: usize = 10_000;

/// A value of a record: which it is, and where it begins and ends.
pub(crate) type Value = (u8, usize, usize);

/// Scans an invocation's records; none where the complete reader is to be asked. `whole` reads one by its members, and
/// finds its values in order; `like` goes through one that is written like the last, if it is, and changes a copy of the
/// last to what it holds. Payloads go into `arena`.
pub(crate) fn records<'a, T: Clone, A>(
    input: &'a [u8],
    arena: &mut A,
    like: impl Fn(&Pattern<'a>, &mut T, &mut Scanner<'a>, &mut A) -> Option<()>,
    whole: impl Fn(&mut Scanner<'a>, &mut A) -> Option<(T, Vec<Value>)>,
) -> Option<Vec<T>> {
    let mut scanner = Scanner::new(input);
    let mut records: Vec<T> = vec![];
    scanner.space();
    scanner.eat(b'{').then(|| scanner.space())?;
    // The only member that Lambda writes.
    (scanner.key()? == b"Records" && scanner.eat(b'[')).then(|| scanner.space())?;
    let (mut known, mut pattern) = (Known::default(), None);
    if !scanner.eat(b']') {
        loop {
            let begin = scanner.clone();
            let last = pattern.as_ref().zip(records.last().cloned());
            // In its place: a record is too large to be moved there.
            let begun = last.map(|(pattern, last)| (pattern, records.push_mut(last)));
            let is_begun = begun.is_some();
            if begun.and_then(|(pattern, record)| like(pattern, record, &mut scanner, arena)).is_none() {
                records.truncate(records.len() - usize::from(is_begun));
                scanner = begin.clone();
                let (record, values) = whole(&mut scanner, arena)?;
                if records.is_empty() {
                    // The others are likely as long.
                    let likely = 1 + scanner.rest().len() / (scanner.at() - begin.at()).max(1);
                    records.reserve(likely.min(RECORDS_MAX) + 1);
                }
                records.push(record);
                pattern =
                    known.learn(input, values).map(|values| Pattern::of(input, begin.at(), scanner.at(), &values));
            }
            if !scanner.another(b']')? {
                break;
            }
        }
    }
    if scanner.another(b'}')? {
        return None;
    }
    scanner.space();
    scanner.is_at_end().then_some(records)
}

/// What is known of the records' values from those that were read whole.
#[derive(Debug, Default)]
struct Known<'a> {
    /// Of the last: which, its text, and whether it was another in any before.
    values: Vec<(u8, &'a [u8], bool)>,
}

impl<'a> Known<'a> {
    /// Adds a record; which of its values vary, if there was one before that has the same.
    fn learn(&mut self, input: &'a [u8], values: Vec<Value>) -> Option<Vec<Value>> {
        let text = |(_, begin, end): Value| input.get(begin..end).unwrap_or_default();
        let same = self.values.iter().map(|(value, ..)| value).eq(values.iter().map(|(value, ..)| value));
        let last = std::mem::take(&mut self.values).into_iter().map(Some).chain(std::iter::repeat(None));
        self.values = values
            .iter()
            .zip(last)
            .map(|(value, last)| {
                let varies = last.is_some_and(|(_, last, varies)| varies || last != text(*value));
                (value.0, text(*value), same && varies)
            })
            .collect();
        let varying = values.into_iter().zip(&self.values).filter(|(_, (_, _, varies))| *varies);
        same.then(|| varying.map(|(value, _)| value).collect())
    }
}

/// The texts around a record's varying values.
#[derive(Debug)]
pub(crate) struct Pattern<'a> {
    /// Before the first value.
    pub(crate) first: &'a [u8],
    /// What comes next, value by value.
    pub(crate) rest: Vec<Part<'a>>,
}

/// A varying value, and the text after it.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Which value it is.
    pub(crate) value: u8,
    /// Its length, bytes, if it is a string, without its quotes: that of the next is likely the same.
    pub(crate) length: usize,
    pub(crate) after: &'a [u8],
}

impl<'a> Pattern<'a> {
    /// Of a record that stands at `start..end` of `text`, with its varying values in order.
    fn of(text: &'a [u8], start: usize, end: usize, values: &[Value]) -> Self {
        let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let next = values.iter().skip(1).map(|(_, begin, _)| *begin).chain([end]);
        Self {
            first: between(start, values.first().map_or(end, |(_, begin, _)| *begin)),
            rest: values
                .iter()
                .zip(next)
                .map(|((value, begin, after), next)| Part {
                    value: *value,
                    length: (after - begin).saturating_sub(2),
                    after: between(*after, next),
                })
                .collect(),
        }
    }
}
