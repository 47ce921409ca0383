//! The epoch table as this environment last read it, reread well before it grows stale.

use crate::layout::Layout;
use crate::ports::{ContributionGet, ContributionPut, Expected, Item, PutOutcome, StoreError, StoreErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weir_telemetry::{AnnounceError, Epoch, EpochTable, EpochView, Millis};

/// Reread after this long: a third of the notice that a new epoch is given, so two failed readings do not stop the
/// function. Milliseconds.
const REFRESH_MS: i64 = EpochTable::NOTICE_MS / 3;

/// Reads and remembers the epoch table.
#[derive(Debug)]
pub struct Epochs<S> {
    store: S,
    generation: String,
    view: Mutex<Option<Arc<EpochView>>>,
}

impl<S: ContributionGet> Epochs<S> {
    /// For that generation, from that table.
    pub fn new(store: S, generation: impl Into<String>) -> Self {
        Self { store, generation: generation.into(), view: Mutex::default() }
    }

    /// The table as known at `now`. A failed reading is tolerated while the last one is still valid for the arrivals at
    /// hand: the view itself refuses arrivals it is too old for.
    ///
    /// # Errors
    /// If nothing was ever read, or this version cannot read the stored table.
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

    /// The layout of this generation under a view.
    pub fn layout(&self, view: &EpochView) -> Layout {
        Layout::new(&self.generation, view.generation().clone())
    }

    /// `now` is the time before the read was sent: a view is never newer than it claims.
    async fn read(&self, now: Millis) -> Result<Arc<EpochView>, StoreError> {
        let item = self.store.get(&Layout::epochs()).await?;
        let view = Arc::new(EpochView::new(table_of(item.as_ref())?, now));
        *self.known() = Some(view.clone());
        Ok(view)
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<EpochView>>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table in an item; the genesis table if there is none.
///
/// # Errors
/// Unreadable if this version cannot follow it.
pub fn table_of(item: Option<&Item>) -> Result<EpochTable, StoreError> {
    item.map_or_else(
        || Ok(EpochTable::genesis()),
        |item| {
            EpochTable::from_json(&item.body)
                .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, error.to_string()))
        },
    )
}

/// The item for a table. Its fence is the number of the last epoch, since a table only ever grows.
pub fn item_of(table: &EpochTable) -> Item {
    let last = table.epochs.last().map_or(0, |epoch| epoch.number);
    Item { key: Layout::epochs(), fence: Some(last.to_string()), body: table.to_json(), expires_at: None }
}

/// Why an epoch was not announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceFailure {
    /// The rules forbid it.
    #[error("{0}")]
    Refused(#[from] AnnounceError),
    /// Somebody else announced one meanwhile: read it, then announce again.
    #[error("another epoch was announced meanwhile; look at it and announce again")]
    Overtaken,
    /// The store failed. The epoch may have been announced anyway: read before announcing again.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Announces an epoch: reads the table, and puts it with `epoch` appended if it is unchanged since.
/// `now` is the time before the read is sent; `decoders` are those that every live version implements.
///
/// # Errors
/// [`AnnounceFailure`]; the table is unchanged, unless the store failed.
pub async fn announce<S: ContributionGet + ContributionPut>(
    store: &S,
    epoch: Epoch,
    now: Millis,
    decoders: &[u32],
) -> Result<EpochTable, AnnounceFailure> {
    let stands = store.get(&Layout::epochs()).await?;
    let table = table_of(stands.as_ref())?.announce(epoch, now, decoders)?;
    let expected = match stands.and_then(|item| item.fence) {
        Some(fence) => Expected::Fence(fence),
        None => Expected::Absent,
    };
    match store.put(&item_of(&table), &expected).await? {
        PutOutcome::Written => Ok(table),
        PutOutcome::Conflict(_) => Err(AnnounceFailure::Overtaken),
    }
}
