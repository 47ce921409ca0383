//! `weir worker`: the fleet's functions on a server, against the resources of a stack.
//!
//! The functions' own lines go to standard output, one JSON object each, metrics and all: what a container's log driver takes
//! from there CloudWatch reads as Lambda's.

use crate::args::Worker as Asked;
use crate::aws::Aws;
use crate::failure::{Failure, say};
use crate::plane::{self, executables, usage};
use aws_credential_types::Credentials;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use weir_local::{Clients, Settings, Worker, WorkerOptions};
use weir_local_lambda::{Checkpoints, DirectorySink, LogLine, LogSink, LogStream};

/// How long what is being delivered may take to settle when the worker ends. A container has 30 s from SIGTERM.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Credentials are replaced so long before they expire, or halfway where they live shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(600);
/// After credentials could not be had, or what the worker needs.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

/// How regions of other partitions begin (AWS: "AWS Fault Isolation Boundaries", partitions).
const OTHER_PARTITIONS: [&str; 5] = ["us-gov-", "cn-", "us-iso", "eu-isoe-", "eusc-"];

pub(crate) async fn run(asked: Asked, stack: &str) -> Result<ExitCode, Failure> {
    report_trouble();
    let aws = Aws::from_environment(stack).await?;
    let region = aws.config().region().map(ToString::to_string).unwrap_or_default();
    if OTHER_PARTITIONS.iter().any(|partition| region.starts_with(partition)) {
        // A message's identity contains its queue's ARN: with another partition's it would have two, ours and Lambda's.
        return Err(Failure::Usage(format!("weir worker supports only the aws partition, found {region}")));
    }
    let endpoint_url = aws.config().endpoint_url().map(str::to_owned);
    let settings = Settings {
        account: aws.account().await?,
        region: region.clone(),
        endpoint_url: endpoint_url.clone(),
        parameters: asked.fleet.parameters.iter().cloned().collect(),
        ..Settings::local(stack)
    };
    let plan = weir_local_template::read(&asked.fleet.template, &settings).map_err(|error| usage(error.into()))?;
    let bootstraps = executables(&asked.fleet, &plan).await?;
    let checkpoints = match &asked.state {
        Some(path) => Checkpoints::open(path.clone()).map_err(|error| Failure::Usage(error.to_string()))?,
        None => Checkpoints::in_memory(),
    };
    let options = |credentials: &Credentials| {
        Ok::<_, Failure>(WorkerOptions {
            template: asked.fleet.template.clone(),
            settings: settings.clone(),
            bootstraps: bootstraps.clone(),
            functions: asked.functions.iter().cloned().collect(),
            clients: clients(&aws),
            queue_base_url: endpoint_url.clone().unwrap_or_else(|| format!("https://sqs.{region}.amazonaws.com")),
            environment: environment(&aws, credentials),
            checkpoints: checkpoints.clone(),
            logs: sink(&asked)?,
            concurrency_default: asked.concurrency,
        })
    };
    // One for the whole run: a signal that comes while it works on something else is not lost.
    let mut interrupted = std::pin::pin!(plane::interrupted());
    let mut current = aws.credentials().await?;
    let mut worker = Worker::start(options(&current)?).await.map_err(usage)?;
    say(&format!(
        "working on {} mappings of stack {stack} in {region}{}; Ctrl-C ends it",
        worker.plan().mappings.len(),
        endpoint_url.as_deref().map(|url| format!(" at {url}")).unwrap_or_default()
    ));
    // A sandbox cannot be given other credentials: before they expire, all restart with the next ones.
    loop {
        let next = tokio::select! {
            () = &mut interrupted => None,
            next = successor(&aws, &current) => Some(next),
        };
        worker.shutdown(SETTLE_MAX).await;
        let Some(next) = next else { return Ok(ExitCode::SUCCESS) };
        current = next;
        worker = tokio::select! {
            () = &mut interrupted => return Ok(ExitCode::SUCCESS),
            worker = begun_again(|| options(&current)) => worker?,
        };
    }
}

