//! What a rule found, where, and what to do about it.

use weir_local_template::{Resource, Value};

use crate::rule::{Rule, Severity};

/// A place in a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// From 1; 0 where no line spells it.
    pub line: usize,
    /// Logical id, or `Parameters` and `Metadata` for those sections.
    pub resource: String,
    /// Dotted below the resource; empty for the resource as a whole.
    pub property: String,
}

impl Place {
    /// A property; its line where it is spelt, the resource's where it is absent.
    pub(crate) fn property(resource: &Resource, path: &str) -> Self {
        let keys: Vec<&str> = path.split('.').collect();
        let line = line(resource.properties.at(&keys)).unwrap_or(resource.line);
        Self { line, resource: resource.id.clone(), property: path.to_owned() }
    }
}

/// The line of a value that is spelt.
pub(crate) fn line(value: &Value) -> Option<usize> {
    (value.line > 0).then_some(value.line)
}

impl std::fmt::Display for Place {
    /// `KinesisRollup.Events.Telemetry.BatchSize`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.resource)?;
        if self.property.is_empty() { Ok(()) } else { write!(f, ".{}", self.property) }
    }
}

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    /// Id of the rule.
    pub rule: &'static str,
    /// Of the rule.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong, with the values.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// What one rule finds.
#[derive(Debug)]
pub(crate) struct Findings {
    rule: &'static Rule,
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn of(rule: &'static Rule) -> Self {
        Self { rule, all: Vec::new() }
    }

    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        let (rule, severity) = (self.rule.id, self.rule.severity);
        let (message, fix) = (message.into(), fix.into());
        self.all.push(Finding { rule, severity, place, message, fix });
    }

    pub(crate) fn into_all(self) -> Vec<Finding> {
        self.all
    }
}
