//! `weir query --merge` against rows, and `weir report` in a real browser.

use super::HOSTILE;
use std::path::Path;
use std::process::{Command, Stdio};
use weir_tests::{Fleet, python, root};

/// Names under which a Chromium may be installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PACKAGES: [&str; 2] = ["playwright>=1.49,<2", "axe-playwright-python>=0.1.4,<0.2"];
/// A report of an hour with an incident, gaps and hostile names, made by arithmetic: the golden of the report's own tests.
const GOLDEN: &str = "cli/view/src/report/snapshots/weir_view__report__tests__the_page.snap.html";

/// All there is, as one row.
pub(super) async fn merged(fleet: &Fleet) {
    let ran = fleet.weir(0, &["query", "--merge", "all", "--json"]).await.json();
    let [all] = &ran.as_array().expect("rows")[..] else { panic!("{ran}") };
    assert_eq!((&all["events"], &all["errors"], &all["status_counts"]["503"]), (&250.into(), &70.into(), &70.into()));
    assert!(all["unique_users"].as_f64().is_some_and(|users| (users - 40.0).abs() <= 2.0), "{all}");
    // 200 durations of 1 to 100 ms, each twice, and 50 of 10 to 500: the one at index ⌊0.95 · 249⌋.
    let p95 = all["duration_ms"]["p95"].as_f64().expect("a p95");
    assert!((p95 - 370.0).abs() <= 370.0 * 0.011, "{p95}");
    assert!(all["end"].is_string(), "{all}");
    let endpoints =
        ["query", "--service", "checkout", "--endpoint", "/pay", "--endpoint", HOSTILE, "--merge", "--format", "csv"];
    let csv = fleet.weir(0, &endpoints).await.out;
    let events = csv.lines().skip(1).filter_map(|line| line.rsplit(',').nth(18)?.parse::<u64>().ok()).sum::<u64>();
    assert_eq!(events, 200, "{csv}");
    let twice = ["query", "--service", "checkout", "--endpoint", "*", "--endpoint", "/pay", "--merge", "all"];
    assert!(fleet.weir(2, &twice).await.err.contains("twice"));
}

/// Rows as they are printed: hours as well as minutes, as a table and as CSV, with the top endpoints of summaries.
pub(super) async fn queried(fleet: &Fleet) {
    let hours = ["query", "--resolution", "1h", "--service", "checkout"];
    let rows = fleet.weir(0, &[&hours[..], &["--json"]].concat()).await.json();
    let rows = rows.as_array().expect("rows");
    let events: u64 = rows.iter().filter_map(|row| row["events"].as_u64()).sum();
    assert!(events == 200 && rows.iter().all(|row| row["resolution"] == "1h"), "{rows:?}");
    let table = fleet.weir(0, &hours).await.out;
    assert!(table.contains("p99 ms") && table.contains("top endpoints") && table.contains("/pay "), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
    let csv = fleet.weir(0, &[&hours[..], &["--format", "csv"]].concat()).await.out;
    assert!(csv.contains(",top_endpoints,") && csv.contains("/pay=") && csv.contains(",200=180;503=20,"), "{csv}");
}

/// What is written, and what a browser makes of it and of the golden.
pub(super) async fn page(fleet: &Fleet) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("report.html").display().to_string();
    let said = fleet.weir(0, &["report", "--output", &file, "--json"]).await.json();
    assert_eq!((&said["events"], &said["file"]), (&250.into(), &file.as_str().into()));
    let page = std::fs::read_to_string(&file).expect("the report");
    assert_eq!(said["bytes"], page.len());
    assert!(page.contains("<dd>250</dd>") && page.contains("checkout /pay"), "{page}");
    let other = fleet.weir(0, &["report", "--service", "checkout", "--endpoint", "/pay", "--output", "-"]).await.out;
    assert!(other.contains("<h1>checkout /pay</h1>") && other.contains("<dd>100</dd>"), "{other}");
    assert!(fleet.weir(2, &["report", "--since", "30d"]).await.err.contains("--resolution"));

    let python = match python("browser", &PACKAGES).await {
        Ok(python) => python,
        Err(why) => return eprintln!("skipped: no browser has looked at the report, because {why}"),
    };
    let installed =
        |name: &&&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let Some(browser) = BROWSERS.iter().find(installed) else {
        return eprintln!(
            "skipped: no browser has looked at the report, because there is none of {BROWSERS:?} (apt-get install chromium)"
        );
    };
    for file in [Path::new(&file), &root().join(GOLDEN)] {
        let output = Command::new(&python).arg(root().join("tests/browser/report.py")).arg(browser).arg(file).output();
        let output = output.expect("Python starts");
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(output.status.success(), "{}: {out}{err}", file.display());
    }
}
