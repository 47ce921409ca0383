//! Templates as a tree of segments, for each service and for all of them.

use super::{Rules, RulesError, Template};
use crate::SERVICE_BYTES_MAX;
use std::collections::BTreeMap;

/// Compiled templates.
#[derive(Debug, Default)]
pub(super) struct Templates {
    of_service: BTreeMap<Box<str>, Node>,
    of_all: Node,
}

/// What may follow a run of segments.
#[derive(Debug, Default)]
struct Node {
    texts: BTreeMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// The template whose `{name...}` begins here.
    tail: Option<Box<str>>,
    /// The template that ends here.
    end: Option<Box<str>>,
}

/// A segment of a template.
#[derive(Clone, Copy)]
enum Segment<'a> {
    Text(&'a str),
    Parameter,
    Tail,
}

impl Templates {
    pub(super) fn compile(templates: &[Template]) -> Result<Self, RulesError> {
        let mut compiled = Self::default();
        for template in templates {
            let refused = |problem| {
                let path = template.path.chars().take(Rules::TEMPLATE_BYTES_MAX).collect();
                RulesError::Template { path, problem }
            };
            let segments = parse(template).map_err(refused)?;
            let root = match &template.service {
                Some(service) => compiled.of_service.entry(service.as_str().into()).or_default(),
                None => &mut compiled.of_all,
            };
            let place = root.place(&segments);
            if let Some(other) = place {
                return Err(RulesError::Ambiguous { path: template.path.clone(), other: other.to_string() });
            }
            *place = Some(template.path.as_str().into());
        }
        Ok(compiled)
    }

    /// The template for `path` (without its leading slash), the service's own first.
    pub(super) fn find(&self, service: &str, path: &str) -> Option<&str> {
        let own = self.of_service.get(service).and_then(|node| node.find(path));
        own.or_else(|| self.of_all.find(path))
    }
}

impl Node {
    /// The node for a template of these segments.
    fn place(&mut self, segments: &[Segment<'_>]) -> &mut Option<Box<str>> {
        match segments {
            [] => &mut self.end,
            [Segment::Tail, ..] => &mut self.tail,
            [Segment::Parameter, rest @ ..] => self.parameter.get_or_insert_default().place(rest),
            [Segment::Text(text), rest @ ..] => self.texts.entry((*text).into()).or_default().place(rest),
        }
    }

    /// The most specific template that matches. Visits a node at most once: a tree has one path to each.
    fn find(&self, path: &str) -> Option<&str> {
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        let by_text = self.texts.get(segment).and_then(|node| node.after(rest));
        let by_parameter = || self.parameter.as_deref().filter(|_| !segment.is_empty())?.after(rest);
        by_text.or_else(by_parameter).or_else(|| self.tail.as_deref().filter(|_| !path.is_empty()))
    }

    /// What matches from this node on, with `rest` still to come, if anything does.
    fn after(&self, rest: Option<&str>) -> Option<&str> {
        rest.map_or(self.end.as_deref(), |rest| self.find(rest))
    }
}

/// Segments of a valid template.
fn parse(template: &Template) -> Result<Vec<Segment<'_>>, &'static str> {
    let path = template.path.as_str();
    if template.service.as_ref().is_some_and(|service| !(1..=SERVICE_BYTES_MAX).contains(&service.len())) {
        return Err("its service should have 1 to 128 bytes");
    }
    if path.len() > Rules::TEMPLATE_BYTES_MAX {
        return Err("longer than an endpoint may be, 256 bytes (template_bytes_max)");
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err("should begin with /: other endpoints are taken as they are");
    };
    if path.contains(['?', '#']) || path.contains(char::is_control) {
        return Err("holds ?, # or a control character, and a normalised path has no query or fragment");
    }
    let segments: Vec<Segment<'_>> = rest.split('/').map(segment).collect::<Result<_, _>>()?;
    match segments.split_last() {
        Some((_, before)) if before.iter().any(|segment| matches!(segment, Segment::Tail)) => {
            Err("{name...} should be its last segment")
        }
        _ => Ok(segments),
    }
}

fn segment(text: &str) -> Result<Segment<'_>, &'static str> {
    if !text.contains(['{', '}']) {
        return Ok(Segment::Text(text));
    }
    let expected = "a segment should be text, {name} or {name...}, the name of letters, digits, - and _";
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or(expected)?;
    let (name, segment) = match inner.strip_suffix("...") {
        Some(name) => (name, Segment::Tail),
        None => (inner, Segment::Parameter),
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_name { Ok(segment) } else { Err(expected) }
}
