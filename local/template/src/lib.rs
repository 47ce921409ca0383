//! Reads a SAM or CloudFormation template and says what it asks for, in types, without touching anything.
//!
//! [`plan`] is a function of the text and the [`Settings`]; [`read`] adds the one file access; [`Document`] is the
//! view for those who only look at a template, whatever is in it. The plan names
//! streams, queues, buckets, tables, functions, mappings and schedules under the physical names and ARNs that AWS would
//! give, and everything the local plane does otherwise than AWS, property by property.
//!
//! What it does not do: expand macros other than SAM's functions and Globals, read SSM parameters or other stacks'
//! exports, or check what only AWS can know (quotas, names taken elsewhere).

mod error;
mod globals;
mod intrinsics;
mod names;
mod node;
mod parameters;
mod plan;
mod properties;
mod references;
mod resources;
mod scope;
mod tree;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::TemplateError;
pub use plan::{
    Bucket, Destination, Function, FunctionUrl, Index, Key, Layer, Mapping, Notification, Plan, Queue, Redrive,
    Schedule, Source, StartingPosition, Stream, StreamMapping, Table, Warning,
};
pub use tree::{Document, Kind, Parameter, Resolved, Resource, Unknown, Value};
pub use yaml::{TEMPLATE_ALIASED_BYTES_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX, TEMPLATE_NODES_MAX};

use error::{Outcome, Problem};
use node::{Entry, Node};
use parameters::Missing;
use properties::Properties;
use scope::Scope;

/// What the template is resolved for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AWS::StackName`.
    pub stack: String,
    /// `AWS::AccountId`, twelve digits.
    pub account: String,
    /// `AWS::Region`.
    pub region: String,
    /// Where the services answer, for queue URLs; `None` gives AWS's own.
    pub endpoint_url: Option<String>,
    /// Parameter overrides, as `sam deploy --parameter-overrides` takes them.
    pub parameters: BTreeMap<String, String>,
}

impl Settings {
    /// The local plane's stack: account `000000000000` in `us-east-1`.
    pub fn local(stack: &str) -> Self {
        Self {
            stack: stack.to_owned(),
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint_url: None,
            parameters: BTreeMap::new(),
        }
    }
}

/// Sections a template may have; a misspelt one would otherwise be ignored.
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Globals",
    "Resources",
    "Outputs",
];

/// Reads the file and plans it.
///
/// # Errors
/// [`TemplateError`], with the file's path: it cannot be read, is not UTF-8, or [`plan`] fails.
pub fn read(path: &Path, settings: &Settings) -> Result<Plan, TemplateError> {
    let file = path.display().to_string();
    plan(&contents(path, &file)?, &file, settings)
}

fn contents(path: &Path, file: &str) -> Result<String, TemplateError> {
    let unreadable = |message: String| TemplateError::new(file, Problem::new(0, "", message));
    let length = std::fs::metadata(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?.len();
    // Before reading: a mistaken path may name something huge.
    if length > TEMPLATE_BYTES_MAX as u64 {
        return Err(unreadable(format!(
            "the template has {length} bytes, more than the limit of {TEMPLATE_BYTES_MAX}"
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| unreadable(format!("is not UTF-8: {error}")))
}

/// The plan of a template's text; `file` is only for messages.
///
/// # Errors
/// [`TemplateError`]: not YAML or JSON, beyond a limit, or something that would not deploy or must not be ignored.
pub fn plan(text: &str, file: &str, settings: &Settings) -> Result<Plan, TemplateError> {
    resolve(text, settings).map_err(|problem| TemplateError::new(file, problem))
}

fn resolve(text: &str, settings: &Settings) -> Outcome<Plan> {
    let root = yaml::parse(text)?;
    checked_sections(&root)?;
    check_transform(&root)?;
    let scope = Scope::new(&root, settings, Missing::Refused)?;
    references::check(&scope, &root)?;
    let mut plan = Plan {
        stack: settings.stack.clone(),
        account: settings.account.clone(),
        region: settings.region.clone(),
        ..Plan::default()
    };
    resources::add_all(&scope, &root, &mut plan)?;
    outputs(&scope, &root, &mut plan)?;
    check_unique(&plan)?;
    for resources in plan.no_local_effect.values_mut() {
        resources.dedup();
    }
    Ok(plan)
}

fn checked_sections(root: &Node) -> Outcome<()> {
    let Some(sections) = root.entries() else {
        return Err(Problem::new(root.line, "", format!("found {}, expected a map of sections", root.described())));
    };
    match sections.iter().find(|entry| !SECTIONS.contains(&entry.key.as_str())) {
        Some(unknown) => {
            let message = format!("found the section `{}`, expected one of {}", unknown.key, SECTIONS.join(", "));
            Err(Problem::new(unknown.line, "", message))
        }
        None => Ok(()),
    }
}

fn check_transform(root: &Node) -> Outcome<()> {
    let Some(node) = root.get("Transform") else { return Ok(()) };
    let names: &[Node] = match &node.value {
        node::Value::List(items) => items,
        _ => std::slice::from_ref(node),
    };
    match names.iter().find(|name| name.as_text() != Some("AWS::Serverless-2016-10-31")) {
        Some(other) => Err(Problem::new(
            other.line,
            "Transform",
            format!("found {}, expected AWS::Serverless-2016-10-31 alone", other.described()),
        )),
        None => Ok(()),
    }
}

fn outputs(scope: &Scope<'_>, root: &Node, plan: &mut Plan) -> Outcome<()> {
    for Entry { key, node, .. } in root.get("Outputs").and_then(Node::entries).unwrap_or_default() {
        let output = Properties::new(scope, "Outputs", key.as_str(), node)?;
        if let Some(name) = output.text("Condition")?
            && !scope.condition(&name, node.line, &format!("Outputs.{key}"))?
        {
            continue;
        }
        // An output of something that is not created locally (an API's URL) is no reason not to run.
        match output.required("Value") {
            Ok(value) => {
                plan.outputs.insert(key.clone(), value);
            }
            Err(problem) => plan.warnings.push(Warning {
                resource: "Outputs".to_owned(),
                property: key.clone(),
                message: problem.message,
            }),
        }
    }
    Ok(())
}

/// Two resources of one physical name would be one resource.
fn check_unique(plan: &Plan) -> Outcome<()> {
    let named = |kind: &'static str, items: Vec<(&str, &str)>| {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (logical_id, name) in items {
            if let Some(other) = seen.insert(name.to_owned(), logical_id.to_owned()) {
                return Err(Problem::new(0, logical_id, format!("its {kind} name `{name}` is also that of {other}")));
            }
        }
        Ok(())
    };
    named("stream", plan.streams.iter().map(|r| (r.logical_id.as_str(), r.name.as_str())).collect())?;
    named("queue", plan.queues.iter().map(|r| (r.logical_id.as_str(), r.name.as_str())).collect())?;
    named("bucket", plan.buckets.iter().map(|r| (r.logical_id.as_str(), r.name.as_str())).collect())?;
    named("table", plan.tables.iter().map(|r| (r.logical_id.as_str(), r.name.as_str())).collect())?;
    named("function", plan.functions.iter().map(|r| (r.logical_id.as_str(), r.name.as_str())).collect())
}
