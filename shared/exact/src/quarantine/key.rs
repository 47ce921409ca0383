//! Parses the key of a quarantined object, so that objects are found by prefix without reading them.

use weir_telemetry::Millis;

const DAY_MS: i64 = 86_400_000;

/// `<reason>/<yyyy>/<mm>/<dd>/<source>/<id>.json`, as [`super::QuarantineObject::key`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// Why it was quarantined.
    pub reason: &'a str,
    /// Beginning of the day of arrival, UTC.
    pub day: Millis,
    /// Where it came from.
    pub source: &'a str,
    /// Its coordinates, and which event of its record it is.
    pub id: &'a str,
}

impl<'a> Key<'a> {
    /// Parses a key; `None` if it is of another form.
    pub fn parse(key: &'a str) -> Option<Self> {
        let mut parts = key.splitn(6, '/');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let reason = next()?;
        let (year, month, day) = (next()?, next()?, next()?);
        let (source, id) = (next()?, next()?.strip_suffix(".json")?);
        let day = Millis::parse_rfc3339(&format!("{year}-{month}-{day}T00:00:00Z")).ok()?;
        (!id.is_empty()).then_some(Self { reason, day, source, id })
    }

    /// Whether it is a whole record, message or object, rather than one event.
    pub fn is_whole(&self) -> bool {
        self.id == "record" || self.id.ends_with("!record")
    }

    /// `<source>/<id>`: the same for every reason and day under which the same thing was quarantined.
    pub fn name(&self) -> String {
        format!("{}/{}", self.source, self.id)
    }

    /// First instant after the day of arrival.
    pub fn day_end(&self) -> Millis {
        self.day.plus(DAY_MS)
    }
}

/// Prefixes of all objects of a reason that arrived from `from` until before `to`: one per day.
pub fn day_prefixes(reason: &str, from: Millis, to: Millis) -> Vec<String> {
    let first = from.0.div_euclid(DAY_MS);
    let end = to.0.div_euclid(DAY_MS) + i64::from(to.0.rem_euclid(DAY_MS) > 0);
    let date = |day: i64| Millis(day * DAY_MS).to_string()[..10].replace('-', "/");
    (first..end).map(|day| format!("{reason}/{}/", date(day))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_as_it_was_made() {
        let key = Key::parse("not_json/2026/11/21/sqs/q!m!record.json").unwrap();
        let day = Millis::parse_rfc3339("2026-11-21T00:00:00Z").unwrap();
        assert_eq!(key, Key { reason: "not_json", day, source: "sqs", id: "q!m!record" });
        assert!(key.is_whole());
        assert!(!Key::parse("not_json/2026/11/21/sqs/q!m!3.json").unwrap().is_whole());
        for other in [
            "",
            "a.json",
            "scratch/gate-1/not_json/2026/11/21/sqs/q!m!record.json",
            "not_json/2026/13/21/sqs/q.json",
            "not_json/2026/11/21/sqs/.json",
            "r/2026/11/21/sqs/q",
        ] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }

    #[test]
    fn days_are_those_that_the_range_touches() {
        let at = |text| Millis::parse_rfc3339(text).unwrap();
        let days = |from, to| day_prefixes("r", at(from), at(to));
        assert_eq!(days("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"), ["r/2026/11/21/"]);
        assert_eq!(days("2026-12-31T23:59:59Z", "2027-01-01T00:00:00.001Z"), ["r/2026/12/31/", "r/2027/01/01/"]);
        assert_eq!(days("2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z"), Vec::<String>::new());
    }
}
