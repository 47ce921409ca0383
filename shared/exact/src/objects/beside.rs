//! Objects read concurrently, and their results written together.

use super::alone::Alone;
use super::reading::{First, Room, Wanted};
use super::{Deadline, Lane, ObjectIntake, ObjectRead, read_alone};
use crate::ledger::LedgerPlan;
use crate::ports::{ContributionPut, QuarantinePut};
use crate::quarantine::QuarantineObject;
use futures::channel::mpsc::Sender;
use futures::future::{Either, Fuse, FusedFuture, FutureExt, select};
use futures::stream::{self, StreamExt};
use std::pin::pin;

impl<S: ContributionPut + QuarantinePut, O: ObjectRead, D: Deadline> Lane<'_, S, O, D> {
    /// Reads objects concurrently. What was read is written when it is large, and when it has waited a while for more:
    /// a slow object must not keep the others from being settled. What does not fit next to others is passed on to be
    /// read `alone`.
    pub(super) async fn side_by_side(
        &self,
        wanted: Vec<Wanted>,
        set_aside: Vec<(usize, QuarantineObject)>,
        mut alone: Sender<Alone>,
    ) -> ObjectIntake {
        let (settings, mut intake) = (self.settings, ObjectIntake::default());
        let (mut plan, mut held) = (LedgerPlan::default(), 0);
        for (place, object) in set_aside {
            plan.set_aside(place, object);
        }
        let bytes_max = settings.object_held_bytes_max;
        let room = Room { decoder_bytes_max: bytes_max, chunks_bytes_max: bytes_max };
        let reading = wanted.into_iter().map(|mut wanted| async move {
            let first = self.first(&mut wanted, room).await;
            (wanted, first)
        });
        let mut read = stream::iter(reading).buffer_unordered(settings.objects_in_flight_max);
        let mut company = pin!(Fuse::terminated());
        loop {
            if plan.writes() > 0 && company.is_terminated() {
                company.set(self.deadline.a_while().fuse());
            }
            let waited = match select(read.next(), company.as_mut()).await {
                Either::Left((None, _)) => break,
                Either::Left((Some((wanted, first)), _)) => {
                    match first {
                        Ok(First::Sound(judged, mut chunks)) => {
                            intake.count(&judged.totals);
                            held += chunks.bytes();
                            self.plan(&mut plan, &wanted, judged.arrived_at, &mut chunks);
                        }
                        Ok(First::Large(judged)) => {
                            read_alone(&mut alone, Alone { wanted, judged: Some(judged) }, &mut intake.outcome);
                        }
                        Ok(First::Wide) => {
                            read_alone(&mut alone, Alone { wanted, judged: None }, &mut intake.outcome);
                        }
                        Ok(First::SetAside(object)) => plan.set_aside(wanted.place, object),
                        Err(error) => intake.outcome.fail(&[wanted.place], error),
                    }
                    false
                }
                Either::Right(_) => true,
            };
            if waited || held >= settings.round_bytes_max || plan.writes() >= settings.ledger.commit_writes_max {
                self.commit(&mut plan, &mut intake).await;
                held = 0;
                company.set(Fuse::terminated());
            }
        }
        drop(read);
        self.commit(&mut plan, &mut intake).await;
        intake
    }
}
