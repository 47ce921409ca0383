//! Wrong versions do not get the traffic, and what they wrote is gone.

use super::{ask, assert_nothing_left, deploy, fleet, live};
use aws_sdk_codedeploy::types::DeploymentStatus;
use weir_tests::Fleet;

const BROKEN: &str = env!("CARGO_BIN_EXE_weir-test-broken-kinesis-rollup");
const KINESIS: &str = "weir-kinesis-rollup";

/// Publishes a version that breaks in this way.
fn publish(fleet: &Fleet, breaks: &str) -> String {
    let host = fleet.plane.host();
    let change = |spec: &mut weir_local_lambda::FunctionSpec| {
        spec.bootstrap = BROKEN.into();
        spec.environment.insert("WEIR_TEST_BREAKS".into(), breaks.into());
    };
    host.update_function(KINESIS, change, None).expect("a function");
    host.publish_version(KINESIS, breaks, None).expect("a version").version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_gets_it_wrong_is_refused() {
    let fleet = fleet().await;
    for (breaks, reason) in [
        ("loses the last record", "missing: counted in 2026-11-21T01:30:00Z under "),
        ("takes redelivered records for new ones", "instead: counted in 2026-11-21T01:30:00Z under "),
        ("reports what it has counted", "answered {\"batchItemFailures\":[{\"itemIdentifier\":\"4959"),
        ("crashes at the second batch", "batch 0, invocation 1: the function failed: Unhandled: "),
        ("hangs at the second batch", "timed out after 3.00 seconds"),
    ] {
        let version = publish(&fleet, breaks);
        let said = ask(&fleet, KINESIS, &version).await;
        let reasons: Vec<&str> =
            said["reasons"].as_array().expect("reasons").iter().filter_map(|r| r.as_str()).collect();
        assert_eq!(said["passed"], false, "{breaks}: {said:#}");
        assert!(reasons.iter().any(|found| found.contains(reason)), "{breaks}: {said:#}");
        assert_nothing_left(&fleet).await;
        assert_eq!(deploy(&fleet, KINESIS, Some("1"), &version).await, DeploymentStatus::Failed, "{breaks}");
        assert_eq!(live(&fleet, KINESIS), "1", "{breaks}");
        assert_nothing_left(&fleet).await;
    }
    fleet.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gate_cannot_judge_does_not_pass() {
    let fleet = fleet().await;
    for (function, version, reason) in [
        (KINESIS, "99", "batch 0, invocation 0: it could not be invoked: "),
        ("weir-canary-gate", "1", "/canary-gate.json"),
        ("another-kinesis-rollup", "1", "another-kinesis-rollup is not a function of the stack weir"),
    ] {
        let said = ask(&fleet, function, version).await;
        assert_eq!(said["passed"], false, "{said:#}");
        assert!(said["reasons"][0].as_str().is_some_and(|found| found.contains(reason)), "{said:#}");
    }
    assert_nothing_left(&fleet).await;
    fleet.plane.shutdown().await;
}
