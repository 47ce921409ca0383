//! One module per kind of resource: its properties, what each means locally, and its part of the plan.

mod bucket;
mod event;
mod function;
mod layer;
mod mapping;
mod queue;
mod stream;
mod table;

use crate::error::{Outcome, Problem};
use crate::globals;
use crate::node::Node;
use crate::plan::{Plan, Warning};
use crate::properties::Properties;
use crate::scope::Scope;

/// Attributes that a resource may have beside Type and Properties.
const ATTRIBUTES: &[&str] = &[
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "Connectors",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
];

/// Types whose absence no caller of the local endpoint can notice.
const NO_EFFECT_TYPES: &[&str] = &[
    "AWS::Logs::LogGroup",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::SQS::QueuePolicy",
    "AWS::S3::BucketPolicy",
    "AWS::IAM::Role",
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::Permission",
    "AWS::KMS::Key",
    "AWS::KMS::Alias",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
];

/// Adds everything that Resources asks for.
pub(crate) fn add_all<'a>(scope: &'a Scope<'a>, root: &'a Node, plan: &mut Plan) -> Outcome<()> {
    let resources = root.get("Resources").and_then(Node::entries).unwrap_or_default();
    // Functions come last: their mappings are checked against queues and tables, their layers against layers.
    for functions in [false, true] {
        for entry in resources {
            let (logical_id, node) = (entry.key.as_str(), &entry.node);
            let kind = checked_type(logical_id, node)?;
            if (kind == "AWS::Serverless::Function") == functions && scope.exists(logical_id)? {
                add(scope, logical_id, kind, node, plan)?;
            }
        }
    }
    order_queues(plan)
}

fn checked_type<'a>(logical_id: &str, node: &'a Node) -> Outcome<&'a str> {
    for entry in node.entries().unwrap_or_default() {
        if !ATTRIBUTES.contains(&entry.key.as_str()) {
            let message = format!("found `{}`, expected one of {}", entry.key, ATTRIBUTES.join(", "));
            return Err(Problem::new(entry.line, logical_id, message));
        }
    }
    node.get("Type").and_then(Node::as_text).ok_or_else(|| Problem::new(node.line, logical_id, "has no Type"))
}

fn add<'a>(scope: &'a Scope<'a>, logical_id: &'a str, kind: &str, node: &'a Node, plan: &mut Plan) -> Outcome<()> {
    if kind == "AWS::Serverless::Function" {
        let properties = globals::merged(scope.global_function, node.get("Properties"));
        return function::add(scope, logical_id, node, &properties, plan);
    }
    let empty = Node::map(node.line, Vec::new());
    let properties = |plan: &mut Plan, add: fn(&Properties<'_>, &mut Plan) -> Outcome<()>| {
        add(&Properties::new(scope, logical_id, "", node.get("Properties").unwrap_or(&empty))?, plan)
    };
    match kind {
        "AWS::Kinesis::Stream" => properties(plan, stream::add),
        "AWS::SQS::Queue" => properties(plan, queue::add),
        "AWS::S3::Bucket" => properties(plan, bucket::add),
        "AWS::DynamoDB::Table" => properties(plan, table::add),
        "AWS::Serverless::LayerVersion" => {
            let built = node.get("Metadata").and_then(|metadata| metadata.get("BuildMethod")).is_some();
            properties(plan, layer::add)?;
            if built {
                let message = "not built locally: what its ContentUri holds is used as it is".to_owned();
                let (resource, property) = (logical_id.to_owned(), "Metadata.BuildMethod".to_owned());
                plan.warnings.push(Warning { resource, property, message });
            }
            Ok(())
        }
        "AWS::Lambda::EventSourceMapping" | "AWS::Lambda::Function" => Err(Problem::new(
            node.line,
            logical_id,
            format!(
                "found the type {kind}, expected AWS::Serverless::Function with its Events: the fleet would run without it"
            ),
        )),
        _ if NO_EFFECT_TYPES.contains(&kind) => {
            plan.no_local_effect.entry(kind.to_owned()).or_default().push(logical_id.to_owned());
            Ok(())
        }
        _ => {
            let message = format!("{kind} is not created locally");
            plan.warnings.push(Warning { resource: logical_id.to_owned(), property: "Type".to_owned(), message });
            Ok(())
        }
    }
}

/// Dead-letter queues first, so that each redrive policy names a queue that exists.
fn order_queues(plan: &mut Plan) -> Outcome<()> {
    let arn = |name: &str| format!("arn:aws:sqs:{}:{}:{name}", plan.region, plan.account);
    let mut ordered = Vec::with_capacity(plan.queues.len());
    let mut waiting = plan.queues.clone();
    while !waiting.is_empty() {
        let names: Vec<String> = waiting.iter().map(|queue| arn(&queue.name)).collect();
        let (later, ready): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|queue| queue.redrive.as_ref().is_some_and(|redrive| names.contains(&redrive.dead_letter_arn)));
        if ready.is_empty() {
            let names: Vec<&str> = later.iter().map(|queue| queue.logical_id.as_str()).collect();
            return Err(Problem::new(0, names.join(", "), "RedrivePolicy: each is the dead-letter queue of the other"));
        }
        ordered.extend(ready);
        waiting = later;
    }
    plan.queues = ordered;
    Ok(())
}
