//! What is kept, for whom it is open, and for how long.

use crate::finding::{Findings, Place};
use crate::fleet::{Fleet, Function};
use crate::policy;
use crate::rule::{Example, Rule, Severity};

pub(crate) static LOG_RETENTION: Rule = Rule {
    id: "W040",
    severity: Severity::Warning,
    title: "Every function's log group is in the template, with a retention.",
    reason: "Lambda makes the group itself at the first invocation, and keeps everything for ever, at a price.",
    source: "AWS Lambda Developer Guide, \"Sending Lambda function logs to CloudWatch Logs\"; Amazon CloudWatch Logs User \
             Guide, \"Working with log groups and log streams\"",
    example: Example { right: "RetentionInDays: 30", wrong: "" },
    judge: log_retention,
};

fn log_retention(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let Some(group) = log_group(function) else { continue };
        let found = fleet.of_kind("AWS::Logs::LogGroup").any(|resource| {
            let named = resource.properties.get("LogGroupName").text() == Some(group.as_str());
            named && !resource.properties.get("RetentionInDays").is_absent()
        });
        if !found {
            findings.add(
                function.place("LoggingConfig"),
                format!("no log group `{group}` with RetentionInDays is in the template"),
                "add an AWS::Logs::LogGroup of that name with RetentionInDays",
            );
        }
    }
}

/// Where a function logs; `None` where the template does not decide it.
fn log_group(function: &Function<'_>) -> Option<String> {
    let configured = function.resource.properties.at(&["LoggingConfig", "LogGroup"]);
    match configured.text() {
        Some(group) => Some(group.to_owned()),
        None if configured.is_absent() => Some(format!("/aws/lambda/{}", function.name()?)),
        None => None,
    }
}

pub(crate) static WILDCARDS: Rule = Rule {
    id: "W041",
    severity: Severity::Warning,
    title: "A policy grants named actions on named resources.",
    reason: "What a function may do it will do one day, by a fault or by somebody else's will; a table that it never \
             reads is safe from it only without the grant.",
    source: "AWS Lambda Developer Guide, \"Working with Lambda execution environment credentials\"; IAM User Guide, \
             \"Apply least-privilege permissions\"",
    example: Example { right: "Action: [dynamodb:Query, dynamodb:GetItem]", wrong: "Action: dynamodb:*" },
    judge: wildcards,
};

fn wildcards(fleet: &Fleet<'_>, findings: &mut Findings) {
    for resource in fleet.resources {
        for wide in policy::wide(resource) {
            let place = Place { line: wide.line, resource: resource.id.clone(), property: wide.property };
            findings.add(place, wide.message, wide.fix);
        }
    }
}

pub(crate) static PUBLIC_ACCESS: Rule = Rule {
    id: "W042",
    severity: Severity::Error,
    title: "Every bucket blocks public access, in all four ways.",
    reason: "One policy or object ACL written in a hurry is otherwise enough to open it.",
    source: "Amazon S3 User Guide, \"Blocking public access to your Amazon S3 storage\"",
    example: Example { right: "BlockPublicPolicy: true", wrong: "BlockPublicPolicy: false" },
    judge: public_access,
};

fn public_access(fleet: &Fleet<'_>, findings: &mut Findings) {
    const KEY: &str = "PublicAccessBlockConfiguration";
    for bucket in fleet.of_kind("AWS::S3::Bucket") {
        let block = bucket.properties.get(KEY);
        let open: Vec<&str> = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
            .into_iter()
            .filter(|key| !block.get(key).is_true() && !block.get(key).is_unknown())
            .collect();
        if !open.is_empty() {
            findings.add(
                Place::property(bucket, KEY),
                format!("not true: {}", open.join(", ")),
                format!("set all four of {KEY} to true"),
            );
        }
    }
}

pub(crate) static RECOVERY: Rule = Rule {
    id: "W043",
    severity: Severity::Warning,
    title: "Every table has point-in-time recovery.",
    reason: "A wrong write or a deleted table is otherwise final.",
    source: "Amazon DynamoDB Developer Guide, \"Point-in-time backups for DynamoDB\"",
    example: Example { right: "PointInTimeRecoveryEnabled: true", wrong: "PointInTimeRecoveryEnabled: false" },
    judge: recovery,
};

fn recovery(fleet: &Fleet<'_>, findings: &mut Findings) {
    const PATH: &str = "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled";
    for kind in ["AWS::DynamoDB::Table", "AWS::Serverless::SimpleTable"] {
        for table in fleet.of_kind(kind) {
            let enabled = table.properties.at(&["PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"]);
            if !enabled.is_true() && !enabled.is_unknown() {
                findings.add(
                    Place::property(table, PATH),
                    "what is written over or deleted cannot be had back",
                    "set PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true }",
                );
            }
        }
    }
}

pub(crate) static OPEN_URL: Rule = Rule {
    id: "W044",
    severity: Severity::Error,
    title: "A function URL asks who is calling: AuthType AWS_IAM.",
    reason: "With NONE everybody who learns the address runs the function, and its account pays.",
    source: "AWS Lambda Developer Guide, \"Control access to Lambda function URLs\"",
    example: Example { right: "AuthType: AWS_IAM", wrong: "AuthType: NONE" },
    judge: open_url,
};

fn open_url(fleet: &Fleet<'_>, findings: &mut Findings) {
    let open = |place: Place, findings: &mut Findings| {
        findings.add(place, "everybody who knows the address may invoke it", "set AuthType: AWS_IAM");
    };
    for function in &fleet.functions {
        if function.resource.properties.at(&["FunctionUrlConfig", "AuthType"]).text() == Some("NONE") {
            open(function.place("FunctionUrlConfig.AuthType"), findings);
        }
    }
    for url in fleet.of_kind("AWS::Lambda::Url") {
        if url.properties.get("AuthType").text() == Some("NONE") {
            open(Place::property(url, "AuthType"), findings);
        }
    }
}
