//! What a CodeDeploy deployment moves traffic to: the AppSpec of its revision.
//!
//! One hook serves every function of the fleet, and CodeDeploy passes it only a deployment's id. So the hook asks what
//! that deployment is for. A variable with the new version's ARN, as in AWS's example, would name what the *stack*
//! wants, which differs from the deployment when a stack rolls back or somebody deploys by hand.

use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// One published version of one function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The function's name.
    pub function: String,
    /// The version's number.
    pub version: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} of {}", self.version, self.function)
    }
}

/// Why a deployment does not name a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deployment's AppSpec {0}")]
pub struct AppSpecError(String);

const KIND: &str = "AWS::Lambda::Function";

/// The version that an AppSpec moves traffic to. CloudFormation writes AppSpecs in JSON; `CurrentVersion` is ignored,
/// since a version is judged by its goldens and not by what ran before.
///
/// # Errors
/// If it is not JSON (somebody deployed by hand with YAML), or not for exactly one Lambda function.
pub fn target(appspec: &str) -> Result<Target, AppSpecError> {
    let spec: Value = serde_json::from_str(appspec)
        .map_err(|error| AppSpecError(format!("is not JSON ({error}): deploy with one in JSON")))?;
    // A list of maps as AWS writes it, or one map.
    let resources = match &spec["Resources"] {
        Value::Array(list) => list.iter().filter_map(Value::as_object).flatten().collect(),
        Value::Object(map) => map.iter().collect(),
        _ => vec![],
    };
    let mut functions = resources.into_iter().map(|(_, resource)| resource).filter(|resource| resource["Type"] == KIND);
    let (Some(function), None) = (functions.next(), functions.next()) else {
        return Err(AppSpecError(format!("has not exactly one resource of type {KIND}")));
    };
    let property = |name: &str| {
        let value = function["Properties"][name].as_str().filter(|value| !value.is_empty());
        value.ok_or_else(|| AppSpecError(format!("has no {name}")))
    };
    let (name, version) = (property("Name")?, property("TargetVersion")?);
    // A name, or the ARN that ends in it.
    let function = name.rsplit(':').next().unwrap_or(name).to_owned();
    Ok(Target { function, version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(appspec: &str, expect: Result<&str, &str>) {
        let found = target(appspec).map(|target| target.to_string()).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{appspec}");
    }

    #[test]
    fn the_version_that_gets_the_traffic() {
        let function =
            |properties: &str| format!(r#"{{"Type":"AWS::Lambda::Function","Properties":{{{properties}}}}}"#);
        let new = r#""Name":"weir-sqs-rollup","Alias":"live","CurrentVersion":"6","TargetVersion":"7""#;
        let first =
            r#""Name":"arn:aws:lambda:eu-west-1:1:function:weir-sqs-rollup","Alias":"live","TargetVersion":"1""#;
        let spec = |resources: &str| format!(r#"{{"version":"0.0","Resources":{resources},"Hooks":[]}}"#);
        let is = "version 7 of weir-sqs-rollup";
        check(&spec(&format!(r#"[{{"SqsRollup":{}}}]"#, function(new))), Ok(is));
        check(&spec(&format!(r#"{{"SqsRollup":{}}}"#, function(new))), Ok(is));
        check(&spec(&format!(r#"[{{"SqsRollup":{}}}]"#, function(first))), Ok("version 1 of weir-sqs-rollup"));

        let one = "the deployment's AppSpec has not exactly one resource of type AWS::Lambda::Function";
        check(&spec("[]"), Err(one));
        check(&spec(&format!(r#"{{"A":{0},"B":{0}}}"#, function(new))), Err(one));
        check(r#"{"Resources":[{"A":{"Type":"AWS::ECS::Service"}}]}"#, Err(one));
        let none = r#""Name":"weir-sqs-rollup","TargetVersion":"""#;
        check(&spec(&format!(r#"{{"A":{}}}"#, function(none))), Err("the deployment's AppSpec has no TargetVersion"));
        let yaml = "the deployment's AppSpec is not JSON (expected value at line 1 column 1): deploy with one in JSON";
        check("version: 0.0", Err(yaml));
    }
}
