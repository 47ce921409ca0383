//! A golden: batches for one processor, and what they leave behind if they are counted right.
//!
//! They are data in a layer (`layers/goldens`, one file per processor), made from `events/`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one processor is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What it covers, for readers of the file.
    pub about: String,
    /// Content of the scratch generation before.
    #[serde(default, skip_serializing_if = "Before::is_empty")]
    pub before: Before,
    /// The version's inputs, in order.
    pub batches: Vec<Batch>,
    /// The batches arrive while the gate runs, not at their own times: windows are not compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arrives_now: bool,
    /// Content of the scratch generation afterwards, one line each ([`crate::observed`]), ascending.
    pub leaves: Vec<String>,
}

/// Content of the scratch generation before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Before {
    /// Contributions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributions: Vec<Contribution>,
    /// Whether the rows of these contributions exist, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rows: bool,
    /// Quarantine documents by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Value>,
    /// Landing-bucket objects by name, base64. A batch refers to them as `${name.key}`, `.version`, `.etag`, `.size`.
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
    /// For a fenced item.
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
    /// Half-open ranges of its `Records`, each its own invocation: what comes twice, and cut differently, must count
    /// once. `None`: all of it, once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<(usize, usize)>,
    /// Whether it goes to the version as it is: to a processor that keeps nothing, and so knows no scratch generation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// The expected response to each of these invocations ([`crate::verdict::is_like`]).
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
    /// An invalid file.
    #[error("the golden {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Golden {
    /// Reads `<directory>/<processor>.json`.
    ///
    /// # Errors
    /// [`GoldenError`] if there is none, or it is invalid.
    pub fn read(directory: &Path, processor: &str) -> Result<Self, GoldenError> {
        let path = directory.join(format!("{processor}.json"));
        let bytes = std::fs::read(&path).map_err(|source| GoldenError::Missing { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| GoldenError::Unreadable { path, source })
    }
}
