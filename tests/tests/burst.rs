//! `burst-summary` through Lambda's Invoke API, as its real bootstrap. Its URL is not served locally yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weir_tests::Fleet;

/// Invokes it with an event: whether it was the function's error, and the answer.
async fn invoke(fleet: &Fleet, event: &str) -> (bool, Value) {
    let address = fleet.plane.endpoint_url().strip_prefix("http://").expect("an http URL").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("the plane listens");
    let head = format!(
        "POST /2015-03-31/functions/weir-burst-summary/invocations HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        event.len()
    );
    stream.write_all(format!("{head}{event}").as_bytes()).await.expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let error = head.to_ascii_lowercase().contains("x-amz-function-error");
    (error, serde_json::from_str(body).unwrap_or_else(|_| panic!("JSON, not {answer}")))
}

fn request(body: &str, base64: bool) -> String {
    let body = if base64 { STANDARD.encode(body) } else { body.to_owned() };
    json!({"version": "2.0", "rawPath": "/", "headers": {}, "body": body, "isBase64Encoded": base64}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_summed_up_and_what_is_none_is_refused() {
    let fleet = Fleet::start().await;
    let events: Vec<Value> = (0..1_000)
        .map(|n| {
            let endpoint = format!("/{}", ["login", "search", "users/17?page=2"][n % 3]);
            json!({"endpoint": endpoint, "status": if n % 10 == 0 { 500 } else { 200 }, "duration_ms": n, "user_id": n % 77})
        })
        .chain([json!({"status": "bad"})])
        .collect();
    let body = Value::from(events).to_string();
    for base64 in [false, true] {
        let (error, answer) = invoke(&fleet, &request(&body, base64)).await;
        assert!(!error, "{answer}");
        assert_eq!(answer["statusCode"], 200);
        let summary: Value = serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
        assert_eq!(summary["total_events"], 1_000);
        assert_eq!(summary["unique_users"], 77);
        assert_eq!(summary["p95_duration_ms"], 949.0);
        assert_eq!(summary["top_endpoints"], json!([["/login", 334], ["/search", 333], ["/users/17?page=2", 333]]));
        assert_eq!(summary["status_counts"], json!({"200": 900, "500": 100}));
        assert_eq!(summary["rejected"]["reasons"], json!({"invalid_status": 1}));
        assert!(summary["compute_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{summary}");
    }
    let (_, refused) = invoke(&fleet, &request("{}", false)).await;
    assert_eq!(refused["statusCode"], 400);
    let (error, answer) = invoke(&fleet, "17").await;
    assert!(error && answer["errorMessage"].as_str().is_some_and(|text| text.contains("input")), "{answer}");
    // It goes on after what it could not read, in the same sandbox.
    let (error, empty) = invoke(&fleet, &request("", false)).await;
    assert!(!error && empty["statusCode"] == 200, "{empty}");
    let stats = fleet.plane.function_stats();
    let stats = &stats.iter().find(|(name, _)| *name == "weir-burst-summary").expect("deployed").1;
    assert_eq!((stats.crashes, stats.timeouts, stats.init_failures), (0, 0, 0), "{stats:?}");
    fleet.plane.shutdown().await;
}
