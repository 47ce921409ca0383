//! `weir logs`: what the functions have logged, from CloudWatch Logs or from the local plane's.

mod follow;
mod line;

use crate::args::Logs;
use crate::aws::Aws;
use crate::failure::{Failure, failed, say};
use crate::plane::interrupted;
use aws_sdk_cloudwatchlogs::Client;
use follow::Follow;
use line::Line;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Pause between looks with `--tail`.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(logs: Logs, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let client = aws.logs();
    let groups = groups(&client, aws.stack(), &logs.names).await?;
    let since_ms = weir_aws::clock::now().plus(-logs.since).0;
    let mut follows: Vec<Follow> = groups.into_iter().map(|group| Follow::new(group, since_ms)).collect();
    let pattern = logs.filter.as_deref().map(follow::phrase);
    loop {
        let mut lines: Vec<Line> = Vec::new();
        for follow in &mut follows {
            lines.extend(follow.look(&client, pattern.as_deref()).await?);
        }
        lines.sort_by(|a, b| (a.at_ms, &a.function).cmp(&(b.at_ms, &b.function)));
        let mut out = std::io::stdout().lock();
        match lines.iter().try_for_each(|line| line.write(&mut out, logs.json)).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Whoever read them has had enough, as `head` has.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed("standard output", &error)),
        }
        drop(out);
        if !logs.tail {
            if lines.is_empty() {
                say("nothing was logged in that time");
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = interrupted() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// The log groups of the functions named, or of all the stack has.
async fn groups(client: &Client, stack: &str, names: &[String]) -> Result<Vec<String>, Failure> {
    let prefix = format!("/aws/lambda/{stack}-");
    let mut pages = client.describe_log_groups().log_group_name_prefix(&prefix).into_paginator().send();
    let mut known = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed("logs DescribeLogGroups", &error))?;
        known.extend(page.log_groups().iter().filter_map(|group| group.log_group_name()).map(str::to_owned));
    }
    if known.is_empty() {
        return Err(Failure::Failed(format!(
            "no log group begins with {prefix}: is the stack another (--stack), or the endpoint (AWS_ENDPOINT_URL)?"
        )));
    }
    if names.is_empty() {
        return Ok(known);
    }
    let named = |name: &String| {
        let full = format!("/aws/lambda/{name}");
        let found = known.iter().find(|group| **group == full || **group == format!("{prefix}{name}"));
        found.cloned().ok_or_else(|| {
            let all: Vec<&str> = known.iter().filter_map(|group| group.strip_prefix(&prefix)).collect();
            Failure::Usage(format!("no function {name} in stack {stack}; it has {}", all.join(", ")))
        })
    };
    names.iter().map(named).collect()
}
