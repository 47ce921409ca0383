//! The epoch table as one environment last read it, read again well before it grows stale.

use crate::layout::Layout;
use crate::ports::{ContributionGet, StoreError, StoreErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use weir_telemetry::{EpochTable, EpochView, Millis};

/// Read again after this long: a third of the notice that a new epoch is given, so that two failed
/// readings do not stop the function. Milliseconds.
const REFRESH_MS: i64 = EpochTable::NOTICE_MS / 3;

/// Reads and remembers the epoch table.
#[derive(Debug)]
pub struct Epochs<S> {
    store: S,
    generation: String,
    view: Mutex<Option<Arc<EpochView>>>,
}

impl<S: ContributionGet> Epochs<S> {
    /// Of that generation, from that table.
    pub fn new(store: S, generation: impl Into<String>) -> Self {
        Self { store, generation: generation.into(), view: Mutex::default() }
    }

    /// The table as known at `now`. A reading that fails is tolerated while the last one is still good for
    /// the arrivals at hand: the view itself refuses those that it is too old for.
    ///
    /// # Errors
    /// When nothing was ever read, or the stored table is one this version cannot read.
    pub async fn view(&self, now: Millis) -> Result<Arc<EpochView>, StoreError> {
        let known = self.known().clone();
        match known {
            Some(view) if now < view.read_at().plus(REFRESH_MS) => Ok(view),
            Some(view) => match self.read(now).await {
                Err(error) if error.kind() != StoreErrorKind::Unreadable => Ok(view),
                read => read,
            },
            None => self.read(now).await,
        }
    }

    /// The layout of this generation, under a view.
    pub fn layout(&self, view: &EpochView) -> Layout {
        Layout::new(&self.generation, view.generation().clone())
    }

    /// `now` is the time before the reading was sent: a view is never newer than it says.
    async fn read(&self, now: Millis) -> Result<Arc<EpochView>, StoreError> {
        let table = match self.store.get(&Layout::epochs()).await? {
            None => EpochTable::genesis(),
            Some(item) => EpochTable::from_json(&item.body)
                .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, error.to_string()))?,
        };
        let view = Arc::new(EpochView::new(table, now));
        *self.known() = Some(view.clone());
        Ok(view)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Arc<EpochView>>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
