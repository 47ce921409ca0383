//! Versions and aliases through Lambda's API on the endpoint, in the shapes that SDKs read.

mod support;

use std::io::Write as _;

use base64::Engine as _;
use serde_json::{Value, json};
use support::{Fixture, TEMPLATE, http, options};

/// Status, headers in lower case, and JSON body of one request.
async fn call(fixture: &Fixture, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let path = path.strip_prefix("../").map_or_else(|| format!("functions/{path}"), str::to_owned);
    let request = format!(
        "{method} /2015-03-31/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let answer = http(fixture.plane.endpoint_url(), &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A fleet whose echo function has the alias `live`.
async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let template = TEMPLATE.replace("      Timeout: 10\n", "      Timeout: 10\n      AutoPublishAlias: live\n");
    let options = options(dir.path(), &template);
    Fixture::with(options, dir).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_are_shown_as_the_template_has_them() {
    let fixture = fixture().await;
    let list = |path: &'static str| call(&fixture, "GET", path, &Value::Null);
    let (status, _, all) = list("../event-source-mappings/").await;
    let all = all["EventSourceMappings"].as_array().expect("a list").clone();
    assert_eq!((status, all.len()), (200, fixture.plane.mapping_stats().len()), "{all:?}");
    let first = &all[0];
    assert_eq!(first["State"], "Enabled");
    assert!(first["EventSourceArn"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:")), "{first}");
    assert!(first["BatchSize"].is_u64(), "{first}");
    let (status, _, none) = list("../event-source-mappings/?FunctionName=nobody").await;
    assert_eq!((status, &none["EventSourceMappings"]), (200, &json!([])));
    let path = format!("../event-source-mappings/{}", first["UUID"].as_str().expect("a UUID"));
    let (status, _, one) = call(&fixture, "GET", &path, &Value::Null).await;
    assert_eq!((status, &one), (200, first));
    assert_eq!(list("../event-source-mappings/none").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_and_takes_over_by_weight() {
    let fixture = fixture().await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:echo";
    let (status, _, live) = call(&fixture, "GET", "echo/aliases/live", &Value::Null).await;
    assert_eq!(
        (status, &live["FunctionVersion"], &live["AliasArn"]),
        (200, &json!("1"), &json!(format!("{arn}:live")))
    );

    let change = json!({"Environment": {"Variables": {"COLOUR": "blue"}}, "Timeout": 7, "MemorySize": 256});
    let (status, _, latest) = call(&fixture, "PUT", "echo/configuration", &change).await;
    assert_eq!((status, &latest["Version"], &latest["Timeout"]), (200, &json!("$LATEST"), &json!(7)));
    let publish =
        json!({"Description": "second", "CodeSha256": latest["CodeSha256"], "RevisionId": latest["RevisionId"]});
    let (status, _, second) = call(&fixture, "POST", "echo/versions", &publish).await;
    assert_eq!(status, 201, "{second}");
    assert_eq!((&second["Version"], &second["FunctionArn"]), (&json!("2"), &json!(format!("{arn}:2"))));
    assert_eq!(second["Environment"]["Variables"]["COLOUR"], "blue");
    let (_, _, first) = call(&fixture, "GET", "echo/configuration?Qualifier=live", &Value::Null).await;
    assert_eq!((&first["Version"], &first["Timeout"]), (&json!("1"), &json!(10)), "the alias still names version 1");
    assert_eq!(first["FunctionArn"], format!("{arn}:live"));
    assert_eq!(first["CodeSha256"].as_str().map(str::len), Some(44));

    let shift = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}, "RevisionId": live["RevisionId"]});
    let (status, _, shifted) = call(&fixture, "PUT", "echo/aliases/live", &shift).await;
    assert_eq!((status, &shifted["RoutingConfig"]), (200, &shift["RoutingConfig"]));
    let (_, head, _) = call(&fixture, "POST", "echo:live/invocations", &json!({})).await;
    assert!(head.contains("x-amz-executed-version: 2"), "{head}");
    let (_, head, _) = call(&fixture, "POST", "echo/invocations?Qualifier=1", &json!({})).await;
    assert!(head.contains("x-amz-executed-version: 1"), "{head}");
    let (_, head, _) = call(&fixture, "POST", "echo/invocations", &json!({})).await;
    assert!(head.contains("x-amz-executed-version: $latest"), "{head}");
    // The mapping goes by the alias too.
    let url = format!("{}/000000000000/q", fixture.plane.endpoint_url());
    fixture.sqs.send_message().queue_url(&url).message_body("m").send().await.unwrap();
    let delivered = async {
        while fixture.plane.host().stats_by_version()["echo"]["2"].invocations < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), delivered).await.expect("version 2 has the message");

    let (_, _, versions) = call(&fixture, "GET", "echo/versions?MaxItems=2", &Value::Null).await;
    let listed: Vec<&Value> = versions["Versions"].as_array().unwrap().iter().map(|it| &it["Version"]).collect();
    assert_eq!((listed, &versions["NextMarker"]), (vec![&json!("$LATEST"), &json!("1")], &json!("2")));
    let (_, _, rest) = call(&fixture, "GET", "echo/versions?Marker=2", &Value::Null).await;
    assert_eq!((rest["Versions"][0]["Description"].clone(), rest.get("NextMarker")), (json!("second"), None));
    for (version, aliases) in [("1", 1), ("2", 1), ("9", 0)] {
        let (_, _, listed) =
            call(&fixture, "GET", &format!("echo/aliases?FunctionVersion={version}"), &Value::Null).await;
        assert_eq!(listed["Aliases"].as_array().map(Vec::len), Some(aliases), "{version}");
    }
    assert_eq!(call(&fixture, "DELETE", "echo/aliases/live", &Value::Null).await.0, 204);
    assert_eq!(call(&fixture, "DELETE", "echo/aliases/live", &Value::Null).await.0, 204);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_as_lambda_tells_it() {
    let fixture = fixture().await;
    let alias = |additional: Value| json!({"Name": "x", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": additional}});
    for (method, path, body, status, code) in [
        ("GET", "none", Value::Null, 404, "resourcenotfoundexception"),
        ("GET", "echo?Qualifier=7", Value::Null, 404, "resourcenotfoundexception"),
        ("GET", "echo/aliases/none", Value::Null, 404, "resourcenotfoundexception"),
        ("POST", "echo:none/invocations", json!({}), 404, "resourcenotfoundexception"),
        ("POST", "echo:1/invocations?Qualifier=live", json!({}), 400, "invalidparametervalueexception"),
        ("POST", "echo/aliases", json!({"Name": "live", "FunctionVersion": "1"}), 409, "resourceconflictexception"),
        ("POST", "echo/aliases", json!({"Name": "x", "FunctionVersion": "7"}), 404, "resourcenotfoundexception"),
        ("POST", "echo/aliases", json!({"Name": "7", "FunctionVersion": "1"}), 400, "invalidparametervalueexception"),
        ("POST", "echo/aliases", json!({"Name": "x"}), 400, "invalidparametervalueexception"),
        ("POST", "echo/aliases", alias(json!({"$LATEST": 0.5})), 400, "invalidparametervalueexception"),
        ("POST", "echo/aliases", alias(json!({"2": 0.1, "3": 0.1})), 400, "invalidparametervalueexception"),
        ("PUT", "echo/aliases/live", json!({"RevisionId": "old"}), 412, "preconditionfailedexception"),
        ("PUT", "echo/configuration", json!({"Timeout": 0}), 400, "invalidparametervalueexception"),
        ("PUT", "echo/configuration", json!({"Layers": []}), 400, "invalidparametervalueexception"),
        ("PUT", "echo/code", json!({"ZipFile": "bm8gemlw"}), 400, "invalidparametervalueexception"),
        ("POST", "echo/versions", json!({"CodeSha256": "other"}), 400, "invalidparametervalueexception"),
        ("POST", "echo/url", json!({}), 501, "invalidrequestcontentexception"),
    ] {
        let (got, head, answer) = call(&fixture, method, path, &body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert!(head.contains(&format!("x-amzn-errortype: {code}")), "{method} {path}: {head}");
        assert!(answer["Message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    }
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_invocation_and_the_payload_limit() {
    let fixture = fixture().await;
    let invoke = async |kind: &str, body: &str| {
        let request = format!(
            "POST /2015-03-31/functions/echo:live/invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-Amz-Invocation-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = http(fixture.plane.endpoint_url(), &request).await;
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let invocations = || fixture.plane.function_stats()["echo"].invocations;
    assert_eq!(invoke("DryRun", "{}").await, 204);
    assert_eq!(invocations(), 0, "nothing ran");
    assert_eq!(invoke("Event", "{}").await, 202);
    let ran = async {
        while invocations() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ran).await.expect("it runs within 20 s");
    assert_eq!(invoke("Other", "{}").await, 400);
    // A string of exactly 6 MB, its quotes included, and one byte more.
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_eq!(invoke("RequestResponse", &text(6 * 1024 * 1024)).await, 200);
    assert_eq!(invoke("RequestResponse", &text(6 * 1024 * 1024 + 1)).await, 413);
    fixture.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_build_is_another_version() {
    let fixture = fixture().await;
    // What answers is a script, so that it is plainly other code than before.
    let script = b"#!/bin/sh\nexit 9\n";
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("bootstrap", stored.unix_permissions(0o755)).unwrap();
    archive.write_all(script).unwrap();
    let package = archive.finish().unwrap().into_inner();
    let body = json!({"ZipFile": base64::engine::general_purpose::STANDARD.encode(&package), "Publish": true});
    let (status, _, published) = call(&fixture, "PUT", "echo/code", &body).await;
    assert_eq!((status, &published["Version"], &published["CodeSize"]), (200, &json!("2"), &json!(package.len())));
    let (_, head, error) = call(&fixture, "POST", "echo/invocations?Qualifier=2", &json!({})).await;
    assert!(head.contains("x-amz-function-error: unhandled"), "{head}");
    assert!(error["errorMessage"].as_str().unwrap().contains("exit status 9"), "{error}");
    let (_, head, _) = call(&fixture, "POST", "echo/invocations?Qualifier=live", &json!({"n": 1})).await;
    assert!(!head.contains("x-amz-function-error") && head.contains("x-amz-executed-version: 1"), "{head}");
    fixture.plane.shutdown().await;
}
