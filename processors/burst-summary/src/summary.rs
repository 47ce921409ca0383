//! The exact summary of an array of events: no sketch, no window, nothing normalised.

use foldhash::fast::FixedState;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use weir_json::Scanner;
use weir_telemetry::{NotAnArray, Reason, WrittenEvent, read_array, read_quoted_array};

/// Endpoints named in a summary.
const TOP_ENDPOINTS: usize = 5;
/// Rejected events listed individually; all are counted. A response is bounded, whatever the request.
const REJECTED_SHOWN_MAX: usize = 100;
/// What events without an endpoint count under, as in rollups.
const UNKNOWN: &str = "unknown";
/// Bytes of a body per event, for preallocation: real events have 80 to 120.
const EVENT_BYTES: usize = 96;
/// Seeds the hash tables; their order never shows.
const SEED: u64 = 0x7765_6972;

/// The response, except for the time it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Events counted.
    pub total_events: usize,
    /// Different users, exactly.
    pub unique_users: usize,
    /// The duration at index ⌊0.95 · (n − 1)⌋ of all in ascending order, milliseconds; null if no event had one.
    pub p95_duration_ms: Option<f64>,
    /// The most called, by count, then name.
    pub top_endpoints: Vec<(String, usize)>,
    /// Events by status; those without one under `unknown`.
    pub status_counts: StatusCounts,
    /// What was not counted.
    pub rejected: Rejected,
}

/// Events by status, ascending; unknown last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts(BTreeMap<u16, usize>);

/// Above any status.
const STATUS_UNKNOWN: u16 = u16::MAX;

impl Serialize for StatusCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let label = |status| match status {
            STATUS_UNKNOWN => Cow::Borrowed(UNKNOWN),
            status => Cow::Owned(status.to_string()),
        };
        serializer.collect_map(self.0.iter().map(|(status, events)| (label(*status), events)))
    }
}

/// Events that violate the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// How many.
    pub events: usize,
    /// How many per reason.
    pub reasons: BTreeMap<String, usize>,
    /// The first of them.
    pub first: Vec<Refused>,
}

/// A rejected event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its place in the array, from 0.
    pub index: usize,
    /// Why, as in quarantine.
    pub reason: String,
    /// The field, what was expected, what was found.
    pub detail: String,
}

/// Summarises a JSON array of events. Empty text is an empty array.
///
/// # Errors
/// [`NotAnArray`] if it is not one: then nothing is counted.
pub fn summarise(body: &[u8]) -> Result<Summary, NotAnArray> {
    let tally = read_array(body, || Tally::with_room_for(body.len()), Tally::add)?;
    Ok(tally.finish())
}

/// The same for an array inside a JSON string, in place; `None` if it cannot be read in place.
pub fn summarise_quoted(body: &mut Scanner<'_, true>) -> Option<Summary> {
    let tally = Tally::with_room_for(body.rest().len());
    Some(read_quoted_array(body, tally, Tally::add)?.finish())
}

/// Events counted so far.
struct Tally<'a> {
    events: usize,
    users: HashSet<Cow<'a, [u8]>, FixedState>,
    durations_ms: Vec<f64>,
    endpoints: HashMap<Cow<'a, [u8]>, usize, FixedState>,
    /// By status: each is below 1,000, so it has an index.
    statuses: Vec<usize>,
    status_unknown: usize,
    rejected: Rejected,
}

impl<'a> Tally<'a> {
    fn with_room_for(bytes: usize) -> Self {
        let hasher = FixedState::with_seed(SEED);
        let events = bytes / EVENT_BYTES;
        Self {
            events: 0,
            users: HashSet::with_capacity_and_hasher(events, hasher.clone()),
            durations_ms: Vec::with_capacity(events),
            endpoints: HashMap::with_hasher(hasher),
            statuses: vec![0; usize::from(weir_telemetry::STATUS_MAX) + 1],
            status_unknown: 0,
            rejected: Rejected::default(),
        }
    }

    fn add(&mut self, index: usize, event: Result<WrittenEvent<'a>, (Reason, String)>) {
        let WrittenEvent { endpoint, status, duration_ms, user } = match event {
            Ok(event) => event,
            Err(refusal) => return self.reject(index, refusal),
        };
        self.events += 1;
        let endpoint = endpoint.unwrap_or(Cow::Borrowed(UNKNOWN.as_bytes()));
        *self.endpoints.entry(endpoint).or_default() += 1;
        match status.and_then(|status| self.statuses.get_mut(usize::from(status))) {
            Some(events) => *events += 1,
            None => self.status_unknown += 1,
        }
        self.durations_ms.extend(duration_ms);
        self.users.extend(user);
    }

    #[cold]
    fn reject(&mut self, index: usize, (reason, detail): (Reason, String)) {
        let reason = reason.to_string();
        self.rejected.events += 1;
        *self.rejected.reasons.entry(reason.clone()).or_default() += 1;
        if self.rejected.first.len() < REJECTED_SHOWN_MAX {
            self.rejected.first.push(Refused { index, reason, detail });
        }
    }

