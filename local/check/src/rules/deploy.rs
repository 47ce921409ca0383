//! Versions, aliases and how traffic is shifted to them.

use crate::finding::{Findings, Place};
use crate::fleet::Fleet;
use crate::rule::{Example, Rule, Severity};
use std::collections::BTreeSet;
use weir_local_template::{Resource, Value};

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
    reason: "Otherwise SAM publishes a version only when the code's location, a variable's text or MemorySize changes: a new \
             Timeout reaches $LATEST and never the alias that is invoked.",
    source: "AWS SAM Developer Guide, \"AWS::Serverless::Function\", AutoPublishAliasAllProperties; samtranslator, \
             _construct_version",
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
                "most changed properties publish no version, and the alias keeps the old one",
                "set AutoPublishAliasAllProperties: true",
            );
        }
    }
}

pub(crate) static ALARM: Rule = Rule {
    id: "W032",
    severity: Severity::Error,
    title: "A gradual deployment has an alarm on the new version that rolls it back.",
    reason: "Without one the traffic shifts on whatever the new version does: the gradual part only makes it slower. An alarm \
             on the whole function sees a tenth of its failures; one whose period is shorter than the function's Timeout \
             sees no timeout, since an invocation's metrics bear the time at which it began.",
    source: "AWS SAM Developer Guide, \"Deploying serverless applications gradually with AWS SAM\"; AWS Lambda Developer \
             Guide, \"Types of metrics for Lambda functions\" (ExecutedVersion; a metric's timestamp)",
    example: Example { right: "Alarms: [!Ref SqsErrors]", wrong: "Alarms: []" },
    judge: alarm,
};

fn alarm(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let preference = function.resource.properties.get("DeploymentPreference");
        let enabled = preference.get("Enabled");
        let gradual = preference.get("Type").text().is_some_and(|name| name != "AllAtOnce");
        if gradual && (enabled.is_absent() || enabled.is_true()) {
            let place = function.place("DeploymentPreference.Alarms");
            let of = Of { name: function.name(), timeout_seconds: function.timeout_seconds() };
            judge_alarms(fleet, place, preference.get("Alarms").items(), &of, "", findings);
        }
    }
    for group in fleet.of_kind("AWS::CodeDeploy::DeploymentGroup") {
        let name = group.properties.get("DeploymentConfigName").text().unwrap_or_default();
        if name.starts_with("CodeDeployDefault.Lambda") && !name.ends_with("AllAtOnce") {
            let place = Place::property(group, "AlarmConfiguration.Alarms");
            let alarms = group.properties.at(&["AlarmConfiguration", "Alarms"]);
            let names: Vec<Value> = alarms
                .items()
                .iter()
                .map(|alarm| if alarm.is_unknown() { alarm } else { alarm.get("Name") })
                .cloned()
                .collect();
            // Which function it deploys, its alias says and not the group.
            let of = Of { name: None, timeout_seconds: None };
            let rollback = " in AlarmConfiguration, and AutoRollbackConfiguration";
            judge_alarms(fleet, place, &names, &of, rollback, findings);
        }
    }
}

/// Whose version an alarm should watch, as far as the template says.
struct Of<'a> {
    name: Option<&'a str>,
    timeout_seconds: Option<i64>,
}

fn judge_alarms(fleet: &Fleet<'_>, place: Place, names: &[Value], of: &Of<'_>, also: &str, findings: &mut Findings) {
    let fix = format!(
        "add Alarms with one on the new version's Errors{also}: dimensions FunctionName, Resource <function>:<alias>, \
         ExecutedVersion !GetAtt <Function>.Version.Version"
    );
    if names.is_empty() {
        findings.add(place, "nothing stops a version that fails", fix);
        return;
    }
    let alarm = |name: &Value| {
        let name = name.text()?;
        fleet.of_kind("AWS::CloudWatch::Alarm").find(|alarm| alarm.reference.as_deref() == Some(name))
    };
    let mut watched = vec![];
    for name in names {
        // Of another stack, or made of others: what it watches is not told here.
        let Some(alarm) = alarm(name) else { return };
        watched.extend(metrics(alarm).into_iter().filter(|metric| metric.is_of_version(of.name)));
    }
    let Some(longest) = watched.iter().filter_map(|metric| metric.period_seconds).max() else {
        if watched.is_empty() {
            findings.add(place, "none of its alarms watches the version that gets the traffic", fix);
        }
        return;
    };
    if let Some(timeout_seconds) = of.timeout_seconds.filter(|timeout| *timeout > longest) {
        findings.add(
            place,
            format!(
                "a timeout after {timeout_seconds} s is told at the time it began, and the alarm looks back {longest} s"
            ),
            format!(
                "set the alarm's Period to {} or more",
                (timeout_seconds / 60).saturating_add(1).saturating_mul(60)
            ),
        );
    }
}

