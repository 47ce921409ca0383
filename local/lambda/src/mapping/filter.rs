//! `FilterCriteria`: which records a mapping keeps from its function ("Control which events Lambda sends to your
//! function"). Pure.
//!
//! A pattern has the form of what it filters, with a list of rules at each leaf: a record passes a filter when every
//! leaf has a rule that holds, and a mapping when it passes any of its filters. What does not pass counts as processed:
//! a stream's checkpoint moves over it, a queue's message is deleted.
//!
//! `data` of a Kinesis record and `body` of a message are looked into as JSON; where they are not JSON, a pattern that
//! looks into them does not hold. Numbers are compared as 64-bit floats, and `numeric` also takes a text that is a
//! number, since that is how DynamoDB JSON writes them.

use serde_json::{Map, Value};

/// "You can define up to five different filters", 10 on request; here at once 10.
const FILTERS_MAX: usize = 10;
/// Bytes of one pattern ("Filter": `Pattern`, at most 4,096).
const PATTERN_BYTES_MAX: usize = 4_096;
/// Levels of one pattern. AWS names none; this bounds the recursion.
const DEPTH_MAX: usize = 32;

/// The filters of a mapping. The default lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    /// Every field's pattern holds.
    Fields(Vec<(String, Pattern)>),
    /// `$or`: any of these holds.
    Any(Vec<Pattern>),
    /// A leaf: any of these holds.
    Rules(Vec<Rule>),
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Equals(Value),
    EqualsIgnoringCase(String),
    Prefix(String),
    Suffix(String),
    Exists(bool),
    AnythingBut(Vec<Rule>),
    /// Every comparison holds.
    Numeric(Vec<(Comparison, f64)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filters {
    /// Reads the `Pattern` of each filter.
    ///
    /// # Errors
    /// What is wrong with the first pattern that Lambda would refuse, or whose operator is not known here.
    pub fn parse<P: AsRef<str>>(patterns: &[P]) -> Result<Filters, String> {
        if patterns.len() > FILTERS_MAX {
            return Err(format!("has {} filters, at most {FILTERS_MAX}", patterns.len()));
        }
        let one = |(index, text): (usize, &P)| {
            let text = text.as_ref();
            if text.len() > PATTERN_BYTES_MAX {
                return Err(format!("filter {index} has {} bytes, at most {PATTERN_BYTES_MAX}", text.len()));
            }
            let pattern: Value =
                serde_json::from_str(text).map_err(|error| format!("filter {index} is not JSON: {error}"))?;
            match pattern {
                Value::Object(fields) => {
                    Pattern::fields(fields, 0).map_err(|problem| format!("filter {index}: {problem}"))
                }
                _ => Err(format!("filter {index} is not an object")),
            }
        };
        Ok(Filters { patterns: patterns.iter().enumerate().map(one).collect::<Result<_, _>>()? })
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a record passes.
    pub(crate) fn pass(&self, record: &Value) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.holds(Some(record)))
    }

    /// Whether any pattern looks into the field as JSON, and not at its text.
    pub(crate) fn look_into(&self, field: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Fields(fields) => {
                fields.iter().any(|(name, pattern)| name == field && !matches!(pattern, Pattern::Rules(_)))
            }
            _ => false,
        })
    }
}

impl Pattern {
    fn fields(fields: Map<String, Value>, depth: usize) -> Result<Pattern, String> {
        if depth >= DEPTH_MAX {
            return Err(format!("is nested deeper than {DEPTH_MAX} levels"));
        }
        let field = |(name, value): (String, Value)| {
            let pattern = match value {
                Value::Array(of) if name == "$or" => Pattern::any(of, depth + 1)?,
                Value::Object(fields) => Pattern::fields(fields, depth + 1)?,
                Value::Array(rules) if !rules.is_empty() => {
                    let rules = rules.into_iter().map(|rule| Rule::parse(rule, true));
                    Pattern::Rules(rules.collect::<Result<_, _>>().map_err(|problem| format!("`{name}`: {problem}"))?)
                }
                other => return Err(format!("`{name}` is {other}, expected an object or a list of rules")),
            };
            Ok((name, pattern))
        };
        Ok(Pattern::Fields(fields.into_iter().map(field).collect::<Result<_, _>>()?))
    }

