//! The environment a sandbox starts with ("Using Lambda environment variables", "defined runtime environment variables").

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::{FunctionSpec, Shared};

/// What a sandbox may inherit: finding programs and a place for temporary files. Nothing else of the parent's
/// environment, so that a function cannot come to depend on the developer's shell.
const INHERITED: [&str; 2] = ["PATH", "TMPDIR"];

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";

/// How the access key ids of all sandboxes begin: `ASIA` as all temporary ones do, and what no real one is likely to
/// go on with.
pub const ACCESS_KEY_ID_PREFIX: &str = "ASIALOCAL";

pub(crate) fn log_group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// `2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef`
pub(crate) fn log_stream(version: &str) -> String {
    let day = jiff::Timestamp::now().strftime("%Y/%m/%d").to_string();
    format!("{day}/[{version}]{}", uuid::Uuid::new_v4().simple())
}

/// With the qualifier, where the invoker gave one: it "indicates if the invoker specified a version number or alias"
/// ("Using the Lambda context object").
pub(crate) fn function_arn(shared: &Shared, name: &str, qualifier: Option<&str>) -> String {
    let arn = format!("arn:aws:lambda:{}:{}:function:{name}", shared.region, shared.account);
    qualifier.map_or(arn.clone(), |qualifier| format!("{arn}:{qualifier}"))
}

/// What the sandbox signs its requests with: an id of its own, as the temporary credentials of each sandbox are on
/// Lambda. Whoever receives a request can tell from it which sandbox sent it.
pub(crate) fn access_key_id(stream: &str) -> String {
    let unique = stream.rsplit(']').next().unwrap_or_default().to_ascii_uppercase();
    format!("{ACCESS_KEY_ID_PREFIX}{}", &unique[..unique.len().min(11)])
}

/// The directory of the bootstrap: where its code is, as `/var/task` is on Lambda.
pub(crate) fn task_root(spec: &FunctionSpec) -> &Path {
    spec.bootstrap.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn variables(
    shared: &Shared,
    spec: &FunctionSpec,
    version: &str,
    runtime_api: SocketAddr,
    stream: &str,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in INHERITED {
        if let Ok(value) = std::env::var(name) {
            all.insert(name.to_owned(), value);
        }
    }
    let preset = [("LANG", "en_US.UTF-8"), ("TZ", ":UTC"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
    for (name, value) in preset {
        all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    all.extend(shared.environment.clone());
    all.extend(spec.environment.clone());
    let reserved = [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group(&spec.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        (ACCESS_KEY_ID, access_key_id(stream)),
        ("AWS_REGION", shared.region.clone()),
        ("AWS_DEFAULT_REGION", shared.region.clone()),
        ("LAMBDA_TASK_ROOT", task_root(spec).display().to_string()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("_HANDLER", spec.handler.clone()),
    ];
    all.extend(reserved.into_iter().map(|(name, value)| (name.to_owned(), value)));
    // What the host was given to sign with is somebody's own; the id of each sandbox is for an endpoint that takes any.
    if let Some(own) = shared.environment.get(ACCESS_KEY_ID) {
        all.insert(ACCESS_KEY_ID.to_owned(), own.clone());
    }
    all
}
