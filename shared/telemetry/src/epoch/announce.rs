//! How a new epoch comes into force: announced ahead, after all existing ones, and never edited.

use super::{Epoch, EpochTable};
use crate::time::Millis;

/// Why an epoch cannot be announced. The table is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// An epoch of that number exists; arrivals may already be counted under it.
    #[error("epoch {number} exists and is never edited; announce epoch {next}")]
    Stands {
        /// Its number.
        number: u32,
        /// The number that is free.
        next: u32,
    },
    /// The number leaves a gap.
    #[error("epoch {number} does not follow; announce epoch {next}")]
    DoesNotFollow {
        /// The number given.
        number: u32,
        /// The number that follows.
        next: u32,
    },
    /// It would come into force no later than the last epoch, and so take arrivals away from it.
    #[error("epoch {number} would begin at {from}, not after epoch {last} at {last_from}")]
    NotAfterTheLast {
        /// Its number.
        number: u32,
        /// When it would begin.
        from: Millis,
        /// The last epoch.
        last: u32,
        /// When that begins.
        last_from: Millis,
    },
    /// Functions that read the table just before would not learn of it in time.
    #[error("epoch {number} would begin at {from}, less than 20 min from now; begin it at {earliest} or later")]
    TooSoon {
        /// Its number.
        number: u32,
        /// When it would begin.
        from: Millis,
        /// The earliest beginning.
        earliest: Millis,
    },
    /// This version does not implement the decoder, and so cannot know that any version does.
    #[error(
        "epoch {number} needs decoder {decoder}, which this version does not implement; announce it with one that does"
    )]
    UnknownDecoder {
        /// Its number.
        number: u32,
        /// Its decoder.
        decoder: u32,
    },
    /// Rules that no reader would accept.
    #[error("epoch {number}: {problem}")]
    Unsound {
        /// Its number.
        number: u32,
        /// What is wrong, and what it should be.
        problem: String,
    },
    /// The table would no longer fit its item.
    #[error(
        "with epoch {number} the table has {found} bytes; at most {} (table_bytes_max): use fewer templates",
        EpochTable::TABLE_BYTES_MAX
    )]
    TooLarge {
        /// Its number.
        number: u32,
        /// Bytes of the table.
        found: usize,
    },
}

impl EpochTable {
    /// Longest stored table, bytes: a DynamoDB item holds at most 400 KB.
    pub const TABLE_BYTES_MAX: usize = 380_000;

    /// How much longer than [`Self::NOTICE_MS`] ahead an epoch is announced: a reader of the table just before the
    /// write takes effect relies on it for 15 minutes from then, the write may be late, and clocks differ.
    /// Milliseconds.
    pub const WRITE_MS: i64 = 5 * 60_000;

