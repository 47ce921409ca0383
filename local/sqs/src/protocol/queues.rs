//! Operations on queues.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Call;
use crate::engine::ATTRIBUTE_NAMES;
use crate::error::SqsError;
use crate::limits::{LIST_RESULTS_MAX, MOVE_TASKS_MAX};
use crate::moves;
use crate::service::check_range;

/// The parameters of all of these, which AWS names alike.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    queue_url: Option<String>,
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
    queue_name_prefix: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    attribute_names: Option<Vec<String>>,
    /// `tags` on creation, `Tags` otherwise.
    #[serde(alias = "tags")]
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
    max_results: Option<i64>,
    next_token: Option<String>,
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
    task_handle: Option<String>,
}

/// Parameters, and the queue they name.
fn on_queue(call: &Call) -> Result<(Parameters, String), SqsError> {
    let parameters: Parameters = call.parse()?;
    let queue = call.queue(parameters.queue_url.as_deref())?;
    Ok((parameters, queue))
}

fn required<T>(value: Option<T>, parameter: &str) -> Result<T, SqsError> {
    value.ok_or_else(|| SqsError::missing(parameter))
}

pub(super) fn create(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let name = required(parameters.queue_name, "QueueName")?;
    let attributes = parameters.attributes.unwrap_or_default();
    let tags = parameters.tags.unwrap_or_default();
    call.sqs.run(|engine, now_ms| engine.create_queue(now_ms, &name, &attributes, tags))?;
    Ok(json!({ "QueueUrl": call.sqs.url(&name) }))
}

pub(super) fn delete(call: &Call) -> Result<Value, SqsError> {
    let (_, queue) = on_queue(call)?;
    call.sqs.run(|engine, now_ms| engine.delete_queue(now_ms, &queue))?;
    Ok(Value::Null)
}

pub(super) fn url(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let name = required(parameters.queue_name, "QueueName")?;
    if parameters.owner.is_some_and(|owner| owner != call.sqs.account()) {
        return Err(SqsError::no_such_queue());
    }
    Ok(json!({ "QueueUrl": call.sqs.queue_url(&name)? }))
}

pub(super) fn list(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let prefix = parameters.queue_name_prefix.clone().unwrap_or_default();
    let page = Page::of(&parameters)?;
    let names = call.sqs.run(|engine, _| {
        let names = engine.names(&prefix, page.after.as_deref());
        Ok(names.take(page.results_max + 1).map(str::to_owned).collect())
    })?;
    Ok(page.listed(call, names, "QueueUrls"))
}

pub(super) fn dead_letter_sources(call: &Call) -> Result<Value, SqsError> {
    let (parameters, queue) = on_queue(call)?;
    let page = Page::of(&parameters)?;
    let mut names = call.sqs.run(|engine, _| {
        engine.expect_queue(&queue)?;
        Ok(engine.dead_letter_sources(&queue))
    })?;
    names.retain(|name| page.after.as_ref().is_none_or(|after| name > after));
    names.truncate(page.results_max + 1);
    // In lower case, unlike that of ListQueues: so it is in the service model.
    Ok(page.listed(call, names, "queueUrls"))
}

/// A page of names, the token being the last name of the page before.
struct Page {
    after: Option<String>,
    results_max: usize,
    is_paged: bool,
}

impl Page {
    fn of(parameters: &Parameters) -> Result<Self, SqsError> {
        let after = match &parameters.next_token {
            None => None,
            Some(token) => {
                let name = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(name.ok_or_else(|| SqsError::invalid("Invalid or expired next token."))?)
            }
        };
        let results_max = count("MaxResults", parameters.max_results, LIST_RESULTS_MAX)?.unwrap_or(LIST_RESULTS_MAX);
        // A token comes only to those who asked for pages (API_ListQueues).
        Ok(Self { after, results_max, is_paged: parameters.max_results.is_some() })
    }

