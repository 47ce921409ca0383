//! What calls the finalizer, and which windows it says moved.

use lambda_runtime::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use weir_exact::layout::Layout;
use weir_exact::sequence::SequenceNumber;
use weir_telemetry::Window;

/// A batch of the contributions table's stream, or a scheduled event. Only what is read is named: the
/// stream carries keys alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// Lambda's DynamoDB event.
    Stream {
        /// Its records.
        #[serde(rename = "Records")]
        records: Vec<StreamRecord>,
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
pub struct StreamRecord {
    #[serde(rename = "eventName")]
    event_name: String,
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(rename = "Keys")]
    keys: Keys,
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
}

#[derive(Debug, Deserialize)]
struct Keys {
    pk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// A window to compute, and the first trigger that named it; none: the sweep.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) window: Window,
    pub(crate) first: Option<FirstTrigger>,
}

/// A trigger's sequence number, to compare, and as it was written, to report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FirstTrigger {
    sequence: SequenceNumber,
    pub(crate) text: String,
}

impl Touched {
    pub(crate) fn by_sweep(window: Window) -> Self {
        Self { window, first: None }
    }
}

/// The windows of this generation that the records touch, ascending by first trigger.
///
/// # Errors
/// When a record has no sequence number that is one: none of the batch could be reported.
pub(crate) fn touched(layout: &Layout, records: &[StreamRecord]) -> Result<Vec<Touched>, Error> {
    let mut windows: BTreeMap<Window, FirstTrigger> = BTreeMap::new();
    for record in records.iter().filter(|record| record.event_name != "REMOVE") {
        let Some(window) = layout.window_of(&record.dynamodb.keys.pk.text) else { continue };
        let text = record.dynamodb.sequence_number.clone();
        let trigger = FirstTrigger { sequence: SequenceNumber::parse(&text)?, text };
        let first = windows.entry(window).or_insert_with(|| trigger.clone());
        if trigger < *first {
            *first = trigger;
        }
    }
    let mut touched: Vec<Touched> =
        windows.into_iter().map(|(window, first)| Touched { window, first: Some(first) }).collect();
    touched.sort_by(|a, b| a.first.cmp(&b.first));
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_telemetry::Generation;

    #[test]
    fn windows_are_found_once_each_by_their_first_trigger() {
        let record = |name: &str, pk: &str, sequence: u32| {
            format!(
                r#"{{"eventName":"{name}","dynamodb":{{"Keys":{{"pk":{{"S":"{pk}"}},"sk":{{"S":"x"}}}},"SequenceNumber":"{sequence}"}}}}"#
            )
        };
        let records = [
            record("INSERT", "live#w#2026-11-21T01:31:00Z#0", 9),
            record("MODIFY", "live#w#2026-11-21T01:30:00Z#0", 10),
            record("MODIFY", "live#w#2026-11-21T01:31:00Z#3", 11),
            record("REMOVE", "live#w#2026-11-01T00:00:00Z#0", 12),
            record("INSERT", "live#progress", 13),
            record("INSERT", "scratch#w#2026-11-21T01:32:00Z#0", 14),
        ];
        let event: Trigger = serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap();
        let Trigger::Stream { records } = event else { panic!("a stream event") };
        let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
        let touched = touched(&layout, &records).unwrap();
        let shown: Vec<String> =
            touched.iter().map(|t| format!("{} {}", t.window, t.first.as_ref().unwrap().text)).collect();
        assert_eq!(shown, ["2026-11-21T01:31:00Z 9", "2026-11-21T01:30:00Z 10"]);
    }

    #[test]
    fn a_scheduled_event_is_a_sweep() {
        let event = r#"{"version":"0","id":"x","detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#;
        assert!(matches!(serde_json::from_str(event), Ok(Trigger::Schedule { .. })));
        assert!(serde_json::from_str::<Trigger>("{}").is_err());
    }
}
