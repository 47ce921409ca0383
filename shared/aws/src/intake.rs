//! The stores that an intake processor writes to, as one: contributions and quarantine.

use crate::config::{ConfigError, Environment, resource};
use crate::contributions::ContributionsTable;
use crate::quarantine::QuarantineBucket;
use crate::scratch::InScratch;
use weir_exact::ports::{
    ContributionGet, ContributionPut, Expected, Item, ItemKey, PutOutcome, QuarantineGet, QuarantinePut, StoreError,
};
use weir_exact::quarantine::QuarantineObject;

/// Contributions in DynamoDB, quarantine in S3.
#[derive(Clone, Debug)]
pub struct IntakeStores {
    contributions: ContributionsTable,
    quarantine: QuarantineBucket,
}

impl IntakeStores {
    /// From `WEIR_CONTRIBUTIONS_TABLE` and `WEIR_QUARANTINE_BUCKET`, over the connection's clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(
        environment: &impl Environment,
        connection: &crate::clients::Connection,
    ) -> Result<Self, ConfigError> {
        let table = contributions_table(environment)?;
        let bucket = quarantine_bucket(environment)?;
        Ok(Self {
            contributions: ContributionsTable::new(connection.dynamodb(), table),
            quarantine: QuarantineBucket::new(connection.s3(), bucket),
        })
    }

    /// The same, with everything read from and written to a scratch generation.
    #[must_use]
    pub fn in_scratch(&self, scratch: InScratch) -> Self {
        Self {
            quarantine: self.quarantine.in_scratch(scratch.generation.clone()),
            contributions: self.contributions.in_scratch(scratch),
        }
    }

    /// The contributions table.
    pub fn contributions(&self) -> &ContributionsTable {
        &self.contributions
    }
}

/// `WEIR_CONTRIBUTIONS_TABLE`.
///
/// # Errors
/// [`ConfigError`] if it is missing or not a table's name.
pub fn contributions_table(environment: &impl Environment) -> Result<String, ConfigError> {
    resource(environment, "WEIR_CONTRIBUTIONS_TABLE", "the name of the contributions table")
}

/// `WEIR_QUARANTINE_BUCKET`.
///
/// # Errors
/// [`ConfigError`] if it is missing or not a bucket's name.
pub fn quarantine_bucket(environment: &impl Environment) -> Result<String, ConfigError> {
    resource(environment, "WEIR_QUARANTINE_BUCKET", "the name of the quarantine bucket")
}

impl ContributionGet for IntakeStores {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        self.contributions.get(key).await
    }
}

impl ContributionPut for IntakeStores {
    async fn put(&self, item: &Item, expected: &Expected) -> Result<PutOutcome, StoreError> {
        self.contributions.put(item, expected).await
    }
}

impl QuarantineGet for IntakeStores {
    async fn set_aside(&self, key: &str) -> Result<Option<QuarantineObject>, StoreError> {
        self.quarantine.set_aside(key).await
    }
}

impl QuarantinePut for IntakeStores {
    async fn quarantine(&self, object: &QuarantineObject) -> Result<(), StoreError> {
        self.quarantine.quarantine(object).await
    }
}
