//! Text → [`Node`], within named limits. JSON is read by the same parser, since YAML contains it.
//!
//! The parser is driven event by event: that gives lines for every message, CloudFormation's short-form tags, and a
//! place to stop a "YAML bomb" before it is expanded rather than after.

use std::collections::{BTreeMap, HashSet};

use saphyr_parser::{Event, Parser, Span, Tag};

use crate::error::{Outcome, Problem};
use crate::node::{Entry, Node, Value};

/// CloudFormation takes 1 MB from S3 (quota "Template body size in an S3 object").
pub const TEMPLATE_BYTES_MAX: usize = 1_000_000;
/// Nesting of maps, lists and functions. Real templates stay below 20.
pub const TEMPLATE_DEPTH_MAX: usize = 64;
/// Nodes after aliases are expanded; a 1 MB template without aliases cannot reach it.
pub const TEMPLATE_NODES_MAX: usize = 500_000;
/// Text that aliases may repeat: one long text and many aliases of it are few nodes.
pub const TEMPLATE_ALIASED_BYTES_MAX: usize = 16_000_000;

pub(crate) fn parse(text: &str) -> Outcome<Node> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(Problem::new(
            0,
            "",
            format!("the template has {} bytes, more than the limit of {TEMPLATE_BYTES_MAX}", text.len()),
        ));
    }
    let mut loader =
        Loader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, aliased_bytes: 0 };
    loader.document()
}

struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Anchored nodes with their node counts, so that an alias is charged before it is copied.
    anchors: BTreeMap<usize, (Node, usize, usize)>,
    nodes: usize,
    aliased_bytes: usize,
}

impl<'a> Loader<'a> {
    fn next(&mut self) -> Outcome<(Event<'a>, usize)> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, start.line())),
            Some(Err(error)) => {
                Err(Problem::new(error.marker().line(), "", format!("not valid YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn document(&mut self) -> Outcome<Node> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::DocumentStart(_), line) => {
                    if root.is_some() {
                        return Err(Problem::new(line, "", "found a second YAML document, expected one template"));
                    }
                    let (event, line) = self.next()?;
                    root = Some(self.node(event, line, 0)?.0);
                }
                (Event::StreamEnd, _) => break,
                (_, line) => return Err(Problem::new(line, "", "not valid YAML: content outside a document")),
            }
        }
        root.ok_or_else(|| Problem::new(0, "", "the template is empty"))
    }

    fn charge(&mut self, count: usize, line: usize) -> Outcome<()> {
        self.nodes = self.nodes.saturating_add(count);
        if self.nodes > TEMPLATE_NODES_MAX {
            let message = format!("aliases expand beyond the limit of {TEMPLATE_NODES_MAX} nodes");
            return Err(Problem::new(line, "", message));
        }
        Ok(())
    }

    fn charge_alias(&mut self, bytes: usize, line: usize) -> Outcome<()> {
        self.aliased_bytes = self.aliased_bytes.saturating_add(bytes);
        if self.aliased_bytes > TEMPLATE_ALIASED_BYTES_MAX {
            let message = format!("aliases repeat more text than the limit of {TEMPLATE_ALIASED_BYTES_MAX} bytes");
            return Err(Problem::new(line, "", message));
        }
        Ok(())
    }

    /// The node, with its height, starting at an event already taken.
    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Outcome<(Node, usize)> {
        too_deep(depth, line)?;
        let before = self.nodes;
        self.charge(1, line)?;
        let (node, height, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let Some((node, count, height)) = self.anchors.get(&anchor) else {
                    return Err(Problem::new(line, "", "an alias (`*name`) inside its own anchor"));
                };
                let (bytes, count, height) = (node.text_bytes(), *count, *height);
                too_deep(depth + height, line)?;
                self.charge(count, line)?;
                self.charge_alias(bytes, line)?;
                let node = self.anchors.get(&anchor).map(|(node, ..)| node.clone());
                return Ok((node.unwrap_or_else(|| Node::list(line, Vec::new())), height));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let null =
                    style == saphyr_parser::ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                (Node { line, value }, 0, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                let mut tallest = 0;
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => {
                            let (item, height) = self.node(event, line, depth + 1)?;
                            tallest = tallest.max(height);
                            items.push(item);
                        }
                    }
                }
                (Node::list(line, items), tallest + 1, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, tallest) = self.entries(depth)?;
                (Node::map(line, entries), tallest + 1, anchor, tag)
            }
            _ => return Err(Problem::new(line, "", "not valid YAML: a value is missing")),
        };
        let (node, added) = match tag {
            Some(tag) => (tagged(&tag, node)?, 2),
            None => (node, 0),
        };
        let height = height + added;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before, height));
        }
        Ok((node, height))
    }

    fn entries(&mut self, depth: usize) -> Outcome<(Vec<Entry>, usize)> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        let mut tallest = 0;
        loop {
            let (event, line) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok((entries, tallest)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(Problem::new(line, "", "found a key that is not text")),
            };
            let (event, value_line) = self.next()?;
            let (node, height) = self.node(event, value_line, depth + 1)?;
            tallest = tallest.max(height);
            if key == "<<" {
                return Err(Problem::new(
                    line,
                    "",
                    "found the YAML merge key `<<`, which CloudFormation does not read",
                ));
            }
            if !keys.insert(key.clone()) {
                return Err(Problem::new(line, "", format!("found the key `{key}` twice in one map")));
            }
            entries.push(Entry { key, line, node });
        }
    }
}

fn too_deep(depth: usize, line: usize) -> Outcome<()> {
    if depth > TEMPLATE_DEPTH_MAX {
        let message = format!("nesting is deeper than the limit of {TEMPLATE_DEPTH_MAX}");
        return Err(Problem::new(line, "", message));
    }
    Ok(())
}

/// `!Ref x` → `{Ref: x}`, `!GetAtt a.b` → `{Fn::GetAtt: [a, b]}`: the long form is the only one later code knows.
fn tagged(tag: &Tag, node: Node) -> Outcome<Node> {
    let line = node.line;
    if tag.is_yaml_core_schema() {
        return Ok(node);
    }
    let key = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix.clone(),
        "And" | "Base64" | "Cidr" | "Equals" | "FindInMap" | "GetAZs" | "GetAtt" | "If" | "ImportValue" | "Join"
        | "Length" | "Not" | "Or" | "Select" | "Split" | "Sub" | "ToJsonString" | "Transform" => {
            format!("Fn::{}", tag.suffix)
        }
        other => {
            let message = format!("found the tag `!{other}`, expected one of CloudFormation's functions");
            return Err(Problem::new(line, "", message));
        }
    };
    let argument = match (key.as_str(), node.as_text().and_then(|text| text.split_once('.'))) {
        ("Fn::GetAtt", Some((resource, attribute))) => {
            Node::list(line, vec![Node::text(line, resource), Node::text(line, attribute)])
        }
        _ => node,
    };
    Ok(Node::map(line, vec![Entry { key, line, node: argument }]))
}
