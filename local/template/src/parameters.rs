//! The Parameters section: defaults, overrides, and the checks that CloudFormation makes before it creates anything.

use std::collections::BTreeMap;

use crate::error::{Outcome, Problem};
use crate::node::{Node, Value};

/// What a parameter is that has neither an override nor a default that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// An error: what is run needs a value.
    Refused,
    /// Without a value, and unknown wherever it is used.
    Left,
}

/// Each parameter's value: the override, else the default.
pub(crate) fn values(
    section: Option<&Node>,
    overrides: &BTreeMap<String, String>,
    missing: Missing,
) -> Outcome<BTreeMap<String, Node>> {
    let declared = match section {
        None => &[],
        Some(node) => node.entries().ok_or_else(|| {
            Problem::new(node.line, "Parameters", format!("found {}, expected a map", node.described()))
        })?,
    };
    for name in overrides.keys() {
        if !declared.iter().any(|entry| &entry.key == name) {
            let known: Vec<&str> = declared.iter().map(|entry| entry.key.as_str()).collect();
            let message = format!("no such parameter; the template has {}", listed(&known));
            return Err(Problem::new(0, format!("Parameters.{name}"), message));
        }
    }
    declared
        .iter()
        .filter(|entry| missing == Missing::Refused || overrides.contains_key(&entry.key) || has_value(&entry.node))
        .map(|entry| Ok((entry.key.clone(), value(&entry.key, &entry.node, overrides.get(&entry.key))?)))
        .collect()
}

/// Whether the declaration alone gives a value; what is kept in SSM is not there.
fn has_value(declaration: &Node) -> bool {
    let kind = declaration.get("Type").and_then(Node::as_text).unwrap_or_default();
    declaration.get("Default").is_some() && !kind.starts_with("AWS::SSM::Parameter::Value")
}

fn value(name: &str, declaration: &Node, given: Option<&String>) -> Outcome<Node> {
    let place = format!("Parameters.{name}");
    let line = declaration.line;
    let fail = |message: String| Err(Problem::new(line, &place, message));
    let kind = declaration.get("Type").and_then(Node::as_text).unwrap_or_default();
    let default = declaration.get("Default");
    let text = match (given, default) {
        (Some(text), _) => text.clone(),
        (None, Some(Node { value: Value::Null, .. })) => String::new(),
        (None, Some(node)) => match node.as_text() {
            Some(text) => text.to_owned(),
            None => return fail(format!("Default is {}, expected text or a number", node.described())),
        },
        (None, None) => return fail("has no Default and no override was given".to_owned()),
    };
    if kind.is_empty() {
        return fail("has no Type, expected String, Number, CommaDelimitedList or List<…>".to_owned());
    }
    if kind.starts_with("AWS::SSM::Parameter::Value") && given.is_none() {
        return fail("is kept in SSM, which is not read locally; give its value as an override".to_owned());
    }
    let listed_kind = kind == "CommaDelimitedList" || kind.starts_with("List<") || kind.contains("Value<List<");
    let items: Vec<&str> = if listed_kind { text.split(',').map(str::trim).collect() } else { vec![&text] };
    for item in &items {
        check(declaration, &place, kind, item)?;
    }
    Ok(if listed_kind {
        Node::list(line, items.iter().map(|item| Node::text(line, *item)).collect())
    } else {
        Node::text(line, text)
    })
}

fn check(declaration: &Node, place: &str, kind: &str, text: &str) -> Outcome<()> {
    let line = declaration.line;
    let fail = |message: String| Err(Problem::new(line, place, message));
    if let Some(Node { value: Value::List(allowed), .. }) = declaration.get("AllowedValues") {
        let allowed: Vec<&str> = allowed.iter().filter_map(Node::as_text).collect();
        if !allowed.contains(&text) {
            return fail(format!("found `{text}`, expected one of {}", listed(&allowed)));
        }
    }
    let bound = |key: &str| declaration.get(key).and_then(Node::as_text).and_then(|text| text.parse::<f64>().ok());
    if kind == "Number" || kind == "List<Number>" {
        let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) else {
            return fail(format!("found `{text}`, expected a number"));
        };
        if bound("MinValue").is_some_and(|least| number < least) || bound("MaxValue").is_some_and(|most| number > most)
        {
            let (least, most) = (bound("MinValue"), bound("MaxValue"));
            return fail(format!("found {text}, expected {}", range(least, most)));
        }
    } else {
        #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
        let length = text.chars().count() as f64;
        if bound("MinLength").is_some_and(|least| length < least)
            || bound("MaxLength").is_some_and(|most| length > most)
        {
            let wanted = range(bound("MinLength"), bound("MaxLength"));
            return fail(format!("found {length} characters, expected {wanted}"));
        }
    }
    Ok(())
}

fn range(least: Option<f64>, most: Option<f64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "a value".to_owned(),
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
