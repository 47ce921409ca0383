//! The record that blocks a shard: the first one after what its progress has settled.

use crate::aws::{Aws, GENERATION};
use crate::failure::{Failure, failed};
use crate::terminal::shown;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use serde::Serialize;
use std::fmt;
use weir_aws::contributions::ContributionsTable;
use weir_aws::streams::Streams;
use weir_exact::layout::Layout;
use weir_exact::ledger::digest_of;
use weir_exact::ports::ContributionGet;
use weir_exact::progress::Progress;
use weir_exact::sequence::{SequenceNumber, Shard};
use weir_telemetry::{EpochTable, Millis};

/// Answers without a record after which a shard is taken for empty there: one covers some minutes of a shard's time.
const EMPTY_ANSWERS_MAX: u32 = 200;

/// A record, described without its payload.
#[derive(Debug, Serialize)]
pub(super) struct Blocked {
    pub(super) shard: String,
    pub(super) sequence_number: String,
    pub(super) arrived_at: String,
    #[serde(skip)]
    pub(super) arrived_at_ms: i64,
    pub(super) bytes: usize,
    /// 128 bits of SHA-256 of the payload.
    pub(super) digest: String,
    /// The last record that the shard has settled.
    pub(super) settled: Option<String>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "shard            {}", shown(&self.shard))?;
        writeln!(f, "sequence number  {}", self.sequence_number)?;
        writeln!(f, "arrived          {}", self.arrived_at)?;
        writeln!(f, "payload          {} bytes, SHA-256 {}…", self.bytes, self.digest)?;
        write!(f, "settled up to    {}", self.settled.as_deref().unwrap_or("nothing yet"))
    }
}

/// Finds the first record that the shard has not settled, or the one of that number.
///
/// # Errors
/// If there is none, or if it is settled: what is counted must not be quarantined as well.
pub(super) async fn find(
    aws: &Aws,
    table: &ContributionsTable,
    shard_id: &str,
    named: Option<&SequenceNumber>,
) -> Result<Blocked, Failure> {
    let stream = aws.stream();
    let kinesis = aws.kinesis();
    let summary = kinesis.describe_stream_summary().stream_name(&stream).send().await;
    let summary = summary.map_err(|error| failed(&format!("stream {stream}"), &error))?;
    let arn = summary.stream_description_summary().map(|summary| summary.stream_arn().to_owned()).unwrap_or_default();
    let shard = Streams::new(kinesis.clone()).shard(&arn, shard_id).await?;

    // How progress is laid out is the same in every table of epochs.
    let layout = Layout::new(GENERATION, EpochTable::genesis().generation);
    let progress = table.get(&layout.progress(&shard)).await?;
    let settled = progress.as_ref().map(Progress::from_item).transpose()?.map(|progress| progress.fence);
    if let (Some(named), Some(settled)) = (named, &settled)
        && named <= settled
    {
        let what = format!(
            "record {named} is already settled and blocks nothing: the shard has settled everything up to {settled}"
        );
        return Err(Failure::Failed(what));
    }
    let record = match (named, &settled) {
        (Some(named), _) => {
            record(&kinesis, &stream, shard_id, ShardIteratorType::AtSequenceNumber, Some(named)).await?
        }
        (None, Some(settled)) => {
            record(&kinesis, &stream, shard_id, ShardIteratorType::AfterSequenceNumber, Some(settled)).await?
        }
        (None, None) => record(&kinesis, &stream, shard_id, ShardIteratorType::TrimHorizon, None).await?,
    };
    let record = record.filter(|record| named.is_none_or(|named| named.as_str() == record.sequence_number()));
    record.map(|record| shown_as(&shard, &record, settled.as_ref())).ok_or_else(|| {
        let what = match named {
            Some(named) => format!("shard {shard_id} of {stream} has no record {named}"),
            None => format!("shard {shard_id} of {stream} has no unsettled record: nothing blocks it"),
        };
        Failure::Failed(what)
    })
}

fn shown_as(shard: &Shard, record: &Record, settled: Option<&SequenceNumber>) -> Blocked {
    let arrived_at = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok()).unwrap_or_default();
    Blocked {
        shard: shard.to_string(),
        sequence_number: record.sequence_number().to_owned(),
        arrived_at: Millis(arrived_at).to_string(),
        arrived_at_ms: arrived_at,
        bytes: record.data().as_ref().len(),
        digest: digest_of(record.data().as_ref()),
        settled: settled.map(SequenceNumber::to_string),
    }
}

/// The first record from there, if any.
async fn record(
    kinesis: &aws_sdk_kinesis::Client,
    stream: &str,
    shard: &str,
    from: ShardIteratorType,
    sequence: Option<&SequenceNumber>,
) -> Result<Option<Record>, Failure> {
    let tried = format!("shard {shard} of stream {stream}");
    let get = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard).shard_iterator_type(from);
    let answer = get.set_starting_sequence_number(sequence.map(SequenceNumber::to_string)).send().await;
    let mut next = answer.map_err(|error| failed(&tried, &error))?.shard_iterator;
    for _ in 0..EMPTY_ANSWERS_MAX {
        let Some(iterator) = next else { return Ok(None) };
        let answer = kinesis.get_records().shard_iterator(iterator).limit(1).send().await;
        let answer = answer.map_err(|error| failed(&tried, &error))?;
        if let Some(record) = answer.records.into_iter().next() {
            return Ok(Some(record));
        }
        if answer.millis_behind_latest == Some(0) {
            return Ok(None);
        }
        next = answer.next_shard_iterator;
    }
    Ok(None)
}
