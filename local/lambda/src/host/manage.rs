//! Versions and aliases of the host's functions: what Lambda's API calls change and look up.

use super::function::Function;
use super::versions::{Alias, AliasTarget, FunctionVersion, VersionError};
use super::{FunctionSpec, Host, environment};
use std::sync::Arc;

impl Host {
    /// `arn:aws:lambda:<region>:<account>:function:<name>`, with the qualifier where one is given.
    pub fn function_arn(&self, name: &str, qualifier: Option<&str>) -> String {
        environment::function_arn(&self.inner.shared, name, qualifier)
    }

    /// The account that its functions are in.
    pub fn account(&self) -> &str {
        &self.inner.shared.account
    }

    /// Changes `$LATEST` of a function (its name stays). Published versions are not touched; what runs on `$LATEST`
    /// finishes as it began.
    ///
    /// # Errors
    /// No such function, or its revision is not the one expected.
    pub fn update_function(
        &self,
        name: &str,
        change: impl FnOnce(&mut FunctionSpec),
        expected_revision: Option<&str>,
    ) -> Result<FunctionVersion, VersionError> {
        let (version, replaced) = self.managed(name)?.update(change, expected_revision)?;
        self.remember(&replaced);
        Ok(version)
    }

    /// Publishes `$LATEST` as it stands under the next number, or returns the last version if it is the same.
    ///
    /// # Errors
    /// No such function, or the revision of `$LATEST` is not the one expected.
    pub fn publish_version(
        &self,
        name: &str,
        description: &str,
        expected_revision: Option<&str>,
    ) -> Result<FunctionVersion, VersionError> {
        self.managed(name)?.publish(description, expected_revision)
    }

    /// The version that a qualifier stands for, `$LATEST` without one; of a weighted alias the one that is not
    /// additional.
    ///
    /// # Errors
    /// No such function, version or alias.
    pub fn version(&self, name: &str, qualifier: Option<&str>) -> Result<FunctionVersion, VersionError> {
        self.managed(name)?.version(qualifier)
    }

    /// `$LATEST`, then the published versions in order.
    ///
    /// # Errors
    /// No such function.
    pub fn versions(&self, name: &str) -> Result<Vec<FunctionVersion>, VersionError> {
        Ok(self.managed(name)?.versions())
    }

    /// Names a version, or two with their weights.
    ///
    /// # Errors
    /// No such function or version, a name or target that Lambda would not take, or the alias is there.
    pub fn create_alias(
        &self,
        function: &str,
        name: &str,
        target: AliasTarget,
        description: &str,
    ) -> Result<Alias, VersionError> {
        self.managed(function)?.create_alias(name, target, description)
    }

    /// Changes where an alias points and what is said of it. The next invocation goes by it; running ones finish.
    ///
    /// # Errors
    /// No such function, alias or version, a target that Lambda would not take, or another revision than expected.
    pub fn update_alias(
        &self,
        function: &str,
        name: &str,
        change: impl FnOnce(&mut AliasTarget, &mut String),
        expected_revision: Option<&str>,
    ) -> Result<Alias, VersionError> {
        self.managed(function)?.update_alias(name, change, expected_revision)
    }

    /// Removes an alias; whether there was one.
    ///
    /// # Errors
    /// No such function.
    pub fn delete_alias(&self, function: &str, name: &str) -> Result<bool, VersionError> {
        Ok(self.managed(function)?.delete_alias(name))
    }

    /// One alias.
    ///
    /// # Errors
    /// No such function or alias.
    pub fn alias(&self, function: &str, name: &str) -> Result<Alias, VersionError> {
        self.managed(function)?.alias(name)
    }

    /// All aliases of a function, by name.
    ///
    /// # Errors
    /// No such function.
    pub fn aliases(&self, function: &str) -> Result<Vec<Alias>, VersionError> {
        Ok(self.managed(function)?.aliases())
    }

    fn managed(&self, name: &str) -> Result<Arc<Function>, VersionError> {
        self.function(name).ok_or_else(|| VersionError::NotFound(self.function_arn(name, None)))
    }
}
