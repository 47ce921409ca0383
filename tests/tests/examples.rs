//! What examples/ sends and reads, run as its README says over the real fleet. Where a runtime or its packages are missing,
//! the step says so and is left out.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent, root};

/// Installing packages, or sending; only keeps a test from hanging.
const RUN_MAX: Duration = Duration::from_secs(240);
/// More than two messages of 100 lines, and not a whole number of them.
const EVENTS: u64 = 250;

/// The lines that a producer is given, and the counts that must come of them. A service of its own for each.
fn telemetry(service: &str, oracle: &mut Oracle) -> String {
    let minute = Window::containing(clock::now()).start().plus(-120_000).to_string();
    let mut lines = String::new();
    for n in 0..EVENTS {
        let event = Sent {
            service: service.to_owned(),
            endpoint: format!("/users/{n}"),
            series_endpoint: "/users/{id}".to_owned(),
            status: [Some(200), Some(503), None][(n % 3) as usize],
            duration_us: Some(1_000 * (n + 1)),
            minute: minute[..16].to_owned(),
            second: (n % 60) as u8,
        };
        oracle.count(&event);
        lines.push_str(&event.json());
        lines.push('\n');
    }
    lines
}

/// Runs a program against the fleet; none when there is no such program.
async fn run(fleet: &Fleet, program: &Path, arguments: &[&str], directory: &Path, input: &str) -> Option<Output> {
    let endpoint = fleet.plane.endpoint_url();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).envs(environment).env_remove("AWS_PROFILE").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // Beside it: a program may write before it has read all.
    let fed = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let ended = tokio::time::timeout(RUN_MAX, child.wait_with_output()).await;
    fed.abort();
    Some(ended.unwrap_or_else(|_| panic!("{} does not end", program.display())).expect("its output"))
}

/// The same, which must succeed; its standard output.
async fn succeeds(fleet: &Fleet, program: &Path, arguments: &[&str], directory: &Path, input: &str) -> String {
    let output = run(fleet, program, arguments, directory, input).await.expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{} {arguments:?}: {out}{err}", program.display());
    out
}

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// A Python with what an example's requirements name.
async fn python_for(name: &str) -> Option<PathBuf> {
    let requirements = example(name).join("requirements.txt").display().to_string();
    match weir_tests::python(&format!("example-{name}"), &["-r", &requirements]).await {
        Ok(python) => Some(python),
        Err(why) => {
            eprintln!("skipped: examples/{name} was not run, because {why}");
            None
        }
    }
}

/// `@aws-sdk` beside a copy of the example, since Node looks for packages from a program's own directory upwards.
async fn node_modules(fleet: &Fleet) -> Option<PathBuf> {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-javascript");
    std::fs::create_dir_all(&copy).expect("a directory");
    for file in ["package.json", "produce.mjs"] {
        std::fs::copy(example("javascript").join(file), copy.join(file)).expect("copied");
    }
    let node = run(fleet, Path::new("node"), &["--version"], &copy, "").await;
    let installed = match &node {
        Some(_) => run(fleet, Path::new("npm"), &["install", "--silent", "--no-audit", "--no-fund"], &copy, "").await,
        None => None,
    };
    if installed.as_ref().is_some_and(|output| output.status.success()) {
        return Some(copy);
    }
    skipped("examples/javascript", "npm install", installed.as_ref());
    None
}

