//! How a command fails: one line that says what happened and what to do.

use weir_exact::ports::StoreError;
use weir_objects::ReadError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The caller must change something: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not work, or the answer is no: exit status 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

/// What a store says names the table or bucket, and what was asked of it.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a reading says names the object.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Of what a command prints or keeps: what it reads is the caller's, and says whose it is.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

const CONNECTION_REFUSED: &str = "; connection refused: is `weir up` running, and does AWS_ENDPOINT_URL name its port?";

/// An SDK's error with its causes, which its own text leaves out.
pub(crate) fn failed(tried: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut causes = vec![];
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    let hint = if causes.iter().any(|cause| cause.contains("Connection refused")) { CONNECTION_REFUSED } else { "" };
    Failure::Failed(format!("{tried}: {}{hint}", causes.join(": ")))
}

/// A count and its noun: `1 event`, `2 events`.
pub(crate) fn many(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Prints one line on standard error, prefixed with the program's name.
pub(crate) fn say(line: &str) {
    eprintln!("weir: {line}");
}
