//! Objects read one at a time: long ones, and those that need more memory than is available next to others.
//!
//! Each is settled before the next is begun. Read concurrently they would all end together, and if there is not time
//! for all of them none would be settled, on any delivery.

use super::chunks::Chunks;
use super::reading::{First, Judged, PUSH_BYTES, Room, Wanted};
use super::time::in_time;
use super::{Deadline, Lane, ObjectIntake, ObjectRead, Pieces, ReadError};
use crate::ledger::LedgerPlan;
use crate::ports::{ContributionPut, QuarantinePut, StoreError, StoreErrorKind};
use futures::channel::mpsc::Receiver;
use futures::stream::StreamExt;
use weir_telemetry::ObjectDecoder;

/// An object to be read alone.
pub(super) struct Alone {
    pub(super) wanted: Wanted,
    /// The verdict, if it was already read to its end.
    pub(super) judged: Option<Judged>,
}

impl<S: ContributionPut + QuarantinePut, O: ObjectRead, D: Deadline> Lane<'_, S, O, D> {
    /// Reads the objects received, in order, until all senders are gone.
    pub(super) async fn one_by_one(&self, mut objects: Receiver<Alone>) -> ObjectIntake {
        let mut intake = ObjectIntake::default();
        while let Some(Alone { mut wanted, judged }) = objects.next().await {
            intake.alone += 1;
            let large = match judged {
                Some(judged) => Ok(Some(judged)),
                None => self.judge_alone(&mut wanted, &mut intake).await,
            };
            let written = match large {
                Ok(Some(judged)) => self.second(&wanted, judged, &mut intake).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                intake.outcome.fail(&[wanted.place], error);
            }
        }
        intake
    }

    /// Reads an object, and writes what can be written at once: all of it, or its rejection. Returns a valid one that
    /// is too large for that.
    async fn judge_alone(&self, wanted: &mut Wanted, intake: &mut ObjectIntake) -> Result<Option<Judged>, StoreError> {
        let room = Room { decoder_bytes_max: usize::MAX, chunks_bytes_max: self.settings.object_held_bytes_max };
        let mut plan = LedgerPlan::default();
        match self.first(wanted, room).await? {
            First::Large(judged) => return Ok(Some(judged)),
            First::Sound(judged, mut chunks) => {
                intake.count(&judged.totals);
                self.plan(&mut plan, wanted, judged.arrived_at, &mut chunks);
            }
            First::SetAside(object) => plan.set_aside(wanted.place, object),
            First::Wide => {
                let what = format!("{} does not fit into memory", wanted.object.identity());
                return Err(StoreError::new(StoreErrorKind::Unreadable, what));
            }
        }
        self.commit(&mut plan, intake).await;
        Ok(None)
    }

    /// Reads a valid object again, and writes it chunk by chunk.
    ///
    /// # Errors
    /// If it could not be read or written to its end: it must be delivered again, and what was written stays. An object
    /// that has since disappeared is quarantined, which is no error.
    async fn second(&self, wanted: &Wanted, judged: Judged, intake: &mut ObjectIntake) -> Result<(), StoreError> {
        let Err(error) = self.write(wanted, judged, intake).await else {
            intake.large += 1;
            intake.count(&judged.totals);
            return Ok(());
        };
        let mut plan = LedgerPlan::default();
        plan.set_aside(wanted.place, self.unread(wanted, error)?);
        self.commit(&mut plan, intake).await;
        Ok(())
    }

    async fn write(&self, wanted: &Wanted, judged: Judged, intake: &mut ObjectIntake) -> Result<(), ReadError> {
        let Judged { totals, arrived_at } = judged;
        let epoch = self.epoch(arrived_at)?;
        // What is read here is written at once, so both have the same time limit.
        let opened = in_time(self.deadline, D::writing_is_over, self.objects.open(&wanted.object)).await?;
        let mut pieces = opened.pieces;
        let mut decoder = ObjectDecoder::new(arrived_at, epoch);
        let mut chunks = Chunks::new(epoch);
        while let Some(piece) = in_time(self.deadline, D::writing_is_over, pieces.next()).await? {
            for bytes in piece.chunks(PUSH_BYTES) {
                decoder.push(bytes, |event| chunks.take(event));
                self.write_ready(wanted, judged, &mut chunks, intake).await?;
            }
        }
        let again = decoder.finish(|event| chunks.take(event));
        if again.as_ref() != Ok(&totals) {
            // No store should do this, and nothing can be concluded from it.
            let what = format!("{} was read twice, with different results", wanted.object.identity());
            return Err(ReadError::Store(StoreError::new(StoreErrorKind::Unreadable, what)));
        }
        chunks.finish();
        self.write_ready(wanted, judged, &mut chunks, intake).await
    }

    async fn write_ready(
        &self,
        wanted: &Wanted,
        judged: Judged,
        chunks: &mut Chunks,
        intake: &mut ObjectIntake,
    ) -> Result<(), ReadError> {
        if !chunks.is_ready() {
            return Ok(());
        }
        let mut plan = LedgerPlan::default();
        self.plan(&mut plan, wanted, judged.arrived_at, chunks);
        if self.commit(&mut plan, intake).await {
            return Ok(());
        }
        let what = format!("{}: the rest is left for the next delivery", wanted.object.identity());
        Err(ReadError::Store(StoreError::new(StoreErrorKind::Unavailable, what)))
    }
}
