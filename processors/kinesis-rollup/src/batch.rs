//! Lambda's Kinesis event, as far as it is read.
//!
//! Our own type, because arrival is part of what decides where a record is counted: `aws_lambda_events` 1.2 takes the
//! fraction of `approximateArrivalTimestamp` for a whole number of milliseconds, so that `.980` becomes 98 ms.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_runtime::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use weir_exact::fenced::Record;
use weir_exact::sequence::SequenceNumber;
use weir_telemetry::Millis;

/// One invocation's input ("Process Amazon Kinesis Data Streams records with Lambda", AWS Lambda Developer Guide).
#[derive(Debug, Deserialize)]
pub struct KinesisBatch {
    /// Records of one shard.
    #[serde(rename = "Records")]
    pub records: Vec<BatchRecord>,
}

/// One record with where it comes from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    kinesis: Data,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    sequence_number: String,
    /// Seconds with decimals.
    approximate_arrival_timestamp: f64,
    /// Base64.
    data: String,
}

/// Records by stream ARN and shard id. A batch is of one shard; nothing here depends on it.
///
/// # Errors
/// When the event is none that Lambda sends: nothing of it can be identified, so nothing is settled.
pub(crate) fn by_shard(batch: KinesisBatch) -> Result<BTreeMap<(String, String), Vec<Record>>, Error> {
    let mut shards: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for BatchRecord { event_id, event_source_arn, kinesis } in batch.records {
        let (shard_id, _) = event_id.split_once(':').ok_or("a record whose eventID is no shard:sequence")?;
        shards.entry((event_source_arn, shard_id.to_owned())).or_default().push(Record {
            sequence: SequenceNumber::parse(&kinesis.sequence_number)?,
            arrived_at: arrival(kinesis.approximate_arrival_timestamp),
            data: STANDARD.decode(kinesis.data)?,
        });
    }
    Ok(shards)
}

/// Seconds to milliseconds. A double holds today's seconds to a quarter of a microsecond, so rounding finds the
/// millisecond that was written, whichever parser read it.
fn arrival(seconds: f64) -> Millis {
    Millis((seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_is_the_millisecond_that_was_written() {
        for ms in 0..1_000 {
            let written = format!("1795224605.{ms:03}");
            assert_eq!(arrival(serde_json::from_str(&written).unwrap()), Millis(1_795_224_605_000 + ms));
            let shortest = written.trim_end_matches('0').trim_end_matches('.');
            assert_eq!(arrival(serde_json::from_str(shortest).unwrap()), Millis(1_795_224_605_000 + ms));
        }
        assert_eq!(arrival(serde_json::from_str("1.795224605987E9").unwrap()), Millis(1_795_224_605_987));
    }
}
