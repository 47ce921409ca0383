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
                say("no matching lines in that time");
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = interrupted() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// How the names of a stack's log groups begin: its functions', and those that CodeDeploy may invoke.
fn prefixes(stack: &str) -> [String; 2] {
    ["", "CodeDeployHook_"].map(|hook| format!("/aws/lambda/{hook}{stack}-"))
}

/// The log groups of the functions named, or of all the stack has.
async fn groups(client: &Client, stack: &str, names: &[String]) -> Result<Vec<String>, Failure> {
    let prefixes = prefixes(stack);
    let mut known = Vec::new();
    for prefix in &prefixes {
        let mut pages = client.describe_log_groups().log_group_name_prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("logs DescribeLogGroups", &error))?;
            known.extend(page.log_groups().iter().filter_map(|group| group.log_group_name()).map(str::to_owned));
        }
    }
    if known.is_empty() {
        return Err(Failure::Failed(format!(
            "no log group starts with {}: check --stack and AWS_ENDPOINT_URL",
            prefixes[0]
        )));
    }
    if names.is_empty() {
        return Ok(known);
    }
    let named = |name: &String| {
        let full = format!("/aws/lambda/{name}");
        let found = known
            .iter()
            .find(|group| **group == full || prefixes.iter().any(|prefix| **group == format!("{prefix}{name}")));
        found.cloned().ok_or_else(|| {
            let all: Vec<&str> = known
                .iter()
                .filter_map(|group| prefixes.iter().find_map(|prefix| group.strip_prefix(prefix)))
                .collect();
            Failure::Usage(format!("no function {name} in stack {stack}; it has {}", all.join(", ")))
        })
    };
    names.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_local::{Plane, PlaneOptions};

    const TEMPLATE: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: f } }
    Properties: { FunctionName: weir-f, Runtime: provided.al2023 }
";

    /// A function that ends at once: what the platform says of it is enough to read.
    async fn plane(dir: &std::path::Path) -> Plane {
        let (template, bootstrap) = (dir.join("template.yaml"), dir.join("f"));
        std::fs::write(&template, TEMPLATE).expect("written");
        std::fs::write(&bootstrap, "#!/bin/sh\nexit 1\n").expect("written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&bootstrap, executable).expect("made executable");
        let mut options = PlaneOptions::new(template);
        options.port = 0;
        options.bootstraps.insert("f".to_owned(), bootstrap);
        Plane::start(options).await.unwrap_or_else(|error| panic!("{error}"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_look_shows_what_is_new_and_a_function_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let plane = plane(dir.path()).await;
        let client = Aws::local(plane.endpoint_url(), "weir").await.logs();
        let named = groups(&client, "weir", &["f".to_owned()]).await.expect("a group");
        assert_eq!(named, ["/aws/lambda/weir-f"]);
        assert_eq!(groups(&client, "weir", &[]).await.expect("all groups"), named);
        let unknown = groups(&client, "weir", &["none".to_owned()]).await.expect_err("no such function");
        assert_eq!((unknown.status(), unknown.to_string().contains("it has f")), (2, true));
        assert_eq!(groups(&client, "other", &[]).await.expect_err("no such stack").status(), 1);

        let mut follow = Follow::new(named[0].clone(), 0);
        for _ in 0..2 {
            plane.host().invoke("weir-f", "{}".into()).await.expect("the function is reached");
            let lines = follow.look(&client, None).await.expect("lines");
            let starts = lines.iter().filter(|line| line.text.starts_with("INIT_START")).count();
            assert_eq!(starts, 1, "each line once");
            assert!(follow.look(&client, None).await.expect("lines").is_empty());
        }
        let filtered = Follow::new(named[0].clone(), 0).look(&client, Some(&follow::phrase("INIT_START"))).await;
        assert_eq!(filtered.expect("lines").len(), 2);
        plane.shutdown().await;
    }
}
