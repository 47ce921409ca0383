//! Pieces of work that functions and peers do alike, and the invocations for them.

use bytes::Bytes;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_bench::Workload;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    /// A JSON array of events to its summary; nothing is stored.
    Burst,
    /// Records of one event to rollups. weir's function also makes them durable, the peers stop there.
    Kinesis,
    /// Messages of one event to rollups, likewise.
    Sqs,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Burst, Self::Kinesis, Self::Sqs];

    /// What the peers' handler is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Kinesis => "kinesis",
            Self::Sqs => "sqs",
        }
    }

    /// The function of the fleet that does it.
    pub(crate) fn binary(self) -> &'static str {
        match self {
            Self::Burst => "burst-summary",
            Self::Kinesis => "kinesis-rollup",
            Self::Sqs => "sqs-rollup",
        }
    }

    /// Events of an invocation. Of records and messages no more than go into Lambda's 6 MB.
    pub(crate) fn sizes(self) -> &'static [usize] {
        match self {
            Self::Burst => &[100, 1_000, 5_000, 10_000, 20_000],
            Self::Kinesis | Self::Sqs => &[100, 1_000, 5_000],
        }
    }

    /// An invocation of so many events.
    pub(crate) fn payload(self, workload: &mut Workload, events: usize) -> Bytes {
        match self {
            Self::Burst => workload.burst(events),
            Self::Kinesis => workload.kinesis(events, 1, <[u8]>::to_vec),
            Self::Sqs => workload.sqs(events),
        }
        .into()
    }

    /// Whether the answer says that all events were counted.
    pub(crate) fn is_done(self, answer: &[u8], events: usize) -> bool {
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return false };
        if let Some(failures) = answer.get("batchItemFailures") {
            return failures.as_array().is_some_and(Vec::is_empty);
        }
        let counted = match answer.get("body").and_then(Value::as_str) {
            Some(body) => serde_json::from_str::<Value>(body).ok().and_then(|body| body["total_events"].as_u64()),
            None => answer["events"].as_u64(),
        };
        counted == Some(events as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_leaves_events_out_is_none() {
        for (answer, done) in [
            (r#"{"statusCode":200,"body":"{\"total_events\":7}"}"#, true),
            (r#"{"statusCode":200,"body":"{\"total_events\":6}"}"#, false),
            (r#"{"statusCode":400,"body":"{\"error\":\"not_json\"}"}"#, false),
            (r#"{"batchItemFailures":[]}"#, true),
            (r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#, false),
            (r#"{"events":7,"rejected":0,"series":6}"#, true),
            (r#"{"events":6,"rejected":1,"series":6}"#, false),
            ("", false),
        ] {
            assert_eq!(Work::Burst.is_done(answer.as_bytes(), 7), done, "{answer}");
        }
    }

    #[test]
    fn every_size_goes_into_an_invocation() {
        let mut workload = Workload::new();
        for work in Work::ALL {
            for events in work.sizes() {
                let bytes = work.payload(&mut workload, *events).len();
                assert!(bytes <= weir_local_lambda::PAYLOAD_BYTES_MAX, "{work:?} {events}: {bytes}");
            }
        }
    }
}
