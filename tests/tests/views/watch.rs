//! `weir watch`: lines for a program, and the screen on a real terminal.

use std::process::Stdio;
use tokio::process::Command;
use weir_tests::{Fleet, build, root};

/// Without a terminal it says what to use instead; `--json` prints a line a look.
pub(super) async fn lines(fleet: &Fleet) {
    let refused = fleet.weir(2, &["watch"]).await;
    assert!(refused.err.contains("weir watch --json"), "{refused:?}");
    assert!(refused.out.is_empty(), "{refused:?}");

    let ran = fleet.weir(0, &["watch", "--json", "--count", "2", "--interval", "1s"]).await;
    let looks: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(looks.len(), 2, "{ran:?}");
    let now = &looks[1];
    let checkout = now["series"].as_array().expect("series").iter().find(|series| series["service"] == "checkout");
    let checkout = checkout.unwrap_or_else(|| panic!("{now}"));
    assert_eq!(
        (&checkout["endpoint"], &checkout["events"], &checkout["errors"]),
        (&"*".into(), &200.into(), &20.into())
    );
    let p99 = checkout["p99_ms"].as_f64().expect("a p99");
    assert!((98.0..=100.0).contains(&p99), "{p99}");
    assert_eq!(now["quarantine"]["by_reason"]["not_json"], 1, "{now}");
    assert!(now["settled_age_seconds"].as_f64().is_some_and(|age| (0.0..300.0).contains(&age)), "{now}");
    let named = fleet.weir(0, &["watch", "--json", "--count", "1", "--service", "checkout"]).await;
    assert_eq!(named.json()["series"].as_array().map(Vec::len), Some(1), "{named:?}");
}

/// Keys, sizes and the end of it, driven through a pseudo-terminal.
pub(super) async fn terminal(fleet: &Fleet) {
    let weir = &build::executables().await["weir"];
    let mut command = Command::new("python3");
    command.arg(root().join("tests/terminal/watch.py")).arg(weir).stdin(Stdio::null());
    let environment =
        [("AWS_ENDPOINT_URL", fleet.plane.endpoint_url()), ("AWS_REGION", "us-east-1"), ("TERM", "xterm-256color")];
    match command.envs(environment).output().await {
        Err(_) => eprintln!("skipped: there is no python3 to give weir watch a terminal"),
        Ok(output) => {
            let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            assert!(output.status.success(), "{out}{err}");
        }
    }
}
