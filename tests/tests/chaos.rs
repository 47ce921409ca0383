//! Chaos on real processes: the command that anyone can run, with a fresh seed each time. Whatever strikes, every row
//! equals what was sent; and everything did strike.

use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use weir_tests::{build, root};

/// Enough for every kind of trouble to strike: they are spread over 40 s whatever their number.
const EVENTS: u64 = 60_000;
/// Takes about a minute; a machine may be busy.
const EXIT_WAIT_MAX: Duration = Duration::from_secs(480);

#[tokio::test]
async fn every_row_equals_what_was_sent_whatever_strikes() {
    let weir = &build::executables().await["weir"];
    let directory = weir.parent().expect("an executable lies in a directory");
    let mut command = Command::new(weir);
    command.args(["demo", "--chaos", "--json", "--events", &EVENTS.to_string(), "--bootstraps"]).arg(directory);
    // Its standard error stays ours: the seed is told there at once, for whoever has to interrupt it.
    let child = command.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let output = tokio::time::timeout(EXIT_WAIT_MAX, child.expect("weir starts").wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("not done after {EXIT_WAIT_MAX:?}")).expect("its output");
    let text = String::from_utf8_lossy(&output.stdout);
    let account: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));

    assert_eq!(account["differences_count"], 0, "repeat it with --seed {}: {account:#}", account["seed"]);
    assert_eq!((&account["settled"], &account["events_in_rows"]), (&true.into(), &EVENTS.into()), "{account:#}");
    let struck = account["chaos"].as_object().expect("the kinds of trouble");
    let absent: Vec<&String> = struck.iter().filter(|(_, times)| **times == 0).map(|(kind, _)| kind).collect();
    assert!(struck.len() >= 19 && absent.is_empty(), "never struck: {absent:?}; all: {struck:#?}");
    assert!(output.status.success(), "{}", output.status);
}
