//! The complete reader: serde's.

use super::ByShard;
use crate::EnvelopeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use weir_exact::fenced::Record;
use weir_exact::sequence::SequenceNumber;
use weir_telemetry::Millis;

/// One invocation's input.
#[derive(Debug, Deserialize)]
struct KinesisBatch {
    #[serde(rename = "Records")]
    records: Vec<BatchRecord>,
}

/// One record with where it comes from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchRecord {
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

pub(super) fn read(input: &[u8]) -> Result<ByShard<'static>, EnvelopeError> {
    let batch: KinesisBatch = serde_json::from_slice(input)?;
    let mut shards = ByShard::new();
    for BatchRecord { event_id, event_source_arn, kinesis } in batch.records {
        let no_shard = EnvelopeError::Record("a record whose eventID is no shard:sequence");
        let (shard_id, _) = event_id.split_once(':').ok_or(no_shard)?;
        shards.entry((event_source_arn.into(), shard_id.to_owned().into())).or_default().push(Record {
            sequence: SequenceNumber::parse(&kinesis.sequence_number)?,
            arrived_at: arrival(kinesis.approximate_arrival_timestamp),
            data: STANDARD.decode(kinesis.data)?.into(),
        });
    }
    Ok(shards)
}

/// Seconds to milliseconds. A double holds today's seconds to a quarter of a microsecond, so rounding finds the
/// millisecond that was written, whichever parser read it.
pub(super) fn arrival(seconds: f64) -> Millis {
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
