//! CloudWatch Logs on the endpoint, and what Invoke says of the log.

mod support;

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use support::{Fixture, http};

async fn call(fixture: &Fixture, operation: &str, body: Value) -> (u16, Value) {
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Target: Logs_20140328.{operation}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = http(fixture.plane.endpoint_url(), &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

async fn invoke(fixture: &Fixture, extra: &str, body: &str) -> String {
    let request = format!(
        "POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    http(fixture.plane.endpoint_url(), &request).await
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

/// The echo function's own line takes its way through a pipe: wait for so many.
async fn logged(fixture: &Fixture, count: usize) {
    let enough = async {
        loop {
            let (_, found) = call(
                fixture,
                "FilterLogEvents",
                json!({"logGroupName": "/aws/lambda/echo", "filterPattern": "\"echo \""}),
            )
            .await;
            if messages(&found).len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), enough).await.expect("the function's lines within 20 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_streams_and_events_are_found_and_paged() {
    let fixture = Fixture::start().await;
    for body in ["1", "22", "333"] {
        assert!(invoke(&fixture, "", body).await.starts_with("HTTP/1.1 200"));
    }
    logged(&fixture, 3).await;
    let (_, groups) = call(&fixture, "DescribeLogGroups", json!({"logGroupNamePrefix": "/aws/lambda/"})).await;
    assert_eq!(groups["logGroups"][0]["logGroupName"], "/aws/lambda/echo");
    let arn = groups["logGroups"][0]["logGroupArn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/echo");

    let (_, streams) = call(&fixture, "DescribeLogStreams", json!({"logGroupIdentifier": arn})).await;
    let stream = streams["logStreams"][0]["logStreamName"].as_str().unwrap();
    assert!(stream.contains("[$LATEST]"), "{stream}");

    // Two of three on the first page, the third on the next.
    let filter = json!({"logGroupName": "/aws/lambda/echo", "filterPattern": "bytes echo", "limit": 2});
    let (_, first) = call(&fixture, "FilterLogEvents", filter.clone()).await;
    assert_eq!(messages(&first), ["echo 1 bytes", "echo 2 bytes"]);
    let mut next = filter;
    next["nextToken"] = first["nextToken"].clone();
    let (_, second) = call(&fixture, "FilterLogEvents", next).await;
    assert_eq!(messages(&second), ["echo 3 bytes"]);
    assert_eq!(second.get("nextToken"), None);
    assert_ne!(first["events"][0]["eventId"], first["events"][1]["eventId"]);

    let mut get =
        json!({"logGroupName": "/aws/lambda/echo", "logStreamName": stream, "startFromHead": true, "limit": 1});
    let (_, head) = call(&fixture, "GetLogEvents", get.clone()).await;
    assert!(messages(&head)[0].starts_with("INIT_START"), "{head}");
    get["nextToken"] = head["nextForwardToken"].clone();
    let (_, then) = call(&fixture, "GetLogEvents", get.clone()).await;
    assert!(messages(&then)[0].starts_with("START RequestId: "), "{then}");
    get["nextToken"] = then["nextBackwardToken"].clone();
    let (_, back) = call(&fixture, "GetLogEvents", get).await;
    assert_eq!(messages(&back), messages(&head));

    let late = json!({"logGroupName": "/aws/lambda/echo", "startTime": 4_000_000_000_000_i64});
    assert!(messages(&call(&fixture, "FilterLogEvents", late).await.1).is_empty());
    let (status, error) = call(&fixture, "FilterLogEvents", json!({"logGroupName": "/aws/lambda/none"})).await;
    assert_eq!((status, error["__type"].as_str()), (400, Some("ResourceNotFoundException")));
    let (status, error) = call(&fixture, "PutLogEvents", json!({})).await;
    assert_eq!((status, error["__type"].as_str()), (400, Some("UnknownOperationException")));
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invoke_returns_the_tail_of_the_log_where_it_is_asked_for() {
    let fixture = Fixture::start().await;
    let answer = invoke(&fixture, "X-Amz-Log-Type: Tail\r\n", "{}").await;
    let header = answer.lines().find_map(|line| line.strip_prefix("x-amz-log-result: ")).expect("a tail");
    let tail = base64::engine::general_purpose::STANDARD.decode(header.trim()).unwrap();
    let tail = String::from_utf8(tail).unwrap();
    assert!(tail.starts_with("START RequestId: ") && tail.contains("REPORT RequestId: "), "{tail}");
    assert!(!invoke(&fixture, "", "{}").await.contains("x-amz-log-result"));
    fixture.plane.shutdown().await;
}
