//! DescribeLogGroups and DescribeLogStreams.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Logs, from_token, invalid};
use crate::logs::Event;

/// Groups and streams on one page ("DescribeLogGroups", "DescribeLogStreams": `limit`, 1–50).
const PAGE_ITEMS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Groups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Streams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    limit: Option<usize>,
    next_token: Option<String>,
}

impl Logs {
    pub(super) fn describe_groups(&self, asked: Groups) -> Answer {
        let prefix = asked.log_group_name_prefix.unwrap_or_default();
        let pattern = asked.log_group_name_pattern.unwrap_or_default().to_lowercase();
        let groups = self.store.groups();
        let wanted = groups
            .iter()
            .filter(|group| group.name.starts_with(&prefix) && group.name.to_lowercase().contains(&pattern));
        let shape = |group: &crate::logs::GroupFacts| {
            let arn = format!("arn:aws:logs:{}:{}:log-group:{}", self.region, self.account, group.name);
            json!({
                "logGroupName": group.name,
                "creationTime": group.created_at_ms,
                "metricFilterCount": 0,
                "arn": format!("{arn}:*"),
                "logGroupArn": arn,
                "storedBytes": group.bytes,
                "logGroupClass": "STANDARD",
            })
        };
        page("logGroups", wanted.map(shape).collect(), asked.limit, asked.next_token.as_deref())
    }

    pub(super) fn describe_streams(&self, asked: Streams) -> Answer {
        let (group, events) = self.group(asked.log_group_name, asked.log_group_identifier)?;
        let prefix = asked.log_stream_name_prefix.unwrap_or_default();
        let mut streams: BTreeMap<&str, (&Event, &Event)> = BTreeMap::new();
        for event in events.iter().filter(|event| event.stream.starts_with(&prefix)) {
            streams.entry(&event.stream).and_modify(|(_, last)| *last = event).or_insert((event, event));
        }
        let mut streams: Vec<_> = streams.into_iter().collect();
        match asked.order_by.as_deref() {
            None | Some("LogStreamName") => {}
            Some("LastEventTime") => streams.sort_by_key(|(_, (_, last))| (last.at_ms, last.id)),
            Some(other) => return Err(invalid(format!("orderBy is {other}, expected LogStreamName or LastEventTime"))),
        }
        if asked.descending {
            streams.reverse();
        }
        let shape = |(name, (first, last)): (&str, (&Event, &Event))| {
            json!({
                "logStreamName": name,
                "creationTime": first.at_ms,
                "firstEventTimestamp": first.at_ms,
                "lastEventTimestamp": last.at_ms,
                "lastIngestionTime": last.at_ms,
                "uploadSequenceToken": "0",
                "arn": format!("arn:aws:logs:{}:{}:log-group:{group}:log-stream:{name}", self.region, self.account),
                "storedBytes": 0,
            })
        };
        let shapes = streams.into_iter().map(shape).collect();
        page("logStreams", shapes, asked.limit, asked.next_token.as_deref())
    }
}

fn page(member: &str, all: Vec<Value>, limit: Option<usize>, token: Option<&str>) -> Answer {
    let from = usize::try_from(from_token(token)?).unwrap_or(usize::MAX);
    let items = limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let mut body = json!({ member: all.iter().skip(from).take(items).collect::<Vec<_>>() });
    if from.saturating_add(items) < all.len() {
        body["nextToken"] = json!((from + items).to_string());
    }
    Ok(body)
}
