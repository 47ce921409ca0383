//! What versions and aliases are ("Managing Lambda function versions", "Create an alias for a Lambda function",
//! "Implement Lambda canary deployments using a weighted alias"). Pure.

use super::FunctionSpec;

/// The version that may still change.
pub const LATEST: &str = "$LATEST";
/// Characters of an alias's name ("CreateAlias": 1–128 letters, digits, `-` and `_`, not digits alone).
const ALIAS_NAME_CHARS_MAX: usize = 128;

/// A version of a function: `$LATEST`, or a published one, which never changes again.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionVersion {
    /// `$LATEST`, or a number from 1.
    pub version: String,
    /// Its code and configuration.
    pub spec: FunctionSpec,
    /// What was said of it when it was published.
    pub description: String,
    /// Changes with every change; for those who ask that nothing has changed since they looked (`RevisionId`).
    pub revision: String,
    /// When it was made or last changed, milliseconds since the epoch.
    pub modified_at_ms: i64,
}

/// Where an alias points.
#[derive(Debug, Clone, PartialEq)]
pub struct AliasTarget {
    /// `FunctionVersion`: takes what the additional version does not.
    pub version: String,
    /// The entry of `RoutingConfig.AdditionalVersionWeights`, of which there is at most one: a published version, and
    /// its share of the invocations, 0–1.
    pub additional: Option<(String, f64)>,
}

impl AliasTarget {
    /// All invocations to one version.
    pub fn all(version: impl Into<String>) -> AliasTarget {
        AliasTarget { version: version.into(), additional: None }
    }

    /// The version for one invocation, `roll` being uniform in 0–1: "Lambda uses a simple probabilistic model to
    /// distribute the traffic between the two function versions".
    pub(crate) fn choose(&self, roll: f64) -> &str {
        match &self.additional {
            Some((version, weight)) if roll < *weight => version,
            _ => &self.version,
        }
    }

    /// What CreateAlias and UpdateAlias refuse whatever versions there are.
    pub(crate) fn validate(&self) -> Result<(), VersionError> {
        let Some((version, weight)) = &self.additional else { return Ok(()) };
        if !(0.0..=1.0).contains(weight) {
            return Err(VersionError::Invalid(format!(
                "Value '{weight}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: 0.0 to 1.0"
            )));
        }
        if self.version == LATEST || version == LATEST {
            return Err(VersionError::Invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
            ));
        }
        if *version == self.version {
            return Err(VersionError::Invalid(format!(
                "Invalid function version {version}. Function version {version} is already included in routing configuration."
            )));
        }
        Ok(())
    }
}

/// A name for one version, or two.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Where it points.
    pub target: AliasTarget,
    /// What was said of it.
    pub description: String,
    /// As [`FunctionVersion::revision`].
    pub revision: String,
}

/// Why versions or aliases stay as they are. Displays as `<Lambda's error code>: <message>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No such function or version.
    #[error("ResourceNotFoundException: Function not found: {0}")]
    NotFound(String),
    /// No such alias.
    #[error("ResourceNotFoundException: Cannot find alias arn: {0}")]
    AliasNotFound(String),
    /// The alias is there already.
    #[error("ResourceConflictException: Alias already exists: {0}")]
    AliasExists(String),
    /// A value that Lambda would not take.
    #[error("InvalidParameterValueException: {0}")]
    Invalid(String),
    /// The caller named a revision, and it is no longer the one that stands.
    #[error(
        "PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the \
         GetFunctionConfiguration or the GetAlias API to retrieve the latest Revision Id"
    )]
    RevisionMismatch,
}

pub(crate) fn expect_revision(current: &str, expected: Option<&str>) -> Result<(), VersionError> {
    if expected.is_none_or(|expected| expected == current) { Ok(()) } else { Err(VersionError::RevisionMismatch) }
}

pub(crate) fn check_alias_name(name: &str) -> Result<(), VersionError> {
    let chars = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let number = name.bytes().all(|byte| byte.is_ascii_digit());
    if chars && !number && (1..=ALIAS_NAME_CHARS_MAX).contains(&name.len()) {
        return Ok(());
    }
    Err(VersionError::Invalid(format!(
        "Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         (?!^[0-9]+$)([a-zA-Z0-9-_]+), at most {ALIAS_NAME_CHARS_MAX} characters"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_additional_version_s_share() {
        let target = AliasTarget { version: "1".into(), additional: Some(("2".into(), 0.1)) };
        let chosen = |roll| target.choose(roll).to_owned();
        assert_eq!([0.0, 0.0999, 0.1, 0.999].map(chosen), ["2", "2", "1", "1"]);
        let none = AliasTarget { additional: Some(("2".into(), 0.0)), ..target.clone() };
        assert_eq!(none.choose(0.0), "1");
        let all = AliasTarget { additional: Some(("2".into(), 1.0)), ..target };
        assert_eq!(all.choose(0.999_999), "2");
    }

    #[test]
    fn what_cannot_be_routed_is_refused() {
        let refused = |version: &str, additional: &str, weight| {
            let target = AliasTarget { version: version.into(), additional: Some((additional.into(), weight)) };
            matches!(target.validate(), Err(VersionError::Invalid(_)))
        };
        assert!(!refused("1", "2", 0.5) && !refused("1", "2", 0.0) && !refused("1", "2", 1.0));
        assert!(refused("1", "2", 1.1) && refused("1", "2", -0.1) && refused("1", "2", f64::NAN));
        assert!(refused("$LATEST", "2", 0.5) && refused("1", "$LATEST", 0.5) && refused("1", "1", 0.5));
        assert_eq!(AliasTarget::all(LATEST).validate(), Ok(()));
        for (name, sound) in [("live", true), ("2nd-try_x", true), ("7", false), ("", false), ("a.b", false)] {
            assert_eq!(check_alias_name(name).is_ok(), sound, "{name}");
        }
    }
}
