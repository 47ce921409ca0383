//! Looking functions up, changing `$LATEST`, publishing versions of it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, ApiError, Call, Functions, page};
use crate::code::digest;
use crate::endpoint::reply;

/// What UpdateFunctionConfiguration changes here. Anything else in a request is refused by name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Configuration {
    #[serde(rename = "FunctionName")]
    _function_name: Option<String>,
    environment: Option<Environment>,
    timeout: Option<u64>,
    memory_size: Option<u32>,
    handler: Option<String>,
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// What UpdateFunctionCode takes here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Code {
    #[serde(rename = "FunctionName")]
    _function_name: Option<String>,
    /// Accepted for tools that always send it; the functions run on what the plane runs on.
    #[serde(rename = "Architectures")]
    _architectures: Option<Vec<String>>,
    zip_file: String,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Publish {
    #[serde(rename = "FunctionName")]
    _function_name: Option<String>,
    description: Option<String>,
    code_sha256: Option<String>,
    revision_id: Option<String>,
}

/// A request's JSON as one of the above.
fn parsed<T: serde::de::DeserializeOwned>(call: &Call, operation: &str) -> Result<T, ApiError> {
    serde_json::from_value(call.json()?)
        .map_err(|error| ApiError::invalid(format!("the local plane's {operation} does not take this: {error}")))
}

impl Functions {
    pub(super) fn list(&self, call: &Call) -> Answer {
        let mut all = vec![];
        for name in &self.names {
            let every = call.query("FunctionVersion") == Some("ALL");
            let versions = if every { self.host.versions(name)? } else { vec![self.host.version(name, None)?] };
            all.extend(versions.iter().map(|about| self.configuration(about, every.then_some(&about.version))));
        }
        page(call, "Functions", all)
    }

    pub(super) fn get(&self, call: &Call, given: &str) -> Answer {
        let (name, qualifier) = self.find(call, given)?;
        let about = self.host.version(&name, qualifier.as_deref())?;
        let location = format!("file://{}", about.spec.bootstrap.display());
        let body = json!({
            "Configuration": self.configuration(&about, qualifier.as_deref()),
            "Code": {"RepositoryType": "Local", "Location": location},
        });
        Ok(reply::json(StatusCode::OK, &body))
    }

    pub(super) fn get_configuration(&self, call: &Call, given: &str) -> Answer {
        let (name, qualifier) = self.find(call, given)?;
        let about = self.host.version(&name, qualifier.as_deref())?;
        Ok(reply::json(StatusCode::OK, &self.configuration(&about, qualifier.as_deref())))
    }

    pub(super) fn update_configuration(&self, call: &Call, given: &str) -> Answer {
        let name = self.find_unqualified(call, given)?;
        let asked: Configuration = parsed(call, "UpdateFunctionConfiguration")?;
        in_range("timeout", asked.timeout, 1, 900)?;
        in_range("memorySize", asked.memory_size.map(u64::from), 128, 10_240)?;
        let revision = asked.revision_id.clone();
        let change = |spec: &mut weir_local_lambda::FunctionSpec| {
            if let Some(environment) = asked.environment {
                spec.environment = environment.variables;
            }
            if let Some(seconds) = asked.timeout {
                spec.timeout = Duration::from_secs(seconds);
            }
            if let Some(memory_mb) = asked.memory_size {
                spec.memory_mb = memory_mb;
            }
            if let Some(handler) = asked.handler {
                spec.handler = handler;
            }
        };
        let about = self.host.update_function(&name, change, revision.as_deref())?;
        Ok(reply::json(StatusCode::OK, &self.configuration(&about, None)))
    }

    pub(super) fn update_code(&self, call: &Call, given: &str) -> Answer {
        let name = self.find_unqualified(call, given)?;
        let before = self.host.version(&name, None)?;
        let asked: Code = parsed(call, "UpdateFunctionCode")?;
        let package = base64::engine::general_purpose::STANDARD.decode(&asked.zip_file);
        let package = package.map_err(|error| ApiError::invalid(format!("ZipFile is not base64: {error}")))?;
        if asked.dry_run || self.code.facts(&before.spec.bootstrap).sha256 == digest(&package) {
            return Ok(reply::json(StatusCode::OK, &self.configuration(&before, None)));
        }
        let bootstrap = self.code.unpack(&package).map_err(|error| ApiError::invalid(error.to_string()))?;
        let change = |spec: &mut weir_local_lambda::FunctionSpec| spec.bootstrap = bootstrap;
        let about = self.host.update_function(&name, change, asked.revision_id.as_deref())?;
        if !asked.publish {
            return Ok(reply::json(StatusCode::OK, &self.configuration(&about, None)));
        }
        let about = self.host.publish_version(&name, "", None)?;
        Ok(reply::json(StatusCode::OK, &self.configuration(&about, Some(&about.version))))
    }

    pub(super) fn publish_version(&self, call: &Call, given: &str) -> Answer {
        let name = self.find_unqualified(call, given)?;
        let asked: Publish = parsed(call, "PublishVersion")?;
        let latest = self.host.version(&name, None)?;
        let is = self.code.facts(&latest.spec.bootstrap).sha256;
        if let Some(expected) = asked.code_sha256.filter(|expected| *expected != is) {
            return Err(ApiError::invalid(format!(
                "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({is}). Please try again with \
                 the CodeSHA256 in $LATEST."
            )));
        }
        let description = asked.description.unwrap_or_default();
        let about = self.host.publish_version(&name, &description, asked.revision_id.as_deref())?;
        Ok(reply::json(StatusCode::CREATED, &self.configuration(&about, Some(&about.version))))
    }

    pub(super) fn list_versions(&self, call: &Call, given: &str) -> Answer {
        let name = self.find_unqualified(call, given)?;
        let versions = self.host.versions(&name)?;
        let shapes: Vec<Value> = versions.iter().map(|about| self.configuration(about, Some(&about.version))).collect();
        page(call, "Versions", shapes)
    }
}

fn in_range(name: &str, value: Option<u64>, min: u64, max: u64) -> Result<(), ApiError> {
    match value.filter(|value| !(min..=max).contains(value)) {
        None => Ok(()),
        Some(value) => Err(ApiError::invalid(format!(
            "Value '{value}' at '{name}' failed to satisfy constraint: Member must have value between {min} and {max}"
        ))),
    }
}
