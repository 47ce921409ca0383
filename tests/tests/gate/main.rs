//! The canary gate: its goldens, right versions and wrong ones, over the fleet's real bootstraps and a CodeDeploy that
//! does what its hook votes.

mod deploy;
mod goldens;
mod made;
mod refused;

use aws_sdk_codedeploy::types::{AppSpecContent, DeploymentStatus, RevisionLocation, RevisionLocationType};
use serde_json::{Value, json};
use weir_local_lambda::{Outcome, opt_can_be_mounted};
use weir_tests::{Fleet, found, root};

const GATE: &str = "CodeDeployHook_weir-canary-gate";

/// Where the goldens of the layer lie in the repository.
fn goldens() -> std::path::PathBuf {
    root().join("layers/goldens/goldens")
}

/// A fleet whose gate finds its goldens under `/opt`, or where they lie where nothing can be mounted.
async fn fleet() -> Fleet {
    Fleet::start_with(|options| {
        // A version that hangs is known to after this long.
        options.parameters.insert("KinesisTimeoutSeconds".into(), "3".into());
        if !opt_can_be_mounted() {
            options.environment.insert("WEIR_GOLDENS".into(), goldens().display().to_string());
        }
    })
    .await
}

/// What the gate says of a version when somebody asks.
async fn ask(fleet: &Fleet, function: &str, version: &str) -> Value {
    let request = json!({"function": function, "version": version}).to_string();
    let invocation = fleet.plane.host().invoke(GATE, request.into()).await.expect("the gate is reached");
    let Outcome::Success(answer) = &invocation.outcome else { panic!("{invocation:?}") };
    serde_json::from_slice(answer).expect("JSON")
}

/// Deploys a version as CloudFormation would, through the gate; how it ended. `current` is what has the traffic: nothing
/// at a first deployment.
async fn deploy(fleet: &Fleet, function: &str, current: Option<&str>, version: &str) -> DeploymentStatus {
    let config = aws_sdk_codedeploy::Config::builder()
        .behavior_version(aws_sdk_codedeploy::config::BehaviorVersion::latest())
        .endpoint_url(fleet.plane.endpoint_url())
        .region(aws_sdk_codedeploy::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_codedeploy::config::Credentials::new("test", "test", None, None, "test"))
        .http_client(weir_aws::clients::http_client());
    let codedeploy = aws_sdk_codedeploy::Client::from_conf(config.build());
    let mut properties = json!({"Name": function, "Alias": "live", "TargetVersion": version});
    if let Some(current) = current {
        properties["CurrentVersion"] = current.into();
    }
    let spec = json!({
        "version": "0.0",
        "Resources": [{"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}],
        "Hooks": [{"BeforeAllowTraffic": GATE}],
    });
    let content = AppSpecContent::builder().content(spec.to_string()).build();
    let revision = RevisionLocation::builder().revision_type(RevisionLocationType::AppSpecContent);
    let create = codedeploy.create_deployment().application_name("weir").deployment_group_name(function);
    let created = create.revision(revision.app_spec_content(content).build()).send().await.expect("a deployment");
    let id = created.deployment_id.expect("its id");
    let mut status = DeploymentStatus::InProgress;
    fleet
        .wait_until("the deployment ends", async || {
            let answer = codedeploy.get_deployment().deployment_id(&id).send().await.expect("the deployment");
            status = answer.deployment_info.and_then(|info| info.status).expect("its status");
            status != DeploymentStatus::InProgress
        })
        .await;
    status
}

/// The version that has the traffic.
fn live(fleet: &Fleet, function: &str) -> String {
    fleet.plane.host().alias(function, "live").expect("an alias").target.version
}

/// Nothing of any scratch generation is left, and nothing was counted.
async fn assert_nothing_left(fleet: &Fleet) {
    let scan = fleet.dynamodb.scan().table_name("weir-contributions").consistent_read(true).into_paginator();
    let items = scan.items().send().collect::<Result<Vec<_>, _>>().await.expect("the table can be read");
    assert!(items.is_empty(), "{:?}", items.iter().map(|item| &item["pk"]).collect::<Vec<_>>());
    assert!(found::quarantine(&fleet.s3).await.is_empty());
    let landed = fleet.s3.list_objects_v2().bucket(Fleet::LANDING).send().await.expect("the bucket can be listed");
    assert_eq!(landed.contents().len(), 0, "{landed:?}");
    assert!(found::rows(&fleet.dynamodb).await.is_empty());
}
