//! Everything there is in a run: stores, sources, environments, and what was seen on the way.

use crate::compactor;
use crate::dynamodb::{Rows, Table};
use crate::finalizer::Triggers;
use crate::functions::Fleet;
use crate::kinesis::Stream;
use crate::landing::Landing;
use crate::oracle::Oracle;
use crate::queue::{Queue, Replayed};
use crate::rules::Rule;
use crate::seen::Tally;
use std::collections::{BTreeMap, BTreeSet};
use weir_exact::epochs::{item_of, table_of};
use weir_exact::fenced::FencedSettings;
use weir_exact::layout::Layout;
use weir_exact::ledger::LedgerSettings;
use weir_exact::objects::ObjectSettings;
use weir_exact::ports::{Item, ItemKey};
use weir_exact::quarantine::QuarantineObject;
use weir_telemetry::EpochTable;

/// Stores, sources and environments.
pub(crate) struct State {
    /// The rule that this run leaves out, if any.
    pub(crate) left_out: Option<Rule>,
    pub(crate) settings: Settings,
    pub(crate) layout: Layout,
    pub(crate) table: Table,
    pub(crate) rows: Rows,
    pub(crate) bucket: BTreeMap<String, QuarantineObject>,
    /// Every window's catalog as it was last written, also when TTL has taken it.
    pub(crate) catalogs: BTreeMap<ItemKey, Item>,
    /// TTLs that are on the agenda.
    pub(crate) expiring: BTreeSet<(ItemKey, i64)>,
    pub(crate) stream: Stream,
    pub(crate) queue: Queue,
    pub(crate) landing: Landing,
    /// Notices of objects.
    pub(crate) notices: Queue,
    /// Requests to put back what was set aside.
    pub(crate) replays: Queue,
    /// All that was ever asked to be put back.
    pub(crate) replayed: Vec<Replayed>,
    pub(crate) triggers: Triggers,
    /// Rows that were written.
    pub(crate) moved: compactor::Triggers,
    pub(crate) fleet: Fleet,
    /// What must come out, once everything is at rest.
    pub(crate) oracle: Option<Oracle>,
    pub(crate) seen: Tally,
    pub(crate) violation: Option<String>,
}

impl State {
    /// Stores that hold nothing but the epoch table.
    pub(crate) fn new(left_out: Option<Rule>, settings: Settings, epochs: &EpochTable) -> Self {
        let mut table = Table::default();
        table.overwrite(item_of(epochs));
        Self {
            left_out,
            settings,
            layout: Layout::new("live", epochs.generation.clone()),
            table,
            rows: Rows::default(),
            bucket: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            expiring: BTreeSet::new(),
            stream: Stream::default(),
            queue: Queue::default(),
            landing: Landing::default(),
            notices: Queue::default(),
            replays: Queue::default(),
            replayed: vec![],
            triggers: Triggers::default(),
            moved: compactor::Triggers::default(),
            fleet: Fleet::default(),
            oracle: None,
            seen: Tally::default(),
            violation: None,
        }
    }

    /// The epoch table as it stands: what decides, whoever has read it.
    pub(crate) fn epochs(&self) -> EpochTable {
        // What cannot be read is the table of no epoch: nothing then decodes as it should, and the run fails.
        table_of(self.table.get(&Layout::epochs()).as_ref()).unwrap_or_else(|_| EpochTable::genesis())
    }
}

/// Bounds that decide how work is cut, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) fenced: FencedSettings,
    pub(crate) ledger: LedgerSettings,
    pub(crate) objects: ObjectSettings,
    /// Bytes of an object that one request reads.
    pub(crate) piece_bytes: usize,
    /// Whether hours and days are computed.
    pub(crate) compacts: bool,
    /// Series of a window that have rows of their own.
    pub(crate) series_per_window_max: u32,
    /// Most records of a stream's batch, and messages of a queue's.
    pub(crate) batch_max: u32,
    /// How long a message that was handed out stays hidden, milliseconds.
    pub(crate) visibility_ms: i64,
    /// Receives after which a message goes to the dead-letter queue.
    pub(crate) receives_max: u32,
}
