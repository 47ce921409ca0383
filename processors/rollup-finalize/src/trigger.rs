//! Which windows changed, according to the contributions table's stream.

use serde::Deserialize;
use weir_envelope::triggers::{self, StreamRecord, Text};
use weir_exact::layout::Layout;
use weir_exact::sequence::SequenceError;
use weir_telemetry::Window;

/// The table's keys, as far as they are needed.
#[derive(Debug, Deserialize)]
pub struct Keys {
    pk: Text,
}

/// A window to compute.
pub(crate) type Touched = triggers::Touched<Window>;

/// The windows of this generation that the records touch, ascending by first trigger.
///
/// # Errors
/// If a record has no valid sequence number: none of the batch could be reported.
pub(crate) fn touched(layout: &Layout, records: &[StreamRecord<Keys>]) -> Result<Vec<Touched>, SequenceError> {
    triggers::touched(records, |keys: &Keys| layout.window_of(&keys.pk.text).map(|window| (window, ())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_envelope::triggers::Trigger;
    use weir_telemetry::Generation;

    #[test]
    fn windows_of_the_generation_are_found() {
        let record = |pk: &str, sequence: u32| {
            format!(
                r#"{{"eventName":"INSERT","dynamodb":{{"Keys":{{"pk":{{"S":"{pk}"}},"sk":{{"S":"x"}}}},"SequenceNumber":"{sequence}"}}}}"#
            )
        };
        let records = [
            record("live#w#2026-11-21T01:31:00Z#0", 9),
            record("live#w#2026-11-21T01:30:00Z#0", 10),
            record("live#w#2026-11-21T01:31:00Z#3", 11),
            record("live#series#2026-11-21T01:31:00Z", 12),
            record("live#progress", 13),
            record("scratch#w#2026-11-21T01:32:00Z#0", 14),
        ];
        let event: Trigger<Keys> = serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap();
        let Trigger::Stream { records } = event else { panic!("a stream event") };
        let layout = Layout::new("live", Generation { lanes: 16, partitions: 4 });
        let touched = touched(&layout, &records).unwrap();
        let shown: Vec<String> =
            touched.iter().map(|t| format!("{} {}", t.what, t.first.as_ref().unwrap().text)).collect();
        assert_eq!(shown, ["2026-11-21T01:31:00Z 9", "2026-11-21T01:30:00Z 10"]);
    }
}
