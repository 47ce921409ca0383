//! Reading a resource's properties: typed, ranged, and accounted for. Each property is honoured, noted as without
//! local effect, warned about, or refused; none can be passed over, because what no rule names is warned about too.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::error::{Outcome, Problem};
use crate::intrinsics;
use crate::node::{Node, Value};
use crate::plan::{Plan, Warning};
use crate::scope::Scope;

/// What the local plane does with a property.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Treatment {
    /// Read into the plan.
    Honoured,
    /// Means nothing on one machine.
    NoEffect,
    /// Behaves otherwise than on AWS; the text says how.
    Warned(&'static str),
    /// Running without it would be wrong; the text says why.
    Refused(&'static str),
}

/// Properties of one resource or event, not yet evaluated.
pub(crate) struct Properties<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) resource: &'a str,
    /// Dotted below the resource, empty for its own properties.
    pub(crate) prefix: String,
    pub(crate) node: &'a Node,
}

impl<'a> Properties<'a> {
    pub(crate) fn new(
        scope: &'a Scope<'a>,
        resource: &'a str,
        prefix: impl Into<String>,
        node: &'a Node,
    ) -> Outcome<Self> {
        let this = Self { scope, resource, prefix: prefix.into(), node };
        if node.entries().is_none() || node.intrinsic().is_some() {
            return Err(Problem::new(node.line, this.place(""), format!("found {}, expected a map", node.described())));
        }
        Ok(this)
    }

    fn property(&self, key: &str) -> String {
        [self.prefix.as_str(), key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    pub(crate) fn place(&self, key: &str) -> String {
        [self.resource, &self.property(key)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let line = self.node.get(key).map_or(self.node.line, |node| node.line);
        Problem::new(line, self.place(key), message)
    }

    /// Applies the rules; call once per map of properties.
    pub(crate) fn account(&self, plan: &mut Plan, rules: &[(&str, Treatment)]) -> Outcome<()> {
        for entry in self.node.entries().unwrap_or_default() {
            let treatment = rules.iter().find(|(name, _)| *name == entry.key).map(|(_, treatment)| *treatment);
            // `Key: !If [Used, value, !Ref AWS::NoValue]` may amount to nothing, and a switch that is off asks for nothing.
            let absent = || {
                let value = intrinsics::evaluate(self.scope, &entry.node, &self.place(&entry.key))?;
                Ok(value.is_none_or(|value| value.as_text() == Some("false")))
            };
            match treatment {
                Some(Treatment::Honoured) => {}
                Some(Treatment::NoEffect) => {
                    plan.no_local_effect.entry(entry.key.clone()).or_default().push(self.resource.to_owned());
                }
                Some(Treatment::Warned(message)) => {
                    if !absent()? {
                        self.warn(plan, &entry.key, message);
                    }
                }
                Some(Treatment::Refused(message)) => {
                    if !absent()? {
                        return Err(self.problem(&entry.key, message));
                    }
                }
                None => self.warn(plan, &entry.key, "not known to the local plane and not honoured"),
            }
        }
        Ok(())
    }

    pub(crate) fn warn(&self, plan: &mut Plan, key: &str, message: &str) {
        let resource = self.resource.to_owned();
        plan.warnings.push(Warning { resource, property: self.property(key), message: message.to_owned() });
    }

    /// The evaluated property; `None` when absent, `AWS::NoValue` or null.
    pub(crate) fn value(&self, key: &str) -> Outcome<Option<Node>> {
        let Some(node) = self.node.get(key) else { return Ok(None) };
        let value = intrinsics::evaluate(self.scope, node, &self.place(key))?;
        Ok(value.filter(|node| node.value != Value::Null))
    }

    pub(crate) fn text(&self, key: &str) -> Outcome<Option<String>> {
        match self.value(key)? {
            None => Ok(None),
            Some(node) => match node.as_text() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.problem(key, format!("found {}, expected text", node.described()))),
            },
        }
    }

    pub(crate) fn required(&self, key: &str) -> Outcome<String> {
        self.text(key)?.ok_or_else(|| self.problem(key, "is missing"))
    }

    pub(crate) fn one_of(&self, key: &str, allowed: &[&str]) -> Outcome<Option<String>> {
        match self.text(key)? {
            Some(text) if !allowed.contains(&text.as_str()) => {
                Err(self.problem(key, format!("found `{text}`, expected one of {}", allowed.join(", "))))
            }
            other => Ok(other),
        }
    }

    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Outcome<Option<i64>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.problem(
                key,
                format!("found `{text}`, expected an integer from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// An integer of a range within `u32`.
    pub(crate) fn count(&self, key: &str, range: RangeInclusive<u32>) -> Outcome<Option<u32>> {
        let number = self.integer(key, i64::from(*range.start())..=i64::from(*range.end()))?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    }

    pub(crate) fn boolean(&self, key: &str) -> Outcome<Option<bool>> {
        match self.text(key)?.as_deref() {
            None => Ok(None),
            // YAML 1.1, which CloudFormation reads, has more words for them; templates that use those are asked to say it plainly.
            Some("true" | "True" | "TRUE") => Ok(Some(true)),
            Some("false" | "False" | "FALSE") => Ok(Some(false)),
            Some(other) => Err(self.problem(key, format!("found `{other}`, expected true or false"))),
        }
    }

    /// A list; a single value counts as a list of one, as CloudFormation has it.
    pub(crate) fn list(&self, key: &str) -> Outcome<Vec<Node>> {
        Ok(match self.value(key)? {
            None => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => items,
            Some(other) => vec![other],
        })
    }

    pub(crate) fn texts(&self, key: &str) -> Outcome<Vec<String>> {
        self.list(key)?
            .iter()
            .map(|item| match item.as_text() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.problem(key, format!("found {} in the list, expected text", item.described()))),
            })
            .collect()
    }

    /// A map of texts, such as environment variables.
    pub(crate) fn text_map(&self, key: &str) -> Outcome<BTreeMap<String, String>> {
        let Some(node) = self.value(key)? else { return Ok(BTreeMap::new()) };
        let Some(entries) = node.entries() else {
            return Err(self.problem(key, format!("found {}, expected a map", node.described())));
        };
        entries
            .iter()
            .map(|entry| match (&entry.node.value, entry.node.as_text()) {
                (_, Some(text)) => Ok((entry.key.clone(), text.to_owned())),
                (Value::Null, _) => Ok((entry.key.clone(), String::new())),
                _ => {
                    let message = format!("found {}, expected text", entry.node.described());
                    Err(Problem::new(entry.line, self.place(&format!("{key}.{}", entry.key)), message))
                }
            })
            .collect()
    }

    /// The map under a key, for reading further; `None` when absent or `AWS::NoValue`. Functions around the map
    /// itself (`!If`) are evaluated by the caller's [`Properties::value`] and read with [`Properties::new`].
    pub(crate) fn nested(&self, key: &str) -> Outcome<Option<Properties<'a>>> {
        match self.node.get(key) {
            None => Ok(None),
            Some(node) => Properties::new(self.scope, self.resource, self.property(key), node).map(Some),
        }
    }
}
