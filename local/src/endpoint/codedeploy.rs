//! CodeDeploy, as far as moving an alias through its `BeforeAllowTraffic` hook goes: `CreateDeployment`, `GetDeployment`,
//! `GetApplicationRevision`, `PutLifecycleEventHookExecutionStatus` ("AWS CodeDeploy API Reference",
//! `CodeDeploy_20141006`), so that a gate can be rehearsed. Traffic then moves at once: no canary, no alarms, no groups,
//! and an application is no more than a name that its revisions are found by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use weir_local_lambda::{AliasTarget, Host, Outcome};

use super::reply;

const REQUEST_BYTES_MAX: usize = 1 << 20;
const TARGET_PREFIX: &str = "CodeDeploy_20141006.";
/// Deployments that are remembered; the oldest is forgotten.
const DEPLOYMENTS_MAX: usize = 1_000;

/// A code of CodeDeploy and words.
type Refused = (&'static str, String);

/// The service.
#[derive(Clone)]
pub(crate) struct CodeDeploy {
    host: Host,
    deployments: Arc<Mutex<BTreeMap<String, Deployment>>>,
}

#[derive(Clone)]
struct Deployment {
    application: String,
    revision: Revision,
    status: &'static str,
    error: Option<String>,
    /// Of its hook, and the vote once it is there.
    execution: String,
    vote: Option<bool>,
}

/// An AppSpec as it was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Revision {
    kind: &'static RevisionKind,
    content: String,
    sha256: String,
}

/// What CodeDeploy calls a revision that is an AppSpec, and the member that holds it.
#[derive(Debug, PartialEq, Eq)]
struct RevisionKind {
    name: &'static str,
    member: &'static str,
}

const REVISION_KINDS: [RevisionKind; 2] = [
    RevisionKind { name: "AppSpecContent", member: "appSpecContent" },
    RevisionKind { name: "String", member: "string" },
];

/// What an AppSpec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    function: String,
    alias: String,
    version: String,
    hook: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vote {
    deployment_id: String,
    lifecycle_event_hook_execution_id: String,
    status: String,
}

impl CodeDeploy {
    pub(crate) fn new(host: Host) -> Self {
        Self { host, deployments: Arc::default() }
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match reply::body(body, REQUEST_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error.response(REQUEST_BYTES_MAX),
        };
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asked = serde_json::from_slice::<Value>(&body);
        let answer = match (target.strip_prefix(TARGET_PREFIX), asked) {
            (_, Err(error)) => Err(("SerializationException", error.to_string())),
            (Some("CreateDeployment"), Ok(asked)) => self.create(&asked),
            (Some("GetDeployment"), Ok(asked)) => self.get(&asked),
            (Some("GetApplicationRevision"), Ok(asked)) => self.revision(&asked),
            (Some("PutLifecycleEventHookExecutionStatus"), Ok(asked)) => self.vote(asked),
            _ => Err((
                "UnknownOperationException",
                format!(
                    "the local plane does not serve `{target}`; of CodeDeploy it serves CreateDeployment, GetDeployment, \
                     GetApplicationRevision and PutLifecycleEventHookExecutionStatus"
                ),
            )),
        };
        match answer {
            Ok(body) => reply::with_body(StatusCode::OK, "application/x-amz-json-1.1", body.to_string()),
            Err((code, message)) => reply::json_error(StatusCode::BAD_REQUEST, code, &message),
        }
    }

