//! Listings: pages of keys and common prefixes in byte order. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    /// Keys listed one by one.
    pub(crate) keys: Vec<&'a str>,
    /// Keys rolled up at the delimiter.
    pub(crate) common_prefixes: Vec<String>,
    /// Where the next page starts after: the last key or common prefix of this one; `None` when this is the last.
    pub(crate) next: Option<String>,
}

/// What to list.
#[derive(Debug, Default)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: &'a str,
    /// Keys and common prefixes up to and including this are left out.
    pub(crate) after: &'a str,
    pub(crate) entries_max: usize,
}

/// The part of a key up to and including the delimiter, beyond the prefix.
pub(crate) fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// One page of the keys for which `listed` holds.
pub(crate) fn page<'a, V>(keys: &'a BTreeMap<String, V>, query: &Query<'_>, listed: impl Fn(&V) -> bool) -> Page<'a> {
    let mut page = Page::default();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut last: Option<&str> = None;
    let start = if query.after > query.prefix { Bound::Excluded(query.after) } else { Bound::Included(query.prefix) };
    for (key, value) in keys.range::<str, _>((start, Bound::Unbounded)) {
        if !key.starts_with(query.prefix) {
            break;
        }
        if !listed(value) {
            continue;
        }
        let common = common_prefix(key, query.prefix, query.delimiter);
        if common.is_some_and(|common| common <= query.after || seen.contains(common)) {
            continue;
        }
        if page.keys.len() + page.common_prefixes.len() == query.entries_max {
            // A page of no entries has nothing to go on from, and S3 calls it complete.
            page.next = last.map(str::to_owned);
            return page;
        }
        match common {
            Some(common) => {
                seen.insert(common);
                page.common_prefixes.push(common.to_owned());
            }
            None => page.keys.push(key),
        }
        last = Some(common.unwrap_or(key));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> BTreeMap<String, bool> {
        ["a", "a/1", "a/2", "a//3", "b", "x", "x/y", "x/z", "y/gone"]
            .map(|key| (key.to_owned(), key != "y/gone"))
            .into()
    }

    fn listed(query: &Query<'_>) -> (Vec<String>, Vec<String>, Option<String>) {
        let keys = bucket();
        let Page { keys, common_prefixes, next } = page(&keys, query, |alive| *alive);
        (keys.into_iter().map(str::to_owned).collect(), common_prefixes, next)
    }

    #[test]
    fn keys_roll_up_at_the_delimiter() {
        let (keys, prefixes, next) = listed(&Query { delimiter: "/", entries_max: 10, ..Query::default() });
        assert_eq!(keys, ["a", "b", "x"]);
        assert_eq!(prefixes, ["a/", "x/"]);
        assert_eq!(next, None);
        let (keys, prefixes, _) = listed(&Query { prefix: "a/", delimiter: "/", entries_max: 10, after: "" });
        assert_eq!((keys, prefixes), (vec!["a/1".to_owned(), "a/2".to_owned()], vec!["a//".to_owned()]));
    }

    #[test]
    fn pages_of_every_size_add_up_to_the_whole() {
        for delimiter in ["", "/"] {
            for entries_max in 1..10 {
                let (mut all, mut after) = (Vec::new(), String::new());
                loop {
                    let (keys, prefixes, next) = listed(&Query { delimiter, entries_max, after: &after, prefix: "" });
                    all.extend(keys);
                    all.extend(prefixes);
                    match next {
                        Some(next) => after = next,
                        None => break,
                    }
                }
                all.sort();
                let expected: &[&str] = match delimiter {
                    "" => &["a", "a//3", "a/1", "a/2", "b", "x", "x/y", "x/z"],
                    _ => &["a", "a/", "b", "x", "x/"],
                };
                assert_eq!(all, expected, "{entries_max} entries a page, delimiter `{delimiter}`");
            }
        }
    }
}
