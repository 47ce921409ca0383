//! DynamoDB streams through the SDK.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;

use super::event::string;
use super::source::{
    DynamoDbRecord, Page, Position, RecordData, Shard, ShardSource, StreamKind, StreamRecord, source_error,
};
use crate::mapping::SourceError;

/// GetRecords returns at most so many ("DynamoDB Streams: GetRecords").
const RECORDS_MAX: u32 = 1_000;

/// The stream of a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDbShards {
    client: Client,
    arn: String,
}

impl DynamoDbShards {
    /// The stream of that ARN, which carries the stream's label.
    pub fn new(client: Client, arn: impl Into<String>) -> DynamoDbShards {
        DynamoDbShards { client, arn: arn.into() }
    }

    async fn list(&self) -> Result<Vec<Shard>, SourceError> {
        let mut shards = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let request = self.client.describe_stream().stream_arn(&self.arn).set_exclusive_start_shard_id(last);
            let answer = request.send().await.map_err(|error| source_error(&error))?;
            let Some(description) = answer.stream_description else { return Ok(shards) };
            for shard in description.shards.unwrap_or_default() {
                let range = shard.sequence_number_range;
                shards.push(Shard {
                    id: shard.shard_id.unwrap_or_default(),
                    parents: shard.parent_shard_id.into_iter().collect(),
                    closed: range.as_ref().is_some_and(|range| range.ending_sequence_number.is_some()),
                    starting_sequence: range.and_then(|range| range.starting_sequence_number),
                });
            }
            last = description.last_evaluated_shard_id;
            if last.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn take_iterator(&self, shard: &str, position: &Position) -> Result<String, SourceError> {
        let request = self.client.get_shard_iterator().stream_arn(&self.arn).shard_id(shard);
        let request = match position {
            Position::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Position::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            Position::After(sequence) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
            }
            Position::AtTimestamp(_) => {
                return Err(SourceError::Other("DynamoDB streams have no AT_TIMESTAMP iterator".into()));
            }
        };
        let answer = request.send().await.map_err(|error| source_error(&error))?;
        answer.shard_iterator.ok_or_else(|| SourceError::Other("GetShardIterator returned no iterator".into()))
    }

    async fn read(&self, iterator: &str, limit: u32) -> Result<Page, SourceError> {
        let limit = i32::try_from(limit.clamp(1, RECORDS_MAX)).unwrap_or(i32::MAX);
        let answer = self.client.get_records().shard_iterator(iterator).limit(limit).send().await;
        let answer = answer.map_err(|error| source_error(&error))?;
        let records = answer.records.unwrap_or_default().into_iter().filter_map(record).collect();
        Ok(Page { records, next: answer.next_shard_iterator.filter(|next| !next.is_empty()), at_tip: None })
    }
}

fn record(record: Record) -> Option<StreamRecord> {
    let change = record.dynamodb?;
    let json = |item: Option<HashMap<String, AttributeValue>>| item.map(|item| item_json(&item));
    let data = DynamoDbRecord {
        event_id: record.event_id.unwrap_or_default(),
        event_name: record.event_name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        keys: json(change.keys),
        new_image: json(change.new_image),
        old_image: json(change.old_image),
        size_bytes: change.size_bytes,
        stream_view_type: change.stream_view_type.map(|view| view.as_str().to_owned()),
        user_principal: record.user_identity.and_then(|identity| identity.principal_id),
    };
    let created_at = change.approximate_creation_date_time;
    Some(StreamRecord {
        sequence: change.sequence_number?,
        arrived_at_ms: created_at.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
        data: RecordData::DynamoDb(Box::new(data)),
    })
}

/// DynamoDB JSON of an item, its attributes in order of name so that equal items are equal bytes.
fn item_json(item: &HashMap<String, AttributeValue>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    write_map(&mut out, item);
    out.into()
}

fn write_map(out: &mut Vec<u8>, map: &HashMap<String, AttributeValue>) {
    let sorted: BTreeMap<&String, &AttributeValue> = map.iter().collect();
    write_joined(out, b"{}", sorted.into_iter(), |out, (name, value)| {
        string(out, name);
        out.push(b':');
        write_value(out, value);
    });
}

