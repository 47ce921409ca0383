//! A record's text with its varying values left out: what lies between them is the same in the next record.
//!
//! The text in between was read as part of a sound record. Where the next record has the very same bytes there, with a
//! sound string where a string stood and a sound number where a number stood, it is sound as well, and means the same.

use weir_json::Scanner;

/// Records of an invocation for which room is made ahead: as many as a mapping may deliver ("BatchSize",
/// CreateEventSourceMapping, AWS Lambda API Reference).
pub(crate) const RECORDS_MAX: usize = 10_000;

/// Scans an invocation's records; none where the complete reader is to be asked. `like` reads a record that is written
/// like the last, if it is, into what `begun` makes of that one; `whole` reads one by its members, and finds its pattern.
/// Payloads go into `arena`.
pub(crate) fn records<'a, T, A>(
    input: &'a [u8],
    arena: &mut A,
    begun: impl Fn(&T) -> T,
    like: impl Fn(&Pattern<'a>, &mut T, &mut Scanner<'a>, &mut A) -> Option<()>,
    whole: impl Fn(&'a [u8], &mut Scanner<'a>, &mut A) -> Option<(T, Pattern<'a>)>,
) -> Option<Vec<T>> {
    let mut scanner = Scanner::new(input);
    let mut records: Vec<T> = vec![];
    scanner.space();
    scanner.eat(b'{').then(|| scanner.space())?;
    // The only member that Lambda writes.
    (scanner.key()? == b"Records" && scanner.eat(b'[')).then(|| scanner.space())?;
    let mut pattern = Pattern::default();
    if !scanner.eat(b']') {
        loop {
            let start = scanner.clone();
            // In its place: a record is too large to be moved there.
            let is_like = match records.last().map(&begun) {
                Some(record) => like(&pattern, records.push_mut(record), &mut scanner, arena).is_some(),
                None => false,
            };
            if !is_like {
                let begin = start.at();
                scanner = start;
                let (record, found) = whole(input, &mut scanner, arena)?;
                pattern = found;
                match records.last_mut() {
                    Some(begun) => *begun = record,
                    None => {
                        // The others are likely as long.
                        let likely = 1 + scanner.rest().len() / (scanner.at() - begin).max(1);
                        records.reserve(likely.min(RECORDS_MAX) + 1);
                        records.push(record);
                    }
                }
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

/// The texts around a record's varying values.
#[derive(Debug, Default)]
pub(crate) struct Pattern<'a> {
    /// Before the first value; empty where there is no pattern yet, since no record begins with a value.
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
    /// Of a record that stands at `start..end` of `text`, with its varying values in order: which each is, and where it
    /// begins and ends.
    pub(crate) fn of(text: &'a [u8], start: usize, end: usize, values: &[(u8, usize, usize)]) -> Self {
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