/// What keeps the worker from its work goes to standard error, as the functions word theirs: sources that cannot be read,
/// checkpoints that cannot be written.
fn report_trouble() {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter("weir_local=warn,weir_local_lambda=warn")
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .finish();
    // A second call (a test's) keeps the first subscriber. As functions do it (`weir_aws::logs`).
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A worker that begins, however long what it needs is not there.
async fn begun_again(options: impl Fn() -> Result<WorkerOptions, Failure>) -> Result<Worker, Failure> {
    loop {
        match Worker::start(options()?).await {
            Ok(worker) => return Ok(worker),
            Err(why) => say(&format!("not working: {why}; retrying in {} s", RENEW_AGAIN.as_secs())),
        }
        tokio::time::sleep(RENEW_AGAIN).await;
    }
}

/// The credentials that replace these, when it is time. Until there are some, the worker goes on with what it has.
async fn successor(aws: &Aws, current: &Credentials) -> Credentials {
    renewal(current).await;
    loop {
        match aws.credentials().await {
            Ok(next) if lasts_longer(&next, current) => return next,
            // Whoever gives them out has no new ones yet.
            Ok(_) => {}
            Err(why) => say(&format!("{why}; retrying in {} s", RENEW_AGAIN.as_secs())),
        }
        tokio::time::sleep(RENEW_AGAIN).await;
    }
}

fn lasts_longer(next: &Credentials, current: &Credentials) -> bool {
    next.expiry().is_none_or(|expiry| current.expiry().is_some_and(|current| expiry > current))
}

/// Until it is time to take others; never where they do not expire.
async fn renewal(credentials: &Credentials) {
    let Some(expiry) = credentials.expiry() else { return std::future::pending().await };
    let left = expiry.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    tokio::time::sleep(left - RENEW_BEFORE.min(left / 2)).await;
}

fn clients(aws: &Aws) -> Clients {
    Clients { dynamodb: aws.dynamodb(), streams: aws.streams(), kinesis: aws.kinesis(), s3: aws.s3(), sqs: aws.sqs() }
}

fn environment(aws: &Aws, credentials: &Credentials) -> BTreeMap<String, String> {
    let mut environment = aws.function_environment(credentials);
    // A server trusts whom its operator does, and starts seldom.
    environment.insert("WEIR_TRUSTED_ROOTS".to_owned(), "system".to_owned());
    environment
}

fn sink(asked: &Asked) -> Result<Arc<dyn LogSink>, Failure> {
    match &asked.fleet.log_dir {
        None => Ok(Arc::new(StandardOutput)),
        Some(path) => {
            let sink = DirectorySink::new(path);
            let sink = sink.map_err(|error| Failure::Usage(format!("log directory {}: {error}", path.display())))?;
            Ok(Arc::new(sink))
        }
    }
}

/// The functions' lines, and of the platform's only why an invocation failed: START and END of every batch say nothing here.
struct StandardOutput;

impl LogSink for StandardOutput {
    fn line(&self, line: &LogLine<'_>) {
        let text = format!("{}\n", line.text);
        // Without anybody to read them, lines are lost and batches are not.
        let _ = match line.stream {
            LogStream::Stdout => std::io::stdout().lock().write_all(text.as_bytes()),
            LogStream::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
            LogStream::Platform if line.is_failure() => {
                writeln!(std::io::stderr().lock(), "weir: {}: {}", line.function, line.text)
            }
            LogStream::Platform => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_before_they_expire() {
        let lasting = |seconds| {
            let expiry = SystemTime::now() + Duration::from_secs(seconds);
            Credentials::new("a", "s", Some("t".to_owned()), Some(expiry), "test")
        };
        for (seconds, at) in [(3_600, 3_000), (600, 300), (0, 0)] {
            let begun = tokio::time::Instant::now();
            renewal(&lasting(seconds)).await;
            let waited = begun.elapsed().as_secs_f64();
            assert!((waited - f64::from(at)).abs() < 1.0, "{seconds}: {waited}");
        }
        let forever = Credentials::new("a", "s", None, None, "test");
        assert!(tokio::time::timeout(Duration::from_secs(1_000_000), renewal(&forever)).await.is_err());
        assert!(lasts_longer(&forever, &lasting(1)) && !lasts_longer(&lasting(1), &forever));
        let (sooner, later) = (lasting(10), lasting(20));
        assert!(lasts_longer(&later, &sooner) && !lasts_longer(&sooner, &later) && !lasts_longer(&later, &later));
    }
}
