//! `weir worker`: the functions outside Lambda, several workers at once on the same shards and queues, one killed in the
//! middle. The endpoint is a plane that delivers nothing itself.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};
use weir_aws::clock;
use weir_telemetry::Window;
use weir_tests::{Fleet, Oracle, Sent, build, found, root};

fn event(n: u64) -> Sent {
    let minute = Window::containing(clock::now()).start().plus(-60_000 * (1 + (n % 3) as i64)).to_string();
    Sent {
        service: format!("shop-{}", n % 2),
        endpoint: format!("/users/{n}"),
        series_endpoint: "/users/{id}".to_owned(),
        status: Some(200),
        duration_us: Some(n),
        minute: minute[..16].to_owned(),
        second: (n % 60) as u8,
    }
}

/// A worker on the fleet's endpoint, with its functions' lines in a directory.
async fn worker(fleet: &Fleet, logs: &Path) -> Child {
    let executables = build::executables().await;
    let weir = &executables["weir"];
    let bootstraps = executables["kinesis-rollup"].parent().expect("a directory");
    let environment = [("AWS_ENDPOINT_URL", fleet.plane.endpoint_url()), ("AWS_REGION", "us-east-1")];
    let mut command = Command::new(weir);
    command.args(["worker", "--parameter", "FinalizeSeconds=1", "--parameter", "CompactSeconds=1"]);
    command.arg("--bootstraps").arg(bootstraps).arg("--log-dir").arg(logs).env_clear().envs(environment);
    command.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect("weir starts")
}

async fn send(fleet: &Fleet, oracle: &mut Oracle, from: u64, records: u64) {
    let mut next = |n: u64| {
        oracle.count(&event(n));
        event(n).json()
    };
    let stream: Vec<_> = (from..from + records).map(|n| (format!("key-{n}"), next(n).into_bytes())).collect();
    for request in stream.chunks(100) {
        fleet.put_records(request.to_vec()).await;
    }
    let bodies: Vec<String> = (0..10).map(|n| next(from + records + n)).collect();
    let entries = bodies.into_iter().enumerate().map(|(at, body)| {
        let entry = SendMessageBatchRequestEntry::builder().id(format!("m{at}")).message_body(body);
        entry.build().expect("id and body are set")
    });
    fleet.send_messages(entries.collect()).await;
}

async fn rows_are(fleet: &Fleet, oracle: &Oracle, what: &str) {
    let expected = oracle.all_rows();
    fleet.wait_until(what, async || found::rows(&fleet.dynamodb).await == expected).await;
}

/// Lines of batches of the stream that a worker's functions wrote.
fn batches(logs: &Path) -> usize {
    let text = std::fs::read_to_string(logs.join("weir-kinesis-rollup.log")).unwrap_or_default();
    text.lines().filter(|line| line.contains(r#""message":"batch""#)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_on_one_shard_count_once() {
    let fleet = Fleet::start_with(|options| options.deliver = false).await;
    let directory = tempfile::tempdir().expect("a directory");
    let logs = ["first", "second"].map(|name| directory.path().join(name));
    let mut oracle = Oracle::default();
    send(&fleet, &mut oracle, 0, 300).await;
    let mut first = worker(&fleet, &logs[0]).await;
    let mut second = worker(&fleet, &logs[1]).await;
    rows_are(&fleet, &oracle, "two workers count what was there").await;
    fleet.wait_until("both read the stream", async || logs.iter().all(|logs| batches(logs) > 0)).await;

    for round in 1..4 {
        send(&fleet, &mut oracle, round * 1_000, 300).await;
    }
    // In the middle of it, with all its functions.
    first.kill().await.expect("the first worker is killed");
    send(&fleet, &mut oracle, 10_000, 300).await;
    rows_are(&fleet, &oracle, "the second goes on").await;

    // It begins anew, and is given everything again.
    let mut again = worker(&fleet, &logs[0]).await;
    send(&fleet, &mut oracle, 20_000, 300).await;
    rows_are(&fleet, &oracle, "what is delivered again counts nothing").await;
    fleet.assert_no_dead_letters().await;
    for worker in [&mut second, &mut again] {
        worker.kill().await.expect("a worker is killed");
    }
    fleet.assert_rows(&oracle).await;
    fleet.plane.shutdown().await;
}
