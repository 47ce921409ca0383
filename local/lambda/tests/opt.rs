//! A sandbox's `/opt`.

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use weir_local_lambda::{FunctionSpec, Host, HostOptions, MemorySink, Outcome, opt_can_be_mounted};

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_weir-lambda-test-bootstrap");

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_has_an_opt_of_its_own() {
    if !opt_can_be_mounted() {
        eprintln!("not shown: this machine has no /opt, or lets nobody mount");
        return;
    }
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::ZERO,
        enforce_memory: false,
        logs: Arc::new(MemorySink::new(100)),
    });
    let name = format!("weir-opt-{}", std::process::id());
    let layers: Vec<_> = ["one", "two"].map(|text| (tempfile::tempdir().expect("a directory"), text)).into();
    for (at, (layer, text)) in layers.iter().enumerate() {
        std::fs::write(layer.path().join(&name), text).expect("a file");
        host.add_function(FunctionSpec {
            name: format!("f{at}"),
            bootstrap: BOOTSTRAP.into(),
            environment: BTreeMap::new(),
            memory_mb: 128,
            timeout: Duration::from_secs(20),
            concurrency_max: 1,
            handler: "ok".into(),
            opt: Some(layer.path().to_owned()),
        });
    }
    for (at, (_, text)) in layers.iter().enumerate() {
        let event = json!({"do": "read", "path": format!("/opt/{name}")}).to_string();
        let invocation = host.invoke(&format!("f{at}"), event.into()).await.expect("the function is reached");
        assert_eq!(invocation.outcome, Outcome::Success(json!(text).to_string().into()));
    }
    assert!(!std::path::Path::new("/opt").join(&name).exists(), "the machine's own /opt is what it was");
    // A user namespace of their own must not keep sandboxes from ending with their host.
    let running = host.instances();
    assert_eq!(running.len(), 2);
    host.shutdown().await;
}
