//! A template's resources as plain trees, with every function evaluated that the template itself decides.
//!
//! [`plan`](crate::plan) is strict: what it does not know, it refuses. This view is for those who read templates
//! that were not written for the local plane: whatever type or property a resource has is there, with its line, and
//! what cannot be known here (an import, an attribute that only AWS gives, a parameter without a value) is
//! [`Kind::Unknown`], listed in [`Resolved::unknown`] and no reason to stop.

mod value;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Outcome, Problem, TemplateError};
use crate::intrinsics;
use crate::node::{self, Node};
use crate::scope::Scope;
use value::{ABSENT, literal};
pub use value::{Kind, Value};

use crate::{Settings, checked_sections, contents, globals, names, parameters, references, yaml};

/// A template's text, parsed once and resolved as often as there are parameter values to try.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    text: String,
    root: Node,
}

/// A declared parameter, as far as it says which values it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it is declared, from 1.
    pub line: usize,
    /// `MinValue` as it is written; numbers only.
    pub least: Option<String>,
    /// `MaxValue` as it is written; numbers only.
    pub most: Option<String>,
    /// `AllowedValues`.
    pub allowed: Vec<String>,
}

/// The template under one set of parameter values.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Resources whose condition holds, or cannot be told, in the template's order.
    pub resources: Vec<Resource>,
    /// The template's own `Metadata`.
    pub metadata: Value,
    /// What could not be evaluated.
    pub unknown: Vec<Unknown>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Logical id.
    pub id: String,
    /// For example `AWS::SQS::Queue`.
    pub kind: String,
    /// Where its logical id stands, from 1.
    pub line: usize,
    /// `Properties`; a SAM function's with `Globals` beneath.
    pub properties: Value,
    /// `Metadata`.
    pub metadata: Value,
    /// What `Ref` gives, where that is known.
    pub reference: Option<String>,
    /// `Arn`, where the type has one that is known.
    pub arn: Option<String>,
    /// `StreamArn` of a table that has a stream.
    pub stream_arn: Option<String>,
    /// Properties, dotted, whose text names a parameter, each with the parameter.
    pub parameters: Vec<(String, String)>,
}

/// A value that the template does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// From 1.
    pub line: usize,
    /// Resource and property, dotted.
    pub place: String,
    /// Why.
    pub message: String,
}

impl Document {
    /// Reads and parses the file.
    ///
    /// # Errors
    /// [`TemplateError`], with the file's path: it cannot be read, or [`Document::parse`] fails.
    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        let file = path.display().to_string();
        Self::parse(&contents(path, &file)?, &file)
    }

    /// Parses a template's text; `file` is only for messages.
    ///
    /// # Errors
    /// [`TemplateError`]: not YAML or JSON, beyond a limit, or not a map of a template's sections.
    pub fn parse(text: &str, file: &str) -> Result<Self, TemplateError> {
        let parsed = || -> Outcome<Node> {
            let root = yaml::parse(text)?;
            checked_sections(&root)?;
            Ok(root)
        };
        match parsed() {
            Ok(root) => Ok(Self { file: file.to_owned(), text: text.to_owned(), root }),
            Err(problem) => Err(TemplateError::new(file, problem)),
        }
    }

    /// The file's name, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A line of the text, from 1.
    pub fn line(&self, number: usize) -> Option<&str> {
        self.text.lines().nth(number.checked_sub(1)?)
    }

    /// The declared parameters.
    pub fn parameters(&self) -> Vec<Parameter> {
        let declared = self.root.get("Parameters").and_then(Node::entries).unwrap_or_default();
        let text = |node: &Node, key| node.get(key).and_then(Node::as_text).map(str::to_owned);
        let parameter = |entry: &node::Entry| {
            let node = &entry.node;
            let allowed = match node.get("AllowedValues").map(|node| &node.value) {
                Some(node::Value::List(items)) => items.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
                _ => Vec::new(),
            };
            let (least, most) = (text(node, "MinValue"), text(node, "MaxValue"));
            Parameter { name: entry.key.clone(), line: entry.line, least, most, allowed }
        };
        declared.iter().map(parameter).collect()
    }

    /// The resources under these settings.
    ///
    /// # Errors
    /// [`TemplateError`]: there are no resources, or a parameter's value is not one that it takes.
    pub fn resolve(&self, settings: &Settings) -> Result<Resolved, TemplateError> {
        self.resolved(settings).map_err(|problem| TemplateError::new(&self.file, problem))
    }

    fn resolved(&self, settings: &Settings) -> Outcome<Resolved> {
        let scope = Scope::new(&self.root, settings, parameters::Missing::Left)?;
        let mut reader = Reader { scope: &scope, unknown: BTreeMap::new() };
        let mut resources = Vec::new();
        for entry in self.root.get("Resources").and_then(Node::entries).unwrap_or_default() {
            resources.extend(reader.resource(entry));
        }
        let metadata = self.root.get("Metadata").map_or_else(|| ABSENT.clone(), literal);
        Ok(Resolved { resources, metadata, unknown: reader.unknown.into_values().collect() })
    }
}