    fn finish(mut self) -> Summary {
        let known =
            (0..).zip(&self.statuses).filter(|(_, events)| **events > 0).map(|(status, events)| (status, *events));
        let unknown = (self.status_unknown > 0).then_some((STATUS_UNKNOWN, self.status_unknown));
        let status_counts = StatusCounts(known.chain(unknown).collect());
        Summary {
            total_events: self.events,
            unique_users: self.users.len(),
            p95_duration_ms: p95(&mut self.durations_ms),
            top_endpoints: top(self.endpoints),
            status_counts,
            rejected: self.rejected,
        }
    }
}

fn top(endpoints: HashMap<Cow<'_, [u8]>, usize, FixedState>) -> Vec<(String, usize)> {
    let mut all: Vec<_> = endpoints.into_iter().collect();
    all.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    all.truncate(TOP_ENDPOINTS);
    all.into_iter().map(|(name, events)| (String::from_utf8_lossy(&name).into_owned(), events)).collect()
}

/// The value at index ⌊0.95 · (n − 1)⌋, by whole numbers: a double cannot represent 0.95.
fn p95(durations_ms: &mut [f64]) -> Option<f64> {
    let last = durations_ms.len().checked_sub(1)?;
    let (_, value, _) = durations_ms.select_nth_unstable_by(last * 95 / 100, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        let quoted = serde_json::to_string(body).unwrap();
        if let Some(summary) = Scanner::new(quoted.as_bytes()).enter().and_then(|mut body| summarise_quoted(&mut body))
        {
            assert_eq!(Ok(summary), summarise(body.as_bytes()), "{body}");
        }
        let summary = summarise(body.as_bytes()).map(|summary| serde_json::to_string(&summary).expect("JSON"));
        assert_eq!(summary.unwrap_or_else(|error| format!("{}: {error}", error.reason)), expect, "{body}");
    }

    const NOTHING: &str = r#"{"total_events":0,"unique_users":0,"p95_duration_ms":null,"top_endpoints":[],"status_counts":{},"rejected":{"events":0,"reasons":{},"first":[]}}"#;

    #[test]
    fn what_an_array_comes_to() {
        check("", NOTHING);
        check(" \n", NOTHING);
        check("[]", NOTHING);
        check(
            r#"[{}]"#,
            r#"{"total_events":1,"unique_users":0,"p95_duration_ms":null,"top_endpoints":[["unknown",1]],"status_counts":{"unknown":1},"rejected":{"events":0,"reasons":{},"first":[]}}"#,
        );
        check(
            r#"[{"endpoint":"/users/17?x=1","status":200,"duration_ms":12.3456789,"user_id":"7"},{"endpoint":"*","status":503,"duration_ms":3,"user_id":7}]"#,
            r#"{"total_events":2,"unique_users":1,"p95_duration_ms":3.0,"top_endpoints":[["*",1],["/users/17?x=1",1]],"status_counts":{"200":1,"503":1},"rejected":{"events":0,"reasons":{},"first":[]}}"#,
        );
        check(
            r#"[{"status":"no"},17,{"status":200}]"#,
            r#"{"total_events":1,"unique_users":0,"p95_duration_ms":null,"top_endpoints":[["unknown",1]],"status_counts":{"200":1},"rejected":{"events":2,"reasons":{"invalid_status":1,"not_an_object":1},"first":[{"index":0,"reason":"invalid_status","detail":"status: expected an integer from 0 to 999, found a string"},{"index":1,"reason":"not_an_object","detail":"expected an object, found an integer"}]}}"#,
        );
        check(r#"{"status":200}"#, "not_an_object: expected an array of events, found an object");
        check("[{}", "not_json: not JSON at line 1 column 3");
    }

    #[test]
    fn five_endpoints_by_count_then_name() {
        let events: Vec<String> =
            ["/f", "/e", "/d", "/c", "/b", "/a", "/f"].map(|name| format!(r#"{{"endpoint":"{name}"}}"#)).into();
        let summary = summarise(format!("[{}]", events.join(",")).as_bytes()).unwrap();
        let names: Vec<_> = summary.top_endpoints.iter().map(|(name, events)| (name.as_str(), *events)).collect();
        assert_eq!(names, [("/f", 2), ("/a", 1), ("/b", 1), ("/c", 1), ("/d", 1)]);
    }

    #[test]
    fn the_p95_is_the_value_of_its_rank() {
        for n in 1..=200_usize {
            // Every value once, in shuffled order: 7 and 211 have no common factor.
            let mut durations: Vec<f64> =
                (0..211).map(|k| (k * 7 % 211) as f64).filter(|value| *value < n as f64).collect();
            assert_eq!(p95(&mut durations), Some(((n - 1) * 95 / 100) as f64), "{n}");
        }
        assert_eq!(p95(&mut []), None);
    }

    #[test]
    fn an_answer_is_bounded() {
        let summary = summarise(format!("[{}]", vec!["1"; 1_000].join(",")).as_bytes()).unwrap();
        assert_eq!((summary.rejected.events, summary.rejected.first.len()), (1_000, REJECTED_SHOWN_MAX));
    }
}
