//! A series: a service and an endpoint under the epoch's rules.

use crate::hash::stable_hash;
use crate::rules::Rules;
use crate::{ENDPOINT_BYTES_MAX, SERVICE_BYTES_MAX};
use std::collections::BTreeSet;
use std::fmt;

/// Where a record's events go if it names more series than it may ([`crate::Limits::series_per_record_max`]).
pub const OTHER: &str = "~other";

/// Service and endpoint: what a row counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Who served it; contains no `#`.
    pub service: String,
    /// What was called; never `*`, which names the summary row.
    pub endpoint: String,
}

impl Series {
    /// Longest service and endpoint together, bytes. Normalising makes a name longer: `#` becomes `%23`, and each segment of
    /// `/1/1/1` becomes `{id}`.
    pub const BYTES_MAX: usize = 3 * SERVICE_BYTES_MAX + ENDPOINT_BYTES_MAX / 2 * 5;

    /// The series of an event with these names, under the built-in rules.
    pub fn new(service: Option<&str>, endpoint: Option<&str>) -> Self {
        Self::under(&Rules::default(), service, endpoint)
    }

    /// The series of an event with these names, under the rules of its epoch.
    pub fn under(rules: &Rules, service: Option<&str>, endpoint: Option<&str>) -> Self {
        let service = service.unwrap_or("default");
        Self {
            service: normalise_service(service),
            endpoint: rules.endpoint(service, endpoint.unwrap_or("unknown")).into_owned(),
        }
    }

    /// The one series under which a record is counted that is too large to keep its own.
    pub fn other() -> Self {
        Self { service: OTHER.to_owned(), endpoint: OTHER.to_owned() }
    }

    /// Which of `splits` items of a window holds this series.
    pub fn split(&self, splits: u16) -> u16 {
        Self::split_of(stable_hash(&self.hashed()), splits)
    }

    /// What is hashed. The separator cannot occur in UTF-8, so two series never hash the same text.
    pub(crate) fn hashed(&self) -> Vec<u8> {
        [self.service.as_bytes(), &[0xff], self.endpoint.as_bytes()].concat()
    }

    /// The split of a series that hashes to `hash`.
    pub(crate) fn split_of(hash: u64, splits: u16) -> u16 {
        // The remainder is below a u16, so the cast loses nothing.
        (hash % u64::from(splits.max(1))) as u16
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.service, self.endpoint)
    }
}

/// `#` separates service and endpoint in a row's key, and two services must not share a key. So `#` is written `%23`,
/// what already has that form is escaped once more (`%23` → `%2523` → `%252523`), and every other `%` stays unchanged.
fn normalise_service(service: &str) -> String {
    let mut normal = String::with_capacity(service.len());
    for (at, character) in service.char_indices() {
        match character {
            '#' => normal.push_str("%23"),
            '%' if is_escape_of(&service[at..], "23") => normal.push_str("%25"),
            _ => normal.push(character),
        }
    }
    normal
}

/// Whether `text` begins with the escape of the character `hex`, its `%` escaped any number of times: `%23`, `%2523`, …
pub(crate) fn is_escape_of(text: &str, hex: &str) -> bool {
    text.strip_prefix('%').is_some_and(|rest| rest.trim_start_matches("25").starts_with(hex))
}

/// The series a record or object may name: its first ones, and [`OTHER`] for all beyond them, by service if the service
/// is among the first. A function of the record alone, so every delivery agrees.
#[derive(Debug)]
pub(crate) struct SeriesRoom {
    series_max: usize,
    seen: BTreeSet<Series>,
    services: BTreeSet<String>,
}

impl SeriesRoom {
    pub(crate) fn new(series_max: usize) -> Self {
        Self { series_max, seen: BTreeSet::new(), services: BTreeSet::new() }
    }