struct Reader<'a> {
    scope: &'a Scope<'a>,
    /// By line and place: what several ways lead to is told once.
    unknown: BTreeMap<(usize, String), Unknown>,
}

impl Reader<'_> {
    fn resource(&mut self, entry: &node::Entry) -> Option<Resource> {
        let (id, node) = (entry.key.as_str(), &entry.node);
        let Some(kind) = node.get("Type").and_then(Node::as_text) else {
            self.note(Problem::new(entry.line, id, "has no Type"), entry.line, id);
            return None;
        };
        match self.scope.exists(id) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(problem) => self.note(problem, entry.line, id),
        }
        let properties = match kind {
            "AWS::Serverless::Function" => globals::merged(self.scope.global_function, node.get("Properties")),
            _ => node.get("Properties").cloned().unwrap_or_else(|| Node::map(entry.line, Vec::new())),
        };
        let attribute = |name| names::attribute(self.scope, id, name, entry.line, id).ok();
        let (arn, stream_arn) = (attribute("Arn"), attribute("StreamArn"));
        Some(Resource {
            id: id.to_owned(),
            kind: kind.to_owned(),
            line: entry.line,
            reference: names::reference(self.scope, id, entry.line, id).ok(),
            arn,
            stream_arn,
            parameters: self.parameters(&properties),
            properties: self.value(&properties, id),
            metadata: node.get("Metadata").map_or_else(|| ABSENT.clone(), |node| self.value(node, id)),
        })
    }

    /// Where the parameters are named.
    fn parameters(&self, properties: &Node) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut nodes = vec![(String::new(), properties)];
        while let Some((path, node)) = nodes.pop() {
            if let (None, Some(entries)) = (node.intrinsic(), node.entries()) {
                let dot = if path.is_empty() { "" } else { "." };
                nodes.extend(entries.iter().rev().map(|entry| (format!("{path}{dot}{}", entry.key), &entry.node)));
                continue;
            }
            // What is no function rightly written names nothing; whoever evaluates it says so.
            let _ = references::each(node, &mut |name, _| {
                if self.scope.parameters.contains_key(name) {
                    found.push((path.clone(), name.to_owned()));
                }
                Ok(())
            });
        }
        found
    }

    /// The value of a node, function by function: one that cannot be told leaves the rest standing.
    fn value(&mut self, node: &Node, place: &str) -> Value {
        let line = node.line;
        let kind = match &node.value {
            _ if node.intrinsic().is_some() => return self.function(node, place),
            node::Value::Null => Kind::Null,
            node::Value::Scalar(text) => Kind::Text(text.clone()),
            node::Value::List(items) => {
                let values = items.iter().map(|item| self.value(item, place));
                Kind::List(values.filter(|value| !value.is_absent()).collect())
            }
            node::Value::Map(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|entry| {
                        let value = self.value(&entry.node, &format!("{place}.{}", entry.key));
                        (entry.key.clone(), entry.line, value)
                    })
                    .collect(),
            ),
        };
        Value { line, kind }
    }

    fn function(&mut self, node: &Node, place: &str) -> Value {
        let line = node.line;
        if let Some(("Fn::If", argument)) = node.intrinsic()
            && let node::Value::List(items) = &argument.value
            && let [condition, yes, no] = items.as_slice()
            && let Some(Ok(holds)) = condition.as_text().map(|name| self.scope.condition(name, line, place))
        {
            return self.value(if holds { yes } else { no }, place);
        }
        match intrinsics::evaluate(self.scope, node, place) {
            Ok(Some(found)) => Value { line, ..literal(&found) },
            Ok(None) => Value { line, kind: Kind::Null },
            Err(problem) => {
                self.note(problem, line, place);
                Value { line, kind: Kind::Unknown }
            }
        }
    }

    fn note(&mut self, problem: Problem, line: usize, place: &str) {
        let unknown = Unknown { line, place: place.to_owned(), message: problem.message };
        self.unknown.insert((line, place.to_owned()), unknown);
    }
}
