//! Epochs: the rules in force for arrivals from a given time, and the refusal to guess them.
//!
//! Every version of every function reads one table of epochs. A new epoch is announced at least
//! [`EpochTable::NOTICE_MS`] ahead and never edited, so whoever read the table at time `t` knows the rules
//! for every arrival up to `t + NOTICE_MS`. Code that meets an epoch it does not implement, or a later
//! arrival, fails the batch and retries: a guess would count a record under two rules.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Bounds on one record. Part of the epoch: a record that one version rejects every version rejects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Payload of a record after decompression, bytes.
    pub payload_bytes_max: u64,
    /// Events in one record.
    pub events_per_record_max: u32,
    /// Rejected events of one record that are set aside one by one; with more the record is set aside whole.
    pub rejected_per_record_max: u32,
    /// Series that one record may name; further ones are counted under [`crate::OTHER`].
    pub series_per_record_max: u32,
    /// Nesting of arrays and objects.
    pub json_depth_max: u32,
}

/// A set of rules. Never edited once announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Counts up from 1.
    pub number: u32,
    /// First arrival (inclusive) under these rules, epoch milliseconds.
    pub from_ms: i64,
    /// Which decoder and normalisation: a number that code implements or does not.
    pub decoder: u32,
    /// How many items share a window's series (per shard).
    pub splits: u16,
    /// Bounds on one record.
    pub limits: Limits,
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
            limits: Limits {
                // A Kinesis record or SQS message is at most 1 MiB (10 MiB where the stream allows); JSON
                // telemetry compresses about 10 to 1. One payload at a time is held in memory.
                payload_bytes_max: 16 << 20,
                events_per_record_max: 100_000,
                rejected_per_record_max: 1_000,
                series_per_record_max: 1_000,
                json_depth_max: 32,
            },
        }
    }
}

/// How a generation of the contributions table is laid out. Fixed for its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Ledger lanes: an identity lives in lane `hash mod lanes`.
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
    /// The stored table is not one this code can read.
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

    /// Reads a stored table (JSON).
    ///
    /// # Errors
    /// [`EpochError::Unreadable`] when it is malformed, empty, out of order, or has a rule this code does
    /// not know: an unknown rule must stop the code, not be skipped.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EpochError> {
        let table: Self = serde_json::from_slice(bytes).map_err(|error| EpochError::Unreadable(error.to_string()))?;
        let ordered =
            table.epochs.windows(2).all(|pair| pair[0].number < pair[1].number && pair[0].from_ms < pair[1].from_ms);
        let sound = table.epochs.iter().all(|epoch| epoch.splits > 0)
            && table.generation.lanes > 0
            && table.generation.partitions > 0;
        if table.epochs.is_empty() || !ordered || !sound {
            return Err(EpochError::Unreadable(
                "epochs must be in order, with at least one split, lane and partition".to_owned(),
            ));
        }
        Ok(table)
    }

    /// The stored form, JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The epoch in force for `arrival`; the first one for anything earlier.
    ///
    /// Says nothing about whether the table is fresh enough or the decoder known: see [`EpochView::epoch_for`].
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
}

impl EpochView {
    /// A table read at `read_at`: the time *before* the read was sent, so that it is never too new.
    pub fn new(table: EpochTable, read_at: Millis) -> Self {
        Self { table, read_at }
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
    /// [`EpochError::Stale`] when a newer epoch may be in force, [`EpochError::UnknownDecoder`] when this
    /// code does not implement the one that is. Both end in a retry.
    pub fn epoch_for(&self, arrival: Millis) -> Result<&Epoch, EpochError> {
        if arrival > self.read_at.plus(EpochTable::NOTICE_MS) {
            return Err(EpochError::Stale { arrival, read_at: self.read_at });
        }
        let epoch = self.table.epoch_at(arrival);
        if !Epoch::DECODERS.contains(&epoch.decoder) {
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
}
