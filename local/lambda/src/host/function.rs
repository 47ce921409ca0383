//! One function: `$LATEST`, the versions published from it, and the aliases that name them.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::concurrency::Concurrency;
use super::counters::{Counters, FunctionStats};
use super::environment::function_arn;
use super::pool::{Permit, Pool};
use super::versions::{Alias, AliasTarget, FunctionVersion, LATEST, VersionError, check_alias_name, expect_revision};
use super::{FunctionSpec, Shared};
use crate::invoker::InvokeError;

pub(crate) struct Function {
    name: String,
    shared: Arc<Shared>,
    concurrency: Arc<Concurrency>,
    state: RwLock<State>,
}

struct State {
    latest: Entry,
    published: BTreeMap<u64, Entry>,
    aliases: BTreeMap<String, Alias>,
}

/// A version and its sandboxes.
struct Entry {
    pool: Arc<Pool>,
    about: FunctionVersion,
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn revision() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Function {
    pub(crate) fn new(spec: FunctionSpec, shared: Arc<Shared>) -> Arc<Function> {
        let concurrency = Concurrency::new(spec.concurrency_max);
        let pool = Pool::new(spec.clone(), LATEST, Arc::default(), shared.clone());
        let about = FunctionVersion {
            version: LATEST.to_owned(),
            spec,
            description: String::new(),
            revision: revision(),
            modified_at_ms: now_ms(),
        };
        let state = State { latest: Entry { pool, about }, published: BTreeMap::new(), aliases: BTreeMap::new() };
        Arc::new(Function { name: state.latest.about.spec.name.clone(), shared, concurrency, state: state.into() })
    }

    pub(crate) fn concurrency_max(&self) -> u32 {
        self.concurrency.max()
    }

    /// The version that takes one invocation of the qualifier (none is `$LATEST`), and a place on it. `roll` decides
    /// between the two versions of a weighted alias.
    pub(crate) fn admit(
        &self,
        qualifier: Option<&str>,
        roll: f64,
    ) -> Result<(Arc<Pool>, Permit, Arc<str>), InvokeError> {
        let unknown = || InvokeError::UnknownFunction(self.arn(qualifier));
        let state = self.read();
        let version = match qualifier.and_then(|name| state.aliases.get(name)) {
            Some(alias) => alias.target.choose(roll),
            None => qualifier.unwrap_or(LATEST),
        };
        let pool = state.entry(version).ok_or_else(unknown)?.pool.clone();
        match self.concurrency.admit() {
            Some(place) => {
                let permit = pool.enter(place);
                Ok((pool, permit, self.arn(qualifier).into()))
            }
            None => {
                pool.throttled();
                Err(InvokeError::Throttled { function: self.name.clone(), concurrency_max: self.concurrency.max() })
            }
        }
    }

    /// Changes `$LATEST`; what runs on it finishes as it began. The pool it had is returned for the shutdown to find.
    pub(crate) fn update(
        &self,
        change: impl FnOnce(&mut FunctionSpec),
        expected_revision: Option<&str>,
    ) -> Result<(FunctionVersion, Arc<Pool>), VersionError> {
        let mut state = self.write();
        let latest = &mut state.latest;
        expect_revision(&latest.about.revision, expected_revision)?;
        change(&mut latest.about.spec);
        // The register knows it under this name.
        latest.about.spec.name.clone_from(&self.name);
        latest.about.revision = revision();
        latest.about.modified_at_ms = now_ms();
        self.concurrency.set_max(latest.about.spec.concurrency_max);
        let counters = latest.pool.counters();
        let pool = Pool::new(latest.about.spec.clone(), LATEST, counters, self.shared.clone());
        let replaced = std::mem::replace(&mut latest.pool, pool);
        replaced.retire();
        Ok((latest.about.clone(), replaced))
    }

    /// "Lambda doesn't publish a version if the function's configuration and code haven't changed since the last
    /// version" ("PublishVersion"): the last one is returned then.
    pub(crate) fn publish(
        &self,
        description: &str,
        expected_revision: Option<&str>,
    ) -> Result<FunctionVersion, VersionError> {
        let mut state = self.write();
        let latest = &state.latest.about;
        expect_revision(&latest.revision, expected_revision)?;
        if let Some((_, last)) = state.published.last_key_value()
            && last.about.spec.same_version(&latest.spec)
        {
            return Ok(last.about.clone());
        }
        let number = state.published.last_key_value().map_or(1, |(number, _)| number + 1);
        let about = FunctionVersion {
            version: number.to_string(),
            spec: latest.spec.clone(),
            description: description.to_owned(),
            revision: revision(),
            modified_at_ms: now_ms(),
        };
        let pool = Pool::new(about.spec.clone(), &about.version, Arc::new(Counters::default()), self.shared.clone());
        state.published.insert(number, Entry { pool, about: about.clone() });
        Ok(about)
    }

    /// The version a qualifier stands for; of a weighted alias the one that is not additional.
    pub(crate) fn version(&self, qualifier: Option<&str>) -> Result<FunctionVersion, VersionError> {
        let state = self.read();
        let version = match qualifier.and_then(|name| state.aliases.get(name)) {
            Some(alias) => &alias.target.version,
            None => qualifier.unwrap_or(LATEST),
        };
        let entry = state.entry(version).ok_or_else(|| VersionError::NotFound(self.arn(qualifier)))?;
        Ok(entry.about.clone())
    }

    /// `$LATEST`, then the published ones in order.
    pub(crate) fn versions(&self) -> Vec<FunctionVersion> {
        self.read().entries().map(|entry| entry.about.clone()).collect()
    }

    pub(crate) fn create_alias(
        &self,
        name: &str,
        target: AliasTarget,
        description: &str,
    ) -> Result<Alias, VersionError> {
        check_alias_name(name)?;
        let mut state = self.write();
        if state.aliases.contains_key(name) {
            return Err(VersionError::AliasExists(self.arn(Some(name))));
        }
        self.check_target(&state, &target)?;
        let description = description.to_owned();
        let alias = Alias { name: name.to_owned(), target, description, revision: revision() };
        state.aliases.insert(name.to_owned(), alias.clone());
        Ok(alias)
    }

    pub(crate) fn update_alias(
        &self,
        name: &str,
        change: impl FnOnce(&mut AliasTarget, &mut String),
        expected_revision: Option<&str>,
    ) -> Result<Alias, VersionError> {
        let mut state = self.write();
        let mut alias = state.aliases.get(name).cloned().ok_or_else(|| self.no_alias(name))?;
        expect_revision(&alias.revision, expected_revision)?;
        change(&mut alias.target, &mut alias.description);
        self.check_target(&state, &alias.target)?;
        alias.revision = revision();
        state.aliases.insert(name.to_owned(), alias.clone());
        Ok(alias)
    }

    /// Whether there was one.
    pub(crate) fn delete_alias(&self, name: &str) -> bool {
        self.write().aliases.remove(name).is_some()
    }

    pub(crate) fn alias(&self, name: &str) -> Result<Alias, VersionError> {
        self.read().aliases.get(name).cloned().ok_or_else(|| self.no_alias(name))
    }

    pub(crate) fn aliases(&self) -> Vec<Alias> {
        self.read().aliases.values().cloned().collect()
    }

    fn check_target(&self, state: &State, target: &AliasTarget) -> Result<(), VersionError> {
        target.validate()?;
        let additional = target.additional.as_ref().map(|(version, _)| version.as_str());
        for version in std::iter::once(target.version.as_str()).chain(additional) {
            if state.entry(version).is_none() {
                return Err(VersionError::NotFound(self.arn(Some(version))));
            }
        }
        Ok(())
    }

    fn no_alias(&self, name: &str) -> VersionError {
        VersionError::AliasNotFound(self.arn(Some(name)))
    }

    fn arn(&self, qualifier: Option<&str>) -> String {
        function_arn(&self.shared, &self.name, qualifier)
    }

    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.read().entries().map(|entry| entry.pool.clone()).collect()
    }

    pub(crate) fn stats(&self) -> FunctionStats {
        let sum = self.stats_by_version().into_values().fold(FunctionStats::default(), FunctionStats::and);
        FunctionStats { concurrency_peak: self.concurrency.peak().into(), ..sum }
    }

    pub(crate) fn stats_by_version(&self) -> BTreeMap<String, FunctionStats> {
        let state = self.read();
        state.entries().map(|entry| (entry.about.version.clone(), entry.pool.counters().read())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("no panic while the lock is held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("no panic while the lock is held")
    }
}

impl State {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.latest).chain(self.published.values())
    }

    fn entry(&self, version: &str) -> Option<&Entry> {
        self.entries().find(|entry| entry.about.version == version)
    }
}