    fn any(of: Vec<Value>, depth: usize) -> Result<Pattern, String> {
        let one = |value| match value {
            Value::Object(fields) => Pattern::fields(fields, depth),
            other => Err(format!("`$or` holds {other}, expected objects")),
        };
        Ok(Pattern::Any(of.into_iter().map(one).collect::<Result<_, _>>()?))
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Pattern::Fields(fields) => fields.iter().all(|(name, pattern)| match pattern {
                Pattern::Any(_) => pattern.holds(value),
                _ => pattern.holds(value.and_then(|value| value.get(name))),
            }),
            Pattern::Any(of) => of.iter().any(|pattern| pattern.holds(value)),
            // Of a list, any element may satisfy a rule ("Amazon EventBridge event patterns: arrays").
            Pattern::Rules(rules) => rules.iter().any(|rule| match value {
                Some(Value::Array(values)) if !matches!(rule, Rule::Exists(_)) => {
                    values.iter().any(|value| rule.holds(Some(value)))
                }
                value => rule.holds(value),
            }),
        }
    }
}

impl Rule {
    /// `nests` where `anything-but` may stand.
    fn parse(rule: Value, nests: bool) -> Result<Rule, String> {
        let Value::Object(mut operator) = rule else {
            return match rule {
                Value::Array(_) => Err("a list stands within a list of rules".to_owned()),
                value => Ok(Rule::Equals(value)),
            };
        };
        let (Some(name), 1) = (operator.keys().next().cloned(), operator.len()) else {
            return Err("a rule has one operator".to_owned());
        };
        let argument = operator.remove(&name).unwrap_or_default();
        let wrong = |expected: &str| format!("`{name}` takes {expected}");
        let text = |argument: Value| match argument {
            Value::String(text) => Ok(text),
            _ => Err(wrong("a text")),
        };
        match (name.as_str(), argument) {
            ("equals-ignore-case", argument) => Ok(Rule::EqualsIgnoringCase(text(argument)?.to_lowercase())),
            ("prefix", argument) => Ok(Rule::Prefix(text(argument)?)),
            ("suffix", argument) => Ok(Rule::Suffix(text(argument)?)),
            ("exists", Value::Bool(exists)) => Ok(Rule::Exists(exists)),
            ("exists", _) => Err(wrong("true or false")),
            ("anything-but", Value::Array(of)) if nests => {
                Ok(Rule::AnythingBut(of.into_iter().map(|rule| Rule::parse(rule, false)).collect::<Result<_, _>>()?))
            }
            ("anything-but", one) if nests => Ok(Rule::AnythingBut(vec![Rule::parse(one, false)?])),
            ("numeric", Value::Array(of)) => {
                Ok(Rule::Numeric(comparisons(&of).ok_or_else(|| wrong("pairs of =, <, <=, > or >= and a number"))?))
            }
            (other, _) => Err(format!("the operator `{other}` is not one of Lambda's")),
        }
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        let text = value.and_then(Value::as_str);
        match self {
            // "Exists works only on leaf nodes."
            Rule::Exists(exists) => value.is_some_and(|value| !value.is_object()) == *exists,
            Rule::Equals(expected) => value.is_some_and(|value| equal(value, expected)),
            Rule::EqualsIgnoringCase(expected) => text.is_some_and(|text| text.to_lowercase() == *expected),
            Rule::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Rule::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Rule::AnythingBut(rules) => value.is_some() && !rules.iter().any(|rule| rule.holds(value)),
            Rule::Numeric(comparisons) => {
                let number = value.and_then(Value::as_f64).or_else(|| text.and_then(|text| text.parse().ok()));
                number.is_some_and(|number| comparisons.iter().all(|(how, bound)| how.holds(number, *bound)))
            }
        }
    }
}

/// 300, 300.0 and 3.0e2 are one number.
fn equal(value: &Value, expected: &Value) -> bool {
    match (value.as_f64(), expected.as_f64()) {
        (Some(value), Some(expected)) => value == expected,
        _ => value == expected,
    }
}

