//! From the plan to running functions, mappings and schedules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_local_lambda::{
    BucketDestination, FailureDestination, Filters, FunctionSpec, MappingError, MappingKind, MappingSpec,
    QueueDestination, QueueSettings, Source, StartingPosition, StreamSettings,
};
use weir_local_template as template;

use crate::clients::{Clients, SECRET_ACCESS_KEY};
use crate::code::CodeStore;
use crate::create;
use crate::error::StartError;

/// Concurrency of a function without reserved concurrency. AWS gives an account 1,000; a machine has fewer cores.
pub(crate) const CONCURRENCY_DEFAULT: u32 = 50;

/// Variables that every function gets beside the template's own: where AWS is, and how to sign; as whom, the host says.
pub(crate) fn environment(endpoint_url: &str, region: &str) -> BTreeMap<String, String> {
    [
        ("AWS_ENDPOINT_URL", endpoint_url),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        // Nothing is asked of a metadata service that does not exist here, nor of the developer's own profile.
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

pub(crate) fn function(
    function: &template::Function,
    bootstraps: &BTreeMap<String, PathBuf>,
    concurrency_default: u32,
    code: &CodeStore,
    opt: Option<PathBuf>,
) -> Result<FunctionSpec, StartError> {
    let missing = |path: Option<PathBuf>| StartError::Bootstrap {
        function: function.logical_id.clone(),
        binary: function.binary.clone(),
        path,
    };
    let bootstrap = bootstraps.get(&function.binary).ok_or_else(|| missing(None))?;
    if !bootstrap.is_file() {
        return Err(missing(Some(bootstrap.clone())));
    }
    Ok(FunctionSpec {
        name: function.name.clone(),
        bootstrap: code
            .keep(bootstrap)
            .map_err(|error| StartError::Code { function: function.logical_id.clone(), error })?,
        environment: function.environment.clone(),
        memory_mb: function.memory_mb,
        timeout: Duration::from_secs(function.timeout_seconds.into()),
        concurrency_max: function.concurrency_max.unwrap_or(concurrency_default),
        handler: function.handler.clone(),
        opt,
    })
}

/// What a mapping or schedule of the function invokes: with `AutoPublishAlias`, SAM connects event sources to the alias.
pub(crate) fn target(function: &template::Function) -> String {
    match &function.alias {
        Some(alias) => format!("{}:{alias}", function.name),
        None => function.name.clone(),
    }
}

/// The same by the function's logical id.
pub(crate) fn target_of(plan: &template::Plan, logical_id: &str) -> String {
    let function = plan.functions.iter().find(|function| function.logical_id == logical_id);
    function.map_or_else(|| logical_id.to_owned(), target)
}

/// A mapping's settings.
///
/// # Errors
/// A filter that is none.
pub(crate) fn mapping(mapping: &template::Mapping, target: String) -> Result<MappingSpec, MappingError> {
    let kind = match &mapping.stream {
        Some(stream) => MappingKind::Stream(StreamSettings {
            starting_position: match stream.starting_position {
                template::StartingPosition::TrimHorizon => StartingPosition::TrimHorizon,
                template::StartingPosition::Latest => StartingPosition::Latest,
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "epoch milliseconds fit for millions of years; a cast saturates"
                )]
                template::StartingPosition::AtTimestamp(seconds) => {
                    StartingPosition::AtTimestamp((seconds * 1_000.0) as i64)
                }
            },
            bisect_on_function_error: stream.bisect_on_error,
            maximum_retry_attempts: stream.retries_max,
            maximum_record_age: stream.record_age_max_seconds.map(|seconds| Duration::from_secs(seconds.into())),
            parallelization_factor: stream.parallelization,
            tumbling_window: Duration::from_secs(stream.tumbling_window_seconds.into()),
        }),
        None => MappingKind::Queue(QueueSettings { maximum_concurrency: mapping.concurrency_max }),
    };
    let filters = Filters::parse(&mapping.filters).map_err(|problem| MappingError {
        mapping: mapping.logical_id.clone(),
        setting: "FilterCriteria",
        problem,
    })?;
    Ok(MappingSpec {
        id: mapping.logical_id.clone(),
        function: target,
        batch_size: mapping.batch_size,
        batching_window: Duration::from_secs(mapping.batching_window_seconds.into()),
        kind,
        report_batch_item_failures: mapping.report_batch_item_failures,
        filters,
        enabled: mapping.enabled,
    })
}

/// Who is told of records that a mapping gives up.
pub(crate) fn on_failure(
    clients: &Clients,
    plan: &template::Plan,
    endpoint_url: &str,
    mapping: &template::Mapping,
) -> Option<Arc<dyn FailureDestination>> {
    Some(match mapping.stream.as_ref()?.on_failure.as_ref()? {
        template::Destination::Queue(name) => {
            let url = format!("{endpoint_url}/{}/{name}", plan.account);
            Arc::new(QueueDestination::new(clients.sqs.clone(), url))
        }
        template::Destination::Bucket(name) => Arc::new(BucketDestination::new(clients.s3.clone(), name)),
    })
}

pub(crate) async fn source(
    clients: &Clients,
    plan: &template::Plan,
    endpoint_url: &str,
    mapping: &template::Mapping,
) -> Result<Source, StartError> {
    let arn =
        |service: &str, resource: String| format!("arn:aws:{service}:{}:{}:{resource}", plan.region, plan.account);
    Ok(match &mapping.source {
        template::Source::Stream(name) => {
            Source::Kinesis(clients.kinesis.clone(), name.clone(), arn("kinesis", format!("stream/{name}")))
        }
        template::Source::TableStream(table) => {
            let stream = create::table_stream_arn(clients, &mapping.logical_id, table).await?;
            Source::DynamoDbStream(clients.streams.clone(), stream)
        }
        template::Source::Queue(name) => {
            let url = format!("{endpoint_url}/{}/{name}", plan.account);
            Source::Sqs(clients.sqs.clone(), url, arn("sqs", name.clone()))
        }
    })
}
