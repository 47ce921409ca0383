//! The epoch table as this environment last read it, read again well before it grows stale.

use crate::contributions::ContributionsTable;
use std::sync::Arc;
use tokio::sync::Mutex;
use weir_exact::layout::Layout;
use weir_exact::ports::{ContributionGet, StoreError, StoreErrorKind};
use weir_telemetry::{EpochTable, EpochView, Millis};

/// Read again after this long: a third of the notice that a new epoch is given, so that two failed
/// readings do not stop the function. Milliseconds.
const REFRESH_MS: i64 = EpochTable::NOTICE_MS / 3;

/// Reads and remembers the epoch table.
#[derive(Debug)]
pub struct Epochs {
    contributions: ContributionsTable,
    generation: String,
    view: Mutex<Option<Arc<EpochView>>>,
}

impl Epochs {
    /// Of that generation, from that table.
    pub fn new(contributions: ContributionsTable, generation: impl Into<String>) -> Self {
        Self { contributions, generation: generation.into(), view: Mutex::default() }
    }

    /// The table as known at `now`. A reading that fails is tolerated while the last one is still good for
    /// the arrivals at hand: the view itself refuses those that it is too old for.
    ///
    /// # Errors
    /// When nothing was ever read, or the stored table is one this version cannot read.
    pub async fn view(&self, now: Millis) -> Result<Arc<EpochView>, StoreError> {
        let mut known = self.view.lock().await;
        match known.as_ref() {
            Some(view) if now < view.read_at().plus(REFRESH_MS) => Ok(view.clone()),
            Some(view) => match self.read(now).await {
                Ok(read) => Ok(known.insert(Arc::new(read)).clone()),
                Err(error) if error.kind() != StoreErrorKind::Unreadable => Ok(view.clone()),
                Err(error) => Err(error),
            },
            None => Ok(known.insert(Arc::new(self.read(now).await?)).clone()),
        }
    }

    /// The layout of this generation, under a view.
    pub fn layout(&self, view: &EpochView) -> Layout {
        Layout::new(&self.generation, view.generation().clone())
    }

    async fn read(&self, now: Millis) -> Result<EpochView, StoreError> {
        let table = match self.contributions.get(&Layout::epochs()).await? {
            None => EpochTable::genesis(),
            Some(item) => EpochTable::from_json(&item.body)
                .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, error.to_string()))?,
        };
        Ok(EpochView::new(table, now))
    }
}
