//! What names mean in one template: parameters, pseudo parameters, conditions, and which resources exist.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Outcome, Problem};
use crate::node::{Entry, Node, Value};
use crate::parameters::Missing;
use crate::{Settings, intrinsics, parameters};

/// Conditions within conditions. Real templates stay below 5.
const CONDITION_DEPTH_MAX: usize = 32;
/// Text that evaluation may produce in all: sixteen templates of the largest size. A few functions can otherwise repeat one
/// long parameter or mapping without end.
const EVALUATED_BYTES_MAX: usize = 16_000_000;

/// A template's sections and the values of its parameters.
pub(crate) struct Scope<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) parameters: BTreeMap<String, Node>,
    /// Parameters that are declared and have no value, where that is allowed.
    pub(crate) without_value: BTreeSet<&'a str>,
    pub(crate) resources: BTreeMap<&'a str, &'a Node>,
    /// `Globals.Function`.
    pub(crate) global_function: Option<&'a Node>,
    pub(crate) conditions: BTreeMap<&'a str, &'a Node>,
    /// What each condition came to; `None` while it is being found out. Without this memory, twenty conditions that name
    /// the one before twice take a million steps.
    decided: RefCell<BTreeMap<String, Option<bool>>>,
    conditions_open: Cell<usize>,
    evaluated_bytes: Cell<usize>,
    mappings: Option<&'a Node>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(root: &'a Node, settings: &'a Settings, missing: Missing) -> Outcome<Self> {
        let parameters = parameters::values(root.get("Parameters"), &settings.parameters, missing)?;
        let Some(resources) = root.get("Resources").and_then(Node::entries) else {
            return Err(Problem::new(root.line, "Resources", "found no map of resources, expected at least one"));
        };
        let declared = entries(root, "Parameters").iter().map(|entry| entry.key.as_str());
        let without_value = declared.filter(|name| !parameters.contains_key(*name)).collect();
        Ok(Self {
            settings,
            parameters,
            without_value,
            resources: resources.iter().map(|entry| (entry.key.as_str(), &entry.node)).collect(),
            global_function: root.get("Globals").and_then(|globals| globals.get("Function")),
            conditions: entries(root, "Conditions").iter().map(|entry| (entry.key.as_str(), &entry.node)).collect(),
            decided: RefCell::default(),
            conditions_open: Cell::new(0),
            evaluated_bytes: Cell::new(0),
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

    /// Counts what evaluation produced.
    pub(crate) fn charge(&self, bytes: usize, line: usize, place: &str) -> Outcome<()> {
        self.evaluated_bytes.set(self.evaluated_bytes.get().saturating_add(bytes));
        if self.evaluated_bytes.get() > EVALUATED_BYTES_MAX {
            let message =
                format!("the template's functions produce more text than the limit of {EVALUATED_BYTES_MAX} bytes");
            return Err(Problem::new(line, place, message));
        }
        Ok(())
    }

    /// Whether the named condition holds.
    pub(crate) fn condition(&self, name: &str, line: usize, place: &str) -> Outcome<bool> {
        let Some(node) = self.conditions.get(name) else {
            return Err(Problem::new(
                line,
                place,
                format!("found the condition `{name}`, which Conditions does not define"),
            ));
        };
        let place = format!("Conditions.{name}");
        // Whichever way led back here: another condition, `Fn::If`, or the name of a resource.
        match self.decided.borrow().get(name) {
            None => {}
            Some(None) => return Err(Problem::new(node.line, place, "refers to itself")),
            Some(Some(holds)) => return Ok(*holds),
        }
        self.decided.borrow_mut().insert(name.to_owned(), None);
        let open = self.conditions_open.get();
        if open >= CONDITION_DEPTH_MAX {
            let message = format!("conditions refer to one another deeper than the limit of {CONDITION_DEPTH_MAX}");
            return Err(Problem::new(node.line, place, message));
        }
        self.conditions_open.set(open + 1);
        let holds = self.truth(node, &place);
        self.conditions_open.set(open);
        // What cannot be told is asked anew, and says why again.
        match holds {
            Ok(holds) => self.decided.borrow_mut().insert(name.to_owned(), Some(holds)),
            Err(_) => self.decided.borrow_mut().remove(name),
        };
        holds
    }

    fn truth(&self, node: &Node, place: &str) -> Outcome<bool> {
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
                Some(name) => self.condition(name, argument.line, place),
                None => Err(wrong("the name of a condition")),
            },
            "Fn::Equals" => {
                let items = operands(2, 2)?;
                let left = intrinsics::evaluate(self, &items[0], place)?;
                let right = intrinsics::evaluate(self, &items[1], place)?;
                Ok(left.map(|node| node.value.without_lines()) == right.map(|node| node.value.without_lines()))
            }
            "Fn::Not" => Ok(!self.truth(&operands(1, 1)?[0], place)?),
            "Fn::And" | "Fn::Or" => {
                let mut values = Vec::new();
                for item in operands(2, 10)? {
                    values.push(self.truth(item, place)?);
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

/// Entries of a section; none where it is absent or no map.
fn entries<'a>(root: &'a Node, section: &str) -> &'a [Entry] {
    root.get(section).and_then(Node::entries).unwrap_or_default()
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
