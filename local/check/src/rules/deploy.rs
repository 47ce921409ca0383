//! Versions, aliases and how traffic is shifted to them.

use crate::finding::{Findings, Place};
use crate::fleet::Fleet;
use crate::rule::{Example, Rule, Severity};

const ALIAS_KIND: &str = "AWS::Lambda::Alias";
const SAM_FUNCTION: &str = "AWS::Serverless::Function";

/// CodeDeploy's configurations for Lambda, as SAM names them; CodeDeploy's own names have `CodeDeployDefault.Lambda`
/// before them (AWS: "Working with deployment configurations in CodeDeploy").
const CONFIGURATIONS: &[&str] = &[
    "AllAtOnce",
    "Canary10Percent5Minutes",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
    "Linear10PercentEvery10Minutes",
];

pub(crate) static PREFERENCE_NAME: Rule = Rule {
    id: "W030",
    severity: Severity::Error,
    title: "A deployment preference is one that CodeDeploy has.",
    reason: "SAM passes an unknown name on, and the deployment fails when the stack is already half updated.",
    source: "AWS CodeDeploy User Guide, \"Working with deployment configurations in CodeDeploy\"; AWS SAM Developer Guide, \
             \"DeploymentPreference\"",
    example: Example { right: "Type: Canary10Percent5Minutes", wrong: "Type: Canary5Percent5Minutes" },
    judge: preference_name,
};

fn preference_name(fleet: &Fleet<'_>, findings: &mut Findings) {
    let own: Vec<&str> = fleet
        .of_kind("AWS::CodeDeploy::DeploymentConfig")
        .filter_map(|resource| resource.reference.as_deref())
        .collect();
    for function in &fleet.functions {
        let kind = function.resource.properties.at(&["DeploymentPreference", "Type"]);
        let Some(name) = kind.text() else { continue };
        if !CONFIGURATIONS.contains(&name) && !own.contains(&name) {
            findings.add(
                function.place("DeploymentPreference.Type"),
                format!("CodeDeploy has no configuration `{name}`"),
                format!("choose one of {}", CONFIGURATIONS.join(", ")),
            );
        }
    }
}

pub(crate) static EVERY_PROPERTY: Rule = Rule {
    id: "W031",
    severity: Severity::Warning,
    title: "A function with AutoPublishAlias has AutoPublishAliasAllProperties.",
    reason: "Otherwise SAM publishes a version only when the code's location changes: a new Timeout or variable reaches \
             $LATEST and never the alias that is invoked.",
    source: "AWS SAM Developer Guide, \"AWS::Serverless::Function\", AutoPublishAliasAllProperties",
    example: Example { right: "AutoPublishAliasAllProperties: true", wrong: "AutoPublishAliasAllProperties: false" },
    judge: every_property,
};

fn every_property(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let properties = &function.resource.properties;
        let all = properties.get("AutoPublishAliasAllProperties");
        if properties.get("AutoPublishAlias").text().is_some() && !all.is_true() && !all.is_unknown() {
            findings.add(
                function.place("AutoPublishAliasAllProperties"),
                "a changed property publishes no version, and the alias keeps the old one",
                "set AutoPublishAliasAllProperties: true",
            );
        }
    }
}

pub(crate) static ALARM: Rule = Rule {
    id: "W032",
    severity: Severity::Error,
    title: "A gradual deployment has an alarm that rolls it back.",
    reason: "Without one the traffic shifts on whatever the new version does: the gradual part only makes it slower.",
    source: "AWS SAM Developer Guide, \"Deploying serverless applications gradually with AWS SAM\"",
    example: Example { right: "Alarms: [!Ref SqsErrors]", wrong: "Alarms: []" },
    judge: alarm,
};