/// DynamoDB nests at most 32 levels ("Constraints in DynamoDB"), which bounds the recursion.
fn write_value(out: &mut Vec<u8>, value: &AttributeValue) {
    let base64 = |out: &mut Vec<u8>, bytes: &[u8]| string(out, &STANDARD.encode(bytes));
    let start = |out: &mut Vec<u8>, kind: &str| out.extend_from_slice(format!("{{\"{kind}\":").as_bytes());
    match value {
        AttributeValue::S(text) => {
            start(out, "S");
            string(out, text);
        }
        AttributeValue::N(number) => {
            start(out, "N");
            string(out, number);
        }
        AttributeValue::B(bytes) => {
            start(out, "B");
            base64(out, bytes.as_ref());
        }
        AttributeValue::Bool(flag) => {
            start(out, "BOOL");
            out.extend_from_slice(flag.to_string().as_bytes());
        }
        AttributeValue::Null(flag) => {
            start(out, "NULL");
            out.extend_from_slice(flag.to_string().as_bytes());
        }
        AttributeValue::Ss(texts) => {
            start(out, "SS");
            write_joined(out, b"[]", texts.iter(), |out, text| string(out, text));
        }
        AttributeValue::Ns(numbers) => {
            start(out, "NS");
            write_joined(out, b"[]", numbers.iter(), |out, number| string(out, number));
        }
        AttributeValue::Bs(blobs) => {
            start(out, "BS");
            write_joined(out, b"[]", blobs.iter(), |out, blob| base64(out, blob.as_ref()));
        }
        AttributeValue::L(values) => {
            start(out, "L");
            write_joined(out, b"[]", values.iter(), write_value);
        }
        AttributeValue::M(map) => {
            start(out, "M");
            write_map(out, map);
        }
        // A type DynamoDB does not have yet: an empty value of no type, rather than a wrong one.
        _ => out.push(b'{'),
    }
    out.push(b'}');
}

fn write_joined<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    values: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(brackets[0]);
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(brackets[1]);
}

impl ShardSource for DynamoDbShards {
    fn kind(&self) -> StreamKind {
        StreamKind::DynamoDb
    }

    fn arn(&self) -> &str {
        &self.arn
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, SourceError>> {
        Box::pin(self.list())
    }

    fn iterator<'a>(&'a self, shard: &'a str, position: &'a Position) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(self.take_iterator(shard, position))
    }

    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(self.read(iterator, limit))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::primitives::Blob;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_attribute_type_is_dynamodb_json() {
        let text = |text: &str| AttributeValue::S(text.into());
        let item = HashMap::from([
            ("s".into(), text("a\"b\n\u{e9}")),
            ("n".into(), AttributeValue::N("1.50".into())),
            ("b".into(), AttributeValue::B(Blob::new([0, 255]))),
            ("bool".into(), AttributeValue::Bool(true)),
            ("null".into(), AttributeValue::Null(true)),
            ("ss".into(), AttributeValue::Ss(vec!["x".into(), "y".into()])),
            ("ns".into(), AttributeValue::Ns(vec!["1".into()])),
            ("bs".into(), AttributeValue::Bs(vec![Blob::new("z")])),
            ("l".into(), AttributeValue::L(vec![text("1"), AttributeValue::L(vec![])])),
            ("m".into(), AttributeValue::M(HashMap::from([("k".into(), text("v"))]))),
        ]);
        let expected = json!({
            "s": {"S": "a\"b\né"}, "n": {"N": "1.50"}, "b": {"B": "AP8="}, "bool": {"BOOL": true},
            "null": {"NULL": true}, "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1"]}, "bs": {"BS": ["eg=="]},
            "l": {"L": [{"S": "1"}, {"L": []}]}, "m": {"M": {"k": {"S": "v"}}}
        });
        assert_eq!(serde_json::from_slice::<Value>(&item_json(&item)).expect("JSON"), expected);
    }
}
