//! Lambda's event shapes for streams ("Process Kinesis Data Streams records with Lambda", "Process DynamoDB records with
//! Lambda": example events), written as bytes.
//!
//! Each record is encoded once, when it is read. A batch, a retry or a half of one is then only a joining of slices, and
//! what it weighs is known before it is cut.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::source::{DynamoDbRecord, RecordData, StreamRecord};

/// What the records of one shard have in common.
#[derive(Debug, Clone)]
pub(crate) struct EventContext {
    pub(crate) shard: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) role_arn: String,
    pub(crate) function_arn: String,
}

impl EventContext {
    pub(crate) fn new(shard: &str, arn: &str, function: &str) -> EventContext {
        let part = |index| arn.split(':').nth(index).unwrap_or_default();
        let (region, account) = (part(3).to_owned(), part(4));
        let function_arn = format!("arn:aws:lambda:{region}:{account}:function:{function}");
        // The function's execution role; none is assumed here, only the form is kept.
        let function = function.split(':').next().unwrap_or_default();
        let role_arn = format!("arn:aws:iam::{account}:role/{function}");
        EventContext { shard: shard.to_owned(), arn: arn.to_owned(), region, role_arn, function_arn }
    }

    pub(crate) fn encode(&self, record: &StreamRecord) -> Bytes {
        match &record.data {
            RecordData::Kinesis { partition_key, data } => self.kinesis(record, partition_key, data),
            RecordData::DynamoDb(change) => self.dynamodb(record, change),
        }
    }