fn skipped(what: &str, tried: &str, output: Option<&Output>) {
    let why = output
        .map_or("there is no such program".to_owned(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
    eprintln!(
        "skipped: {what} was not run, because `{tried}` did not succeed: {}",
        why.lines().last().unwrap_or("no words")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_examples_send_is_counted_and_what_they_read_is_right() {
    let fleet = Fleet::start().await;
    let mut oracle = Oracle::default();
    let dir = tempfile::tempdir().expect("a directory");

    let python_there = python_for("python").await;
    if let Some(python) = &python_there {
        python_producer(&fleet, python, dir.path(), &mut oracle).await;
    }
    if let Some(copy) = node_modules(&fleet).await {
        let lines = telemetry("javascript-kinesis", &mut oracle);
        succeeds(&fleet, Path::new("node"), &["produce.mjs", "kinesis"], &copy, &lines).await;
        let lines = telemetry("javascript-sqs", &mut oracle);
        for _ in 0..2 {
            succeeds(&fleet, Path::new("node"), &["produce.mjs", "sqs", "test"], &copy, &lines).await;
        }
    }
    match run(&fleet, Path::new("aws"), &["--version"], root(), "").await {
        Some(output) if output.status.success() => {
            let lines = telemetry("shell", &mut oracle);
            for _ in 0..2 {
                succeeds(&fleet, Path::new("./produce.sh"), &["test"], &example("shell"), &lines).await;
            }
        }
        output => skipped("examples/shell", "aws --version", output.as_ref()),
    }

    fleet.settle().await;
    fleet.assert_rows(&oracle).await;
    fleet.assert_no_dead_letters().await;
    if let Some(python) = &python_there {
        python_reader(&fleet, python).await;
    }
    if let (Some(python), true) = (python_for("sql").await, oracle.events > 0) {
        sql(&fleet, &python, dir.path(), &oracle).await;
    }
    fleet.plane.shutdown().await;
}

/// To the stream once; to the queue twice, which counts once.
async fn python_producer(fleet: &Fleet, python: &Path, dir: &Path, oracle: &mut Oracle) {
    let lines = telemetry("python-kinesis", oracle);
    succeeds(fleet, python, &["produce.py", "--to", "kinesis", "-"], &example("python"), &lines).await;
    let file = dir.join("telemetry.ndjson");
    std::fs::write(&file, telemetry("python-sqs", oracle)).expect("written");
    let file = file.display().to_string();
    for _ in 0..2 {
        succeeds(fleet, python, &["produce.py", "--to", "sqs", &file], &example("python"), "").await;
    }
}

/// Two services in one: what Python's libraries make of the sketches is what `weir query --merge` makes of them.
async fn python_reader(fleet: &Fleet, python: &Path) {
    let services = ["python-kinesis", "python-sqs"];
    let read = succeeds(fleet, python, &["read.py", services[0], services[1]], &example("python"), "").await;
    let read: serde_json::Value = serde_json::from_str(&read).expect("JSON");
    assert_eq!(read["events"], 2 * EVENTS);
    let query = ["query", "--service", services[0], "--service", services[1], "--merge", "all", "--json"];
    let ours = fleet.weir(0, &query).await.json();
    let ours = &ours[0];
    assert_eq!((&read["events"], &read["errors"]), (&ours["events"], &ours["errors"]));
    for quantile in ["p50", "p90", "p95", "p99"] {
        let number =
            |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{quantile} of {read} and {ours}"));
        let (theirs, ours) = (number(&read[format!("{quantile}_ms")]), number(&ours["duration_ms"][quantile]));
        // Bins have whole microseconds for ends here, and real numbers there.
        assert!((theirs - ours).abs() <= 0.002 * ours, "{quantile}: {theirs} and {ours}");
    }
    assert_eq!(read["unique_users"], ours["unique_users"]);
    // A user a second.
    assert!(read["unique_users"].as_f64().is_some_and(|users| (users - 60.0).abs() <= 3.0), "{read}");
}

/// NDJSON on disk and by way of S3 hold the same, and DuckDB adds it up.
async fn sql(fleet: &Fleet, python: &Path, dir: &Path, oracle: &Oracle) {
    let (directory, file) = (example("sql"), dir.join("rollups.ndjson").display().to_string());
    succeeds(fleet, python, &["export.py", &file], &directory, "").await;
    let object = format!("s3://{}/export/rollups.ndjson", Fleet::LANDING);
    succeeds(fleet, python, &["export.py", &object], &directory, "").await;
    let get =
        fleet.s3.get_object().bucket(Fleet::LANDING).key("export/rollups.ndjson").send().await.expect("the object");
    let object = get.body.collect().await.expect("its body").into_bytes();
    assert_eq!(object, std::fs::read(&file).expect("the file"));

    let found = succeeds(fleet, python, &["query.py", "rollups.sql", &file], &directory, "").await;
    let rows: Vec<serde_json::Value> = found.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.iter().filter_map(|row| row["events"].as_u64()).sum::<u64>(), oracle.events);
    for row in &rows {
        assert_eq!((&row["endpoint"], row["events"].as_u64()), (&"/users/{id}".into(), Some(EVENTS)), "{row}");
        // (1 + 2 + … + 250) / 250 ms
        assert_eq!(row["average_ms"].as_f64(), Some(125.5), "{row}");
    }
}

/// Vector itself is in no package registry: at least what it would send is what the contract names.
#[test]
fn the_vector_configuration_makes_events_of_the_contract() {
    let text = std::fs::read_to_string(example("vector/vector.yaml")).expect("the file");
    let made = text.split("filter({").nth(1).and_then(|rest| rest.split("})").next()).expect("the event");
    let fields: Vec<&str> = made.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    assert_eq!(fields, ["service", "endpoint", "status", "duration_ms", "user_id", "timestamp"]);
    assert!(text.contains(&format!("stream_name: {}\n", Fleet::STREAM)));
    // Vector would look for an environment variable, in a comment too, and not start.
    assert!(!text.contains('$'));
}
