//! Epochs: the rules in force for arrivals from a given time, and the refusal to guess them.
//!
//! Every version of every function reads one table of epochs. A new epoch is announced at least
//! [`EpochTable::NOTICE_MS`] ahead and never edited, so a reader of the table at time `t` knows the rules for every
//! arrival up to `t + NOTICE_MS`. Code that meets an epoch it does not implement, or a later arrival, fails the batch
//! and retries: a guess would count a record under two rules.

mod announce;

use crate::limits::{Limits, ObjectLimits};
use crate::rules::Rules;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

pub use announce::AnnounceError;

/// A set of rules. Never edited once announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Counts up from 1.
    pub number: u32,
    /// First arrival (inclusive) under these rules, epoch milliseconds.
    pub from_ms: i64,
    /// Decoder and normalisation: a number that code implements or does not.
    pub decoder: u32,
    /// How many items share a window's series (per shard).
    pub splits: u16,
    /// Limits on one record.
    pub limits: Limits,
    /// Limits on one object. Omitted from a stored table if default, so that versions that do not know them can still
    /// read it.
    #[serde(default, skip_serializing_if = "ObjectLimits::are_default")]
    pub object_limits: ObjectLimits,
    /// How endpoints are normalised. Omitted from a stored table likewise.
    #[serde(default, skip_serializing_if = "Rules::are_built_in")]
    pub rules: Rules,
}

impl Epoch {
    /// The decoders that this code implements.
    pub const DECODERS: [u32; 1] = [1];

    /// The first rules: in force for all arrivals until another epoch is announced.
    pub fn genesis() -> Self {
        Self {
            number: 1,
            from_ms: 0,
            decoder: 1,
            splits: 1,
            limits: Limits::genesis(),
            object_limits: ObjectLimits::default(),
            rules: Rules::default(),
        }
    }

    /// The limit under which nothing could count, if there is one: checked when an epoch is announced and not when it
    /// is read, since an announced one is never edited.
    fn limit_of_zero(&self) -> Option<String> {
        let Limits {
            payload_bytes_max,
            events_per_record_max,
            // 0 means that a record counts whole or not at all.
            rejected_per_record_max: _,
            series_per_record_max,
            json_depth_max,
        } = self.limits;
        // `kept_bytes_max` may be 0: then quarantine keeps only reasons.
        let ObjectLimits {
            object_bytes_max,
            events_per_object_max,
            event_bytes_max,
            kept_bytes_max: _,
            events_per_chunk,
        } = self.object_limits;
        let all: [(&str, u64); 8] = [
            ("limits.payload_bytes_max", payload_bytes_max),
            ("limits.events_per_record_max", events_per_record_max.into()),
            ("limits.series_per_record_max", series_per_record_max.into()),
            ("limits.json_depth_max", json_depth_max.into()),
            ("object_limits.object_bytes_max", object_bytes_max),
            ("object_limits.events_per_object_max", events_per_object_max.into()),
            ("object_limits.event_bytes_max", event_bytes_max.into()),
            ("object_limits.events_per_chunk", events_per_chunk.into()),
        ];
        let (name, _) = all.into_iter().find(|(_, limit)| *limit == 0)?;
        Some(format!("{name} is 0, and nothing would be counted as what it is; it should be at least 1"))
    }

    /// Why these rules may not be announced, if so, naming the setting and its valid values.
    pub fn unsound(&self) -> Option<String> {
        let (found, most) = (self.limits.payload_bytes_max, Limits::PAYLOAD_BYTES_MOST);
        let too_much = || {
            (found > most).then(|| format!("limits.payload_bytes_max is {found}; it should be at most {most} (64 MiB)"))
        };
        self.limit_of_zero().or_else(too_much).or_else(|| self.problem().map(str::to_owned))
    }

    /// Why these rules cannot be in force, if so. [`Rules`] are valid by their type.
    fn problem(&self) -> Option<&'static str> {
        let ObjectLimits { object_bytes_max, events_per_object_max, event_bytes_max, kept_bytes_max, events_per_chunk } =
            self.object_limits;
        if self.splits == 0 {
            Some("splits should be at least one split")
        } else if [object_bytes_max, events_per_object_max.into(), event_bytes_max.into(), events_per_chunk.into()]
            .contains(&0)
        {
            Some("object_limits should be above 0")
        } else if event_bytes_max > EVENT_BYTES_MAX || kept_bytes_max > event_bytes_max {
            Some("object_limits: event_bytes_max should be at most 16 MiB, kept_bytes_max no more than it")
        } else {
            None
        }
    }
}

/// Highest `event_bytes_max`: an event is held in memory twice, in the smallest function.
const EVENT_BYTES_MAX: u32 = 16 << 20;

