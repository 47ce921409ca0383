//! FilterLogEvents and GetLogEvents.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Logs, LogsError, from_token, invalid};
use crate::logs::Event;
use crate::logs::pattern::FilterPattern;

/// Events and bytes of one page ("FilterLogEvents", "GetLogEvents": 10,000 events or 1 MB).
const PAGE_EVENTS_MAX: usize = 10_000;
const PAGE_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Get {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// "Events with a timestamp before this time are not returned"; of the end, "later than this time".
fn within(event: &Event, start: Option<i64>, end: Option<i64>) -> bool {
    start.is_none_or(|start| event.at_ms >= start) && end.is_none_or(|end| event.at_ms <= end)
}

/// How many of these events make a page.
fn page_len<'a>(events: impl Iterator<Item = &'a Event>, limit: Option<usize>) -> usize {
    let mut bytes = 0;
    let fits = |(index, event): &(usize, &Event)| {
        bytes += event.text.len();
        *index == 0 || bytes <= PAGE_BYTES_MAX
    };
    events.take(limit.unwrap_or(PAGE_EVENTS_MAX).clamp(1, PAGE_EVENTS_MAX)).enumerate().take_while(fits).count()
}

impl Logs {
    pub(super) fn filter_events(&self, asked: Filter) -> Answer {
        let (_, events) = self.group(asked.log_group_name, asked.log_group_identifier)?;
        let pattern = FilterPattern::parse(asked.filter_pattern.as_deref().unwrap_or_default()).map_err(invalid)?;
        let after = from_token(asked.next_token.as_deref())?;
        let (names, prefix) = (asked.log_stream_names, asked.log_stream_name_prefix.unwrap_or_default());
        let wanted = |event: &&Event| {
            event.id > after
                && within(event, asked.start_time, asked.end_time)
                && event.stream.starts_with(&prefix)
                && names.as_ref().is_none_or(|names| names.iter().any(|name| **name == *event.stream))
                && pattern.matches(&event.text)
        };
        let found: Vec<&Event> = events.iter().filter(wanted).collect();
        let page = &found[..page_len(found.iter().copied(), asked.limit)];
        let shape = |event: &&Event| {
            let mut shape = shape(event);
            shape["logStreamName"] = json!(&*event.stream);
            shape["eventId"] = json!(format!("{:056}", event.id));
            shape
        };
        let mut body = json!({"events": page.iter().map(shape).collect::<Vec<_>>(), "searchedLogStreams": []});
        if let Some(last) = page.last().filter(|_| page.len() < found.len()) {
            body["nextToken"] = json!(last.id.to_string());
        }
        Ok(body)
    }

    pub(super) fn get_events(&self, asked: Get) -> Answer {
        let (group, events) = self.group(asked.log_group_name, asked.log_group_identifier)?;
        let own: Vec<&Event> = events.iter().filter(|event| *event.stream == asked.log_stream_name).collect();
        if own.is_empty() {
            return Err(LogsError {
                code: "ResourceNotFoundException",
                message: format!("The specified log stream does not exist: {} in {group}", asked.log_stream_name),
            });
        }
        let found: Vec<&Event> =
            own.into_iter().filter(|event| within(event, asked.start_time, asked.end_time)).collect();
        let token = asked.next_token.as_deref().map(Token::parse).transpose()?;
        let (found, backward) = match token {
            Some(Token::Forward(after)) => (found.into_iter().filter(|event| event.id > after).collect(), false),
            Some(Token::Backward(before)) => (found.into_iter().filter(|event| event.id < before).collect(), true),
            None => (found, !asked.start_from_head),
        };
        let found: Vec<&Event> = found;
        let page = match backward {
            true => &found[found.len() - page_len(found.iter().rev().copied(), asked.limit)..],
            false => &found[..page_len(found.iter().copied(), asked.limit)],
        };
        // "If you have reached the end of the stream, it returns the same token you passed in."
        let (same, other) = match token {
            Some(Token::Forward(after)) => (after, after + 1),
            Some(Token::Backward(before)) => (before.saturating_sub(1), before),
            None => (0, 0),
        };
        let forward = page.last().map_or(same, |event| event.id);
        let back = page.first().map_or(other, |event| event.id);
        Ok(json!({
            "events": page.iter().map(|event| shape(event)).collect::<Vec<_>>(),
            "nextForwardToken": format!("f/{forward}"),
            "nextBackwardToken": format!("b/{back}"),
        }))
    }
}

fn shape(event: &Event) -> Value {
    json!({"timestamp": event.at_ms, "ingestionTime": event.at_ms, "message": &*event.text})
}

#[derive(Clone, Copy)]
enum Token {
    /// What comes behind this event.
    Forward(u64),
    /// What comes before this event.
    Backward(u64),
}

impl Token {
    fn parse(token: &str) -> Result<Token, LogsError> {
        match token.split_at_checked(2) {
            Some(("f/", id)) => from_token(Some(id)).map(Token::Forward),
            Some(("b/", id)) => from_token(Some(id)).map(Token::Backward),
            _ => Err(invalid("The specified nextToken is invalid.")),
        }
    }
}
