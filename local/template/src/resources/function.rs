//! `AWS::Serverless::Function`.

use crate::error::{Outcome, Problem};
use crate::names;
use crate::node::Node;
use crate::plan::{Function, FunctionUrl, Plan};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect, Refused, Warned};
use crate::resources::{event, layer};
use crate::scope::Scope;

const RULES: &[(&str, crate::properties::Treatment)] = &[
    ("FunctionName", Honoured),
    ("Runtime", Honoured),
    ("Handler", Honoured),
    ("MemorySize", Honoured),
    ("Timeout", Honoured),
    ("Environment", Honoured),
    ("ReservedConcurrentExecutions", Honoured),
    ("AutoPublishAlias", Honoured),
    ("Events", Honoured),
    ("FunctionUrlConfig", Honoured),
    ("Policies", Warned("not enforced locally: every function may call everything")),
    ("Role", Warned("not enforced locally: every function may call everything")),
    ("Layers", Honoured),
    (
        "DeploymentPreference",
        Warned("no gradual deployment locally: move the alias through Lambda's API, or through CodeDeploy's at once"),
    ),
    ("ProvisionedConcurrencyConfig", Warned("instances start on demand locally")),
    ("DeadLetterQueue", Warned("failed asynchronous invocations are not kept locally")),
    ("EventInvokeConfig", Warned("failed asynchronous invocations are not retried or routed locally")),
    ("VpcConfig", Warned("there is no VPC locally")),
    ("EphemeralStorage", Warned("/tmp is the machine's and not limited locally")),
    ("FileSystemConfigs", Refused("file systems are not mounted locally")),
    ("InlineCode", Refused("only binaries of the workspace run locally")),
    ("ImageUri", Refused("only binaries of the workspace run locally")),
    ("ImageConfig", Refused("only binaries of the workspace run locally")),
    ("PackageType", Honoured),
    ("Architectures", NoEffect),
    ("CodeUri", NoEffect),
    ("Description", NoEffect),
    ("Tags", NoEffect),
    ("LoggingConfig", NoEffect),
    ("Tracing", NoEffect),
    ("AutoPublishAliasAllProperties", NoEffect),
    ("AutoPublishCodeSha256", NoEffect),
    ("VersionDescription", NoEffect),
    ("VersionDeletionPolicy", NoEffect),
    ("PermissionsBoundary", NoEffect),
    ("AssumeRolePolicyDocument", NoEffect),
    ("RolePath", NoEffect),
    ("PropagateTags", NoEffect),
    ("KmsKeyArn", NoEffect),
    ("SourceKMSKeyArn", NoEffect),
    ("SnapStart", NoEffect),
    ("RuntimeManagementConfig", NoEffect),
    ("RecursiveLoop", NoEffect),
    ("CodeSigningConfigArn", NoEffect),
];

const URL_RULES: &[(&str, crate::properties::Treatment)] = &[
    ("AuthType", Honoured),
    ("Cors", Warned("a function's URL answers no preflight locally; CORS headers are the function's own")),
    ("InvokeMode", Warned("responses are buffered locally, never streamed")),
];

/// AWS's defaults (AWS: "CreateFunction").
const MEMORY_MB: u32 = 128;
const TIMEOUT_SECONDS: u32 = 3;

pub(crate) fn add<'a>(
    scope: &'a Scope<'a>,
    logical_id: &'a str,
    resource: &'a Node,
    merged: &Node,
    plan: &mut Plan,
) -> Outcome<()> {
    let properties = Properties::new(scope, logical_id, "", merged)?;
    properties.account(plan, RULES)?;
    let runtime = properties.required("Runtime")?;
    if !runtime.starts_with("provided.") {
        return Err(properties.problem(
            "Runtime",
            format!("found `{runtime}`, expected provided.al2023: only Rust binaries run locally"),
        ));
    }
    if properties.text("PackageType")?.is_some_and(|kind| kind != "Zip") {
        return Err(properties.problem("PackageType", "expected Zip: only binaries of the workspace run locally"));
    }
    let environment = match properties.nested("Environment")? {
        Some(environment) => environment.text_map("Variables")?,
        None => std::collections::BTreeMap::new(),
    };
    if let Some((name, _)) = environment.iter().find(|(_, value)| value.contains(names::STREAM_LABEL)) {
        properties.warn(
            plan,
            &format!("Environment.Variables.{name}"),
            "the stream's ARN is known only once the table exists",
        );
    }
    if let Some(url) = properties.nested("FunctionUrlConfig")? {
        url.account(plan, URL_RULES)?;
        let auth_type = url.one_of("AuthType", &["AWS_IAM", "NONE"])?.unwrap_or_else(|| "AWS_IAM".to_owned());
        plan.function_urls.push(FunctionUrl { function: logical_id.to_owned(), auth_type });
    }
    let layers = layer::of_function(&properties, plan)?;
    plan.functions.push(Function {
        logical_id: logical_id.to_owned(),
        name: names::physical(scope, logical_id)?,
        binary: binary(scope, logical_id, resource)?,
        handler: properties.text("Handler")?.unwrap_or_else(|| "bootstrap".to_owned()),
        memory_mb: properties.count("MemorySize", 128..=10_240)?.unwrap_or(MEMORY_MB),
        timeout_seconds: properties.count("Timeout", 1..=900)?.unwrap_or(TIMEOUT_SECONDS),
        environment,
        concurrency_max: properties.count("ReservedConcurrentExecutions", 0..=100_000)?,
        alias: properties.text("AutoPublishAlias")?,
        layers,
    });
    event::add_all(&properties, plan)
}

/// The cargo binary. Only templates whose functions name one can be built by the local plane.
fn binary<'a>(scope: &'a Scope<'a>, logical_id: &'a str, resource: &'a Node) -> Outcome<String> {
    let expected = "Metadata with BuildMethod rust-cargolambda and BuildProperties.Binary, the cargo binary to run";
    let Some(metadata) = resource.get("Metadata") else {
        return Err(Problem::new(resource.line, logical_id, format!("has no Metadata, expected {expected}")));
    };
    let metadata = Properties::new(scope, logical_id, "Metadata", metadata)?;
    match metadata.text("BuildMethod")?.as_deref() {
        Some("rust-cargolambda") => {}
        Some(other) => {
            return Err(metadata.problem("BuildMethod", format!("found `{other}`, expected rust-cargolambda")));
        }
        None => return Err(metadata.problem("BuildMethod", "is missing, expected rust-cargolambda")),
    }
    let Some(build) = metadata.nested("BuildProperties")? else {
        return Err(metadata.problem("BuildProperties", "is missing, expected a map with Binary"));
    };
    let binary = build.required("Binary")?;
    // The name reaches a command line and a path.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if binary.is_empty() || binary.starts_with('-') || !binary.chars().all(plain) {
        return Err(build.problem("Binary", format!("found `{binary}`, expected letters, digits, `-` and `_`")));
    }
    Ok(binary)
}
