//! `Ref` and `Fn::GetAtt` of resources: the physical names and ARNs that AWS would give.
//!
//! Where the template leaves a name to CloudFormation, AWS adds random characters; here the name is
//! `<stack>-<logical id>`, so that two runs agree.

use crate::error::{Outcome, Problem};
use crate::intrinsics;
use crate::node::Node;
use crate::scope::Scope;

/// Label of every table stream's ARN until the table exists; AWS puts the creation time there.
pub(crate) const STREAM_LABEL: &str = "1970-01-01T00:00:00.000";

/// The property that names a resource of this type.
fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::Kinesis::Stream" => "Name",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => "TableName",
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => "FunctionName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::Serverless::LayerVersion" => "LayerName",
        "AWS::CloudWatch::Alarm" => "AlarmName",
        "AWS::CloudWatch::Dashboard" => "DashboardName",
        _ => return None,
    })
}

/// Physical name of a resource.
pub(crate) fn physical(scope: &Scope<'_>, logical_id: &str) -> Outcome<String> {
    let kind = scope.resource_type(logical_id).unwrap_or_default();
    let given = name_property(kind).and_then(|property| {
        let node = scope.resources.get(logical_id)?.get("Properties")?.get(property)?;
        Some((property, node))
    });
    if let Some((property, node)) = given {
        let place = format!("{logical_id}.{property}");
        // A name made of another resource's name would recurse; AWS refuses circles, and no real template needs more
        // than parameters here.
        refuse_resources(scope, node, &place)?;
        if let Some(value) = intrinsics::evaluate(scope, node, &place)? {
            return match value.as_text() {
                Some("") | None => {
                    Err(Problem::new(node.line, place, format!("found {}, expected a name", value.described())))
                }
                Some(text) => Ok(text.to_owned()),
            };
        }
    }
    let name = format!("{}-{logical_id}", scope.settings.stack);
    Ok(if kind == "AWS::S3::Bucket" { name.to_lowercase() } else { name })
}

fn refuse_resources(scope: &Scope<'_>, node: &Node, place: &str) -> Outcome<()> {
    crate::references::each(node, &mut |name, line| {
        let resource = name.split('.').next().unwrap_or(name);
        if scope.resources.contains_key(resource) {
            let message = format!("found the resource {resource} within a name, expected text and parameters only");
            return Err(Problem::new(line, place, message));
        }
        Ok(())
    })
}

fn existing<'a>(scope: &Scope<'a>, logical_id: &str, line: usize, place: &str) -> Outcome<&'a str> {
    if !scope.resources.contains_key(logical_id) {
        return Err(Problem::new(
            line,
            place,
            format!("found `{logical_id}`, which is no parameter or resource of the template"),
        ));
    }
    if !scope.exists(logical_id)? {
        return Err(Problem::new(line, place, format!("refers to {logical_id}, whose condition does not hold")));
    }
    Ok(scope.resource_type(logical_id).unwrap_or_default())
}

/// `Ref`.
pub(crate) fn reference(scope: &Scope<'_>, name: &str, line: usize, place: &str) -> Outcome<String> {
    if let Some(function) = generated_from(scope, name) {
        return generated(scope, function, name, line, place);
    }
    let kind = existing(scope, name, line, place)?;
    let physical = physical(scope, name)?;
    Ok(match kind {
        "AWS::SQS::Queue" => queue_url(scope, &physical),
        "AWS::Serverless::LayerVersion" => arn(scope, "lambda", &format!("layer:{physical}:1")),
        _ => physical,
    })
}

/// `Fn::GetAtt`.
pub(crate) fn attribute(
    scope: &Scope<'_>,
    resource: &str,
    attribute: &str,
    line: usize,
    place: &str,
) -> Outcome<String> {
    if let Some(function) = generated_from(scope, resource) {
        return generated_attribute(scope, function, resource, attribute, line, place);
    }
    // `Fn.Alias` and `Fn.Version` are SAM's referable properties, written as Ref, GetAtt or within Sub.
    let (resource, attribute) = match attribute.split_once('.') {
        Some((middle, last)) if scope.resources.contains_key(resource) && middle == "Version" && last == "Version" => {
            (resource, "Version.Version")
        }
        _ => (resource, attribute),
    };
    let kind = existing(scope, resource, line, place)?;
    let name = physical(scope, resource)?;
    let s = scope.settings;
    Ok(match (kind, attribute) {
        ("AWS::Kinesis::Stream", "Arn") => arn(scope, "kinesis", &format!("stream/{name}")),
        ("AWS::SQS::Queue", "Arn") => arn(scope, "sqs", &name),
        ("AWS::SQS::Queue", "QueueName") => name,
        ("AWS::SQS::Queue", "QueueUrl") => queue_url(scope, &name),
        ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
        ("AWS::S3::Bucket", "DomainName") => format!("{name}.s3.amazonaws.com"),
        ("AWS::S3::Bucket", "RegionalDomainName") => format!("{name}.s3.{}.amazonaws.com", s.region),
        ("AWS::DynamoDB::Table", "Arn") => arn(scope, "dynamodb", &format!("table/{name}")),
        ("AWS::DynamoDB::Table", "StreamArn") => arn(scope, "dynamodb", &format!("table/{name}/stream/{STREAM_LABEL}")),
        ("AWS::Serverless::Function" | "AWS::Lambda::Function", "Arn") => {
            arn(scope, "lambda", &format!("function:{name}"))
        }
        ("AWS::Serverless::Function", "Version.Version") => "$LATEST".to_owned(),
        ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{}:role/{name}", s.account),
        ("AWS::Logs::LogGroup", "Arn") => arn(scope, "logs", &format!("log-group:{name}:*")),
        ("AWS::CloudWatch::Alarm", "Arn") => arn(scope, "cloudwatch", &format!("alarm:{name}")),
        ("AWS::SNS::Topic", "TopicArn") => arn(scope, "sns", &name),
        _ => {
            let message = format!(
                "found the attribute {resource}.{attribute}, which the local plane does not resolve for {kind}"
            );
            return Err(Problem::new(line, place, message));
        }
    })
}

