//! `kinesis-rollup` as it should not be: the product's handler behind something that gets it wrong, in the way that
//! `WEIR_TEST_BREAKS` says. No bootstrap of the template.

use bytes::Bytes;
use kinesis_rollup::Handler;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use std::time::Duration;
use weir_aws::{config::Process, invocation, logs};

/// The sample's first record.
const FIRST: &str = "49590338271490256608559692538361571095921575989136588898";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::init(&Process);
    let handler = Handler::from_environment(&Process)?;
    let breaks = std::env::var("WEIR_TEST_BREAKS").unwrap_or_default();
    invocation::run(|event| handle(&handler, &breaks, event)).await
}

async fn handle(handler: &Handler, breaks: &str, event: LambdaEvent<Bytes>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    // By what it is and not by a count: the second batch may come to an environment that has not seen the first.
    let first = is_first(&payload);
    let payload = match breaks {
        "loses the last record" => changed(&payload, |records| drop(records.pop())),
        "takes redelivered records for new ones" if !first => {
            changed(&payload, |records| records.iter_mut().for_each(renumber))
        }
        // Something is written by then.
        "crashes at the second batch" if !first => std::process::abort(),
        "hangs at the second batch" if !first => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            payload
        }
        _ => payload,
    };
    let answer = handler.handle(LambdaEvent::new(payload, context)).await?;
    match breaks {
        "reports what it has counted" => {
            let failure = serde_json::json!({ "itemIdentifier": FIRST });
            Ok(serde_json::json!({ "batchItemFailures": [failure] }))
        }
        _ => Ok(serde_json::to_value(answer)?),
    }
}

/// Whether it begins as the sample does, as its second cut does not.
fn is_first(payload: &Bytes) -> bool {
    let input: Value = serde_json::from_slice(payload).unwrap_or_default();
    input["weir-scratch"]["invocation"]["Records"][0]["kinesis"]["sequenceNumber"] == FIRST
}

/// The batch inside of its wrapper, changed.
fn changed(payload: &Bytes, change: impl FnOnce(&mut Vec<Value>)) -> Bytes {
    let mut input: Value = serde_json::from_slice(payload).unwrap_or_default();
    let records = &mut input["weir-scratch"]["invocation"]["Records"];
    if let Value::Array(records) = records {
        change(records);
    }
    input.to_string().into()
}

/// Above every fence that there is.
fn renumber(record: &mut Value) {
    let number = record["kinesis"]["sequenceNumber"].as_str().unwrap_or_default().replacen("49", "59", 1);
    record["kinesis"]["sequenceNumber"] = number.into();
}
