//! One object, read to its end and validated.

use super::chunks::Chunks;
use super::time::in_time;
use super::{Content, Deadline, Lane, ObjectAt, ObjectRead, Pieces, ReadError};
use crate::ledger::{Claim, claim};
use crate::ports::{ContributionPut, QuarantinePut, StoreError};
use crate::quarantine::QuarantineObject;
use crate::retention::RETURN_MS_MAX;
use weir_telemetry::{Epoch, Millis, ObjectDecoder, ObjectTotals, Reason, Rejected};

/// An object to read.
pub(super) struct Wanted {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) object: ObjectAt,
    /// When its notification was sent.
    pub(super) noticed_at: Millis,
    /// How often the notification was received.
    pub(super) receives: u32,
}

/// Result of the first read.
pub(super) enum First {
    /// Valid, with all its counts.
    Sound(Judged, Chunks),
    /// Valid, but more than may be held at once.
    Large(Judged),
    /// Quarantined whole.
    SetAside(QuarantineObject),
    /// Not read to its end: its decoder needs more than an object may hold next to others.
    Wide,
}

/// A valid object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) totals: ObjectTotals,
    pub(super) arrived_at: Millis,
}

/// What an object may hold while it is read, bytes.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Its decoder, which cannot do with less: above all the window of a zstd frame, whose size the writer chose.
    pub(super) decoder_bytes_max: usize,
    /// Its counts, which can be dropped.
    pub(super) chunks_bytes_max: usize,
}

/// Bytes decoded at a time: everything that they decompress to is held at once.
pub(super) const PUSH_BYTES: usize = 16 << 10;

impl<S: ContributionPut + QuarantinePut, O: ObjectRead, D: Deadline> Lane<'_, S, O, D> {
    /// Reads an object to its end. From then on it is identified by its version, if it has one.
    ///
    /// # Errors
    /// If the store failed, time ran out or its rules are not known at present: it must be delivered again.
    pub(super) async fn first(&self, wanted: &mut Wanted, room: Room) -> Result<First, StoreError> {
        match self.judge(wanted, room).await {
            Ok(first) => Ok(first),
            Err(error) => self.unread(wanted, error).map(First::SetAside),
        }
    }

    async fn judge(&self, wanted: &mut Wanted, room: Room) -> Result<First, ReadError> {
        let opened = self.read_in_time(self.objects.open(&wanted.object)).await?;
        if !left_out!(VersionUnderEtag) {
            wanted.object.found_as(opened.version);
        }
        let arrived_at = self.arrival(&wanted.object, opened.created_at).await?;
        if wanted.noticed_at.0 - arrived_at.0 > RETURN_MS_MAX {
            let detail = format!(
                "created at {arrived_at}, more than 14 days before its notice was sent: its windows may be sealed, and \
                 an earlier notice may have counted it"
            );
            return Ok(First::SetAside(wanted.object.set_aside(Reason::ObjectTooOld, detail, arrived_at)));
        }
        let epoch = self.epoch(arrived_at)?;
        let mut decoder = ObjectDecoder::new(arrived_at, epoch);
        let mut held = Some(Chunks::new(epoch));
        // Beyond the limit the counts are dropped, and the rest is only validated.
        let mut hold = |event| {
            if let Some(chunks) = &mut held {
                chunks.take(event);
                if chunks.bytes() > room.chunks_bytes_max {
                    held = None;
                }
            }
        };
        let mut pieces = opened.pieces;
        while let Some(piece) = self.read_in_time(pieces.next()).await? {
            for bytes in piece.chunks(PUSH_BYTES) {
                decoder.push(bytes, &mut hold);
                if decoder.held_bytes() > room.decoder_bytes_max {
                    return Ok(First::Wide);
                }
            }
        }
        Ok(match decoder.finish(hold) {
            Ok(totals) => {
                let judged = Judged { totals, arrived_at };
                match held {
                    Some(mut chunks) => {
                        chunks.finish();
                        First::Sound(judged, chunks)
                    }
                    None => First::Large(judged),
                }
            }
            Err(rejected) => First::SetAside(whole(&wanted.object, arrived_at, rejected)),
        })
    }

    async fn read_in_time<R>(&self, reading: impl Future<Output = Result<R, ReadError>>) -> Result<R, ReadError> {
        in_time(self.deadline, D::reading_is_over, reading).await
    }

    /// The arrival that counts for every delivery of the object.
    async fn arrival(&self, object: &ObjectAt, created_at: Millis) -> Result<Millis, StoreError> {
        if matches!(object.content, Content::Version(_)) || left_out!(ObjectNotClaimed) {
            return Ok(created_at);
        }
        let identity = object.identity();
        let own = Claim::new(created_at, identity.to_string().as_bytes());
        Ok(claim(self.store, self.layout, &identity, own).await?.at())
    }

    pub(super) fn epoch(&self, arrived_at: Millis) -> Result<&Epoch, StoreError> {
        Ok(self.epochs.epoch_for(arrived_at)?)
    }

    /// What becomes of an object that could not be read.
    pub(super) fn unread(&self, wanted: &Wanted, error: ReadError) -> Result<QuarantineObject, StoreError> {
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

fn whole(object: &ObjectAt, arrived_at: Millis, rejected: Rejected) -> QuarantineObject {
    QuarantineObject { coordinates: object.coordinates(), arrived_at, rejected }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