fn comparisons(of: &[Value]) -> Option<Vec<(Comparison, f64)>> {
    if of.is_empty() || !of.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[Value]| {
        let how = match pair[0].as_str()? {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((how, pair[1].as_f64()?))
    };
    of.chunks(2).map(pair).collect()
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Equal => number == bound,
            Comparison::Less => number < bound,
            Comparison::LessOrEqual => number <= bound,
            Comparison::Greater => number > bound,
            Comparison::GreaterOrEqual => number >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The comparison operators of "Filter rule syntax", each against what passes and what does not.
    #[test]
    fn every_documented_operator() {
        let cases = [
            (json!({"u": [null]}), json!({"u": null}), json!({"u": ""})),
            (json!({"u": [""]}), json!({"u": ""}), json!({"u": null})),
            (json!({"u": ["a"]}), json!({"u": "a"}), json!({"u": "A"})),
            (json!({"u": [{"equals-ignore-case": "aB"}]}), json!({"u": "Ab"}), json!({"u": "abc"})),
            (json!({"u": ["a"], "v": [1]}), json!({"u": "a", "v": 1.0}), json!({"u": "a", "v": 2})),
            (json!({"u": ["a", "b"]}), json!({"u": "b"}), json!({"u": "c"})),
            (json!({"$or": [{"u": ["a"]}, {"v": [1]}]}), json!({"v": 1}), json!({"u": "b"})),
            (json!({"u": [{"anything-but": ["a"]}]}), json!({"u": "b"}), json!({"u": "a"})),
            (json!({"u": [{"anything-but": {"prefix": "a"}}]}), json!({"u": "b"}), json!({"u": "ab"})),
            (json!({"u": [{"numeric": ["=", 100]}]}), json!({"u": 1.0e2}), json!({"u": 101})),
            (json!({"u": [{"numeric": [">", 10, "<=", 20]}]}), json!({"u": 20}), json!({"u": 10})),
            (json!({"u": [{"numeric": [">", 10]}]}), json!({"u": "11"}), json!({"u": "x"})),
            (json!({"u": [{"exists": true}]}), json!({"u": null}), json!({"v": 1})),
            (json!({"u": [{"exists": false}]}), json!({"v": 1}), json!({"u": 1})),
            (json!({"u": [{"prefix": "us-"}]}), json!({"u": "us-east-1"}), json!({"u": "eu-us-"})),
            (json!({"u": [{"suffix": ".png"}]}), json!({"u": "a.png"}), json!({"u": "png"})),
            (json!({"u": {"v": ["a"]}}), json!({"u": {"v": "a"}}), json!({"v": "a"})),
            (json!({"u": ["a"]}), json!({"u": ["b", "a"]}), json!({"u": ["b"]})),
        ];
        for (pattern, passes, stays) in cases {
            let filters = Filters::parse(&[pattern.to_string()]).expect("a pattern");
            assert!(filters.pass(&passes), "{pattern} {passes}");
            assert!(!filters.pass(&stays), "{pattern} {stays}");
        }
    }

    #[test]
    fn any_filter_is_enough_and_none_lets_all_pass() {
        let filters = Filters::parse(&[r#"{"u":["a"]}"#, r#"{"v":["a"]}"#]).expect("patterns");
        assert!(filters.pass(&json!({"v": "a"})) && !filters.pass(&json!({})));
        assert!(Filters::default().pass(&json!({})));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        let refused = [
            ("[]", "not an object"),
            ("{", "not JSON"),
            (r#"{"u":"a"}"#, "expected an object or a list"),
            (r#"{"u":[]}"#, "expected an object or a list"),
            (r#"{"u":[{"cidr":"10.0.0.0/8"}]}"#, "`cidr` is not one of Lambda's"),
            (r#"{"u":[{"numeric":[">"]}]}"#, "`numeric` takes pairs"),
            (r#"{"u":[{"exists":1}]}"#, "`exists` takes true or false"),
            (r#"{"u":[{"prefix":"a","suffix":"b"}]}"#, "one operator"),
        ];
        for (pattern, expected) in refused {
            let problem = Filters::parse(&[pattern]).expect_err(pattern);
            assert!(problem.contains(expected), "{pattern}: {problem}");
        }
        assert!(Filters::parse(&[format!("{{\"u\":[\"{}\"]}}", "a".repeat(PATTERN_BYTES_MAX))]).is_err());
        assert!(Filters::parse(&["{}"; FILTERS_MAX + 1]).is_err());
        let deep = format!("{}[1]{}", r#"{"u":"#.repeat(DEPTH_MAX + 1), "}".repeat(DEPTH_MAX + 1));
        assert!(Filters::parse(&[deep]).expect_err("too deep").contains("levels"));
    }
}
