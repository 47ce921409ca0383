//! A rollup row as published: contract §2. Its DynamoDB attributes are in `weir-aws`.

mod window;

pub use window::{Resolution, RowWindow};

use weir_rollup::Rollup;
use weir_telemetry::Millis;

/// The endpoint of a service's summary row.
pub const SUMMARY: &str = "*";

/// Number of the computation that produces rows. A higher one may rewrite a row of the same revision.
pub const ALGORITHM: u32 = 1;

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The service.
    pub service: String,
    /// The endpoint, or [`SUMMARY`].
    pub endpoint: String,
    /// The window.
    pub window: RowWindow,
}

impl RowKey {
    /// The partition key, `<service>#<endpoint>`.
    pub fn series(&self) -> String {
        format!("{}#{}", self.service, self.endpoint)
    }

    /// The sort key, `<resolution>#<start>`.
    pub fn window_text(&self) -> String {
        self.window.to_string()
    }
}

/// How final a row is. Ordered: at one revision a row only ever moves up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Events may still arrive on time.
    Open,
    /// Every source has passed the window's end; late events may still change the row.
    Complete,
    /// Nothing can arrive any more.
    Sealed,
}

impl State {
    /// The stored text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Sealed => "sealed",
        }
    }

    /// Reads the stored text.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Complete, Self::Sealed].into_iter().find(|state| state.name() == name)
    }
}

/// Decides which of two rows wins: ordered by revision, then algorithm, then state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowVersion {
    /// Σ touches of fenced items + ledger copies that touch the row; only ever grows.
    pub revision: u64,
    /// [`ALGORITHM`] of the code that wrote it.
    pub algorithm: u32,
    /// How final it is.
    pub state: State,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its key.
    pub key: RowKey,
    /// What it counts.
    pub rollup: Rollup,
    /// The ten largest endpoints by count, then name; on summary rows only.
    pub top_endpoints: Option<Vec<(String, u64)>>,
    /// Its version.
    pub version: RowVersion,
    /// When it was computed.
    pub updated_at: Millis,
    /// TTL, epoch seconds; `None`: kept forever.
    pub expires_at: Option<i64>,
}
