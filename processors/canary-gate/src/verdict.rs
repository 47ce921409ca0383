//! Compares what is found with a golden, and derives the vote.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Differences listed in a refusal; the rest is only counted.
const DIFFERENCES_SHOWN_MAX: usize = 20;

/// The gate's verdict on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may get traffic.
    Passed,
    /// It may not, and why: one line each.
    Refused(Vec<String>),
}

impl Verdict {
    /// Passed if there are no reasons.
    pub fn of(reasons: Vec<String>) -> Self {
        if reasons.is_empty() { Self::Passed } else { Self::Refused(reasons) }
    }

    /// Refused for one reason.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(vec![reason.to_string()])
    }

    /// Why it was refused, up to the limit shown.
    pub fn reasons(&self) -> Vec<String> {
        let Self::Refused(reasons) = self else { return vec![] };
        let mut shown: Vec<String> = reasons.iter().take(DIFFERENCES_SHOWN_MAX).cloned().collect();
        if reasons.len() > shown.len() {
            shown.push(format!("and {} more", reasons.len() - shown.len()));
        }
        shown
    }
}

/// How the lines found differ from those expected: each line as often as it is missing or surplus.
pub fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    expected.iter().for_each(|line| *balance.entry(line).or_default() -= 1);
    found.iter().for_each(|line| *balance.entry(line).or_default() += 1);
    let differing = balance.into_iter().filter(|(_, count)| *count != 0);
    differing.map(|(line, count)| format!("{} {line}", if count < 0 { "missing:" } else { "instead:" })).collect()
}

/// Whether a response is as expected: in an object every expected member, in text that contains JSON its value, and
/// anything else exactly.
pub fn is_like(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(members), Value::Object(found)) => {
            members.iter().all(|(name, value)| found.get(name).is_some_and(|found| is_like(value, found)))
        }
        (Value::Object(_), Value::String(text)) => {
            serde_json::from_str(text).is_ok_and(|found: Value| found.is_object() && is_like(expected, &found))
        }
        (Value::Array(items), Value::Array(found)) => {
            items.len() == found.len() && items.iter().zip(found).all(|(item, found)| is_like(item, found))
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_line_that_differs_is_named() {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(differences(&lines("a b b c"), &lines("c b a b")), Vec::<String>::new());
        assert_eq!(differences(&lines("a b b"), &lines("b d")), ["missing: a", "missing: b", "instead: d"]);
        let many: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let reasons = Verdict::of(differences(&many, &[])).reasons();
        assert_eq!((reasons.len(), reasons.last().map(String::as_str)), (21, Some("and 10 more")));
        assert_eq!(Verdict::of(vec![]), Verdict::Passed);
    }

    #[test]
    fn an_answer_is_held_against_what_is_expected_of_it() {
        let none = json!({"batchItemFailures": []});
        assert!(is_like(&none, &json!({"batchItemFailures": [], "more": 1})));
        assert!(!is_like(&none, &json!({"batchItemFailures": [{"itemIdentifier": "1"}]})));
        assert!(!is_like(&none, &Value::Null));
        let summary = json!({"statusCode": 200, "body": {"total_events": 2}});
        assert!(is_like(&summary, &json!({"statusCode": 200, "body": "{\"total_events\":2,\"compute_ms\":0.1}"})));
        assert!(!is_like(&summary, &json!({"statusCode": 200, "body": "{\"total_events\":3}"})));
        assert!(!is_like(&summary, &json!({"statusCode": 200, "body": "2"})));
    }
}
