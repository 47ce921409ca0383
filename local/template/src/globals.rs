//! SAM's Globals: maps merge, lists concatenate (the global part first), and for anything else the function wins.

use crate::node::{Entry, Node, Value};

/// A function's properties with the global ones beneath.
pub(crate) fn merged(global: Option<&Node>, own: Option<&Node>) -> Node {
    match (global, own) {
        (Some(global), Some(own)) => merge(global, own),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => Node::map(0, Vec::new()),
    }
}

fn merge(global: &Node, own: &Node) -> Node {
    // A function call is one value to SAM, although it is a map to YAML.
    if global.intrinsic().is_some() || own.intrinsic().is_some() {
        return own.clone();
    }
    match (&global.value, &own.value) {
        (Value::List(first), Value::List(second)) => {
            Node::list(own.line, first.iter().chain(second).cloned().collect())
        }
        (Value::Map(first), Value::Map(second)) => {
            let mut entries: Vec<Entry> = Vec::new();
            for entry in first {
                let node = own.get(&entry.key).map_or_else(|| entry.node.clone(), |own| merge(&entry.node, own));
                entries.push(Entry { node, ..entry.clone() });
            }
            entries.extend(second.iter().filter(|entry| global.get(&entry.key).is_none()).cloned());
            Node::map(own.line, entries)
        }
        _ => own.clone(),
    }
}
