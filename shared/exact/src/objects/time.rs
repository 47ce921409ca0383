//! A batch's time limits, as the lane queries them. It has no clock of its own.

use super::ReadError;
use crate::ports::StoreError;
use futures::future::{Either, select};
use std::future::Future;
use std::pin::pin;

/// Time limits of a batch of notifications.
pub trait Deadline: Sync {
    /// Whether no further object should be read: what was read until now can still be written.
    fn reading_is_over(&self) -> bool;
    /// Whether no write should begin any more.
    fn writing_is_over(&self) -> bool;
    /// About a second. What was read waits this long for more before it is written, since objects written together
    /// share items; and a stalled read checks its time this often.
    fn a_while(&self) -> impl Future<Output = ()> + Send;
}

/// Waits for something being read, and gives up when `is_over`, even while nothing arrives.
///
/// # Errors
/// The read's error, or that time is out.
pub(super) async fn in_time<D: Deadline, R>(
    deadline: &D,
    is_over: impl Fn(&D) -> bool,
    reading: impl Future<Output = Result<R, ReadError>>,
) -> Result<R, ReadError> {
    let mut reading = pin!(reading);
    loop {
        if is_over(deadline) {
            return Err(StoreError::out_of_time().into());
        }
        if let Either::Left((read, _)) = select(reading.as_mut(), pin!(deadline.a_while())).await {
            return read;
        }
    }
}
