//! What people look at, with `weir` as a process and the fleet as processes: the report in a real browser, the live view on a
//! real terminal, merged rows, completions and manual. Where a browser or a Python is missing the step says so and is left out.

mod manual;
mod report;
mod watch;

use weir_tests::Fleet;

/// A name that a page must not run and a terminal must not obey.
const HOSTILE: &str = "/<script>document.title='taken'</script>\u{1b}[2J\u{202e}";

#[tokio::test(flavor = "multi_thread")]
async fn views_of_a_running_fleet() {
    let fleet = Fleet::start().await;
    traffic(&fleet).await;
    fleet.settle().await;
    watch::lines(&fleet).await;
    watch::terminal(&fleet).await;
    report::queried(&fleet).await;
    report::merged(&fleet).await;
    report::page(&fleet).await;
    fleet.plane.shutdown().await;
}

/// Two services, one with a name that is none; some errors, and a record that is set aside.
async fn traffic(fleet: &Fleet) {
    let event = |service: &str, endpoint: &str, n: u64| {
        let status = if n.is_multiple_of(10) { 503 } else { 200 };
        let event = serde_json::json!({
            "service": service, "endpoint": endpoint, "status": status, "duration_ms": n, "user_id": format!("u{}", n % 40),
        });
        event.to_string()
    };
    let records = (1..=100).map(|n| format!("{}\n{}", event("checkout", "/pay", n), event("checkout", HOSTILE, n)));
    let records = records.chain((1..=50).map(|n| event(HOSTILE, "/login", 10 * n)));
    let records: Vec<_> = records.map(String::into_bytes).chain([b"{not JSON".to_vec()]).collect();
    fleet.put_records(records.into_iter().enumerate().map(|(n, record)| (format!("k{n}"), record))).await;
}