/// Resources that SAM adds around a function: `<Fn>Role`, `<Fn>Alias<alias>`, `<Fn>Url`, `<Fn>.Alias`, `<Fn>.Version`.
fn generated_from<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a str> {
    if scope.resources.contains_key(name) {
        return None;
    }
    let function = |id: &&str| scope.resource_type(id) == Some("AWS::Serverless::Function");
    let rest_is_generated = |rest: &str| {
        matches!(rest, "Role" | "Url" | ".Alias" | ".Version" | ".DestinationQueue") || rest.starts_with("Alias")
    };
    scope.resources.keys().copied().filter(function).find(|id| name.strip_prefix(id).is_some_and(rest_is_generated))
}

/// Whether `Ref` or `Fn::GetAtt` may name it although the template does not define it.
pub(crate) fn is_generated(scope: &Scope<'_>, name: &str) -> bool {
    generated_from(scope, name).is_some()
}

fn generated(scope: &Scope<'_>, function: &str, name: &str, line: usize, place: &str) -> Outcome<String> {
    existing(scope, function, line, place)?;
    let rest = name.strip_prefix(function).unwrap_or_default();
    let physical = physical(scope, function)?;
    let qualified = |qualifier: &str| arn(scope, "lambda", &format!("function:{physical}:{qualifier}"));
    match rest {
        "Role" => Ok(format!("{}-{function}Role", scope.settings.stack)),
        ".Version" => Ok(qualified("$LATEST")),
        ".Alias" => {
            let own =
                scope.resources.get(function).and_then(|resource| resource.get("Properties")?.get("AutoPublishAlias"));
            match own.or_else(|| scope.global_function?.get("AutoPublishAlias")).and_then(Node::as_text) {
                Some(alias) => Ok(qualified(alias)),
                None => {
                    Err(Problem::new(line, place, format!("found `{name}`, but {function} has no AutoPublishAlias")))
                }
            }
        }
        _ if rest.starts_with("Alias") => Ok(qualified(&rest["Alias".len()..])),
        _ => Err(Problem::new(line, place, format!("found `{name}`, which the local plane does not resolve"))),
    }
}

fn generated_attribute(
    scope: &Scope<'_>,
    function: &str,
    name: &str,
    attribute: &str,
    line: usize,
    place: &str,
) -> Outcome<String> {
    existing(scope, function, line, place)?;
    match (name.strip_prefix(function).unwrap_or_default(), attribute) {
        ("Role", "Arn") => Ok(format!("arn:aws:iam::{}:role/{}-{name}", scope.settings.account, scope.settings.stack)),
        (".Version", "Version") => Ok("$LATEST".to_owned()),
        ("Url", "FunctionUrl") => {
            let (physical, s) = (physical(scope, function)?, scope.settings);
            Ok(match &s.endpoint_url {
                // Where the local plane serves it.
                Some(url) => format!("{}/_url/{physical}/", url.trim_end_matches('/')),
                // In place of the name there is an id on AWS.
                None => format!("https://{physical}.lambda-url.{}.on.aws/", s.region),
            })
        }
        _ => Err(Problem::new(
            line,
            place,
            format!("found the attribute {name}.{attribute}, which the local plane does not resolve"),
        )),
    }
}

pub(crate) fn arn(scope: &Scope<'_>, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{resource}", scope.settings.region, scope.settings.account)
}

fn queue_url(scope: &Scope<'_>, name: &str) -> String {
    let s = scope.settings;
    match &s.endpoint_url {
        Some(url) => format!("{}/{}/{name}", url.trim_end_matches('/'), s.account),
        None => format!("https://sqs.{}.amazonaws.com/{}/{name}", s.region, s.account),
    }
}
