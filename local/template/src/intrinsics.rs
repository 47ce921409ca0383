//! Intrinsic functions: a node of the template in, the value CloudFormation would put there out.

use crate::error::{Outcome, Problem};
use crate::names;
use crate::node::{Entry, Node, Value};
use crate::scope::Scope;

/// Text a `Fn::Sub` or `Fn::Join` may produce; CloudFormation's own limit for a template's size.
const TEXT_BYTES_MAX: usize = 1_000_000;

/// The value; `None` where it is `AWS::NoValue`, which removes the property or item that holds it.
pub(crate) fn evaluate(scope: &Scope<'_>, node: &Node, place: &str) -> Outcome<Option<Node>> {
    if let Some((function, argument)) = node.intrinsic() {
        let value = apply(scope, function, argument, node.line, place)?;
        scope.charge(value.as_ref().map_or(0, Node::text_bytes), node.line, place)?;
        return Ok(value);
    }
    let line = node.line;
    let value = match &node.value {
        Value::List(items) => {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                kept.extend(evaluate(scope, item, place)?);
            }
            Value::List(kept)
        }
        Value::Map(entries) => {
            let mut kept = Vec::with_capacity(entries.len());
            for Entry { key, line, node } in entries {
                if let Some(node) = evaluate(scope, node, &format!("{place}.{key}"))? {
                    kept.push(Entry { key: key.clone(), line: *line, node });
                }
            }
            Value::Map(kept)
        }
        other => {
            scope.charge(node.text_bytes(), line, place)?;
            other.clone()
        }
    };
    Ok(Some(Node { line, value }))
}

fn apply(scope: &Scope<'_>, function: &str, argument: &Node, line: usize, place: &str) -> Outcome<Option<Node>> {
    let call = Call { scope, function, line, place };
    let text = |text: String| Ok(Some(Node::text(line, text)));
    match function {
        "Ref" => reference(scope, call.literal(argument)?, line, place),
        "Fn::GetAtt" => {
            let (resource, attribute) = get_att(argument, place)?;
            text(names::attribute(scope, &resource, &attribute, line, place)?)
        }
        "Fn::Sub" => text(call.substitute(argument)?),
        "Fn::Join" => {
            let [delimiter, parts] = call.arguments(argument)?;
            let delimiter = call.text(delimiter)?;
            let parts = call.texts(parts)?;
            text(call.bounded(parts.join(&delimiter))?)
        }
        "Fn::Split" => {
            let [delimiter, whole] = call.arguments(argument)?;
            let (delimiter, whole) = (call.text(delimiter)?, call.text(whole)?);
            if delimiter.is_empty() {
                return Err(call.wrong("an empty delimiter", "text to split at"));
            }
            let parts = whole.split(&delimiter).map(|part| Node::text(line, part)).collect();
            Ok(Some(Node::list(line, parts)))
        }
        "Fn::Select" => {
            let [index, list] = call.arguments(argument)?;
            let index = call.text(index)?;
            let mut items = call.list(list)?;
            match index.parse::<usize>() {
                Ok(index) if index < items.len() => Ok(Some(items.swap_remove(index))),
                _ => Err(call.wrong(&format!("index `{index}`"), &format!("0 to {}", items.len().saturating_sub(1)))),
            }
        }
        "Fn::If" => {
            let Value::List(items) = &argument.value else {
                return Err(call.wrong(&argument.described(), "a list of three"));
            };
            let [condition, yes, no] = items.as_slice() else {
                return Err(call.wrong("another length", "a list of three"));
            };
            let chosen = if scope.condition(call.literal(condition)?, condition.line, place)? { yes } else { no };
            evaluate(scope, chosen, place)
        }
        "Fn::FindInMap" => {
            let Value::List(items) = &argument.value else {
                return Err(call.wrong(&argument.described(), "a list of three"));
            };
            let [map, top, second] = items.as_slice() else {
                return Err(call.wrong("another length", "a list of three"));
            };
            let keys = [call.text(map)?, call.text(top)?, call.text(second)?];
            let found = scope.find_in_map([&keys[0], &keys[1], &keys[2]], line, place)?;
            Ok(Some(found.clone()))
        }
        "Fn::Base64" => text(base64(call.text(argument)?.as_bytes())),
        "Fn::GetAZs" => {
            let zones = ["a", "b", "c"].map(|zone| Node::text(line, format!("{}{zone}", scope.settings.region)));
            Ok(Some(Node::list(line, zones.into())))
        }
        other => Err(Problem::new(
            line,
            place,
            format!("found the function {other}, which the local plane does not evaluate"),
        )),
    }
}