/// How a generation of the contributions table is laid out. Fixed for its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Ledger lanes: an identity belongs to lane `hash mod lanes`.
    pub lanes: u16,
    /// Partition keys over which a window's items are spread (1,000 write units a second each).
    pub partitions: u16,
}

/// All epochs, oldest first, and the generation's layout: one item that every function reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochTable {
    /// The table's layout.
    pub generation: Generation,
    /// Ascending by `number` and by `from_ms`; never empty.
    pub epochs: Vec<Epoch>,
}

/// Why a batch cannot be decoded now. Always worth a retry, never a guess.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// This code cannot read the stored table.
    #[error("the epoch table cannot be read: {0}; deploy a version that knows it")]
    Unreadable(String),
    /// The epoch needs a decoder that this code does not have.
    #[error("epoch {number} needs decoder {decoder}, which this version does not implement; deploy one that does")]
    UnknownDecoder {
        /// The epoch.
        number: u32,
        /// Its decoder.
        decoder: u32,
    },
    /// A new epoch may already be announced for this arrival.
    #[error("arrival {arrival} is more than 15 min past the last reading of the epoch table ({read_at})")]
    Stale {
        /// The record's arrival.
        arrival: Millis,
        /// When the table was read.
        read_at: Millis,
    },
}

impl EpochTable {
    /// How far ahead an epoch is announced, milliseconds.
    pub const NOTICE_MS: i64 = 15 * 60_000;

    /// The table in force while none is stored.
    pub fn genesis() -> Self {
        Self { generation: Generation { lanes: 16, partitions: 4 }, epochs: vec![Epoch::genesis()] }
    }

    /// Parses a stored table (JSON).
    ///
    /// # Errors
    /// [`EpochError::Unreadable`] if it is malformed, empty, out of order, or has a rule this code does not know: an
    /// unknown rule must stop the code, not be skipped.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EpochError> {
        let table: Self = serde_json::from_slice(bytes).map_err(|error| EpochError::Unreadable(error.to_string()))?;
        let ordered =
            table.epochs.windows(2).all(|pair| pair[0].number < pair[1].number && pair[0].from_ms < pair[1].from_ms);
        let laid_out = table.generation.lanes > 0 && table.generation.partitions > 0;
        if table.epochs.is_empty() || !ordered || !laid_out {
            return Err(EpochError::Unreadable(
                "epochs must be in order, with at least one lane and partition".to_owned(),
            ));
        }
        match table.epochs.iter().find_map(|epoch| epoch.problem().map(|problem| (epoch.number, problem))) {
            Some((number, problem)) => Err(EpochError::Unreadable(format!("epoch {number}: {problem}"))),
            None => Ok(table),
        }
    }

    /// The stored form, JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The epoch in force for `arrival`; the first one for anything earlier.
    ///
    /// Does not check whether the table is fresh enough or the decoder known: see [`EpochView::epoch_for`].
    pub fn epoch_at(&self, arrival: Millis) -> &Epoch {
        let after = self.epochs.partition_point(|epoch| epoch.from_ms <= arrival.0);
        &self.epochs[after.saturating_sub(1)]
    }
}

/// The epoch table as one environment last read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochView {
    table: EpochTable,
    read_at: Millis,
    decoders: &'static [u32],
}

impl EpochView {
    /// A table read at `read_at`: the time *before* the read was sent, so that it is never dated too late.
    pub fn new(table: EpochTable, read_at: Millis) -> Self {
        Self::implementing(table, read_at, &Epoch::DECODERS)
    }

    /// The same for a version of the code with these decoders, as a test may need.
    pub fn implementing(table: EpochTable, read_at: Millis, decoders: &'static [u32]) -> Self {
        Self { table, read_at, decoders }
    }

    /// The layout of the contributions table.
    pub fn generation(&self) -> &Generation {
        &self.table.generation
    }

    /// The table.
    pub fn table(&self) -> &EpochTable {
        &self.table
    }

    /// When the table was read.
    pub fn read_at(&self) -> Millis {
        self.read_at
    }

