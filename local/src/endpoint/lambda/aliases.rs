//! Aliases: names for a version, or for two with weights.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use weir_local_lambda::AliasTarget;

use super::{Answer, ApiError, Call, Functions, page};
use crate::endpoint::reply;

/// CreateAlias and UpdateAlias; the latter leaves alone what is not said.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Asked {
    #[serde(rename = "FunctionName")]
    _function_name: Option<String>,
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingConfig>,
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RoutingConfig {
    #[serde(default)]
    additional_version_weights: BTreeMap<String, f64>,
}

impl RoutingConfig {
    /// "An alias can point to a maximum of two Lambda function versions".
    fn additional(self) -> Result<Option<(String, f64)>, ApiError> {
        if self.additional_version_weights.len() > 1 {
            return Err(ApiError::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
        }
        Ok(self.additional_version_weights.into_iter().next())
    }
}

fn asked(call: &Call) -> Result<Asked, ApiError> {
    serde_json::from_value(call.json()?)
        .map_err(|error| ApiError::invalid(format!("the local plane does not take this of an alias: {error}")))
}

impl Functions {
    pub(super) fn create_alias(&self, call: &Call, given: &str) -> Answer {
        let function = self.find_unqualified(call, given)?;
        let asked = asked(call)?;
        let (Some(name), Some(version)) = (asked.name, asked.function_version) else {
            return Err(ApiError::invalid("Name and FunctionVersion are required"));
        };
        let additional = asked.routing_config.map(RoutingConfig::additional).transpose()?.flatten();
        let target = AliasTarget { version, additional };
        let alias = self.host.create_alias(&function, &name, target, &asked.description.unwrap_or_default())?;
        Ok(reply::json(StatusCode::CREATED, &self.alias_shape(&function, &alias)))
    }

    pub(super) fn update_alias(&self, call: &Call, given: &str, name: &str) -> Answer {
        let function = self.find_unqualified(call, given)?;
        let asked = asked(call)?;
        let additional = asked.routing_config.map(RoutingConfig::additional).transpose()?;
        let change = |target: &mut AliasTarget, description: &mut String| {
            if let Some(version) = asked.function_version {
                target.version = version;
            }
            if let Some(additional) = additional {
                target.additional = additional;
            }
            if let Some(text) = asked.description {
                *description = text;
            }
        };
        let alias = self.host.update_alias(&function, name, change, asked.revision_id.as_deref())?;
        Ok(reply::json(StatusCode::OK, &self.alias_shape(&function, &alias)))
    }

    pub(super) fn get_alias(&self, call: &Call, given: &str, name: &str) -> Answer {
        let function = self.find_unqualified(call, given)?;
        let alias = self.host.alias(&function, name)?;
        Ok(reply::json(StatusCode::OK, &self.alias_shape(&function, &alias)))
    }

    pub(super) fn list_aliases(&self, call: &Call, given: &str) -> Answer {
        let function = self.find_unqualified(call, given)?;
        let aliases = self.host.aliases(&function)?;
        // "Specify a function version to only list aliases that invoke that version."
        let wanted = |version: &str| call.query("FunctionVersion").is_none_or(|asked| asked == version);
        let shown = aliases.iter().filter(|alias| {
            let additional = alias.target.additional.as_ref().is_some_and(|(version, _)| wanted(version));
            additional || wanted(&alias.target.version)
        });
        let shapes: Vec<Value> = shown.map(|alias| self.alias_shape(&function, alias)).collect();
        page(call, "Aliases", shapes)
    }

    /// Deleting what is not there is no error ("DeleteAlias" lists none for it).
    pub(super) fn delete_alias(&self, call: &Call, given: &str, name: &str) -> Answer {
        let function = self.find_unqualified(call, given)?;
        self.host.delete_alias(&function, name)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}
