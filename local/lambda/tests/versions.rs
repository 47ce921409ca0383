//! Versions and aliases with real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_local_lambda::{
    AliasTarget, FunctionSpec, Host, HostOptions, Invocation, InvokeError, Invoker, MemorySink, Outcome, VersionError,
};

fn spec() -> FunctionSpec {
    FunctionSpec {
        name: "f".into(),
        bootstrap: env!("CARGO_BIN_EXE_weir-lambda-test-bootstrap").into(),
        environment: BTreeMap::from([("COLOUR".to_owned(), "red".to_owned())]),
        memory_mb: 128,
        timeout: Duration::from_secs(20),
        concurrency_max: 2,
        handler: "ok".into(),
        opt: None,
    }
}

fn host() -> (Host, Arc<MemorySink>) {
    let logs = Arc::new(MemorySink::new(10_000));
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::ZERO,
        enforce_memory: false,
        logs: logs.clone(),
    });
    host.add_function(spec());
    (host, logs)
}

async fn invoke(host: &Host, function: &str, event: Value) -> Invocation {
    host.invoke(function, event.to_string().into()).await.expect("the function is reached")
}

/// Version and COLOUR as the function itself sees them.
async fn seen(host: &Host, function: &str) -> (String, String) {
    let invocation = invoke(host, function, json!({"do": "environment"})).await;
    let Outcome::Success(body) = &invocation.outcome else { panic!("{invocation:?}") };
    let all: BTreeMap<String, String> = serde_json::from_slice(body).expect("a map");
    assert_eq!(all["AWS_LAMBDA_FUNCTION_VERSION"], invocation.executed_version);
    assert!(all["AWS_LAMBDA_LOG_STREAM_NAME"].contains(&format!("/[{}]", invocation.executed_version)));
    (invocation.executed_version, all["COLOUR"].clone())
}

fn paint(colour: &'static str) -> impl FnOnce(&mut FunctionSpec) {
    move |spec| {
        spec.environment.insert("COLOUR".into(), colour.into());
    }
}

#[tokio::test]
async fn a_version_stays_what_it_was() {
    let (host, logs) = host();
    assert_eq!(host.publish_version("f", "first", None).expect("there").version, "1");
    assert_eq!(host.publish_version("f", "unchanged", None).expect("there").version, "1", "nothing has changed");
    assert_eq!(seen(&host, "f:1").await, ("1".into(), "red".into()));

    host.update_function("f", paint("blue"), None).expect("there");
    assert_eq!(seen(&host, "f:1").await, ("1".into(), "red".into()));
    assert_eq!(seen(&host, "f").await, ("$LATEST".into(), "blue".into()));
    assert_eq!(seen(&host, "f:$LATEST").await, ("$LATEST".into(), "blue".into()));
    assert_eq!(host.publish_version("f", "", None).expect("there").version, "2");
    assert_eq!(seen(&host, "f:2").await, ("2".into(), "blue".into()));
    let versions: Vec<_> =
        host.versions("f").expect("there").into_iter().map(|it| (it.version, it.description)).collect();
    let expected = [("$LATEST", ""), ("1", "first"), ("2", "")];
    assert_eq!(versions, expected.map(|(version, description)| (version.to_owned(), description.to_owned())));

    let by_version = &host.stats_by_version()["f"];
    let counts: Vec<u64> = ["$LATEST", "1", "2"].iter().map(|version| by_version[*version].invocations).collect();
    assert_eq!((counts, host.stats()["f"].invocations), (vec![2, 2, 1], 5));
    let running: BTreeSet<String> = host.instances().into_iter().map(|instance| instance.version).collect();
    assert_eq!(running.len(), 3, "each version has sandboxes of its own: {running:?}");
    host.shutdown().await;
    let start = |version: &str| {
        let words = format!("Version: {version}");
        logs.lines().iter().filter(|line| line.text.ends_with(&words) && line.version == version).count()
    };
    assert_eq!((start("1"), start("2")), (2, 1));
}

