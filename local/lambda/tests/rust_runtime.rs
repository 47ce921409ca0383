//! The host with functions built on `lambda_runtime`, as most Rust functions are. This file is its own bootstrap: started
//! by the host, it is the function; started by `cargo test`, the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use weir_local_lambda::{FunctionSpec, Host, HostOptions, MemorySink, Outcome};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        runtime.block_on(lambda_runtime::run(service_fn(function))).expect("the host answers");
    } else {
        runtime.block_on(test());
    }
}

async fn function(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["do"].as_str() {
        Some("panic") => panic!("as asked"),
        Some("fail") => Err("refused".into()),
        _ => Ok(json!({ "event": event.payload, "arn": event.context.invoked_function_arn })),
    }
}

async fn test() {
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::ZERO,
        enforce_memory: false,
        logs: Arc::new(MemorySink::new(1_000)),
    });
    host.add_function(FunctionSpec {
        name: "f".into(),
        bootstrap: std::env::current_exe().expect("this file's own"),
        environment: BTreeMap::new(),
        memory_mb: 256,
        timeout: Duration::from_secs(20),
        concurrency_max: 1,
        handler: "bootstrap".into(),
        opt: None,
    });
    host.publish_version("f", "", None).expect("it is there");
    let invoke = |event: Value| {
        let host = host.clone();
        async move { host.invoke("f:1", event.to_string().into()).await.expect("reached") }
    };
    let first = invoke(json!({"n": 1})).await;
    let expected = json!({"event": {"n": 1}, "arn": "arn:aws:lambda:us-east-1:000000000000:function:f:1"});
    let Outcome::Success(body) = &first.outcome else { panic!("{first:?}") };
    assert_eq!(serde_json::from_slice::<Value>(body).expect("JSON"), expected);

    // With unwinding panics the runtime answers for the function, and the sandbox stays.
    for (event, message) in [("fail", "refused"), ("panic", "as asked")] {
        let failed = invoke(json!({ "do": event })).await;
        let Outcome::FunctionError { payload, .. } = &failed.outcome else { panic!("{failed:?}") };
        let error: Value = serde_json::from_slice(payload).expect("JSON");
        assert!(error["errorMessage"].as_str().is_some_and(|text| text.contains(message)), "{error}");
        assert!(!failed.cold_start);
    }
    assert!(!invoke(json!({})).await.cold_start);
    assert_eq!(host.stats()["f"].errors, 2);
    host.shutdown().await;
}