fn alarm(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let preference = function.resource.properties.get("DeploymentPreference");
        let enabled = preference.get("Enabled");
        let gradual = preference.get("Type").text().is_some_and(|name| name != "AllAtOnce");
        if gradual && (enabled.is_absent() || enabled.is_true()) {
            let alarms = preference.get("Alarms");
            if !alarms.is_unknown() && alarms.items().is_empty() {
                findings.add(
                    function.place("DeploymentPreference.Alarms"),
                    "nothing stops a version that fails",
                    "add Alarms with one on the new version's Errors: dimensions FunctionName, Resource <function>:<alias>, \
                     ExecutedVersion !GetAtt <Function>.Version.Version",
                );
            }
        }
    }
    for group in fleet.of_kind("AWS::CodeDeploy::DeploymentGroup") {
        let name = group.properties.get("DeploymentConfigName").text().unwrap_or_default();
        let gradual = name.starts_with("CodeDeployDefault.Lambda") && !name.ends_with("AllAtOnce");
        let alarms = group.properties.at(&["AlarmConfiguration", "Alarms"]);
        if gradual && !alarms.is_unknown() && alarms.items().is_empty() {
            findings.add(
                Place::property(group, "AlarmConfiguration.Alarms"),
                "nothing stops a version that fails",
                "add AlarmConfiguration with an alarm on the new version's Errors, and AutoRollbackConfiguration",
            );
        }
    }
}

pub(crate) static ALIAS: Rule = Rule {
    id: "W033",
    severity: Severity::Error,
    title: "A mapping of a function that has an alias goes through the alias.",
    reason: "A mapping that names the function alone runs $LATEST: every deployment takes all of its traffic at once, and \
             no rollback brings it back.",
    source: "AWS Lambda Developer Guide, \"Using Lambda aliases in event sources and permissions policies\"",
    example: Example { right: "FunctionName: !Ref AuditAlias", wrong: "FunctionName: !Ref Audit" },
    judge: alias,
};

fn alias(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (mapping, function) in fleet.fed() {
        let Some(named) = mapping.function_name else { continue };
        let resource = function.resource;
        let unqualified = [&resource.reference, &resource.arn].iter().any(|name| name.as_deref() == Some(named));
        let alias = match resource.kind.as_str() {
            SAM_FUNCTION => resource.properties.get("AutoPublishAlias").text().map(str::to_owned),
            _ => fleet
                .of_kind(ALIAS_KIND)
                .find(|alias| {
                    let of = alias.properties.get("FunctionName").text().and_then(|name| fleet.function_named(name));
                    of.and_then(|index| fleet.functions.get(index)).is_some_and(|of| of.resource.id == resource.id)
                })
                .map(|alias| alias.id.clone()),
        };
        if let (true, Some(alias)) = (unqualified, alias) {
            findings.add(
                mapping.place("FunctionName"),
                format!("the mapping invokes {} itself, not its alias {alias}", resource.id),
                "name the alias: !Ref of it, or of <Function>.Alias where SAM made it",
            );
        }
    }
}

pub(crate) static BINARIES: Rule = Rule {
    id: "W034",
    severity: Severity::Error,
    title: "Each function is built from a binary of its own name.",
    reason: "One target directory holds target/lambda/<binary>/bootstrap once: of two binaries of one name the last that is \
             built is deployed twice.",
    source: "AWS SAM Developer Guide, \"Building Rust Lambda functions with Cargo Lambda in AWS SAM\"",
    example: Example { right: "BuildProperties: { Binary: audit }", wrong: "BuildProperties: { Binary: notify }" },
    judge: binaries,
};

fn binaries(fleet: &Fleet<'_>, findings: &mut Findings) {
    for (index, function) in fleet.functions.iter().enumerate() {
        let Some(binary) = function.binary else { continue };
        if let Some(other) = fleet.functions[..index].iter().find(|other| other.binary == Some(binary)) {
            let line = function.resource.metadata.get("BuildProperties").get("Binary").line;
            let property = "Metadata.BuildProperties.Binary".to_owned();
            findings.add(
                Place { line, resource: function.resource.id.clone(), property },
                format!("`{binary}` is also the binary of {}", other.resource.id),
                "give each function a binary of its own",
            );
        }
    }
}