/// A metric that an alarm reads.
struct Metric<'a> {
    dimensions: &'a Value,
    period_seconds: Option<i64>,
}

/// What an alarm reads: one metric, or those of its expression.
fn metrics(alarm: &Resource) -> Vec<Metric<'_>> {
    let properties = &alarm.properties;
    let one = Metric { dimensions: properties.get("Dimensions"), period_seconds: properties.get("Period").integer() };
    let several = properties.get("Metrics").items().iter().map(|metric| metric.get("MetricStat")).map(|stat| Metric {
        dimensions: stat.at(&["Metric", "Dimensions"]),
        period_seconds: stat.get("Period").integer(),
    });
    std::iter::once(one).chain(several).collect()
}

impl Metric<'_> {
    /// Whether it is Lambda's of one version: of this function, where it is known which.
    fn is_of_version(&self, function: Option<&str>) -> bool {
        let dimension = |name: &str| {
            let found = self.dimensions.items().iter().find(|dimension| dimension.get("Name").text() == Some(name));
            found.map(|dimension| dimension.get("Value"))
        };
        let is_of_function = dimension("FunctionName")
            .is_some_and(|value| function.is_none() || value.is_unknown() || value.text() == function);
        is_of_function && dimension("ExecutedVersion").is_some()
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

pub(crate) static RELEASE: Rule = Rule {
    id: "W035",
    severity: Severity::Warning,
    title: "A function whose versions depend on parameters has a literal variable to publish them by.",
    reason: "SAM tells versions apart by the text of a function's properties, in which !Ref stays !Ref: under another value of \
             the parameter no version is published, and the alias keeps the old one.",
    source: "aws/serverless-application-model, issue 3820; samtranslator, _construct_version",
    example: Example { right: "WEIR_RELEASE: \"1\"", wrong: "OTHER: \"1\"" },
    judge: release,
};

/// Properties that no version holds: they are the function's, the alias's, or resources of their own.
const OF_NO_VERSION: &[&str] = &[
    "AutoPublishAlias",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "FunctionName",
    "FunctionUrlConfig",
    "Policies",
    "ProvisionedConcurrencyConfig",
    "ReservedConcurrentExecutions",
    "Role",
    "Tags",
];
/// How the variable's name ends.
const RELEASE_NAME: &str = "RELEASE";

fn release(fleet: &Fleet<'_>, findings: &mut Findings) {
    for function in &fleet.functions {
        let Resource { properties, parameters, .. } = function.resource;
        if function.resource.kind != SAM_FUNCTION || properties.get("AutoPublishAlias").text().is_none() {
            continue;
        }
        let is_literal = |name: &str| {
            let path = format!("Environment.Variables.{name}");
            name.ends_with(RELEASE_NAME) && parameters.iter().all(|(named, _)| *named != path)
        };
        if properties.at(&["Environment", "Variables"]).entries().iter().any(|(name, ..)| is_literal(name)) {
            continue;
        }
        let of_version = |path: &str| !OF_NO_VERSION.contains(&path.split('.').next().unwrap_or(path));
        let names: BTreeSet<&str> =
            parameters.iter().filter(|(path, _)| of_version(path)).map(|(_, name)| name.as_str()).collect();
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            findings.add(
                function.place("Environment.Variables"),
                format!("another value of {} publishes no version, and the alias keeps the old one", names.join(", ")),
                "add a variable WEIR_RELEASE: \"1\" to Globals, a literal, and change it together with a parameter",
            );
        }
    }
}
