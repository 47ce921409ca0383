//! What names mean in one template: parameters, pseudo parameters, conditions, and which resources exist.

use std::collections::BTreeMap;

use crate::error::{Outcome, Problem};
use crate::node::{Node, Value};
use crate::{Settings, intrinsics, parameters};

/// A template's sections and the values of its parameters.
pub(crate) struct Scope<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) parameters: BTreeMap<String, Node>,
    pub(crate) resources: BTreeMap<&'a str, &'a Node>,
    /// `Globals.Function`.
    pub(crate) global_function: Option<&'a Node>,
    conditions: Option<&'a Node>,
    mappings: Option<&'a Node>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(root: &'a Node, settings: &'a Settings) -> Outcome<Self> {
        let parameters = parameters::values(root.get("Parameters"), &settings.parameters)?;
        let Some(resources) = root.get("Resources").and_then(Node::entries) else {
            return Err(Problem::new(root.line, "Resources", "found no map of resources, expected at least one"));
        };
        Ok(Self {
            settings,
            parameters,
            resources: resources.iter().map(|entry| (entry.key.as_str(), &entry.node)).collect(),
            global_function: root.get("Globals").and_then(|globals| globals.get("Function")),
            conditions: root.get("Conditions"),
            mappings: root.get("Mappings"),
        })
    }

    /// `AWS::…`; `Some(None)` is `AWS::NoValue`, `None` an unknown name.
    pub(crate) fn pseudo(&self, name: &str) -> Option<Option<String>> {
        let Settings { stack, account, region, .. } = self.settings;
        Some(match name {
            "AWS::NoValue" => None,
            "AWS::Region" => Some(region.clone()),
            "AWS::AccountId" => Some(account.clone()),
            "AWS::StackName" => Some(stack.clone()),
            "AWS::StackId" => Some(format!("arn:aws:cloudformation:{region}:{account}:stack/{stack}/local")),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            _ => return None,
        })
    }

    pub(crate) fn condition_names(&self) -> impl Iterator<Item = &str> {
        self.conditions.and_then(Node::entries).unwrap_or_default().iter().map(|entry| entry.key.as_str())
    }

    /// Whether the named condition holds.
    pub(crate) fn condition(&self, name: &str, line: usize, place: &str) -> Outcome<bool> {
        self.condition_within(name, line, place, &mut Vec::new())
    }

    fn condition_within(&self, name: &str, line: usize, place: &str, open: &mut Vec<String>) -> Outcome<bool> {
        let Some(node) = self.conditions.and_then(|conditions| conditions.get(name)) else {
            return Err(Problem::new(
                line,
                place,
                format!("found the condition `{name}`, which Conditions does not define"),
            ));
        };
        if open.iter().any(|other| other == name) {
            return Err(Problem::new(node.line, format!("Conditions.{name}"), "refers to itself"));
        }
        open.push(name.to_owned());
        let holds = self.truth(node, &format!("Conditions.{name}"), open)?;
        open.pop();
        Ok(holds)
    }

    fn truth(&self, node: &Node, place: &str, open: &mut Vec<String>) -> Outcome<bool> {
        let wrong =
            |expected: &str| Problem::new(node.line, place, format!("found {}, expected {expected}", node.described()));
        let Some((function, argument)) = node.intrinsic() else {
            return Err(wrong("Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition"));
        };
        let operands = |least: usize, most: usize| match &argument.value {
            Value::List(items) if (least..=most).contains(&items.len()) => Ok(items),
            _ => Err(Problem::new(argument.line, place, format!("{function} expects a list of {least} to {most}"))),
        };
        match function {
            "Condition" => match argument.as_text() {
                Some(name) => self.condition_within(name, argument.line, place, open),
                None => Err(wrong("the name of a condition")),
            },
            "Fn::Equals" => {
                let items = operands(2, 2)?;
                let left = intrinsics::evaluate(self, &items[0], place)?;
                let right = intrinsics::evaluate(self, &items[1], place)?;
                Ok(left.map(|node| node.value.without_lines()) == right.map(|node| node.value.without_lines()))
            }
            "Fn::Not" => Ok(!self.truth(&operands(1, 1)?[0], place, open)?),
            "Fn::And" | "Fn::Or" => {
                let mut values = Vec::new();
                for item in operands(2, 10)? {
                    values.push(self.truth(item, place, open)?);
                }
                Ok(if function == "Fn::And" { values.iter().all(|v| *v) } else { values.iter().any(|v| *v) })
            }
            _ => Err(wrong("Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition")),
        }
    }

    /// A value of the Mappings section.
    pub(crate) fn find_in_map(&self, keys: [&str; 3], line: usize, place: &str) -> Outcome<&Node> {
        let mut found = self.mappings;
        for key in keys {
            found = found.and_then(|node| node.get(key));
        }
        found.ok_or_else(|| Problem::new(line, place, format!("Mappings has no {}", keys.join("."))))
    }

    /// Whether the resource is in the template and its condition holds.
    pub(crate) fn exists(&self, logical_id: &str) -> Outcome<bool> {
        let Some(resource) = self.resources.get(logical_id) else { return Ok(false) };
        match resource.get("Condition") {
            None => Ok(true),
            Some(node) => match node.as_text() {
                Some(name) => self.condition(name, node.line, logical_id),
                None => Err(Problem::new(node.line, logical_id, "Condition expects the name of a condition")),
            },
        }
    }

    pub(crate) fn resource_type(&self, logical_id: &str) -> Option<&'a str> {
        self.resources.get(logical_id)?.get("Type")?.as_text()
    }
}

impl Value {
    /// For comparison: where a value stood does not matter.
    pub(crate) fn without_lines(self) -> Value {
        let bare = |node: Node| Node { line: 0, value: node.value.without_lines() };
        match self {
            Value::List(items) => Value::List(items.into_iter().map(bare).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|mut entry| {
                        entry.line = 0;
                        entry.node = bare(entry.node);
                        entry
                    })
                    .collect(),
            ),
            other => other,
        }
    }
}
