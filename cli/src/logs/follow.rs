//! One log group, read on from where it was read to.

use super::line::Line;
use crate::failure::{Failure, failed};
use aws_sdk_cloudwatchlogs::Client;
use std::collections::HashSet;

/// How long behind an event others may still appear: "log events are available typically within seconds".
const BEHIND_MS: i64 = 5_000;

/// A log group and what has been shown of it.
pub(super) struct Follow {
    group: String,
    from_ms: i64,
    /// Ids of the events shown since `from_ms`.
    shown: HashSet<String>,
}

impl Follow {
    pub(super) fn new(group: String, from_ms: i64) -> Self {
        Self { group, from_ms, shown: HashSet::new() }
    }

    /// What has appeared since the last look.
    pub(super) async fn look(&mut self, client: &Client, pattern: Option<&str>) -> Result<Vec<Line>, Failure> {
        let request = client.filter_log_events().log_group_name(&self.group).start_time(self.from_ms);
        let mut pages = request.set_filter_pattern(pattern.map(str::to_owned)).into_paginator().send();
        let function = self.group.strip_prefix("/aws/lambda/").unwrap_or(&self.group).to_owned();
        let (mut lines, mut seen) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(&format!("logs FilterLogEvents of {}", self.group), &error))?;
            for event in page.events.unwrap_or_default() {
                let (id, at_ms) = (event.event_id.unwrap_or_default(), event.timestamp.unwrap_or_default());
                seen.push((at_ms, id.clone()));
                if self.shown.insert(id) {
                    let (stream, text) = (event.log_stream_name.unwrap_or_default(), event.message.unwrap_or_default());
                    lines.push(Line { at_ms, function: function.clone(), stream, text });
                }
            }
        }
        self.go_on(seen);
        Ok(lines)
    }

    /// Later looks begin a little before the last event, and know again what they see twice.
    fn go_on(&mut self, seen: Vec<(i64, String)>) {
        let Some(last_ms) = seen.iter().map(|(at_ms, _)| *at_ms).max() else { return };
        self.from_ms = self.from_ms.max(last_ms - BEHIND_MS);
        self.shown = seen.into_iter().filter(|(at_ms, _)| *at_ms >= self.from_ms).map(|(_, id)| id).collect();
    }
}

/// A filter pattern that matches the text literally.
pub(super) fn phrase(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_phrase() {
        assert_eq!(phrase("timed out"), r#""timed out""#);
        assert_eq!(phrase(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn later_looks_overlap_and_forget_what_is_out_of_reach() {
        let mut follow = Follow::new("/aws/lambda/f".to_owned(), 1_000);
        follow.go_on(vec![(2_000, "a".to_owned()), (9_000, "b".to_owned())]);
        assert_eq!((follow.from_ms, follow.shown.len()), (4_000, 1));
        follow.go_on(Vec::new());
        assert_eq!((follow.from_ms, follow.shown.contains("b")), (4_000, true));
    }
}
