//! One object: read to its end and judged, and where it is large read again and written.

use super::chunks::Chunks;
use super::{Content, Lane, OBJECT_AGE_MS_MAX, ObjectAt, ObjectIntake, ObjectRead, Pieces, ReadError};
use crate::ledger::{Claim, LedgerPlan, claim};
use crate::ports::{ContributionPut, QuarantinePut, StoreError, StoreErrorKind};
use crate::quarantine::QuarantineObject;
use weir_telemetry::{Epoch, Millis, ObjectDecoder, ObjectEvent, ObjectTotals, Reason, Rejected};

/// An object to read.
pub(super) struct Wanted {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) object: ObjectAt,
    /// When its notice was sent.
    pub(super) noticed_at: Millis,
}

/// What the first reading came to.
pub(super) enum First {
    /// All that it adds up to.
    Sound { totals: ObjectTotals, arrived_at: Millis, chunks: Chunks },
    /// Sound, but more than may be held at once.
    Large { totals: ObjectTotals, arrived_at: Millis },
    /// Set aside whole.
    SetAside(QuarantineObject),
}

/// Bytes decoded at a time: what a compressed object makes of them is held at once.
const PUSH_BYTES: usize = 16 << 10;

impl<S: ContributionPut + QuarantinePut, O: ObjectRead> Lane<'_, S, O> {
    /// Reads an object to its end.
    ///
    /// # Errors
    /// When the store failed, time ran out or its rules are not known here and now: it must be delivered again.
    pub(super) async fn first(&self, wanted: &Wanted) -> Result<First, StoreError> {
        match self.judge(wanted).await {
            Ok(first) => Ok(first),
            Err(error) => self.unread(wanted, error).map(First::SetAside),
        }
    }

    async fn judge(&self, wanted: &Wanted) -> Result<First, ReadError> {
        self.in_time()?;
        let opened = self.objects.open(&wanted.object).await?;
        let arrived_at = self.arrival(&wanted.object, opened.created_at).await?;
        if wanted.noticed_at.0 - arrived_at.0 > OBJECT_AGE_MS_MAX {
            let detail = format!(
                "created at {arrived_at}, more than 14 days before its notice was sent: its windows may be sealed, and \
                 an earlier notice may have counted it"
            );
            return Ok(First::SetAside(wanted.object.set_aside(Reason::ObjectTooOld, detail, arrived_at)));
        }
        let epoch = self.epoch(arrived_at)?;
        let mut decoder = ObjectDecoder::new(arrived_at, epoch);
        let mut held = Some(Chunks::new(epoch));
        let bytes_max = self.settings.object_held_bytes_max;
        let mut pieces = opened.pieces;
        while let Some(piece) = pieces.next().await? {
            self.in_time()?;
            for bytes in piece.chunks(PUSH_BYTES) {
                decoder.push(bytes, |event| hold(&mut held, event));
                // What is too much is let go, and the rest is only judged.
                held = held.filter(|chunks| chunks.bytes() <= bytes_max);
            }
        }
        Ok(match decoder.finish(|event| hold(&mut held, event)) {
            Ok(totals) => match held {
                Some(mut chunks) => {
                    chunks.finish();
                    First::Sound { totals, arrived_at, chunks }
                }
                None => First::Large { totals, arrived_at },
            },
            Err(rejected) => First::SetAside(whole(&wanted.object, arrived_at, rejected)),
        })
    }

    /// Reads a sound object again, and writes it chunk by chunk.
    ///
    /// # Errors
    /// When it could not be read or written to its end: it must be delivered again, and what is written then stands
    /// already. An object that is gone meanwhile is set aside, which is no error.
    pub(super) async fn second(
        &self,
        wanted: &Wanted,
        totals: ObjectTotals,
        arrived_at: Millis,
        intake: &mut ObjectIntake,
    ) -> Result<(), StoreError> {
        let Err(error) = self.write(wanted, totals, arrived_at, intake).await else { return Ok(()) };
        let mut plan = LedgerPlan::default();
        plan.set_aside(wanted.place, self.unread(wanted, error)?);
        self.commit(&mut plan, intake).await;
        Ok(())
    }

    async fn write(
        &self,
        wanted: &Wanted,
        totals: ObjectTotals,
        arrived_at: Millis,
        intake: &mut ObjectIntake,
    ) -> Result<(), ReadError> {
        self.in_time()?;
        let epoch = self.epoch(arrived_at)?;
        let mut pieces = self.objects.open(&wanted.object).await?.pieces;
        let mut decoder = ObjectDecoder::new(arrived_at, epoch);
        let mut chunks = Chunks::new(epoch);
        while let Some(piece) = pieces.next().await? {
            self.in_time()?;
            for bytes in piece.chunks(PUSH_BYTES) {
                decoder.push(bytes, |event| chunks.take(event));
                self.write_ready(wanted, arrived_at, &mut chunks, intake).await?;
            }
        }
        let again = decoder.finish(|event| chunks.take(event));
        if again.as_ref() != Ok(&totals) {
            // Nothing that a store should do, and nothing to be guessed at.
            let what = format!("{} was read twice, and came to two things", wanted.object.identity());
            return Err(ReadError::Store(StoreError::new(StoreErrorKind::Unreadable, what)));
        }
        chunks.finish();
        self.write_ready(wanted, arrived_at, &mut chunks, intake).await
    }

    async fn write_ready(
        &self,
        wanted: &Wanted,
        arrived_at: Millis,
        chunks: &mut Chunks,
        intake: &mut ObjectIntake,
    ) -> Result<(), ReadError> {
        if !chunks.is_ready() {
            return Ok(());
        }
        let mut plan = LedgerPlan::default();
        self.plan(&mut plan, wanted, arrived_at, chunks);
        if self.commit(&mut plan, intake).await {
            return Ok(());
        }
        let what = format!("{}: the rest is left for the next delivery", wanted.object.identity());
        Err(ReadError::Store(StoreError::new(StoreErrorKind::Unavailable, what)))
    }

    /// The arrival that counts for every delivery of the object.
    async fn arrival(&self, object: &ObjectAt, created_at: Millis) -> Result<Millis, StoreError> {
        if matches!(object.content, Content::Version(_)) || left_out!(ObjectNotClaimed) {
            return Ok(created_at);
        }
        let identity = object.identity();
        let own = Claim::new(created_at, identity.as_str().as_bytes());
        Ok(claim(self.store, self.layout, &identity, own).await?.at())
    }

    fn epoch(&self, arrived_at: Millis) -> Result<&Epoch, StoreError> {
        Ok(self.epochs.epoch_for(arrived_at)?)
    }

    fn in_time(&self) -> Result<(), StoreError> {
        if (self.out_of_time)() { Err(StoreError::out_of_time()) } else { Ok(()) }
    }

    /// What becomes of an object that could not be read.
    fn unread(&self, wanted: &Wanted, error: ReadError) -> Result<QuarantineObject, StoreError> {
        let counted = "; an earlier delivery may have counted it, or part of it";
        let (reason, detail) = match error {
            ReadError::Missing(what) => (Reason::ObjectMissing, what + counted),
            ReadError::Changed(what) => (Reason::ObjectChanged, what + counted),
            ReadError::Archived(what) => (Reason::ObjectArchived, what + counted),
            ReadError::Unaskable(what) => (Reason::BadNotice, what),
            ReadError::Store(error) => return Err(error),
        };
        Ok(wanted.object.set_aside(reason, detail, wanted.noticed_at))
    }
}

fn hold(held: &mut Option<Chunks>, event: ObjectEvent) {
    if let Some(chunks) = held {
        chunks.take(event);
    }
}

fn whole(object: &ObjectAt, arrived_at: Millis, rejected: Rejected) -> QuarantineObject {
    QuarantineObject { coordinates: object.coordinates(), arrived_at, rejected }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
