//! Which hours and days changed, according to the rollups table's stream.

use serde::Deserialize;
use weir_envelope::triggers::{self, StreamRecord, Text};
use weir_exact::layout::Layout;
use weir_exact::row::RowWindow;
use weir_exact::sequence::SequenceError;
use weir_rollup::SeriesKey;

/// The table's keys.
#[derive(Debug, Deserialize)]
pub struct Keys {
    series: Text,
    window: Text,
}

/// An hour or a day to compute, and the series that changed in it.
pub(crate) type Touched = triggers::Touched<RowWindow, SeriesKey>;

/// The hours of the minutes and the days of the hours that the records touch, ascending by first trigger.
///
/// # Errors
/// If a record has no valid sequence number: none of the batch could be reported.
pub(crate) fn touched(records: &[StreamRecord<Keys>]) -> Result<Vec<Touched>, SequenceError> {
    triggers::touched(records, |keys: &Keys| {
        let above = RowWindow::parse(&keys.window.text).ok()?.above()?;
        Some((above, Layout::listed_series(&keys.series.text)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_envelope::triggers::Trigger;

    #[test]
    fn what_is_above_a_row_is_found() {
        let record = |series: &str, window: &str, sequence: u32| {
            format!(
                r#"{{"eventName":"MODIFY","dynamodb":{{"Keys":{{"series":{{"S":"{series}"}},"window":{{"S":"{window}"}}}},"SequenceNumber":"{sequence}"}}}}"#
            )
        };
        let records = [
            record("s#/a", "1m#2026-11-21T01:31:00Z", 1),
            record("s#*", "1m#2026-11-21T01:59:00Z", 2),
            record("s#/a#b", "1h#2026-11-21T01:00:00Z", 3),
            record("s#/a", "1d#2026-11-21T00:00:00Z", 4),
            record("somebody else's", "row", 5),
        ];
        let event: Trigger<Keys> = serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap();
        let Trigger::Stream { records } = event else { panic!("a stream event") };
        let named = |key: &SeriesKey| format!("{}#{}", key.service, key.endpoint);
        let line = |touched: &Touched| {
            format!("{}: {}", touched.what, touched.parts.iter().map(named).collect::<Vec<_>>().join(" "))
        };
        let shown: Vec<String> = touched(&records).unwrap().iter().map(line).collect();
        assert_eq!(shown, ["1h#2026-11-21T01:00:00Z: s#/a s#*", "1d#2026-11-21T00:00:00Z: s#/a#b"]);
    }
}