fn reference(scope: &Scope<'_>, name: &str, line: usize, place: &str) -> Outcome<Option<Node>> {
    if let Some(value) = scope.pseudo(name) {
        return Ok(value.map(|text| Node::text(line, text)));
    }
    if let Some(value) = scope.parameters.get(name) {
        return Ok(Some(value.clone()));
    }
    if scope.without_value.contains(name) {
        return Err(Problem::new(line, place, format!("the parameter {name} has no value here: give it one")));
    }
    names::reference(scope, name, line, place).map(|text| Some(Node::text(line, text)))
}

/// `[resource, attribute]`; a dotted resource (`Fn.Version`) stays one name.
pub(crate) fn get_att(argument: &Node, place: &str) -> Outcome<(String, String)> {
    let parts: Option<Vec<&str>> = match &argument.value {
        Value::Scalar(text) => Some(text.splitn(2, '.').collect()),
        Value::List(items) => items.iter().map(Node::as_text).collect(),
        _ => None,
    };
    match parts.as_deref() {
        Some([resource, attribute]) => Ok(((*resource).to_owned(), (*attribute).to_owned())),
        _ => Err(Problem::new(
            argument.line,
            place,
            format!("Fn::GetAtt: found {}, expected Resource.Attribute", argument.described()),
        )),
    }
}

struct Call<'a> {
    scope: &'a Scope<'a>,
    function: &'a str,
    line: usize,
    place: &'a str,
}

impl Call<'_> {
    fn wrong(&self, found: &str, expected: &str) -> Problem {
        Problem::new(self.line, self.place, format!("{}: found {found}, expected {expected}", self.function))
    }

    fn literal<'n>(&self, node: &'n Node) -> Outcome<&'n str> {
        node.as_text().ok_or_else(|| self.wrong(&node.described(), "a name"))
    }

    fn arguments<'n>(&self, node: &'n Node) -> Outcome<&'n [Node; 2]> {
        match &node.value {
            Value::List(items) => {
                items.as_slice().try_into().map_err(|_| self.wrong("another length", "a list of two"))
            }
            _ => Err(self.wrong(&node.described(), "a list of two")),
        }
    }

    fn text(&self, node: &Node) -> Outcome<String> {
        match evaluate(self.scope, node, self.place)?.map(|node| node.value) {
            Some(Value::Scalar(text)) => Ok(text),
            _ => Err(self.wrong(&node.described(), "text")),
        }
    }

    fn list(&self, node: &Node) -> Outcome<Vec<Node>> {
        match evaluate(self.scope, node, self.place)?.map(|node| node.value) {
            Some(Value::List(items)) => Ok(items),
            _ => Err(self.wrong(&node.described(), "a list")),
        }
    }

    fn texts(&self, node: &Node) -> Outcome<Vec<String>> {
        let items = self.list(node)?;
        items
            .iter()
            .map(|item| item.as_text().map(str::to_owned).ok_or_else(|| self.wrong(&item.described(), "text")))
            .collect()
    }

    fn bounded(&self, text: String) -> Outcome<String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(self.wrong("a longer text", &format!("at most {TEXT_BYTES_MAX} bytes")));
        }
        Ok(text)
    }

    fn substitute(&self, argument: &Node) -> Outcome<String> {
        let (template, variables) = match &argument.value {
            Value::Scalar(text) => (text.as_str(), None),
            Value::List(items) => match items.as_slice() {
                [template, variables] => (self.literal(template)?, Some(variables)),
                _ => return Err(self.wrong("another length", "text, or a list of text and a map")),
            },
            _ => return Err(self.wrong(&argument.described(), "text, or a list of text and a map")),
        };
        let mut out = String::new();
        for piece in pieces(template) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Name(name) => {
                    let value = match variables.and_then(|variables| variables.get(name)) {
                        Some(node) => self.text(node)?,
                        None => self.named(name)?,
                    };
                    out.push_str(&value);
                }
            }
            out = self.bounded(out)?;
        }
        Ok(out)
    }

    fn named(&self, name: &str) -> Outcome<String> {
        let Self { scope, line, place, .. } = *self;
        if let Some((resource, attribute)) = name.split_once('.') {
            return names::attribute(scope, resource, attribute, line, place);
        }
        match reference(scope, name, line, place)?.map(|node| node.value) {
            Some(Value::Scalar(text)) => Ok(text),
            _ => Err(self.wrong(&format!("${{{name}}}"), "a name with a text value")),
        }
    }
}

pub(crate) enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// The parts of a `Fn::Sub` text; `${!x}` is the literal `${x}`.
pub(crate) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 2..start + length];
        pieces.push(Piece::Text(&rest[..start]));
        match name.strip_prefix('!') {
            Some(_) => {
                pieces.push(Piece::Text("${"));
                pieces.push(Piece::Text(&rest[start + 3..=start + length]));
            }
            None => pieces.push(Piece::Name(name.trim())),
        }
        rest = &rest[start + length + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Standard base64; one caller does not earn a dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    out
}