#[tokio::test]
async fn an_alias_moves_by_weight() {
    let (host, _) = host();
    host.publish_version("f", "", None).expect("there");
    host.update_function("f", paint("blue"), None).expect("there");
    host.publish_version("f", "", None).expect("there");
    host.create_alias("f", "live", AliasTarget::all("1"), "").expect("new");
    let (mut ones, mut twos) = (0, 0);
    let mut count = async |weight: Option<f64>, times: u32| {
        let change = |target: &mut AliasTarget, _: &mut String| {
            target.additional = weight.map(|weight| ("2".to_owned(), weight));
        };
        host.update_alias("f", "live", change, None).expect("there");
        (ones, twos) = (0, 0);
        for _ in 0..times {
            match invoke(&host, "f:live", json!({})).await.executed_version.as_str() {
                "1" => ones += 1,
                "2" => twos += 1,
                other => panic!("{other}"),
            }
        }
        (ones, twos)
    };
    assert_eq!(count(None, 20).await, (20, 0));
    // Fair to 1 in 10^9 and more, by the binomial distribution.
    let (ones, twos) = count(Some(0.5), 400).await;
    assert!(ones > 130 && twos > 130, "{ones} and {twos}");
    let (ones, twos) = count(Some(0.1), 400).await;
    assert!(twos > 2 && ones > 280, "{ones} and {twos}");
    assert_eq!(count(Some(1.0), 20).await, (0, 20));
    host.update_alias("f", "live", |target, _| *target = AliasTarget::all("2"), None).expect("there");
    assert_eq!(seen(&host, "f:live").await, ("2".into(), "blue".into()));
    host.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_or_cannot_be_is_an_error() {
    let (host, _) = host();
    let arn = |qualifier: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:f{qualifier}");
    let unknown = |error: InvokeError| {
        assert_eq!(error.to_string(), format!("ResourceNotFoundException: Function not found: {}", arn(":live")));
    };
    unknown(host.invoke("f:live", "{}".into()).await.expect_err("no alias yet"));
    assert_eq!(host.create_alias("f", "live", AliasTarget::all("1"), ""), Err(VersionError::NotFound(arn(":1"))));
    let first = host.publish_version("f", "", None).expect("there");
    let live = host.create_alias("f", "live", AliasTarget::all("1"), "").expect("new");
    assert_eq!(host.create_alias("f", "live", AliasTarget::all("1"), ""), Err(VersionError::AliasExists(arn(":live"))));
    assert!(matches!(host.create_alias("f", "7", AliasTarget::all("1"), ""), Err(VersionError::Invalid(_))));
    let to_three = |target: &mut AliasTarget, _: &mut String| target.additional = Some(("3".into(), 0.5));
    assert_eq!(host.update_alias("f", "live", to_three, None), Err(VersionError::NotFound(arn(":3"))));
    assert_eq!(host.alias("f", "live"), Ok(live.clone()), "a refused change changes nothing");
    assert_eq!(host.update_alias("f", "live", |_, _| (), Some("old")), Err(VersionError::RevisionMismatch));
    assert!(host.update_alias("f", "live", |_, _| (), Some(&live.revision)).is_ok());
    assert_eq!(host.publish_version("f", "", Some(&first.revision)), Err(VersionError::RevisionMismatch));
    assert_eq!(host.version("f", Some("live")), Ok(first));
    assert_eq!(host.delete_alias("f", "live"), Ok(true));
    assert_eq!(host.delete_alias("f", "live"), Ok(false));
    assert_eq!(host.alias("f", "live"), Err(VersionError::AliasNotFound(arn(":live"))));
    assert!(host.versions("g").is_err());
    host.shutdown().await;
}

#[tokio::test]
async fn versions_share_the_function_s_concurrency() {
    let (host, _) = host();
    host.publish_version("f", "", None).expect("there");
    let slow = json!({"do": "sleep", "ms": 300});
    let both = futures::future::join(invoke(&host, "f:1", slow.clone()), invoke(&host, "f", slow));
    let third = async {
        tokio::task::yield_now().await;
        host.invoke("f:1", "{}".into()).await
    };
    let (_, third) = futures::future::join(both, third).await;
    assert_eq!(third, Err(InvokeError::Throttled { function: "f".into(), concurrency_max: 2 }));
    assert_eq!(host.stats()["f"].concurrency_peak, 2);
    assert_eq!(Invoker::concurrency_max(&host, "f:1"), Some(2));
    host.update_function("f", |spec| spec.concurrency_max = 0, None).expect("there");
    assert!(matches!(host.invoke("f:1", "{}".into()).await, Err(InvokeError::Throttled { .. })));
    host.shutdown().await;
}
