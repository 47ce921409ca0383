//! A function that is a closure, and waiting under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use weir_local_lambda::{Invocation, InvokeError, Invoker, Outcome};

/// What a call of the function comes to.
#[allow(dead_code)] // Not every test file needs every answer.
pub(crate) enum Answer {
    Ok,
    Json(Value),
    Error,
    Throttle,
}

type Script = dyn Fn(usize, &[String]) -> Answer + Send + Sync;

/// Scripted by the number of the call and the ids of its records; remembers the ids.
pub(crate) struct Function {
    script: Box<Script>,
    takes: Duration,
    concurrency_max: Option<u32>,
    calls: Mutex<Vec<Vec<String>>>,
    events: Mutex<Vec<Value>>,
    running: Mutex<(u32, u32)>,
}

#[allow(dead_code)]
impl Function {
    pub(crate) fn new(script: impl Fn(usize, &[String]) -> Answer + Send + Sync + 'static) -> Function {
        let running = Mutex::new((0, 0));
        let takes = Duration::ZERO;
        Function {
            script: Box::new(script),
            takes,
            concurrency_max: None,
            calls: Mutex::default(),
            events: Mutex::default(),
            running,
        }
    }

    pub(crate) fn ok() -> Function {
        Function::new(|_, _| Answer::Ok)
    }

    pub(crate) fn taking(self, takes: Duration) -> Function {
        Function { takes, ..self }
    }

    pub(crate) fn with_concurrency(self, concurrency_max: u32) -> Function {
        Function { concurrency_max: Some(concurrency_max), ..self }
    }

    pub(crate) fn start(self) -> Arc<Function> {
        Arc::new(self)
    }

    /// The ids of each call's records: `sequenceNumber` without its zeros, or the message's body.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().expect("no panic").clone()
    }

    /// The whole events.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().expect("no panic").clone()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.calls().iter().map(Vec::len).sum()
    }

    pub(crate) fn concurrency_peak(&self) -> u32 {
        self.running.lock().expect("no panic").1
    }
}

/// The short form of a record's identity that tests speak of.
pub(crate) fn short(record: &Value) -> String {
    let sequence = record["kinesis"]["sequenceNumber"].as_str().or(record["dynamodb"]["SequenceNumber"].as_str());
    match sequence {
        Some(sequence) => sequence.trim_start_matches("49").trim_start_matches('0').to_owned(),
        None => record["body"].as_str().unwrap_or_default().to_owned(),
    }
}

/// A partial failure of these identifiers.
#[allow(dead_code)]
pub(crate) fn failures<S: AsRef<str>>(ids: impl IntoIterator<Item = S>) -> Answer {
    let list: Vec<Value> = ids.into_iter().map(|id| json!({ "itemIdentifier": id.as_ref() })).collect();
    Answer::Json(json!({ "batchItemFailures": list }))
}

/// The sequence number whose short form this is.
#[allow(dead_code)]
pub(crate) fn sequence(short: impl std::fmt::Display) -> String {
    format!("49{short:0>54}")
}

impl Invoker for Function {
    fn invoke<'a>(&'a self, _: &'a str, payload: Bytes) -> BoxFuture<'a, Result<Invocation, InvokeError>> {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&payload).expect("events are JSON");
            let ids: Vec<String> = event["Records"].as_array().expect("records").iter().map(short).collect();
            self.events.lock().expect("no panic").push(event);
            let call = {
                let mut calls = self.calls.lock().expect("no panic");
                calls.push(ids.clone());
                calls.len() - 1
            };
            {
                let mut running = self.running.lock().expect("no panic");
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            tokio::time::sleep(self.takes).await;
            self.running.lock().expect("no panic").0 -= 1;
            let outcome = match (self.script)(call, &ids) {
                Answer::Ok => Outcome::Success(Bytes::from_static(b"null")),
                Answer::Json(json) => Outcome::Success(json.to_string().into()),
                Answer::Error => {
                    Outcome::FunctionError { kind: "Unhandled".into(), payload: Bytes::from_static(b"{}") }
                }
                Answer::Throttle => {
                    self.calls.lock().expect("no panic").pop();
                    return Err(InvokeError::Throttled { function: "f".into(), concurrency_max: 1 });
                }
            };
            let executed_version = "$LATEST".into();
            Ok(Invocation {
                outcome,
                request_id: "r".into(),
                duration: self.takes,
                cold_start: false,
                init: None,
                peak_bytes: None,
                executed_version,
            })
        })
    }

    fn concurrency_max(&self, _: &str) -> Option<u32> {
        self.concurrency_max
    }
}

/// Lets paused time run until the condition holds; a simulated day is no progress at all.
#[allow(dead_code)]
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = tokio::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(24 * 3600), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
