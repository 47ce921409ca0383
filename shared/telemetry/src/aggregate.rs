//! Kinesis Producer Library aggregates: many user records in one Kinesis record.
//!
//! Magic number, a protobuf `AggregatedRecord`, the MD5 of the protobuf ("KPL Aggregated Record Format" in
//! `amazon-kinesis-producer`). The partition keys inside are ignored: a record is counted where it arrived.

use crate::event::Refusal;
use crate::form::KPL_MAGIC;
use crate::reject::Reason;
use md5::{Digest, Md5};
use prost::Message;

const MD5_BYTES: usize = 16;

/// The fields of `AggregatedRecord` that are read; others are skipped.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(message, repeated, tag = "3")]
    records: Vec<UserRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct UserRecord {
    /// Required by the format; optional here, so that a record without it is damaged and not an empty one.
    #[prost(bytes = "vec", optional, tag = "3")]
    data: Option<Vec<u8>>,
}

pub(crate) fn is_aggregate(record: &[u8]) -> bool {
    record.starts_with(KPL_MAGIC)
}

/// The payloads of an aggregate, in order.
///
/// # Errors
/// [`Reason::DamagedAggregate`], and what is damaged.
pub(crate) fn payloads(record: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let damaged = |what: &str| (Reason::DamagedAggregate, format!("a KPL aggregate {what}"));
    let body = record.get(KPL_MAGIC.len()..).unwrap_or_default();
    let (message, digest) =
        body.split_last_chunk::<MD5_BYTES>().ok_or_else(|| damaged("too short to hold its MD5: cut short"))?;
    if Md5::digest(message).as_slice() != digest {
        return Err(damaged("whose MD5 does not match: damaged or cut short"));
    }
    let aggregated =
        AggregatedRecord::decode(message).map_err(|_| damaged("that is no AggregatedRecord (protobuf)"))?;
    let data = aggregated.records.into_iter().map(|record| record.data);
    data.collect::<Option<_>>().ok_or_else(|| damaged("with a user record that has no data"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An aggregate of these payloads, with partition keys as the library writes them.
    pub(crate) fn aggregate(payloads: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let mut message = b"\x0a\x03key\x12\x011".to_vec();
        for payload in payloads {
            let record = UserRecord { data: Some(payload.as_ref().to_vec()) };
            let mut fields = vec![0x08, 0x00, 0x10, 0x00];
            record.encode(&mut fields).unwrap();
            message.push(0x1a);
            prost::encode_length_delimiter(fields.len(), &mut message).unwrap();
            message.extend(fields);
        }
        sealed(&message)
    }

    fn sealed(message: &[u8]) -> Vec<u8> {
        [KPL_MAGIC, message, Md5::digest(message).as_slice()].concat()
    }

    #[test]
    fn an_aggregate_is_whole_or_damaged() {
        let whole = aggregate(&["{}", "", "[{}]"]);
        assert_eq!(payloads(&whole).unwrap(), [&b"{}"[..], b"", b"[{}]"]);
        assert_eq!(payloads(&aggregate(&[""; 0])).unwrap(), Vec::<Vec<u8>>::new());
        for length in KPL_MAGIC.len()..whole.len() {
            assert_eq!(payloads(&whole[..length]).unwrap_err().0, Reason::DamagedAggregate, "{length}");
        }
        for at in KPL_MAGIC.len()..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert_eq!(payloads(&flipped).unwrap_err().0, Reason::DamagedAggregate, "{at}");
        }
        let check = |message: &[u8], expect: &str| {
            assert!(payloads(&sealed(message)).unwrap_err().1.contains(expect), "{message:?}");
        };
        check(b"\x1a\x02\x08\x00", "no data");
        check(b"\x1a\x7f", "protobuf");
    }
}