    /// Takes the series of the next event, or replaces it by the one for others.
    pub(crate) fn take(&mut self, series: &mut Series) {
        if self.seen.contains(series) {
            return;
        }
        if self.seen.len() < self.series_max {
            self.services.insert(series.service.clone());
            self.seen.insert(series.clone());
            return;
        }
        if !self.services.contains(&series.service) {
            OTHER.clone_into(&mut series.service);
        }
        OTHER.clone_into(&mut series.endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, is_escape_of};
    use crate::{ENDPOINT_BYTES_MAX, SERVICE_BYTES_MAX};
    use proptest::prelude::*;

    #[test]
    fn endpoints_become_series() {
        let check = |given: &str, expect: &str| {
            assert_eq!(Series::new(None, Some(given)).endpoint, expect);
        };
        check("/login", "/login");
        check("/", "/");
        check("/users/17", "/users/{id}");
        check("/users/17/orders/4", "/users/{id}/orders/{id}");
        check("/users/17?page=2#top", "/users/{id}");
        check("/v2/things", "/v2/things");
        check("/o/9f86d081884c7d65", "/o/{id}");
        check("/o/deadbeefdeadbeef", "/o/deadbeefdeadbeef");
        check("/o/3F2504E0-4F89-41D3-9A0C-0305E82C3301", "/o/{id}");
        check("/a//b/", "/a//b/");
        check("Users.Get?x=1", "Users.Get?x=1");
        check("*", "%2A");
        check("%2A", "%252A");
        check("%252A", "%25252A");
        check("%2a", "%2a");
        check("%2A/x", "%2A/x");
        check("/a%20b", "/a%20b");
        check("/users/１７", "/users/１７");
    }

    #[test]
    fn keys_of_two_series_never_meet() {
        let one = Series::new(Some("a#b"), Some("c"));
        let two = Series::new(Some("a"), Some("b#c"));
        assert_ne!(one.to_string(), two.to_string());
        assert_eq!(one.to_string(), "a%23b#c");
    }

    #[test]
    fn services_are_escaped_where_they_could_meet_and_nowhere_else() {
        let check = |given: &str, expect: &str| assert_eq!(Series::new(Some(given), None).service, expect);
        check("a#b", "a%23b");
        check("a%23b", "a%2523b");
        check("a%2523b", "a%252523b");
        check("%#%23%", "%%23%2523%");
        check("100%", "100%");
        check("a%20b%25c", "a%20b%25c");
        check("%25#", "%25%23");
    }

    #[test]
    fn the_longest_name_is_as_long_as_is_said() {
        let (service, endpoint) = ("#".repeat(SERVICE_BYTES_MAX), "/1".repeat(ENDPOINT_BYTES_MAX / 2));
        let longest = Series::new(Some(&service), Some(&endpoint));
        assert_eq!(longest.service.len() + longest.endpoint.len(), Series::BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_name_is_longer(service in "([#%]|%23|%2523|é|[a-z]){1,40}", endpoint in "(/[0-9a-f]{1,2}|/|\\*|%2A|#|é|[a-z0-9]){1,70}") {
            let series = Series::new(Some(&service), Some(&endpoint));
            prop_assert!(series.service.len() <= 3 * service.len());
            prop_assert!(series.endpoint.len() <= endpoint.len() * 5 / 2 + 2);
        }

        /// The escapes are reversible, so no two services and no two endpoints share a name.
        #[test]
        fn names_are_unescaped_to_what_was_given(service in "[#%235a]{1,12}", endpoint in "(\\*|[%25aA*]{1,10}|%(25){0,3}2A)") {
            let series = Series::new(Some(&service), Some(&endpoint));
            prop_assert!(!series.service.contains('#') && series.endpoint != "*");
            let mut unescaped = String::new();
            let mut rest = series.service.as_str();
            while let Some(character) = rest.chars().next() {
                let (from, to) = match rest {
                    _ if rest.starts_with("%23") => ("%23", "#"),
                    _ if is_escape_of(rest, "23") => ("%25", "%"),
                    _ => (&rest[..character.len_utf8()], &rest[..character.len_utf8()]),
                };
                unescaped.push_str(to);
                rest = &rest[from.len()..];
            }
            prop_assert_eq!(unescaped, service);
            let unescaped = match series.endpoint.as_str() {
                "%2A" => "*".to_owned(),
                escaped if is_escape_of(escaped, "2A") && escaped.trim_start_matches("%25").trim_start_matches("25") == "2A" => escaped.replacen("%25", "%", 1),
                other => other.to_owned(),
            };
            prop_assert_eq!(unescaped, endpoint);
        }
    }
}
