//! Lambda, CodeDeploy and a scratch generation over the real services.

use crate::batches::Names;
use crate::deployment::{Target, target};
use crate::gate::{Generation, Invoke, Invoked};
use crate::golden::Before;
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::scratch::{PutObject, ScratchStores};
use weir_exact::finalize::{FinalizeSettings, Finalizer};
use weir_exact::layout::Layout;
use weir_exact::ports::{ContributionPut, Expected, Item, ItemKey, StoreError, StoreErrorKind};
use weir_exact::scratch::{Left, Scratch};

/// Lambda.
#[derive(Debug)]
pub(crate) struct Versions(aws_sdk_lambda::Client);

impl Versions {
    pub(crate) fn new(connection: &Connection) -> Self {
        // A response may take as long as the function's own timeout; the judgement limits the wait. Explicitly off,
        // since an unset timeout stays as the connection has it.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .disable_read_timeout()
            .disable_operation_attempt_timeout()
            .disable_operation_timeout()
            .build();
        let config = aws_sdk_lambda::config::Builder::from(&connection.sdk_config()).timeout_config(timeouts).build();
        Self(aws_sdk_lambda::Client::from_conf(config))
    }
}

impl Invoke for Versions {
    async fn invoke(&self, target: &Target, payload: Vec<u8>) -> Result<Invoked, String> {
        let invoke = self.0.invoke().function_name(&target.function).qualifier(&target.version);
        let answer = invoke.payload(Blob::new(payload)).send().await;
        let answer = answer.map_err(|error| said(&error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(match answer.function_error {
            Some(kind) => Invoked::Failed(format!("{kind}: {}", String::from_utf8_lossy(&payload))),
            None => match serde_json::from_slice(&payload) {
                Ok(answer) => Invoked::Answer(answer),
                Err(error) => Invoked::Failed(format!("a response that is not JSON: {error}")),
            },
        })
    }
}

/// AWS's error message, or else all that is known.
fn said<E>(error: &E) -> String
where
    E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => DisplayErrorContext(error).to_string(),
    }
}

/// CodeDeploy.
#[derive(Debug)]
pub(crate) struct CodeDeploy(aws_sdk_codedeploy::Client);

impl CodeDeploy {
    pub(crate) fn new(connection: &Connection) -> Self {
        Self(aws_sdk_codedeploy::Client::new(&connection.sdk_config()))
    }

    /// What a deployment is for; else why that is not known.
    ///
    /// `GetDeployment` names the revision by its SHA-256 alone: "The content property of the appSpecContent object in the
    /// returned revision is always null. Use GetApplicationRevision" (AWS CodeDeploy API Reference, "GetDeployment").
    pub(crate) async fn target(&self, deployment: &str) -> Result<Target, String> {
        let tried = format!("GetDeployment {deployment}");
        let answer = self.0.get_deployment().deployment_id(deployment).send().await;
        let answer = answer.map_err(|error| format!("{tried}: {}", DisplayErrorContext(error)))?;
        let info = answer.deployment_info.ok_or_else(|| format!("{tried}: the response has no deployment"))?;
        let (Some(application), Some(revision)) = (info.application_name, info.revision) else {
            return Err(format!("{tried}: the response names no application or no revision"));
        };
        let tried = format!("GetApplicationRevision {application}, for deployment {deployment}");
        let answer = self.0.get_application_revision().application_name(application).revision(revision).send().await;
        let answer = answer.map_err(|error| format!("{tried}: {}", DisplayErrorContext(error)))?;
        let content = answer.revision.and_then(|revision| {
            // Which of the two types it is depends on how the deployment was made.
            #[expect(deprecated, reason = "revisions of the older type are still made")]
            let string = revision.string.and_then(|string| string.content);
            revision.app_spec_content.and_then(|spec| spec.content).or(string)
        });
        let content = content.ok_or_else(|| format!("{tried}: the revision holds no AppSpec"))?;
        target(&content).map_err(|error| format!("{tried}: {error}"))
    }

    /// Votes.
    pub(crate) async fn vote(&self, deployment: &str, execution: &str, passed: bool) -> Result<(), String> {
        let status = if passed { LifecycleEventStatus::Succeeded } else { LifecycleEventStatus::Failed };
        let put = self.0.put_lifecycle_event_hook_execution_status();
        let put = put.deployment_id(deployment).lifecycle_event_hook_execution_id(execution).status(status);
        let voted = put.send().await;
        voted.map(drop).map_err(|error| format!("the vote on {deployment}: {}", DisplayErrorContext(error)))
    }
}

/// One scratch generation.
pub(crate) struct OneGeneration<'a> {
    stores: &'a ScratchStores,
    scratch: &'a Scratch,
    layout: &'a Layout,
    objects: Mutex<Vec<PutObject>>,
}

impl<'a> OneGeneration<'a> {
    pub(crate) fn new(stores: &'a ScratchStores, scratch: &'a Scratch, layout: &'a Layout) -> Self {
        Self { stores, scratch, layout, objects: Mutex::default() }
    }

    fn objects(&self) -> Vec<PutObject> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn put_contributions(&self, before: &Before) -> Result<(), StoreError> {
        let table = self.stores.contributions(self.scratch);
        let mut windows = BTreeSet::new();
        for contribution in &before.contributions {
            let key = ItemKey { pk: contribution.pk.clone(), sk: contribution.sk.clone() };
            windows.extend(self.layout.window_of(&key.pk));
            let body = from_base64(&contribution.body_base64, &key.sk)?;
            let item = Item { key, fence: contribution.fence.clone(), body, expires_at: None };
            table.put(&item, &Expected::Absent).await?;
        }
        if before.rows {
            let (rows, settings) = (self.stores.rows(self.scratch), FinalizeSettings::default());
            let finalizer = Finalizer::new(table, rows, self.layout.clone(), settings);
            for window in windows {
                finalizer.finalize(window, &[], clock::now(), false, &|| false).await?;
            }
        }
        Ok(())
    }
}

impl Generation for OneGeneration<'_> {
    async fn prepare(&self, before: &Before, names: &mut Names) -> Result<(), StoreError> {
        self.put_contributions(before).await?;
        for (key, document) in &before.documents {
            // A value that was parsed: serialising cannot fail.
            let body = serde_json::to_vec(document).unwrap_or_default();
            self.stores.put_document(self.scratch, key, body).await?;
        }
        for (name, base64) in &before.objects {
            let body = from_base64(base64, name)?;
            let put = self.stores.put_object(self.scratch, name, body.into()).await?;
            names.set(format!("{name}.key"), &put.key);
            names.set(format!("{name}.etag"), &put.etag);
            names.set(format!("{name}.size"), put.size.to_string());
            names.set(format!("{name}.version"), put.version.clone().unwrap_or_default());
            self.objects.lock().unwrap_or_else(PoisonError::into_inner).push(put);
        }
        Ok(())
    }

    async fn left(&self) -> Result<Left, StoreError> {
        self.stores.left(self.scratch).await
    }

    async fn empty(&self) -> Result<(), StoreError> {
        self.stores.empty(self.scratch, &self.objects()).await
    }
}

fn from_base64(text: &str, what: &str) -> Result<Vec<u8>, StoreError> {
    STANDARD
        .decode(text)
        .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, format!("{what} of the golden: {error}")))
}
