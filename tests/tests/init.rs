//! What is missing or wrong is told at init, by name, in one line.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use weir_tests::{build, root};

/// Exits are immediate; this only keeps a process that does not exit from hanging the test.
const EXIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Exit status and all output, standard output first.
async fn run(executable: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(executable);
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(root()).kill_on_drop(true);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{}: {error}", executable.display()));
    let output = tokio::time::timeout(EXIT_WAIT_MAX, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("{} {arguments:?} does not exit", executable.display()));
    let output = output.expect("its output");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

/// A port on the loopback interface on which nothing listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// All that a bootstrap needs.
fn complete(binary: &str, runtime_api: &str) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", format!("weir-{binary}")),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("WEIR_CONTRIBUTIONS_TABLE", "weir-contributions".to_owned()),
    ]);
    if binary == "canary-gate" {
        environment.extend([
            ("WEIR_STACK", "weir".to_owned()),
            ("WEIR_TELEMETRY_STREAM_ARN", "arn:aws:kinesis:us-east-1:000000000000:stream/weir-telemetry".to_owned()),
            ("WEIR_LANDING_BUCKET", "weir-landing-000000000000".to_owned()),
        ]);
    }
    if ["rollup-finalize", "rollup-compact", "rollup-reconcile"].contains(&binary) {
        environment.insert("WEIR_ROLLUPS_TABLE", "weir-rollups".to_owned());
    }
    if !["rollup-finalize", "rollup-compact"].contains(&binary) {
        environment.insert("WEIR_QUARANTINE_BUCKET", "weir-quarantine-000000000000".to_owned());
    }
    environment
}

/// Variable, what is wrong with it (`None`: missing), and what it should be.
fn mistakes(binary: &str) -> Vec<(&'static str, Option<&'static str>, &'static str)> {
    if binary == "burst-summary" {
        // It touches nothing, so it needs nothing.
        return vec![];
    }
    let mut mistakes = vec![
        ("AWS_REGION", None, "set, as Lambda does"),
        ("AWS_ACCESS_KEY_ID", None, "set, as Lambda does"),
        ("AWS_SECRET_ACCESS_KEY", Some(""), "set, as Lambda does"),
        ("AWS_ENDPOINT_URL", Some("127.0.0.1:4566"), "an http:// or https:// URL"),
        ("WEIR_TRUSTED_ROOTS", Some("mine"), "amazon or system"),
        ("WEIR_CONTRIBUTIONS_TABLE", None, "table"),
        ("WEIR_CONTRIBUTIONS_TABLE", Some("no table"), "table"),
        ("WEIR_GENERATION", Some("a#b"), "1 to 32 letters, digits or -"),
    ];
    mistakes.extend(match binary {
        "rollup-finalize" => [
            ("WEIR_ROLLUPS_TABLE", None, "table"),
            ("WEIR_ROLLUPS_TABLE", Some("x"), "table"),
            ("WEIR_MINUTE_ROW_DAYS", Some("a month"), "days"),
        ]
        .to_vec(),
        "rollup-compact" => [
            ("WEIR_ROLLUPS_TABLE", None, "table"),
            ("WEIR_HOUR_ROW_DAYS", Some("a year"), "days"),
            ("WEIR_DAY_ROW_DAYS", Some("-1"), "days"),
        ]
        .to_vec(),
        "rollup-reconcile" => {
            let seconds = "seconds, 0 to 300";
            let table = [("WEIR_ROLLUPS_TABLE", None, "table"), ("WEIR_ROLLUPS_TABLE", Some("x"), "table")];
            let gather = [("WEIR_FINALIZE_SECONDS", Some("301")), ("WEIR_COMPACT_SECONDS", Some("soon"))];
            let bucket = [("WEIR_QUARANTINE_BUCKET", None, "bucket")];
            table.into_iter().chain(bucket).chain(gather.map(|(name, found)| (name, found, seconds))).collect()
        }
        "canary-gate" => [
            ("WEIR_STACK", None, "the stack's name"),
            ("WEIR_TELEMETRY_STREAM_ARN", None, "the ARN of the telemetry stream"),
            ("WEIR_QUARANTINE_BUCKET", None, "bucket"),
            ("WEIR_LANDING_BUCKET", Some("a/b"), "bucket"),
        ]
        .to_vec(),
        _ => [("WEIR_QUARANTINE_BUCKET", None, "bucket"), ("WEIR_QUARANTINE_BUCKET", Some("a/b"), "bucket")].to_vec(),
    });
    mistakes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_names_the_variable_and_what_it_should_be() {
    let runtime_api = format!("127.0.0.1:{}", closed_port());
    let bootstraps = build::executables().await.iter().filter(|(binary, _)| *binary != "weir");
    for (binary, executable) in bootstraps {
        for (name, value, expected) in mistakes(binary) {
            let mut environment = complete(binary, &runtime_api);
            match value {
                Some(value) => environment.insert(name, value.to_owned()),
                None => environment.remove(name),
            };
            let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, output) = run(executable, &[], &environment).await;
            let what = format!("{binary} with {name}={value:?} exits {status:?}: {output}");
            assert_ne!(status, Some(0), "{what}");
            assert!(!output.contains("panicked"), "{what}");
            let line = output.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{what}"));
            let told = line.split_once("it should be ").map(|(_, told)| told.contains(expected));
            assert_eq!(told, Some(true), "{what}");
        }
    }
}

