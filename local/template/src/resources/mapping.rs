//! Settings of an event source mapping that hold maps of their own: filters and the on-failure destination.

use crate::error::Outcome;
use crate::names;
use crate::node::{Node, Value};
use crate::plan::{Destination, Plan};
use crate::properties::Properties;

/// `FilterCriteria`: the `Pattern` of each filter, JSON text. Whether it is a pattern, the mapping says that applies it.
pub(crate) fn filters(properties: &Properties<'_>) -> Outcome<Vec<String>> {
    let Some(criteria) = properties.value("FilterCriteria")? else { return Ok(Vec::new()) };
    let expected = || properties.problem("FilterCriteria", "expected Filters, a list of maps with a Pattern each");
    let filters = match criteria.get("Filters").map(|filters| &filters.value) {
        None if criteria.entries().is_some_and(<[_]>::is_empty) => return Ok(Vec::new()),
        Some(Value::List(filters)) => filters,
        _ => return Err(expected()),
    };
    let pattern = |filter: &Node| filter.get("Pattern").and_then(Node::as_text).map(str::to_owned);
    filters.iter().map(|filter| pattern(filter).ok_or_else(expected)).collect()
}

/// `DestinationConfig.OnFailure.Destination`, which has to be a queue or a bucket of the template.
pub(crate) fn on_failure(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<Option<Destination>> {
    let Some(config) = properties.value("DestinationConfig")? else { return Ok(None) };
    let Some(destination) = config.get("OnFailure").and_then(|failure| failure.get("Destination")) else {
        return Ok(None);
    };
    let arn = destination.as_text().unwrap_or_default();
    if arn.starts_with("arn:aws:sns:") {
        properties.warn(plan, "DestinationConfig", "discarded batches go nowhere: there is no SNS locally");
        return Ok(None);
    }
    let queue = plan.queues.iter().find(|queue| arn == names::arn(properties.scope, "sqs", &queue.name));
    if let Some(queue) = queue {
        return match queue.fifo {
            // "FIFO queues are not supported" ("Retain discarded batch records").
            true => Err(properties
                .problem("DestinationConfig", format!("{} is FIFO, expected a standard queue", queue.logical_id))),
            false => Ok(Some(Destination::Queue(queue.name.clone()))),
        };
    }
    match plan.buckets.iter().find(|bucket| arn == format!("arn:aws:s3:::{}", bucket.name)) {
        Some(bucket) => Ok(Some(Destination::Bucket(bucket.name.clone()))),
        None => Err(properties.problem(
            "DestinationConfig",
            format!("found `{arn}`, expected the ARN of a queue or bucket in this template"),
        )),
    }
}