    /// The rules for `arrival`.
    ///
    /// # Errors
    /// [`EpochError::Stale`] if a newer epoch may be in force, [`EpochError::UnknownDecoder`] if this code does not
    /// implement the one that is. Both end in a retry.
    pub fn epoch_for(&self, arrival: Millis) -> Result<&Epoch, EpochError> {
        if arrival > self.read_at.plus(EpochTable::NOTICE_MS) {
            return Err(EpochError::Stale { arrival, read_at: self.read_at });
        }
        let epoch = self.table.epoch_at(arrival);
        if !self.decoders.contains(&epoch.decoder) {
            return Err(EpochError::UnknownDecoder { number: epoch.number, decoder: epoch.decoder });
        }
        Ok(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> EpochTable {
        let later = Epoch { number: 2, from_ms: 1_000_000, decoder: 9, ..Epoch::genesis() };
        EpochTable { epochs: vec![Epoch::genesis(), later], ..EpochTable::genesis() }
    }

    #[test]
    fn an_epoch_begins_with_its_first_arrival() {
        assert_eq!(two().epoch_at(Millis(999_999)).number, 1);
        assert_eq!(two().epoch_at(Millis(1_000_000)).number, 2);
        assert_eq!(two().epoch_at(Millis(-5)).number, 1);
    }

    #[test]
    fn code_never_guesses() {
        let view = EpochView::new(two(), Millis(500_000));
        assert_eq!(view.epoch_for(Millis(999_999)).map(|epoch| epoch.number), Ok(1));
        assert_eq!(view.epoch_for(Millis(1_000_000)), Err(EpochError::UnknownDecoder { number: 2, decoder: 9 }));
        let newer = EpochView::implementing(two(), Millis(500_000), &[1, 9]);
        assert_eq!(newer.epoch_for(Millis(1_000_000)).map(|epoch| epoch.number), Ok(2));
        let other = EpochView::implementing(two(), Millis(500_000), &[9]);
        assert!(matches!(other.epoch_for(Millis(5)), Err(EpochError::UnknownDecoder { number: 1, decoder: 1 })));
        let stale = Millis(500_000 + EpochTable::NOTICE_MS + 1);
        assert!(matches!(view.epoch_for(stale), Err(EpochError::Stale { .. })));
    }

    #[test]
    fn a_table_is_read_whole_or_not_at_all() {
        assert_eq!(EpochTable::from_json(&two().to_json()), Ok(two()));
        let reversed = EpochTable { epochs: two().epochs.into_iter().rev().collect(), ..two() };
        assert!(EpochTable::from_json(&reversed.to_json()).is_err());
        let unknown = String::from_utf8(two().to_json()).unwrap().replace("\"splits\"", "\"rename\":1,\"splits\"");
        assert!(matches!(EpochTable::from_json(unknown.as_bytes()), Err(EpochError::Unreadable(_))));
    }

    /// As the first version wrote it.
    const OLD: &str = r#"{"generation":{"lanes":16,"partitions":4},"epochs":[{"number":1,"from_ms":0,"decoder":1,"splits":1,"limits":{"payload_bytes_max":16777216,"events_per_record_max":100000,"rejected_per_record_max":1000,"series_per_record_max":1000,"json_depth_max":32}}]}"#;

    #[test]
    fn what_is_not_used_is_not_stored_so_every_version_reads_it() {
        assert_eq!(EpochTable::from_json(OLD.as_bytes()), Ok(EpochTable::genesis()));
        assert_eq!(String::from_utf8(EpochTable::genesis().to_json()).unwrap(), OLD);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let with = |field: &str| OLD.replace(r#""splits":1"#, &format!(r#""splits":1,{field}"#));
        let rules = with(r#""rules":{"patterns":false,"templates":[{"path":"/a/{x}"}]}"#);
        let table = EpochTable::from_json(rules.as_bytes()).unwrap();
        assert!(!table.epochs[0].rules.patterns());
        assert_eq!(EpochTable::from_json(&table.to_json()), Ok(table));
        let check = |json: &str, expect: &str| {
            let error = EpochTable::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(&with(r#""rules":{"templates":[{"path":"/a/{x}"},{"path":"/a/{y}"}]}"#), "match the same endpoints");
        check(&with(r#""rules":{"rename":[]}"#), "rename");
        check(&OLD.replace(r#""splits":1"#, r#""splits":0"#), "epoch 1: splits should be at least one split");
        let objects = |event: u32, kept: u32| {
            with(&format!(
                r#""object_limits":{{"object_bytes_max":9,"events_per_object_max":9,"event_bytes_max":{event},"kept_bytes_max":{kept}}}"#
            ))
        };
        assert!(EpochTable::from_json(objects(9, 9).as_bytes()).is_ok());
        check(&objects(0, 0), "object_limits should be above 0");
        check(&objects(9, 10), "kept_bytes_max no more than it");
        check(&objects(u32::MAX, 1), "at most 16 MiB");
        let chunked = |events: u32| {
            objects(9, 9)
                .replace(r#""kept_bytes_max":9"#, &format!(r#""kept_bytes_max":9,"events_per_chunk":{events}"#))
        };
        assert_eq!(EpochTable::from_json(chunked(7).as_bytes()).unwrap().epochs[0].object_limits.events_per_chunk, 7);
        check(&chunked(0), "object_limits should be above 0");
        let unchunked = EpochTable::from_json(objects(9, 9).as_bytes()).unwrap();
        let stored = String::from_utf8(unchunked.to_json()).unwrap();
        assert!(!stored.contains("events_per_chunk"), "versions that do not know it read it: {stored}");
    }
}
