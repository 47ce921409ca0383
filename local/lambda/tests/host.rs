//! The host with real processes.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use weir_local_lambda::{
    FunctionSpec, Host, HostOptions, Invocation, InvokeError, LogStream, MemorySink, Outcome, PAYLOAD_BYTES_MAX,
};

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_weir-lambda-test-bootstrap");

fn spec(name: &str) -> FunctionSpec {
    FunctionSpec {
        name: name.into(),
        bootstrap: BOOTSTRAP.into(),
        environment: BTreeMap::from([("OWN".to_owned(), "1".to_owned())]),
        memory_mb: 128,
        timeout: Duration::from_secs(20),
        concurrency_max: 4,
        handler: "ok".into(),
        opt: None,
    }
}

fn host(functions: impl IntoIterator<Item = FunctionSpec>) -> (Host, Arc<MemorySink>) {
    let logs = Arc::new(MemorySink::new(10_000));
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned())]),
        timeout_linger: Duration::ZERO,
        enforce_memory: false,
        logs: logs.clone(),
    });
    for function in functions {
        host.add_function(function);
    }
    (host, logs)
}

async fn invoke(host: &Host, event: Value) -> Invocation {
    host.invoke("f", event.to_string().into()).await.expect("the function is reached")
}

fn error_of(invocation: &Invocation) -> (String, String) {
    let Outcome::FunctionError { kind, payload } = &invocation.outcome else { panic!("{invocation:?}") };
    assert_eq!(kind, "Unhandled");
    let error: Value = serde_json::from_slice(payload).expect("errors are JSON");
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("errorType"), text("errorMessage"))
}

