//! `canary-gate`: golden batches through a new version before it gets any traffic, and the vote.
//!
//! - **Trigger**: CodeDeploy's `BeforeAllowTraffic` hook, once per deployed function; or by hand, `{"function":
//!   "weir-sqs-rollup", "version": "7"}`, which judges and does not vote.
//! - **Input**: the deployment's id; CodeDeploy is asked what it is for ([`deployment`]). The golden of the function's
//!   processor, from the layer of goldens.
//! - **Output**: the vote, `Succeeded` or `Failed`. Each batch is sent to the *version*, in a scratch generation of the
//!   contributions table that belongs to this invocation alone ([`weir_exact::scratch`]), some of it twice and cut
//!   differently; then its content is compared with the golden. It is deleted before the vote.
//! - **Failure**: whatever keeps the gate from judging (no golden, an AppSpec it cannot read, no time left) is a vote
//!   of `Failed`. A vote that does not reach CodeDeploy is the function's error: Lambda invokes it twice more, and
//!   CodeDeploy treats no vote within an hour as a failed one. So no fault of the gate lets a version pass.
//!
//! Not covered: speed, permissions that the golden does not need, and faults that depend on the live table's content.

pub mod batches;
pub mod deployment;
pub mod gate;
pub mod golden;
pub mod observed;
mod services;
pub mod verdict;

use deployment::Target;
use gate::Case;
use golden::Golden;
use lambda_runtime::{Error, LambdaEvent};
use serde::{Deserialize, Serialize};
use services::{CodeDeploy, OneGeneration, Versions};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use verdict::Verdict;
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::{ConfigError, Environment, generation, required};
use weir_aws::scratch::ScratchStores;
use weir_exact::layout::Layout;
use weir_exact::ledger::digest_of;
use weir_exact::scratch::Scratch;
use weir_telemetry::EpochTable;

/// Reserved for cleaning up and voting.
const MARGIN: Duration = Duration::from_secs(20);

/// Who invoked the gate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// CodeDeploy.
    #[serde(rename_all = "PascalCase")]
    Hook {
        /// The deployment.
        deployment_id: String,
        /// What the vote is for.
        lifecycle_event_hook_execution_id: String,
    },
    /// A person.
    Ask(Target),
}

/// The gate's answer about a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether it passed.
    pub passed: bool,
    /// The version, if known.
    pub judged: Option<String>,
    /// Why it was refused.
    pub reasons: Vec<String>,
}

/// What one environment keeps between invocations.
#[derive(Debug)]
pub struct Handler {
    stack: String,
    stream_arn: String,
    goldens: PathBuf,
    /// For the versions being judged.
    generation: String,
    stores: ScratchStores,
    versions: Versions,
    codedeploy: CodeDeploy,
}

impl Handler {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or wrong.
    pub fn from_environment(environment: &impl Environment) -> Result<Self, ConfigError> {
        let connection = Connection::from_environment(environment)?;
        let goldens = environment.variable("WEIR_GOLDENS").unwrap_or_else(|| "/opt/goldens".to_owned());
        Ok(Self {
            stack: required(environment, "WEIR_STACK", "the stack's name, which its functions' names begin with")?,
            stream_arn: required(environment, "WEIR_TELEMETRY_STREAM_ARN", "the ARN of the telemetry stream")?,
            goldens: goldens.into(),
            generation: generation(environment)?,
            stores: ScratchStores::from_environment(environment, &connection)?,
            versions: Versions::new(&connection),
            codedeploy: CodeDeploy::new(&connection),
        })
    }

    /// Judges, and votes if CodeDeploy asks.
    ///
    /// # Errors
    /// If the vote does not reach CodeDeploy.
    pub async fn handle(&self, event: LambdaEvent<Request>) -> Result<Answer, Error> {
        let request_id = &event.context.request_id;
        let deadline = event.context.deadline();
        let target = match &event.payload {
            Request::Ask(target) => Ok(target.clone()),
            Request::Hook { deployment_id, .. } => self.codedeploy.target(deployment_id).await,
        };
        let verdict = match &target {
            Ok(target) => self.judge(target, request_id, deadline).await,
            Err(error) => Verdict::refused(error),
        };
        let judged = target.ok().map(|target| target.to_string());
        let answer = Answer { passed: verdict == Verdict::Passed, reasons: verdict.reasons(), judged };
        log(request_id, &answer);
        if let Request::Hook { deployment_id, lifecycle_event_hook_execution_id: execution } = &event.payload {
            self.codedeploy.vote(deployment_id, execution, answer.passed).await?;
        }
        Ok(answer)
    }

    async fn judge(&self, target: &Target, request_id: &str, deadline: SystemTime) -> Verdict {
        let Some(processor) = target.function.strip_prefix(&format!("{}-", self.stack)) else {
            return Verdict::refused(format_args!("{} is not a function of the stack {}", target.function, self.stack));
        };
        let golden = match Golden::read(&self.goldens, processor) {
            Ok(golden) => golden,
            Err(error) => return Verdict::refused(error),
        };
        // One per invocation: two functions are deployed at once, and a version that hangs may write late.
        let name = digest_of(format!("{request_id} {target}").as_bytes());
        let scratch = match Scratch::parse(&format!("gate-{}", name.get(..16).unwrap_or(&name))) {
            Ok(scratch) => scratch,
            Err(error) => return Verdict::refused(error),
        };
        // Only used to parse keys: none of them tells how many lanes there are.
        let layout = Layout::new(&self.generation, EpochTable::genesis().generation);
        let mut names = batches::Names::default();
        names.set("stream", &self.stream_arn);
        names.set("landing", self.stores.landing());
        names.set("now_ms", clock::now().0.to_string());
        let generation = OneGeneration::new(&self.stores, &scratch, &layout);
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(MARGIN);
        let case = Case { target, golden: &golden, scratch: &scratch, layout: &layout, names };
        gate::judge(case, &self.versions, &generation, tokio::time::sleep(left)).await
    }
}

fn log(request_id: &str, answer: &Answer) {
    let Answer { passed, judged, reasons } = answer;
    for reason in reasons {
        tracing::error!(request_id, judged, reason, "refused");
    }
    tracing::info!(request_id, judged, passed, "judged");
}
