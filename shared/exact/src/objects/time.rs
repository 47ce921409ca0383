//! The time that a batch has, as the lane asks for it. It has no clock of its own.

use super::ReadError;
use crate::ports::StoreError;
use futures::future::{Either, select};
use std::future::Future;
use std::pin::pin;

/// The time that a batch of notices has.
pub trait Deadline: Sync {
    /// Whether no object should be read any more: what was read until now can still be written.
    fn reading_is_over(&self) -> bool;
    /// Whether no write should begin any more.
    fn writing_is_over(&self) -> bool;
    /// About a second. What was read waits so long for company before it is written, since objects that are written
    /// together share items; and a reading that gives nothing is asked for its time as often.
    fn a_while(&self) -> impl Future<Output = ()> + Send;
}

/// Waits for something that is read, and gives up when `is_over`: also while nothing comes.
///
/// # Errors
/// What the reading fails with, or that time is out.
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
