//! The document tree: YAML and JSON alike, every node with its line, scalars still as text.
//!
//! Scalars keep their text because CloudFormation does: `2010-09-09`, `000000000000` and `1e3` mean what they
//! spell, and whether `64` is a number is for the property that reads it to say.

/// A value and the line it starts on (from 1; 0 for values that no line of the template spells).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, value: Value::Scalar(text.into()) }
    }

    pub(crate) fn map(line: usize, entries: Vec<Entry>) -> Self {
        Self { line, value: Value::Map(entries) }
    }

    pub(crate) fn list(line: usize, items: Vec<Node>) -> Self {
        Self { line, value: Value::List(items) }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Bytes of all its texts, keys included.
    pub(crate) fn text_bytes(&self) -> usize {
        match &self.value {
            Value::Null => 0,
            Value::Scalar(text) => text.len(),
            Value::List(items) => items.iter().map(Node::text_bytes).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.key.len() + entry.node.text_bytes()).sum(),
        }
    }

    /// `(function name, argument)` when this is an intrinsic: a map of the one key `Ref`, `Condition` or `Fn::…`.
    pub(crate) fn intrinsic(&self) -> Option<(&str, &Node)> {
        match self.entries()? {
            [only] if only.key == "Ref" || only.key == "Condition" || only.key.starts_with("Fn::") => {
                Some((&only.key, &only.node))
            }
            _ => None,
        }
    }

    /// What the node is, for "found …, expected …" messages; long text is cut.
    pub(crate) fn described(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 60;
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar(text) if text.chars().count() > SHOWN_CHARS_MAX => {
                format!("`{}…`", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
            }
            Value::Scalar(text) => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => match self.intrinsic() {
                Some((function, _)) => format!("the function {function}"),
                None => "a map".to_owned(),
            },
        }
    }
}
