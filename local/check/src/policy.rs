//! What policies of functions and roles grant more widely than they need to.

use weir_local_template::{Resource, Value};

/// A grant that is too wide.
pub(crate) struct Wide {
    pub(crate) line: usize,
    pub(crate) property: String,
    pub(crate) message: String,
    pub(crate) fix: String,
}

/// Actions that AWS grants on `*` alone (AWS: "Service Authorization Reference"), of those that functions use.
const WITHOUT_RESOURCE: &[&str] = &[
    "cloudwatch:PutMetricData",
    "dynamodb:ListStreams",
    "dynamodb:ListTables",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "kinesis:ListStreams",
    "s3:ListAllMyBuckets",
    "sqs:ListQueues",
    "sts:GetCallerIdentity",
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// Too wide grants of a function or role; none of other resources.
pub(crate) fn wide(resource: &Resource) -> Vec<Wide> {
    let properties = &resource.properties;
    let mut found = Vec::new();
    match resource.kind.as_str() {
        "AWS::Serverless::Function" => {
            for policy in properties.get("Policies").items() {
                managed(policy, "Policies", &mut found);
                statements(policy, "Policies", &mut found);
            }
        }
        "AWS::IAM::Role" => {
            for policy in properties.get("Policies").items() {
                statements(policy.get("PolicyDocument"), "Policies", &mut found);
            }
            for policy in properties.get("ManagedPolicyArns").items() {
                managed(policy, "ManagedPolicyArns", &mut found);
            }
        }
        "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" => {
            statements(properties.get("PolicyDocument"), "PolicyDocument", &mut found);
        }
        _ => {}
    }
    found
}

/// AWS's own policies for everything.
fn managed(policy: &Value, property: &str, found: &mut Vec<Wide>) {
    let Some(name) = policy.text().and_then(|text| text.rsplit('/').next()) else { return };
    if name == "AdministratorAccess" || name == "PowerUserAccess" || name.ends_with("FullAccess") {
        found.push(Wide {
            line: policy.line,
            property: property.to_owned(),
            message: format!("{name} grants everything of a service, on everything"),
            fix: "write a statement with the actions that are used, on the resources that they are used on".to_owned(),
        });
    }
}

fn statements(document: &Value, property: &str, found: &mut Vec<Wide>) {
    for statement in document.get("Statement").items() {
        if statement.get("Effect").text() != Some("Allow") {
            continue;
        }
        let actions = statement.get("Action").items();
        for action in actions.iter().filter(|action| action.text().is_some_and(|text| text.contains('*'))) {
            found.push(Wide {
                line: action.line,
                property: property.to_owned(),
                message: format!("the action `{}` grants more than is used", action.text().unwrap_or_default()),
                fix: "name the actions".to_owned(),
            });
        }
        let bare = |action: &Value| action.text().is_some_and(|action| WITHOUT_RESOURCE.contains(&action));
        if !actions.is_empty() && actions.iter().all(bare) {
            continue;
        }
        for resource in statement.get("Resource").items() {
            if let Some(text) = resource.text().filter(|text| is_every(text)) {
                found.push(Wide {
                    line: resource.line,
                    property: property.to_owned(),
                    message: format!("the resource `{text}` is every one there is"),
                    fix: "name the resource: !GetAtt <Resource>.Arn".to_owned(),
                });
            }
        }
    }
}

/// `*`, or an ARN that names no resource: `arn:aws:s3:::*`, `…:table/*`. `arn:aws:s3:::bucket/*` names a bucket.
fn is_every(arn: &str) -> bool {
    let Some(resource) = arn.splitn(6, ':').nth(5) else { return arn.contains('*') };
    let typed = !arn.split(':').nth(2).is_some_and(|service| matches!(service, "s3" | "sqs" | "sns"));
    resource.starts_with('*') || (typed && resource.split_once(['/', ':']).is_some_and(|(_, name)| name == "*"))
}

#[cfg(test)]
mod tests {
    use super::is_every;

    #[test]
    fn which_arns_name_nothing() {
        for every in ["*", "arn:aws:s3:::*", "arn:aws:dynamodb:eu-west-1:1:table/*", "arn:aws:sqs:*:*:*"] {
            assert!(is_every(every), "{every}");
        }
        for named in ["arn:aws:s3:::quarantine/*", "arn:aws:dynamodb:eu-west-1:1:table/t/index/*", "arn:aws:sqs:r:1:q"]
        {
            assert!(!is_every(named), "{named}");
        }
    }
}
