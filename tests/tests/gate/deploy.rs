//! Right versions pass, of every processor behind the gate.

use super::{assert_nothing_left, deploy, fleet, goldens, live};
use aws_sdk_codedeploy::types::DeploymentStatus;

#[tokio::test(flavor = "multi_thread")]
async fn a_right_version_gets_the_traffic() {
    let fleet = fleet().await;
    let host = fleet.plane.host();
    for golden in std::fs::read_dir(goldens()).expect("goldens").filter_map(Result::ok) {
        let processor = golden.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let function = format!("weir-{processor}");
        // What has the traffic already, as at a first deployment, and a version after it.
        let reasons = super::ask(&fleet, &function, "1").await;
        assert_eq!(reasons["passed"], true, "{reasons:#}");
        assert_eq!(deploy(&fleet, &function, None, "1").await, DeploymentStatus::Succeeded, "{function}");
        host.update_function(&function, |spec| spec.memory_mb += 128, None).expect("a function");
        let version = host.publish_version(&function, "", None).expect("a version").version;
        assert_eq!(deploy(&fleet, &function, Some("1"), &version).await, DeploymentStatus::Succeeded, "{function}");
        assert_eq!(live(&fleet, &function), version);
        assert_nothing_left(&fleet).await;
    }
    fleet.plane.shutdown().await;
}
