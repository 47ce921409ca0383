//! Function URLs: who may call, what the function sees, what the caller gets.

mod support;

use serde_json::Value;
use support::{Fixture, TEMPLATE, http, options};

const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/lambda/aws4_request, \
                      SignedHeaders=host, Signature=0\r\n";

async fn fixture(auth_type: &str) -> Fixture {
    let url =
        format!("Timeout: 10\n      AutoPublishAlias: live\n      FunctionUrlConfig: {{ AuthType: {auth_type} }}");
    let template = TEMPLATE.replace("Timeout: 10", &url);
    let dir = tempfile::tempdir().unwrap();
    Fixture::with(options(dir.path(), &template), dir).await
}

async fn call(fixture: &Fixture, request_line: &str, headers: &str, body: &str) -> (u16, String, String) {
    let request = format!(
        "{request_line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = http(fixture.plane.endpoint_url(), &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn iam_takes_who_signed_for_lambda_and_nobody_else() {
    let fixture = fixture("AWS_IAM").await;
    let url = format!("{}/_url/echo/", fixture.plane.endpoint_url());
    assert_eq!(fixture.plane.function_urls(), [("echo".to_owned(), true, url)]);
    let (status, head, body) = call(&fixture, "GET /_url/echo/", "", "").await;
    assert_eq!((status, body.as_str()), (403, r#"{"Message":"Forbidden"}"#));
    assert!(head.contains("x-amzn-errortype: AccessDeniedException"), "{head}");
    let other = SIGNED.replace("/lambda/", "/s3/");
    let (status, _, body) = call(&fixture, "GET /_url/echo/", &other, "").await;
    assert_eq!(status, 403);
    assert!(body.contains("scoped to correct service"), "{body}");

    // The echo function answers with its event, which has no statusCode: all of it is the body.
    let headers = format!("{SIGNED}Content-Type: application/json\r\nCookie: a=1; b=2\r\n");
    let (status, head, body) = call(&fixture, "POST /_url/echo/x%20y?a=1&a=2", &headers, "[1]").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((event["version"].as_str(), event["rawPath"].as_str()), (Some("2.0"), Some("/x y")));
    assert_eq!((event["body"].as_str(), event["isBase64Encoded"].as_bool()), (Some("[1]"), Some(false)));
    assert_eq!(
        (event["queryStringParameters"]["a"].as_str(), event["cookies"][1].as_str()),
        (Some("1,2"), Some("b=2"))
    );
    assert_eq!(event["requestContext"]["authorizer"]["iam"]["accessKey"], "AK");
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    let (status, _, _) = call(&fixture, "GET /_url/none/", SIGNED, "").await;
    assert_eq!(status, 404);
    // It is the alias that is invoked.
    assert_eq!(fixture.plane.host().stats_by_version()["echo"]["1"].cold_starts, 1);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_url_takes_anyone_binary_bodies_and_turns_failures_into_502() {
    let fixture = fixture("NONE").await;
    let (status, _, body) =
        call(&fixture, "POST /_url/echo/", "Content-Type: application/octet-stream\r\n", "\u{1}x").await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, event["isBase64Encoded"].as_bool(), event["body"].as_str()), (200, Some(true), Some("AXg=")));
    assert_eq!(event["requestContext"]["accountId"], "anonymous");
    // The parameter `fail` stands in the event as `"fail"`.
    let (status, _, body) = call(&fixture, "GET /_url/echo/?fail", "", "").await;
    assert_eq!((status, body.as_str()), (502, "Internal Server Error"));
    let large = "x".repeat(6 * 1024 * 1024 + 1);
    let (status, _, _) = call(&fixture, "POST /_url/echo/", "Content-Type: text/plain\r\n", &large).await;
    assert_eq!(status, 413);
    fixture.plane.shutdown().await;
}
