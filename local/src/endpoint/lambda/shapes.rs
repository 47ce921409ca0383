//! Functions, versions and aliases as Lambda's API shows them.

use serde_json::{Value, json};
use weir_local_lambda::{Alias, FunctionVersion};

use super::Functions;

impl Functions {
    /// `FunctionConfiguration`. The ARN is qualified as it was asked for.
    pub(super) fn configuration(&self, about: &FunctionVersion, qualifier: Option<&str>) -> Value {
        let spec = &about.spec;
        let facts = self.code.facts(&spec.bootstrap);
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        json!({
            "FunctionName": spec.name,
            "FunctionArn": self.host.function_arn(&spec.name, qualifier),
            // Clients take it for granted that there is one. Here nobody assumes it.
            "Role": format!("arn:aws:iam::{}:role/{}", self.host.account(), spec.name),
            "Runtime": "provided.al2023",
            "Handler": spec.handler,
            "CodeSize": facts.bytes,
            "CodeSha256": facts.sha256,
            "Description": about.description,
            "MemorySize": spec.memory_mb,
            "Timeout": spec.timeout.as_secs(),
            "LastModified": last_modified(about.modified_at_ms),
            "Environment": {"Variables": spec.environment},
            "RevisionId": about.revision,
            "PackageType": "Zip",
            "Architectures": [architecture],
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Version": about.version,
        })
    }

    /// `AliasConfiguration`.
    pub(super) fn alias_shape(&self, function: &str, alias: &Alias) -> Value {
        let mut shape = json!({
            "AliasArn": self.host.function_arn(function, Some(&alias.name)),
            "Name": alias.name,
            "FunctionVersion": alias.target.version,
            "Description": alias.description,
            "RevisionId": alias.revision,
        });
        if let Some((version, weight)) = &alias.target.additional {
            shape["RoutingConfig"] = json!({"AdditionalVersionWeights": {version: weight}});
        }
        shape
    }
}

/// `2026-11-21T01:30:00.000+0000`, which is Lambda's form.
fn last_modified(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_in_lambda_s_form() {
        assert_eq!(super::last_modified(1_795_224_600_007), "2026-11-21T01:30:00.007+0000");
    }
}