    fn create(&self, asked: &Value) -> Result<Value, Refused> {
        let application = application(asked)?;
        let revision = Revision::read(&asked["revision"])?;
        let wanted = wanted(&revision.content).map_err(|what| ("InvalidRevisionException", what))?;
        let unique = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
        let id = format!("d-{}", &unique[..9]);
        let execution = uuid::Uuid::new_v4().to_string();
        let deployment = Deployment { application, revision, status: "InProgress", error: None, execution, vote: None };
        let mut deployments = self.deployments();
        while deployments.len() >= DEPLOYMENTS_MAX {
            deployments.pop_first();
        }
        deployments.insert(id.clone(), deployment.clone());
        drop(deployments);
        let (service, task) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let error = service.run(&task, &deployment.execution, wanted).await.err();
            if let Some(deployment) = service.deployments().get_mut(&task) {
                deployment.status = if error.is_none() { "Succeeded" } else { "Failed" };
                deployment.error = error;
            }
        });
        Ok(json!({ "deploymentId": id }))
    }

    /// The hook, its vote, and the alias on the new version.
    async fn run(&self, id: &str, execution: &str, wanted: Wanted) -> Result<(), String> {
        if let Some(hook) = &wanted.hook {
            let event = json!({ "DeploymentId": id, "LifecycleEventHookExecutionId": execution });
            let invoked = self.host.invoke(hook, event.to_string().into()).await;
            // AWS waits for a vote for an hour; of a hook that has ended none will come.
            let ended = match invoked.map_err(|error| error.to_string())?.outcome {
                Outcome::Success(_) => "it ended".to_owned(),
                Outcome::FunctionError { payload, .. } => String::from_utf8_lossy(&payload).into_owned(),
            };
            match self.deployments().get(id).and_then(|deployment| deployment.vote) {
                Some(true) => {}
                Some(false) => return Err(format!("the hook {hook} voted Failed")),
                None => return Err(format!("the hook {hook} did not vote: {ended}")),
            }
        }
        let Wanted { function, alias, version, .. } = wanted;
        let moved = self.host.update_alias(&function, &alias, |target, _| *target = AliasTarget::all(version), None);
        moved.map(drop).map_err(|error| error.to_string())
    }

    fn get(&self, asked: &Value) -> Result<Value, Refused> {
        let id = asked["deploymentId"].as_str().unwrap_or_default();
        let Deployment { application, revision, status, error, .. } =
            self.deployments().get(id).cloned().ok_or_else(|| unknown(id))?;
        let mut info = json!({
            "deploymentId": id, "applicationName": application, "computePlatform": "Lambda",
            "revision": revision.named(), "status": status,
        });
        if let Some(message) = error {
            info["errorInformation"] = json!({ "code": "HEALTH_CONSTRAINTS", "message": message });
        }
        Ok(json!({ "deploymentInfo": info }))
    }

    /// A revision that some deployment of the application is of, by its SHA-256: with its content.
    fn revision(&self, asked: &Value) -> Result<Value, Refused> {
        let application = application(asked)?;
        let sha256 = REVISION_KINDS.iter().find_map(|kind| asked["revision"][kind.member]["sha256"].as_str());
        let sha256 =
            sha256.ok_or(("RevisionRequiredException", "expected revision.appSpecContent.sha256".to_owned()))?;
        let deployments = self.deployments();
        let mut of_application = deployments.values().filter(|deployment| deployment.application == application);
        let found = of_application.find(|deployment| deployment.revision.sha256 == sha256).ok_or_else(|| {
            ("RevisionDoesNotExistException", format!("The revision {sha256} of {application} does not exist"))
        })?;
        Ok(json!({ "applicationName": application, "revision": found.revision.whole(), "revisionInfo": {} }))
    }

    fn vote(&self, asked: Value) -> Result<Value, Refused> {
        let vote: Vote =
            serde_json::from_value(asked).map_err(|error| ("SerializationException", error.to_string()))?;
        let passed = match vote.status.as_str() {
            "Succeeded" => true,
            "Failed" => false,
            other => {
                let what = format!("found `{other}`, expected Succeeded or Failed");
                return Err(("InvalidLifecycleEventHookExecutionStatusException", what));
            }
        };
        let mut deployments = self.deployments();
        let deployment = deployments.get_mut(&vote.deployment_id).ok_or_else(|| unknown(&vote.deployment_id))?;
        if deployment.execution != vote.lifecycle_event_hook_execution_id {
            let what = "no hook of this deployment has this execution id".to_owned();
            return Err(("InvalidLifecycleEventHookExecutionIdException", what));
        }
        deployment.vote = Some(passed);
        Ok(json!({ "lifecycleEventHookExecutionId": vote.lifecycle_event_hook_execution_id }))
    }

    fn deployments(&self) -> MutexGuard<'_, BTreeMap<String, Deployment>> {
        self.deployments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revision {
    fn read(asked: &Value) -> Result<Self, Refused> {
        let content = |kind: &RevisionKind| asked[kind.member]["content"].as_str();
        let found = REVISION_KINDS.iter().find_map(|kind| Some((kind, content(kind)?)));
        let (kind, content) =
            found.ok_or(("RevisionRequiredException", "expected revision.appSpecContent.content".to_owned()))?;
        let digest = Sha256::digest(content.as_bytes());
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { kind, content: content.to_owned(), sha256 })
    }

    /// As `GetDeployment` tells it: without its content, which is always null there.
    fn named(&self) -> Value {
        json!({ "revisionType": self.kind.name, (self.kind.member): { "sha256": self.sha256 } })
    }

    /// As `GetApplicationRevision` tells it.
    fn whole(&self) -> Value {
        json!({
            "revisionType": self.kind.name,
            (self.kind.member): { "content": self.content, "sha256": self.sha256 },
        })
    }
}

