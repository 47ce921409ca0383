//! A check over the whole template: every `Ref`, `Fn::GetAtt` and `Fn::Sub` names something that exists.
//!
//! Properties that the local plane has no use for are never evaluated, so without this a typo in them would first
//! show on AWS.

use crate::error::{Outcome, Problem};
use crate::intrinsics::{self, Piece};
use crate::names;
use crate::node::{Node, Value};
use crate::scope::Scope;

pub(crate) fn check(scope: &Scope<'_>, root: &Node) -> Outcome<()> {
    for (logical_id, resource) in &scope.resources {
        if let Some(properties) = resource.get("Properties") {
            known(scope, properties, logical_id)?;
        }
        if let Some(node) = resource.get("DependsOn") {
            let names: &[Node] = match &node.value {
                Value::List(items) => items,
                _ => std::slice::from_ref(node),
            };
            for name in names.iter().filter_map(Node::as_text) {
                if !scope.resources.contains_key(name) && !names::is_generated(scope, name) {
                    let message = format!("found `{name}`, which is no resource of the template");
                    return Err(Problem::new(node.line, format!("{logical_id}.DependsOn"), message));
                }
            }
        }
    }
    for section in ["Globals", "Outputs"] {
        if let Some(node) = root.get(section) {
            known(scope, node, section)?;
        }
    }
    for (name, node) in &scope.conditions {
        scope.condition(name, node.line, "Conditions")?;
    }
    Ok(())
}

fn known(scope: &Scope<'_>, node: &Node, place: &str) -> Outcome<()> {
    each(node, &mut |name, line| {
        let whole = scope.pseudo(name).is_some()
            || scope.parameters.contains_key(name)
            || scope.resources.contains_key(name)
            || names::is_generated(scope, name);
        let resource = name.split('.').next().unwrap_or(name);
        if whole
            || (resource != name && (scope.resources.contains_key(resource) || names::is_generated(scope, resource)))
        {
            return Ok(());
        }
        Err(Problem::new(line, place, format!("found `{name}`, which is no parameter or resource of the template")))
    })
}

/// Calls `visit` with every name that the functions below a node refer to (`Resource` or `Resource.Attribute`).
pub(crate) fn each(node: &Node, visit: &mut impl FnMut(&str, usize) -> Outcome<()>) -> Outcome<()> {
    match (node.intrinsic(), &node.value) {
        (Some(("Ref", argument)), _) => match argument.as_text() {
            Some(name) => visit(name, node.line),
            None => Err(Problem::new(node.line, "", format!("Ref: found {}, expected a name", argument.described()))),
        },
        (Some(("Fn::GetAtt", argument)), _) => {
            let (resource, attribute) = intrinsics::get_att(argument, "")?;
            visit(&format!("{resource}.{attribute}"), node.line)
        }
        (Some(("Fn::Sub", argument)), _) => {
            let (template, variables) = match &argument.value {
                Value::List(items) => (items.first().and_then(Node::as_text), items.get(1)),
                _ => (argument.as_text(), None),
            };
            for piece in intrinsics::pieces(template.unwrap_or_default()) {
                if let Piece::Name(name) = piece
                    && variables.and_then(|variables| variables.get(name)).is_none()
                {
                    visit(name, node.line)?;
                }
            }
            variables.map_or(Ok(()), |variables| each(variables, visit))
        }
        (_, Value::List(items)) => items.iter().try_for_each(|item| each(item, visit)),
        (_, Value::Map(entries)) => entries.iter().try_for_each(|entry| each(&entry.node, visit)),
        _ => Ok(()),
    }
}
