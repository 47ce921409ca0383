//! Event source mappings as Lambda's API shows them. They are the template's: here they are only looked at.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use weir_local_lambda::Host;
use weir_local_template::{Destination, Mapping, Plan, Source, StartingPosition};

use super::{Answer, ApiError, Call, Functions, page};
use crate::wire;

/// `EventSourceMappingConfiguration` of a mapping; `stream_arn` is that of a table's stream.
pub(crate) fn shape(host: &Host, plan: &Plan, mapping: &Mapping, stream_arn: Option<&str>) -> Value {
    let Plan { region, account, .. } = plan;
    let source = match &mapping.source {
        Source::Stream(name) => format!("arn:aws:kinesis:{region}:{account}:stream/{name}"),
        Source::TableStream(_) => stream_arn.unwrap_or_default().to_owned(),
        Source::Queue(name) => queue_arn(plan, name),
    };
    let target = wire::target_of(plan, &mapping.function);
    let (name, qualifier) = target.split_once(':').map_or((target.as_str(), None), |(name, rest)| (name, Some(rest)));
    let mut shape = json!({
        "UUID": uuid(&mapping.logical_id),
        "EventSourceArn": source,
        "FunctionArn": host.function_arn(name, qualifier),
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.batching_window_seconds,
        "FunctionResponseTypes": if mapping.report_batch_item_failures { json!(["ReportBatchItemFailures"]) } else { json!([]) },
        "State": if mapping.enabled { "Enabled" } else { "Disabled" },
        "StateTransitionReason": "USER_INITIATED",
    });
    if !mapping.filters.is_empty() {
        let filters: Vec<Value> = mapping.filters.iter().map(|pattern| json!({ "Pattern": pattern })).collect();
        shape["FilterCriteria"] = json!({ "Filters": filters });
    }
    if let Some(concurrency_max) = mapping.concurrency_max {
        shape["ScalingConfig"] = json!({ "MaximumConcurrency": concurrency_max });
    }
    let Some(stream) = &mapping.stream else { return shape };
    shape["StartingPosition"] = match stream.starting_position {
        StartingPosition::TrimHorizon => "TRIM_HORIZON".into(),
        StartingPosition::Latest => "LATEST".into(),
        StartingPosition::AtTimestamp(seconds) => {
            shape["StartingPositionTimestamp"] = seconds.into();
            "AT_TIMESTAMP".into()
        }
    };
    // Without end is -1 ("CreateEventSourceMapping").
    shape["MaximumRetryAttempts"] = stream.retries_max.map_or(json!(-1), Into::into);
    shape["MaximumRecordAgeInSeconds"] = stream.record_age_max_seconds.map_or(json!(-1), Into::into);
    shape["BisectBatchOnFunctionError"] = stream.bisect_on_error.into();
    shape["ParallelizationFactor"] = stream.parallelization.into();
    shape["TumblingWindowInSeconds"] = stream.tumbling_window_seconds.into();
    if let Some(destination) = &stream.on_failure {
        let arn = match destination {
            Destination::Queue(name) => queue_arn(plan, name),
            Destination::Bucket(name) => format!("arn:aws:s3:::{name}"),
        };
        shape["DestinationConfig"] = json!({ "OnFailure": { "Destination": arn } });
    }
    shape
}

fn queue_arn(Plan { region, account, .. }: &Plan, name: &str) -> String {
    format!("arn:aws:sqs:{region}:{account}:{name}")
}

/// The same in every run: a mapping is known by its logical id.
fn uuid(logical_id: &str) -> String {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(Sha256::digest(logical_id.as_bytes())).for_each(|(byte, digest)| *byte = digest);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl Functions {
    /// `ListEventSourceMappings`, of a source and of a function where they are named.
    pub(super) fn list_mappings(&self, call: &Call) -> Answer {
        let function = call.query("FunctionName").map(|given| self.find(call, given)).transpose()?;
        let arn = function.map(|(name, qualifier)| self.host.function_arn(&name, qualifier.as_deref()));
        let source = call.query("EventSourceArn");
        let is_asked = |mapping: &&Value| {
            let own = mapping["FunctionArn"].as_str().unwrap_or_default();
            // A function without a qualifier is all its aliases, too.
            let of_function = |arn: &String| {
                own.strip_prefix(arn.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            };
            arn.as_ref().is_none_or(of_function) && source.is_none_or(|source| mapping["EventSourceArn"] == source)
        };
        page(call, "EventSourceMappings", self.mappings.iter().filter(is_asked).cloned().collect())
    }

    /// `GetEventSourceMapping`.
    pub(super) fn get_mapping(&self, uuid: &str) -> Answer {
        let found = self.mappings.iter().find(|mapping| mapping["UUID"] == uuid);
        found.map(|mapping| super::reply::json(http::StatusCode::OK, mapping)).ok_or_else(|| ApiError {
            status: http::StatusCode::NOT_FOUND,
            code: "ResourceNotFoundException",
            message: "The resource you requested does not exist.".to_owned(),
        })
    }
}