fn exists(pid: u32) -> bool {
    Pid::from_raw(i32::try_from(pid).expect("a process id")).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// A condition the kernel brings about; the limit only turns a hang into a failure.
fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn starts_cold_then_stays_warm() {
    let (host, logs) = host([spec("f")]);
    let first = invoke(&host, json!({"n": 1})).await;
    assert!(first.cold_start);
    assert_eq!(first.outcome, Outcome::Success(Bytes::from_static(br#"{"n":1}"#)));
    let second = invoke(&host, json!({"n": 2})).await;
    assert!(!second.cold_start);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!(host.instances().len(), 1);
    assert!(!host.instances()[0].busy);
    let stats = host.stats()["f"];
    assert_eq!((stats.invocations, stats.cold_starts, stats.errors), (2, 1, 0));

    invoke(&host, json!({"do": "print"})).await;
    host.shutdown().await;
    let lines = logs.lines();
    let platform = |start: &str| {
        lines.iter().filter(|line| line.stream == LogStream::Platform && line.text.starts_with(start)).count()
    };
    assert_eq!((platform("INIT_START "), platform("START "), platform("END "), platform("REPORT ")), (1, 3, 3, 3));
    let report = lines.iter().find(|line| line.text.starts_with("REPORT ")).expect("one");
    assert!(report.text.contains("Init Duration: ") && report.text.contains("Max Memory Used: "), "{}", report.text);
    let own = |stream, text| {
        let line = lines.iter().find(|line| line.stream == stream && line.text == text);
        line.expect("the function's own line").request_id.is_some()
    };
    assert!(own(LogStream::Stdout, "to stdout") && own(LogStream::Stderr, "to stderr"));
}

#[tokio::test]
async fn sets_the_environment_of_lambda_and_nothing_else() {
    let (host, _) = host([spec("f")]);
    let Outcome::Success(body) = invoke(&host, json!({"do": "environment"})).await.outcome else { panic!("fails") };
    let mut all: BTreeMap<String, String> = serde_json::from_slice(&body).expect("a map");
    assert!(all.remove("AWS_LAMBDA_RUNTIME_API").expect("set").starts_with("127.0.0.1:"));
    assert!(all.remove("AWS_LAMBDA_LOG_STREAM_NAME").expect("set").contains("/[$LATEST]"));
    let key = all.remove("AWS_ACCESS_KEY_ID").expect("set");
    assert_eq!((key.len(), key.as_str()), (20, host.instances()[0].access_key_id.as_str()));
    assert!(key.starts_with(weir_local_lambda::ACCESS_KEY_ID_PREFIX));
    let task_root = all.remove("LAMBDA_TASK_ROOT").expect("set");
    assert!(BOOTSTRAP.starts_with(&task_root));
    for inherited in ["PATH", "TMPDIR"] {
        all.remove(inherited);
    }
    let expected = [
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_REGION", "us-east-1"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LANG", "en_US.UTF-8"),
        ("OWN", "1"),
        ("TZ", ":UTC"),
        ("_HANDLER", "ok"),
    ];
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    host.shutdown().await;
}

#[tokio::test]
async fn a_reported_error_keeps_the_sandbox_and_an_end_does_not() {
    let (host, _) = host([spec("f")]);
    assert_eq!(error_of(&invoke(&host, json!({"do": "error"})).await), ("Own".into(), "as asked".into()));
    assert!(!invoke(&host, json!({})).await.cold_start);

    let ends = [
        ("exit", "Runtime exited with error: exit status 7"),
        ("exit quietly", "Runtime exited without providing a reason"),
        ("abort", "Runtime exited with error: signal: aborted"),
    ];
    for (event, reason) in ends {
        let ended = invoke(&host, json!({"do": event})).await;
        let message = format!("RequestId: {} Error: {reason}", ended.request_id);
        assert_eq!(error_of(&ended), ("Runtime.ExitError".into(), message));
        assert!(invoke(&host, json!({})).await.cold_start, "a new sandbox after {event}");
    }
    assert_eq!(host.stats()["f"].crashes, 3);

    let answered = invoke(&host, json!({"do": "answer and exit"})).await;
    assert!(matches!(answered.outcome, Outcome::Success(_)), "an answer counts, though the process is gone");
    assert!(invoke(&host, json!({})).await.cold_start);
    host.shutdown().await;
}

#[tokio::test]
async fn memory_is_enforced_where_asked_for() {
    let grow = || json!({"do": "grow", "bytes": 200_u64 << 20});
    let (host, _) = host([spec("f")]);
    let invocation = invoke(&host, grow()).await;
    assert!(matches!(invocation.outcome, Outcome::Success(_)), "{invocation:?}");
    assert_eq!(host.stats()["f"].memory_exceeded, 1, "counted all the same");
    host.shutdown().await;

    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::ZERO,
        enforce_memory: true,
        logs: Arc::new(MemorySink::new(100)),
    });
    host.add_function(spec("f"));
    let small = invoke(&host, json!({"do": "grow", "bytes": 1 << 20})).await;
    assert!(matches!(small.outcome, Outcome::Success(_)), "{small:?}");
    let (kind, message) = error_of(&invoke(&host, grow()).await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Runtime exited with error: signal: killed"), "{message}");
    host.shutdown().await;
}

#[tokio::test]
async fn a_timeout_kills_the_sandbox_and_what_it_started() {
    let (host, logs) = host([FunctionSpec { timeout: Duration::from_millis(500), ..spec("f") }]);
    let late = invoke(&host, json!({"do": "sleep with a child"})).await;
    let message = format!("RequestId: {} Error: Task timed out after 0.50 seconds", late.request_id);
    assert_eq!(error_of(&late), ("Sandbox.Timedout".into(), message));
    assert!(host.instances().is_empty());
    let line = logs.lines().into_iter().find_map(|line| line.text.strip_prefix("child ").map(str::to_owned));
    let child: u32 = line.expect("the child was started").parse().expect("a process id");
    // Orphans are reaped by whatever init there is, if it does reap: a zombie counts as gone.
    let gone = || std::fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
    until("the child goes with its group", gone);
    assert_eq!(host.stats()["f"].timeouts, 1);
    assert!(invoke(&host, json!({})).await.cold_start);
    host.shutdown().await;
}

#[tokio::test]
async fn a_sandbox_may_linger_after_its_time_and_gets_nothing_more() {
    let logs = Arc::new(MemorySink::new(10_000));
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::from_millis(400),
        enforce_memory: false,
        logs,
    });
    host.add_function(FunctionSpec { timeout: Duration::from_millis(500), ..spec("f") });
    let begun = Instant::now();
    let late = invoke(&host, json!({"do": "sleep"})).await;
    assert_eq!(error_of(&late).0, "Sandbox.Timedout");
    assert!(begun.elapsed() < Duration::from_millis(900), "the caller is told at once");
    let all = host.instances();
    assert!(all.len() == 1 && all[0].timed_out, "{all:?}");
    assert!(invoke(&host, json!({})).await.cold_start);
    let gone = async {
        while host.instances().iter().any(|instance| instance.timed_out) || exists(all[0].pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it is killed in the end");

    invoke(&host, json!({"do": "sleep"})).await;
    let pid = host.instances().iter().find(|instance| instance.timed_out).expect("it lingers").pid;
    host.shutdown().await;
    assert!(!exists(pid), "no sandbox outlives a shutdown");
}

#[tokio::test]
async fn a_failed_init_says_why() {
    let (host, _) = host([FunctionSpec { handler: "init-exit".into(), ..spec("f") }]);
    let failed = invoke(&host, json!({})).await;
    let (kind, message) = error_of(&failed);
    assert_eq!(kind, "Runtime.InitError");
    assert!(message.ends_with("Runtime exited with error: exit status 3: the table has no name"), "{message}");

    host.add_function(FunctionSpec { handler: "init-error".into(), ..spec("f") });
    assert_eq!(error_of(&invoke(&host, json!({})).await), ("Own".into(), "cannot start".into()));

    host.add_function(FunctionSpec { bootstrap: "/nowhere/bootstrap".into(), ..spec("f") });
    assert_eq!(error_of(&invoke(&host, json!({})).await).0, "Runtime.InvalidEntrypoint");
    assert!(host.instances().is_empty());
    host.shutdown().await;
}

#[tokio::test]
async fn concurrency_is_a_limit_and_sandboxes_are_reused_last_in_first_out() {
    let (host, _) = host([FunctionSpec { concurrency_max: 2, ..spec("f") }]);
    let slow = json!({"do": "sleep", "ms": 300});
    let two = futures::future::join(invoke(&host, slow.clone()), invoke(&host, slow));
    let third = async {
        tokio::task::yield_now().await;
        host.invoke("f", Bytes::from_static(b"{}")).await
    };
    let ((first, second), third) = futures::future::join(two, third).await;
    assert!(first.cold_start && second.cold_start);
    assert_eq!(third, Err(InvokeError::Throttled { function: "f".into(), concurrency_max: 2 }));
    assert_eq!(host.instances().len(), 2);
    assert_eq!(host.stats()["f"].throttles, 1);
    assert_eq!(host.stats()["f"].concurrency_peak, 2);
    for _ in 0..10 {
        assert!(!invoke(&host, json!({})).await.cold_start);
    }
    host.shutdown().await;
}

#[tokio::test]
async fn killed_sandboxes_fail_their_invocation_or_are_replaced() {
    let (host, _) = host([spec("f")]);
    let kill = || {
        let instances = host.instances();
        let pid = Pid::from_raw(i32::try_from(instances[0].pid).expect("a process id")).expect("not zero");
        kill_process(pid, Signal::KILL).expect("it runs");
        instances[0].pid
    };
    let running = tokio::spawn({
        let host = host.clone();
        async move { invoke(&host, json!({"do": "sleep"})).await }
    });
    while host.stats()["f"].cold_starts == 0 || host.instances().is_empty() {
        tokio::task::yield_now().await;
    }
    // In flight, once the event is taken; before that the kill is a failed init. Both are the function's failure.
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill();
    let killed = running.await.expect("no panic");
    let (kind, message) = error_of(&killed);
    assert!(kind == "Runtime.ExitError" || kind == "Runtime.InitError", "{kind}");
    assert!(message.contains("Runtime exited with error: signal: killed"), "{message}");

    // Idle, and its end noticed before the next event comes: nobody else notices. An event that comes in the instant
    // between goes to a process that is already dying, and fails like one in flight.
    invoke(&host, json!({})).await;
    let pid = kill();
    while !host.instances().is_empty() {
        tokio::task::yield_now().await;
    }
    let next = invoke(&host, json!({})).await;
    assert!(matches!(next.outcome, Outcome::Success(_)), "{next:?}");
    assert!(!host.instances().iter().any(|instance| instance.pid == pid));
    host.shutdown().await;
}

#[tokio::test]
async fn payloads_have_a_limit_both_ways() {
    let (host, _) = host([spec("f")]);
    let event = Bytes::from(vec![b' '; PAYLOAD_BYTES_MAX + 1]);
    assert!(matches!(host.invoke("f", event).await, Err(InvokeError::PayloadTooLarge { .. })));
    assert_eq!(host.invoke("g", Bytes::new()).await, Err(InvokeError::UnknownFunction("g".into())));
    let full = invoke(&host, json!({"do": "big", "bytes": PAYLOAD_BYTES_MAX})).await;
    assert!(matches!(full.outcome, Outcome::Success(body) if body.len() == PAYLOAD_BYTES_MAX));
    let over = invoke(&host, json!({"do": "big", "bytes": PAYLOAD_BYTES_MAX + 1})).await;
    assert_eq!(error_of(&over).0, "Function.ResponseSizeTooLarge");
    host.shutdown().await;
}

#[tokio::test]
async fn nothing_outlives_a_shutdown() {
    let (host, _) = host([FunctionSpec { timeout: Duration::from_secs(60), ..spec("f") }]);
    invoke(&host, json!({})).await;
    let running = tokio::spawn({
        let host = host.clone();
        async move { host.invoke("f", Bytes::from_static(br#"{"do":"sleep"}"#)).await }
    });
    let idle = tokio::spawn({
        let host = host.clone();
        async move { host.invoke("f", Bytes::from_static(b"{}")).await }
    });
    idle.await.expect("no panic").expect("reached");
    let pids: Vec<u32> = host.instances().iter().map(|instance| instance.pid).collect();
    assert!(!pids.is_empty());
    host.shutdown().await;
    assert_eq!(running.await.expect("no panic"), Err(InvokeError::HostStopped));
    assert!(pids.iter().all(|pid| !exists(*pid)), "{pids:?}");
    assert!(host.instances().is_empty());
    assert_eq!(host.invoke("f", Bytes::new()).await, Err(InvokeError::HostStopped));
}

#[test]
fn a_killed_host_takes_its_sandboxes_along() {
    let mut host = Command::new(BOOTSTRAP).arg("host").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    std::io::BufReader::new(host.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let sandbox: u32 = line.trim().parse().expect("a process id");
    assert!(exists(sandbox));
    host.kill().expect("SIGKILL");
    host.wait().expect("it ends");
    let gone = || std::fs::read_to_string(format!("/proc/{sandbox}/stat")).map_or(true, |stat| stat.contains(") Z "));
    until("the kernel kills the sandbox", gone);
}

#[tokio::test]
async fn dropping_the_host_ends_its_sandboxes() {
    let (host, _) = host([spec("f")]);
    invoke(&host, json!({})).await;
    let pid = host.instances()[0].pid;
    drop(host);
    while exists(pid) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Prints the warm and cold latency: `cargo test --release -- --ignored --nocapture latency`.
#[tokio::test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
async fn latency() {
    let (host, _) = host([spec("f")]);
    let mut cold = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        invoke(&host, json!({})).await;
        cold.push(started.elapsed());
        invoke(&host, json!({"do": "exit quietly"})).await;
    }
    invoke(&host, json!({})).await;
    let mut warm = Vec::new();
    for _ in 0..5_000 {
        let started = Instant::now();
        invoke(&host, json!({})).await;
        warm.push(started.elapsed());
    }
    cold.sort();
    warm.sort();
    println!("cold median {:?}, warm median {:?}, p99 {:?}", cold[10], warm[2_500], warm[4_950]);
    host.shutdown().await;
}