fn application(asked: &Value) -> Result<String, Refused> {
    let name = asked["applicationName"].as_str().filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or(("ApplicationNameRequiredException", "expected applicationName".to_owned()))
}

fn unknown(id: &str) -> Refused {
    ("DeploymentDoesNotExistException", format!("The deployment {id} does not exist"))
}

/// Reads an AppSpec in JSON. CodeDeploy takes YAML as well.
fn wanted(content: &str) -> Result<Wanted, String> {
    let spec: Value = serde_json::from_str(content).map_err(|error| format!("expected an AppSpec in JSON: {error}"))?;
    let resource = spec["Resources"].get(0).and_then(Value::as_object).and_then(|resource| resource.values().next());
    let property = |name: &str| {
        let value = resource.and_then(|resource| resource["Properties"][name].as_str());
        value.map(str::to_owned).ok_or_else(|| format!("expected Resources[0] with Properties.{name}"))
    };
    let hooks = spec["Hooks"].as_array().into_iter().flatten();
    let hook = hooks.filter_map(|hook| hook["BeforeAllowTraffic"].as_str()).next().map(str::to_owned);
    Ok(Wanted { function: property("Name")?, alias: property("Alias")?, version: property("TargetVersion")?, hook })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_names_its_revision_and_does_not_tell_it() {
        for kind in &REVISION_KINDS {
            let asked = json!({ "revisionType": kind.name, (kind.member): { "content": "abc" } });
            let revision = Revision::read(&asked).unwrap();
            let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert_eq!(revision.named(), json!({ "revisionType": kind.name, (kind.member): { "sha256": sha256 } }));
            assert_eq!(revision.whole()[kind.member], json!({ "content": "abc", "sha256": sha256 }));
        }
        assert!(Revision::read(&json!({ "revisionType": "S3" })).is_err());
    }

    #[test]
    fn an_appspec_is_read_as_cloudformation_writes_it() {
        let spec = r#"{"version":"0.0","Resources":[{"F":{"Type":"AWS::Lambda::Function","Properties":{"Name":"f","Alias":"live","CurrentVersion":"1","TargetVersion":"2"}}}],"Hooks":[{"BeforeAllowTraffic":"CodeDeployHook_gate"}]}"#;
        let [function, alias, version] = ["f", "live", "2"].map(str::to_owned);
        let expected = Wanted { function, alias, version, hook: Some("CodeDeployHook_gate".to_owned()) };
        assert_eq!(wanted(spec), Ok(expected.clone()));
        let without = spec.replace(r#","Hooks":[{"BeforeAllowTraffic":"CodeDeployHook_gate"}]"#, "");
        assert_eq!(wanted(&without), Ok(Wanted { hook: None, ..expected }));
        assert!(wanted("version: 0.0").is_err());
        assert!(wanted(r#"{"Resources":[]}"#).unwrap_err().contains("Properties.Name"));
    }
}
