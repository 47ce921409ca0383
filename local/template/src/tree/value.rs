//! Values of a resolved template: read leniently, since nobody knows which service will read them.

use crate::node::{self, Node};

/// A value and the line it stands on (from 1; 0 where no line spells it).
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The line.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a [`Value`] is. Scalars are text, as CloudFormation has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Absent, `null` or `AWS::NoValue`.
    Null,
    /// A scalar as it is written.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map: key, the key's line, value.
    Map(Vec<(String, usize, Value)>),
    /// Not decided by the template.
    Unknown,
}

/// What is not there.
pub(super) static ABSENT: Value = Value { line: 0, kind: Kind::Null };

impl Value {
    /// The value under a key; an absent one is [`Kind::Null`], anything below an unknown one unknown.
    pub fn get(&self, key: &str) -> &Value {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, ..)| name == key).map_or(&ABSENT, |(_, _, value)| value),
            Kind::Unknown => self,
            _ => &ABSENT,
        }
    }

    /// The value below several keys.
    pub fn at(&self, keys: &[&str]) -> &Value {
        keys.iter().fold(self, |value, key| value.get(key))
    }

    /// Whether nothing is there.
    pub fn is_absent(&self) -> bool {
        self.kind == Kind::Null
    }

    /// Whether the template does not decide it.
    pub fn is_unknown(&self) -> bool {
        self.kind == Kind::Unknown
    }

    /// The scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The scalar as a whole number.
    pub fn integer(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    /// Whether the scalar says true.
    pub fn is_true(&self) -> bool {
        matches!(self.text(), Some("true" | "True" | "TRUE"))
    }

    /// The items of a list; a single value counts as a list of one, as CloudFormation has it.
    pub fn items(&self) -> &[Value] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// Key, the key's line and value of each entry of a map.
    pub fn entries(&self) -> &[(String, usize, Value)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// A node without functions, or one whose functions CloudFormation does not evaluate.
pub(super) fn literal(node: &Node) -> Value {
    let kind = match &node.value {
        node::Value::Null => Kind::Null,
        node::Value::Scalar(text) => Kind::Text(text.clone()),
        node::Value::List(items) => Kind::List(items.iter().map(literal).collect()),
        node::Value::Map(entries) => {
            Kind::Map(entries.iter().map(|entry| (entry.key.clone(), entry.line, literal(&entry.node))).collect())
        }
    };
    Value { line: node.line, kind }
}