    /// `names` may be one more than the page holds.
    fn listed(&self, call: &Call, mut names: Vec<String>, field: &str) -> Value {
        let has_more = names.len() > self.results_max;
        names.truncate(self.results_max);
        let urls: Vec<_> = names.iter().map(|name| call.sqs.url(name)).collect();
        let mut listed = json!({ field: urls });
        if let Some(last) = names.last().filter(|_| has_more && self.is_paged) {
            listed["NextToken"] = BASE64.encode(last).into();
        }
        listed
    }
}

fn count(parameter: &str, value: Option<i64>, max: usize) -> Result<Option<usize>, SqsError> {
    let Some(value) = value else { return Ok(None) };
    let positive = u64::try_from(value).unwrap_or(0);
    check_range(parameter, positive, 1, max as u64)?;
    Ok(usize::try_from(positive).ok())
}

pub(super) fn attributes(call: &Call) -> Result<Value, SqsError> {
    let (parameters, queue) = on_queue(call)?;
    let mut attributes = call.sqs.queue_attributes(&queue)?;
    let names = parameters.attribute_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| *name != "All" && !ATTRIBUTE_NAMES.contains(&name.as_str())) {
        return Err(SqsError::unknown_attribute(unknown));
    }
    if !names.iter().any(|name| name == "All") {
        attributes.retain(|name, _| names.iter().any(|wanted| wanted == name));
    }
    Ok(if attributes.is_empty() { json!({}) } else { json!({ "Attributes": attributes }) })
}

pub(super) fn configure(call: &Call) -> Result<Value, SqsError> {
    let (parameters, queue) = on_queue(call)?;
    let attributes = required(parameters.attributes, "Attributes")?;
    call.sqs.run(|engine, now_ms| engine.configure(now_ms, &queue, &attributes))?;
    Ok(Value::Null)
}

pub(super) fn purge(call: &Call) -> Result<Value, SqsError> {
    let (_, queue) = on_queue(call)?;
    call.sqs.run(|engine, now_ms| engine.purge(now_ms, &queue))?;
    Ok(Value::Null)
}

pub(super) fn tags(call: &Call) -> Result<Value, SqsError> {
    let (_, queue) = on_queue(call)?;
    let tags = call.sqs.run(|engine, _| engine.tags(&queue))?;
    Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
}

pub(super) fn tag(call: &Call) -> Result<Value, SqsError> {
    let (parameters, queue) = on_queue(call)?;
    let added = required(parameters.tags, "Tags")?;
    call.sqs.run(|engine, _| {
        let mut tags = engine.tags(&queue)?;
        tags.extend(added);
        engine.set_tags(&queue, tags)
    })?;
    Ok(Value::Null)
}

pub(super) fn untag(call: &Call) -> Result<Value, SqsError> {
    let (parameters, queue) = on_queue(call)?;
    let removed = required(parameters.tag_keys, "TagKeys")?;
    call.sqs.run(|engine, _| {
        let mut tags = engine.tags(&queue)?;
        tags.retain(|key, _| !removed.contains(key));
        engine.set_tags(&queue, tags)
    })?;
    Ok(Value::Null)
}

pub(super) fn start_move(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let source = required(parameters.source_arn, "SourceArn")?;
    // Out of range below zero as well as above: the task's own check says so.
    let rate = parameters.max_number_of_messages_per_second.map(|rate| u64::try_from(rate).unwrap_or(0));
    let handle = moves::start(&call.sqs, &source, parameters.destination_arn.as_deref(), rate)?;
    Ok(json!({ "TaskHandle": handle }))
}

pub(super) fn list_moves(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let source = required(parameters.source_arn, "SourceArn")?;
    // "The default is 1" (API_ListMessageMoveTasks).
    let results_max = count("MaxResults", parameters.max_results, MOVE_TASKS_MAX)?.unwrap_or(1);
    Ok(json!({ "Results": moves::list(&call.sqs, &source, results_max)? }))
}

pub(super) fn cancel_move(call: &Call) -> Result<Value, SqsError> {
    let parameters: Parameters = call.parse()?;
    let handle = required(parameters.task_handle, "TaskHandle")?;
    Ok(json!({ "ApproximateNumberOfMessagesMoved": moves::cancel(&call.sqs, &handle)? }))
}
