//! Tumbling windows of one shard ("Implementing stateful Kinesis Data Streams processing in Lambda"). Pure.
//!
//! A window's invocations hand a state on from one to the next, and a last one, without records, tells that the window is
//! over. The state lives here alone: the checkpoint moves only when a window is over, so that a restart begins the open
//! window again, with an empty state, instead of going on without what was in it.

use serde_json::{Map, Value, json};

/// Bytes of a state ("Your state can be a maximum of 1 MB per shard").
pub(crate) const STATE_BYTES_MAX: usize = 1024 * 1024;
/// What an event of a window takes besides its records and its state.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 1024;

/// The window that is open.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    start_ms: i64,
    end_ms: i64,
    state: Value,
    state_bytes: usize,
    /// Last record settled in it.
    pub(crate) settled: Option<String>,
}

/// Start of the window that holds the time.
pub(crate) fn start_of(at_ms: i64, length_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(length_ms.max(1))
}

impl Open {
    /// The window that holds the time, without a state.
    pub(crate) fn at(at_ms: i64, length_ms: i64) -> Open {
        let start_ms = start_of(at_ms, length_ms);
        Open { start_ms, end_ms: start_ms + length_ms, state: json!({}), state_bytes: 2, settled: None }
    }

    pub(crate) fn holds(&self, at_ms: i64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    pub(crate) fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// What the event has besides `Records`.
    pub(crate) fn fields(&self, shard: &str, arn: &str, last: bool, early: bool) -> Map<String, Value> {
        let time = |ms: i64| {
            jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let fields = json!({
            "window": {"start": time(self.start_ms), "end": time(self.end_ms)},
            "state": self.state,
            "shardId": shard,
            "eventSourceARN": arn,
            "isFinalInvokeForWindow": last,
            "isWindowTerminatedEarly": early,
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// Takes the state of a response over; `false` where it has none: "If the response does not contain a state property,
    /// Lambda considers this a failed invocation."
    pub(crate) fn take_state(&mut self, response: &[u8]) -> bool {
        let response: Option<Value> = serde_json::from_slice(response).ok();
        let Some(state) = response.and_then(|mut fields| fields.get_mut("state").map(Value::take)) else {
            return false;
        };
        self.state_bytes = state.to_string().len();
        self.state = state;
        true
    }

    /// Whether the state has outgrown what Lambda keeps: the window ends early then.
    pub(crate) fn is_too_large(&self) -> bool {
        self.state_bytes > STATE_BYTES_MAX
    }

    /// A state that was too large is not sent again.
    pub(crate) fn restart(&mut self) {
        *self = Open { settled: None, state: json!({}), state_bytes: 2, ..self.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open_and_begins_at_a_multiple_of_its_length() {
        let window = Open::at(125_500, 60_000);
        assert!(window.holds(120_000) && window.holds(179_999) && !window.holds(180_000) && !window.holds(119_999));
        let fields = window.fields("shardId-0", "arn", false, false);
        assert_eq!(fields["window"], json!({"start": "1970-01-01T00:02:00Z", "end": "1970-01-01T00:03:00Z"}));
    }

    #[test]
    fn a_state_is_handed_on_and_a_response_without_one_is_a_failure() {
        let mut window = Open::at(0, 60_000);
        assert!(window.take_state(br#"{"state":{"n":1}}"#));
        for response in ["", "null", "{}", r#"{"batchItemFailures":[]}"#] {
            assert!(!window.take_state(response.as_bytes()), "{response}");
        }
        assert_eq!(window.fields("s", "a", true, false)["state"], json!({"n": 1}));
        assert!(window.take_state(json!({"state": "x".repeat(STATE_BYTES_MAX)}).to_string().as_bytes()));
        assert!(window.is_too_large());
    }
}