    fn kinesis(&self, record: &StreamRecord, partition_key: &str, data: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(data.len() * 4 / 3 + 512);
        out.extend_from_slice(br#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#);
        string(&mut out, partition_key);
        out.extend_from_slice(br#","sequenceNumber":"#);
        string(&mut out, &record.sequence);
        out.extend_from_slice(br#","data":""#);
        let start = out.len();
        out.resize(start + base64::encoded_len(data.len(), true).unwrap_or_default(), 0);
        let written = STANDARD.encode_slice(data, &mut out[start..]).unwrap_or_default();
        out.truncate(start + written);
        out.extend_from_slice(br#"","approximateArrivalTimestamp":"#);
        let (seconds, millis) = (record.arrived_at_ms.div_euclid(1000), record.arrived_at_ms.rem_euclid(1000));
        out.extend_from_slice(format!("{seconds}.{millis:03}").as_bytes());
        out.extend_from_slice(br#"},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"#);
        string(&mut out, &format!("{}:{}", self.shard, record.sequence));
        out.extend_from_slice(br#","eventName":"aws:kinesis:record","invokeIdentityArn":"#);
        string(&mut out, &self.role_arn);
        self.finish(out)
    }

    fn dynamodb(&self, record: &StreamRecord, change: &DynamoDbRecord) -> Bytes {
        let images = [("Keys", &change.keys), ("NewImage", &change.new_image), ("OldImage", &change.old_image)];
        let size = images.iter().filter_map(|(_, image)| image.as_ref()).map(Bytes::len).sum::<usize>();
        let mut out = Vec::with_capacity(size + 768);
        out.extend_from_slice(br#"{"eventID":"#);
        string(&mut out, &change.event_id);
        out.extend_from_slice(br#","eventName":"#);
        string(&mut out, &change.event_name);
        out.extend_from_slice(br#","eventVersion":"1.1","eventSource":"aws:dynamodb","dynamodb":{"#);
        // DynamoDB gives whole seconds, and Lambda passes a number of them.
        out.extend_from_slice(br#""ApproximateCreationDateTime":"#);
        out.extend_from_slice(record.arrived_at_ms.div_euclid(1000).to_string().as_bytes());
        for (name, image) in images {
            if let Some(image) = image {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                out.extend_from_slice(image);
            }
        }
        out.extend_from_slice(br#","SequenceNumber":"#);
        string(&mut out, &record.sequence);
        if let Some(bytes) = change.size_bytes {
            out.extend_from_slice(format!(",\"SizeBytes\":{bytes}").as_bytes());
        }
        if let Some(view) = &change.stream_view_type {
            out.extend_from_slice(br#","StreamViewType":"#);
            string(&mut out, view);
        }
        out.push(b'}');
        if let Some(principal) = &change.user_principal {
            // What time to live leaves on its deletions ("DynamoDB Streams and Time to Live").
            out.extend_from_slice(br#","userIdentity":{"type":"Service","principalId":"#);
            string(&mut out, principal);
            out.push(b'}');
        }
        self.finish(out)
    }

    fn finish(&self, mut out: Vec<u8>) -> Bytes {
        out.extend_from_slice(br#","awsRegion":"#);
        string(&mut out, &self.region);
        out.extend_from_slice(br#","eventSourceARN":"#);
        string(&mut out, &self.arn);
        out.push(b'}');
        out.into()
    }
}

const HEAD: &[u8] = br#"{"Records":["#;
const TAIL: &[u8] = b"]}";

/// Size of the event that [`payload`] would make of so many records of so many bytes together.
pub(crate) fn payload_len(records: usize, bytes: usize) -> usize {
    HEAD.len() + bytes + records.saturating_sub(1) + TAIL.len()
}

/// One event of many encoded records.
pub(crate) fn payload<'a>(records: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let (count, bytes) = records.clone().fold((0, 0), |(count, bytes), record| (count + 1, bytes + record.len()));
    let mut out = Vec::with_capacity(payload_len(count, bytes));
    out.extend_from_slice(HEAD);
    for (index, record) in records.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(record);
    }
    out.extend_from_slice(TAIL);
    out.into()
}

/// An event of a tumbling window: the records, then what the window adds.
pub(crate) fn windowed_payload<'a>(
    records: impl Iterator<Item = &'a Bytes> + Clone,
    fields: &serde_json::Map<String, serde_json::Value>,
) -> Bytes {
    let mut out = payload(records).to_vec();
    out.pop();
    out.push(b',');
    let fields = serde_json::to_vec(fields).expect("writing JSON to memory does not fail");
    out.extend_from_slice(&fields[1..]);
    out.into()
}

/// The record as filters see it: of Kinesis what is under `kinesis`, its data decoded where it is JSON; of DynamoDB all of
/// it ("Using event filtering with a Kinesis event source", "… with a DynamoDB event source").
pub(crate) fn filter_view(record: &StreamRecord, event: &[u8]) -> serde_json::Value {
    let mut view: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    let RecordData::Kinesis { data, .. } = &record.data else { return view };
    let mut view = view["kinesis"].take();
    if let Some(fields) = view.as_object_mut() {
        match serde_json::from_slice(data) {
            Ok(data) => fields.insert("data".to_owned(), data),
            Err(_) => fields.remove("data"),
        };
    }
    view
}

/// A JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing a string to memory does not fail");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn one(record: &StreamRecord, arn: &str) -> Value {
        let encoded = EventContext::new("shardId-000000000006", arn, "ingest").encode(record);
        let event = payload([encoded.clone()].iter());
        assert_eq!(event.len(), payload_len(1, encoded.len()));
        serde_json::from_slice::<Value>(&event).expect("an event is JSON")["Records"][0].clone()
    }

    /// The example event of the documentation, but for the function's role.
    #[test]
    fn kinesis_as_documented() {
        let record = StreamRecord {
            sequence: "49590338271490256608559692538361571095921575989136588898".into(),
            arrived_at_ms: 1_545_084_650_987,
            data: RecordData::Kinesis {
                partition_key: "1".into(),
                data: Bytes::from_static(b"Hello, this is a test."),
            },
        };
        let expected = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                "approximateArrivalTimestamp": 1545084650.987
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/ingest",
            "awsRegion": "us-east-2",
            "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
        });
        assert_eq!(one(&record, "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"), expected);
    }

    #[test]
    fn dynamodb_as_documented() {
        let arn = "arn:aws:dynamodb:us-west-2:123456789012:table/T/stream/2026-11-21T00:00:00.000";
        let change = DynamoDbRecord {
            event_id: "c4ca4238a0b923820dcc509a6f75849b".into(),
            event_name: "REMOVE".into(),
            keys: Some(Bytes::from_static(br#"{"Id":{"N":"101"}}"#)),
            old_image: Some(Bytes::from_static(br#"{"Id":{"N":"101"},"Message":{"S":"\"x\""}}"#)),
            size_bytes: Some(26),
            stream_view_type: Some("NEW_AND_OLD_IMAGES".into()),
            user_principal: Some("dynamodb.amazonaws.com".into()),
            ..DynamoDbRecord::default()
        };
        let record = StreamRecord {
            sequence: "111".into(),
            arrived_at_ms: 1_479_499_740_000,
            data: RecordData::DynamoDb(Box::new(change)),
        };
        let expected = json!({
            "eventID": "c4ca4238a0b923820dcc509a6f75849b",
            "eventName": "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "ApproximateCreationDateTime": 1479499740,
                "Keys": {"Id": {"N": "101"}},
                "OldImage": {"Id": {"N": "101"}, "Message": {"S": "\"x\""}},
                "SequenceNumber": "111",
                "SizeBytes": 26,
                "StreamViewType": "NEW_AND_OLD_IMAGES"
            },
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "awsRegion": "us-west-2",
            "eventSourceARN": arn
        });
        assert_eq!(one(&record, arn), expected);
    }
}