/// Runs `weir` and returns its only line.
async fn refused(arguments: &[&str]) -> String {
    let (status, output) = run(&build::executables().await["weir"], arguments, &[]).await;
    assert_eq!(status, Some(2), "weir {arguments:?}: {output}");
    assert_eq!(output.lines().count(), 1, "weir {arguments:?}: {output}");
    output.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn weir_up_says_in_one_line_what_stands_in_its_way() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let line = refused(&["up", "--port", &port]).await;
    assert!(line.contains(&format!("port {port} is in use")) && line.contains("--port"), "{line}");

    let line = refused(&["up", "--port", "0", "--template", "no/such.yaml"]).await;
    assert!(line.contains("no/such.yaml"), "{line}");

    let dir = tempfile::tempdir().expect("a directory");
    let whole = std::fs::read_to_string(root().join("template.yaml")).expect("the template");
    let at = whole.lines().position(|line| line.contains("BatchSize: 5000")).expect("the mapping's batch size");
    for (broken, words) in
        [("BatchSize: many", "BatchSize"), ("BatchSize: [", ""), ("BatchSize: !Ref Nowhere", "Nowhere")]
    {
        let path = dir.path().join("broken.yaml");
        std::fs::write(&path, whole.replace("BatchSize: 5000", broken)).expect("a file");
        let line = refused(&["up", "--port", "0", "--template", path.to_str().expect("UTF-8")]).await;
        let named = line.split("broken.yaml:").nth(1).and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
        // A bracket that is never closed is noticed further down.
        assert!(named.is_some_and(|named| named == at + 1 || (words.is_empty() && named > at)), "{broken}: {line}");
        assert!(line.contains(words), "{broken}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_exits_2() {
    let weir = &build::executables().await["weir"];
    for (arguments, words) in [
        (&["query", "--since", "x"][..], "--since"),
        (&["query", "--from", "yesterday"], "--from"),
        (&["produce", "--to", "nowhere"], "--to"),
        (&["query"], "AWS_REGION"),
        (&["no-such"], "no-such"),
        (&["quarantine", "ls", "--reason", "no_such"], "expected one of invalid_endpoint"),
        (&["quarantine", "replay", "key", "--source", "sqs"], "cannot be used with"),
        (&["redrive", "--queue", "other"], "--queue"),
        (&["rules", "push"], "<FILE>"),
        (&["skip", "add", "--shard", "s"], "--next"),
    ] {
        let (status, output) = run(weir, arguments, &[("HOME", "/nonexistent")]).await;
        assert_eq!(status, Some(2), "weir {arguments:?}: {output}");
        assert!(output.contains(words), "weir {arguments:?}: {output}");
    }
}
