//! Lambda's Kinesis event ("Process Amazon Kinesis Data Streams records with Lambda", AWS Lambda Developer Guide), as far
//! as it is read.
//!
//! Our own types, because arrival is part of what decides where a record is counted: `aws_lambda_events` 1.2 takes the
//! fraction of `approximateArrivalTimestamp` for a whole number of milliseconds, so that `.980` becomes 98 ms.

mod complete;
mod fast;

use crate::EnvelopeError;
use std::borrow::Cow;
use std::collections::BTreeMap;
use weir_exact::fenced::Record;

/// Records by stream ARN and shard id. A batch is of one shard; nothing here depends on it.
pub type ByShard<'a> = BTreeMap<(Cow<'a, str>, Cow<'a, str>), Vec<Record<'a>>>;

/// Reads an invocation. Payloads come to stand in `arena`, which is for one invocation at a time and keeps its room.
///
/// # Errors
/// When it is none that Lambda sends: nothing of it can be identified, so nothing is settled.
pub fn read<'a>(input: &'a [u8], arena: &'a mut Vec<u8>) -> Result<ByShard<'a>, EnvelopeError> {
    match fast::scan(input, arena) {
        Some(scanned) => fast::by_shard(scanned, arena),
        None => complete::read(input),
    }
}

/// The same by the complete reader alone: what the fast one is held against.
///
/// # Errors
/// As [`read`].
pub fn read_completely(input: &[u8]) -> Result<ByShard<'_>, EnvelopeError> {
    complete::read(input)
}
