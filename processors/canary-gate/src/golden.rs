//! A golden: batches of one processor, and what they leave behind when they are counted right.
//!
//! They are data of a layer (`layers/goldens`, one file a processor), made from `events/`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one processor is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What it is about, for whoever reads the file.
    pub about: String,
    /// What stands in the scratch generation before.
    #[serde(default, skip_serializing_if = "Before::is_empty")]
    pub before: Before,
    /// What the version is invoked with, one after the other.
    pub batches: Vec<Batch>,
    /// The batches arrive while the gate runs, not at times of their own: windows are not looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arrives_now: bool,
    /// What stands in the scratch generation afterwards, a line each ([`crate::observed`]), ascending.
    pub leaves: Vec<String>,
}

/// What stands in the scratch generation before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Before {
    /// Contributions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributions: Vec<Contribution>,
    /// Whether the rows of these contributions stand, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rows: bool,
    /// Documents of quarantine by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Value>,
    /// Objects of the landing bucket by name, base64. `${name.key}`, `.version`, `.etag`, `.size` in a batch are theirs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, String>,
}

impl Before {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One item of the contributions table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
    /// Of a fenced one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
    /// As stored.
    pub body_base64: String,
}

/// Invocations with one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The input as Lambda's event source would write it, with `${…}` for what only the fleet knows.
    pub invocation: Value,
    /// Half-open ranges of its `Records`, each an invocation of its own: what comes twice, and cut anew, must count once.
    /// None: the whole of it, once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<(usize, usize)>,
    /// Whether it goes to the version as it is: to a processor that keeps nothing, and so knows no scratch generation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// What every one of these invocations answers ([`crate::verdict::is_like`]).
    pub answer: Value,
}

/// Why there is no golden to judge by.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// No file.
    #[error("no golden {}: {source}; the layer of goldens holds one for each processor behind the gate", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A file that is none.
    #[error("the golden {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Golden {
    /// Reads `<directory>/<processor>.json`.
    ///
    /// # Errors
    /// [`GoldenError`] when there is none, or it is none.
    pub fn read(directory: &Path, processor: &str) -> Result<Self, GoldenError> {
        let path = directory.join(format!("{processor}.json"));
        let bytes = std::fs::read(&path).map_err(|source| GoldenError::Missing { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| GoldenError::Unreadable { path, source })
    }
}