    /// This table with `epoch` appended. `now` is the time before the table is written, and the write is conditional on
    /// the table still being this one. `decoders` are those that every live version implements: [`Epoch::DECODERS`] of
    /// the oldest.
    ///
    /// # Errors
    /// [`AnnounceError`], by name, for an epoch that edits or replaces an existing one, leaves a gap, begins less than
    /// [`Self::NOTICE_MS`] + [`Self::WRITE_MS`] ahead or before another, or has rules that this version cannot follow.
    pub fn announce(&self, epoch: Epoch, now: Millis, decoders: &[u32]) -> Result<Self, AnnounceError> {
        let (number, from) = (epoch.number, Millis(epoch.from_ms));
        let last = self.epochs.last();
        let next = last.map_or(1, |last| last.number.saturating_add(1));
        if self.epochs.iter().any(|standing| standing.number == number) {
            return Err(AnnounceError::Stands { number, next });
        }
        if number != next {
            return Err(AnnounceError::DoesNotFollow { number, next });
        }
        if let Some(last) = last.filter(|last| from.0 <= last.from_ms) {
            let last_from = Millis(last.from_ms);
            return Err(AnnounceError::NotAfterTheLast { number, from, last: last.number, last_from });
        }
        let earliest = now.plus(Self::NOTICE_MS + Self::WRITE_MS);
        if from < earliest {
            return Err(AnnounceError::TooSoon { number, from, earliest });
        }
        if !decoders.contains(&epoch.decoder) {
            return Err(AnnounceError::UnknownDecoder { number, decoder: epoch.decoder });
        }
        if let Some(problem) = epoch.unsound() {
            return Err(AnnounceError::Unsound { number, problem });
        }
        let mut announced = self.clone();
        announced.epochs.push(epoch);
        let found = announced.to_json().len();
        if found > Self::TABLE_BYTES_MAX {
            return Err(AnnounceError::TooLarge { number, found });
        }
        Ok(announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, ObjectLimits, Rules, Template};

    const NOW: Millis = Millis(1_795_224_605_000);
    const EARLIEST: i64 = NOW.0 + EpochTable::NOTICE_MS + EpochTable::WRITE_MS;

    fn second() -> Epoch {
        Epoch { number: 2, from_ms: EARLIEST, ..Epoch::genesis() }
    }

    #[test]
    fn an_epoch_goes_after_all_that_stand() {
        let one = EpochTable::genesis();
        let two = one.announce(second(), NOW, &Epoch::DECODERS).unwrap();
        assert_eq!(two.epochs, [Epoch::genesis(), second()]);
        assert_eq!(two.generation, one.generation);
        assert_eq!(EpochTable::from_json(&two.to_json()), Ok(two.clone()));
        assert_eq!(two.epoch_at(Millis(EARLIEST - 1)).number, 1);
        assert_eq!(two.epoch_at(Millis(EARLIEST)).number, 2);
        let third = Epoch { number: 3, from_ms: EARLIEST + 1, ..Epoch::genesis() };
        assert_eq!(two.announce(third, NOW, &Epoch::DECODERS).map(|table| table.epochs.len()), Ok(3));
    }

    #[test]
    fn what_stands_is_never_edited_and_nobody_is_surprised() {
        let two = EpochTable::genesis().announce(second(), NOW, &Epoch::DECODERS).unwrap();
        let check = |table: &EpochTable, epoch: Epoch, expect: &str| {
            let error = table.announce(epoch, NOW, &Epoch::DECODERS).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        let third = || Epoch { number: 3, from_ms: EARLIEST + 1, ..Epoch::genesis() };
        check(&two, Epoch { splits: 4, ..second() }, "epoch 2 exists and is never edited; announce epoch 3");
        check(&two, Epoch { number: 1, ..third() }, "epoch 1 exists");
        check(&two, Epoch { number: 4, ..third() }, "epoch 4 does not follow; announce epoch 3");
        check(&two, Epoch { number: 0, ..third() }, "epoch 0 does not follow");
        check(&two, Epoch { from_ms: EARLIEST, ..third() }, "not after epoch 2");
        check(&two, Epoch { decoder: 9, ..third() }, "needs decoder 9");
        check(&two, Epoch { splits: 0, ..third() }, "at least one split");
        let none = Limits { events_per_record_max: 0, ..third().limits };
        check(&two, Epoch { limits: none, ..third() }, "epoch 3: limits.events_per_record_max is 0");
        let large = Limits { payload_bytes_max: (64 << 20) + 1, ..third().limits };
        check(&two, Epoch { limits: large, ..third() }, "limits.payload_bytes_max is 67108865; it should be at most");
        let shallow = Limits { json_depth_max: 0, ..third().limits };
        check(&two, Epoch { limits: shallow, ..third() }, "limits.json_depth_max is 0");
        let objects = ObjectLimits { event_bytes_max: 0, kept_bytes_max: 0, ..ObjectLimits::default() };
        check(&two, Epoch { object_limits: objects, ..third() }, "object_limits.event_bytes_max is 0");
        let unkept = ObjectLimits { kept_bytes_max: 0, ..ObjectLimits::default() };
        let whole = Limits { rejected_per_record_max: 0, ..third().limits };
        let meant = Epoch { object_limits: unkept, limits: whole, ..third() };
        assert!(two.announce(meant, NOW, &Epoch::DECODERS).is_ok());
        check(&EpochTable::genesis(), Epoch { from_ms: EARLIEST - 1, ..second() }, "less than 20 min from now");
    }

    #[test]
    fn the_table_stays_one_item() {
        let template = |n| Template { path: format!("/{n}/{}", "x".repeat(240)), service: None };
        let rules = Rules::new(true, (0..Rules::TEMPLATES_MAX).map(template).collect()).unwrap();
        let mut table = EpochTable::genesis();
        let error = (2..).find_map(|number| {
            let epoch =
                Epoch { number, from_ms: EARLIEST + i64::from(number), rules: rules.clone(), ..Epoch::genesis() };
            table.announce(epoch, NOW, &Epoch::DECODERS).map(|announced| table = announced).err()
        });
        assert!(matches!(error, Some(AnnounceError::TooLarge { number: 7, .. })), "{error:?}");
        assert!(table.to_json().len() <= EpochTable::TABLE_BYTES_MAX);
    }
}
