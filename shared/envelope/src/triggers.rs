//! What calls a processor that recomputes: a table's stream, which carries keys alone, or a schedule.

use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::Deserialize;
use std::collections::BTreeMap;
use weir_exact::sequence::{SequenceError, SequenceNumber};
use weir_telemetry::Millis;

/// A batch of a table's stream, or a scheduled event. Only what is read is named; `K` are the table's keys.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Trigger<K> {
    /// Lambda's DynamoDB event.
    Stream {
        /// Its records.
        #[serde(rename = "Records")]
        records: Vec<StreamRecord<K>>,
    },
    /// EventBridge's scheduled event.
    Schedule {
        /// `Scheduled Event`.
        #[serde(rename = "detail-type")]
        detail_type: String,
    },
}

/// One change of the table.
#[derive(Debug, Deserialize)]
pub struct StreamRecord<K> {
    #[serde(rename = "eventName")]
    event_name: String,
    dynamodb: Change<K>,
}

#[derive(Debug, Deserialize)]
struct Change<K> {
    #[serde(rename = "Keys")]
    keys: K,
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// Epoch seconds.
    #[serde(rename = "ApproximateCreationDateTime", default)]
    created_at: Option<f64>,
}

/// A key attribute of type S.
#[derive(Debug, Deserialize)]
pub struct Text {
    /// Its value.
    #[serde(rename = "S")]
    pub text: String,
}

/// A trigger's sequence number, to compare, and as it was written, to report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstTrigger {
    sequence: SequenceNumber,
    /// As the stream wrote it.
    pub text: String,
}

/// Something to recompute, what of it the triggers named, and the first of them; none: a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched<T, P = ()> {
    /// What to recompute.
    pub what: T,
    /// What the triggers named of it, in their order.
    pub parts: Vec<P>,
    /// The first trigger.
    pub first: Option<FirstTrigger>,
}

impl<T, P> Touched<T, P> {
    /// By no trigger.
    pub fn by_sweep(what: T) -> Self {
        Self { what, parts: vec![], first: None }
    }
}

/// What the records say moved, each once, ascending by its first trigger. `of` names it from the keys, with the part of
/// it that moved; records of anything else are passed over, and so are `REMOVE`s: what is computed must not be computed
/// again from what TTL has left of it.
///
/// # Errors
/// When a record has no sequence number that is one: none of the batch could be reported.
pub fn touched<K, T: Ord + Clone, P>(
    records: &[StreamRecord<K>],
    of: impl Fn(&K) -> Option<(T, P)>,
) -> Result<Vec<Touched<T, P>>, SequenceError> {
    let mut found: BTreeMap<T, Touched<T, P>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.event_name != "REMOVE") {
        let Some((what, part)) = of(&record.dynamodb.keys) else { continue };
        let text = record.dynamodb.sequence_number.clone();
        let trigger = FirstTrigger { sequence: SequenceNumber::parse(&text)?, text };
        let touched = found.entry(what.clone()).or_insert_with(|| Touched::by_sweep(what));
        touched.parts.push(part);
        if touched.first.as_ref().is_none_or(|first| trigger < *first) {
            touched.first = Some(trigger);
        }
    }
    let mut touched: Vec<Touched<T, P>> = found.into_values().collect();
    touched.sort_by(|a, b| a.first.cmp(&b.first));
    Ok(touched)
}

/// When the first of the changes happened, as far as they say.
pub fn oldest<K>(records: &[StreamRecord<K>]) -> Option<Millis> {
    let created = records.iter().filter_map(|record| record.dynamodb.created_at);
    // Seconds of this century: a cast loses nothing but fractions of a millisecond.
    created.map(|seconds| Millis((seconds * 1e3) as i64)).min()
}

/// The answer to a batch: everything from this trigger on failed, and is delivered again; nothing did where there is none.
pub fn answer(failed_from: Option<FirstTrigger>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = failed_from {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(first.text);
        response.batch_item_failures.push(failure);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Keys {
        pk: Text,
        sk: Text,
    }

    #[test]
    fn what_moved_is_found_once_by_its_first_trigger() {
        let record = |name: &str, pk: &str, sk: &str, sequence: u32| {
            format!(
                r#"{{"eventName":"{name}","dynamodb":{{"Keys":{{"pk":{{"S":"{pk}"}},"sk":{{"S":"{sk}"}}}},"SequenceNumber":"{sequence}"}}}}"#
            )
        };
        let records = [
            record("INSERT", "b", "1", 11),
            record("MODIFY", "a", "2", 10),
            record("MODIFY", "b", "3", 9),
            record("REMOVE", "c", "4", 12),
            record("INSERT", "other", "5", 13),
        ];
        let event = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let Ok(Trigger::<Keys>::Stream { records }) = serde_json::from_str(&event) else { panic!("a stream event") };
        let of = |keys: &Keys| (keys.pk.text != "other").then(|| (keys.pk.text.clone(), keys.sk.text.clone()));
        let touched = touched(&records, of).unwrap();
        let shown: Vec<String> = touched
            .iter()
            .map(|touched| {
                let first = touched.first.as_ref().unwrap();
                format!("{} {} {}", touched.what, touched.parts.join("+"), first.text)
            })
            .collect();
        assert_eq!(shown, ["b 1+3 9", "a 2 10"]);
    }

    #[test]
    fn a_scheduled_event_is_a_sweep() {
        let event = r#"{"version":"0","id":"x","detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#;
        assert!(matches!(serde_json::from_str::<Trigger<Keys>>(event), Ok(Trigger::Schedule { .. })));
        assert!(serde_json::from_str::<Trigger<Keys>>("{}").is_err());
    }
}
