//! A bootstrap for the process tests: speaks the Runtime API over a plain socket and misbehaves as its event asks.
//!
//! Started as `… host`, it is a host instead, with itself as its function's bootstrap: for a test that kills a host.

#![allow(clippy::print_stdout)] // Printing is one of the things it is asked to do.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_local_lambda::{FunctionSpec, Host, HostOptions, MemorySink};

const API: &str = "/2018-06-01/runtime";

fn main() {
    if std::env::args().nth(1).as_deref() == Some("host") {
        return host();
    }
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("set by the host");
    let mut api = BufReader::new(TcpStream::connect(&address).expect("the host listens"));
    match std::env::var("_HANDLER").as_deref() {
        Ok("init-exit") => {
            eprintln!("the table has no name");
            exit(3);
        }
        Ok("init-error") => {
            post(&mut api, "/init/error", r#"{"errorType":"Own","errorMessage":"cannot start"}"#);
            exit(1);
        }
        _ => {}
    }
    loop {
        let (request_id, event) = next(&mut api);
        let response = format!("/invocation/{request_id}/response");
        let event_json: Value = serde_json::from_str(&event).unwrap_or_default();
        match event_json["do"].as_str().unwrap_or("echo") {
            "error" => {
                let error = r#"{"errorType":"Own","errorMessage":"as asked"}"#;
                post(&mut api, &format!("/invocation/{request_id}/error"), error);
            }
            "exit" => exit(7),
            "exit quietly" => exit(0),
            "abort" => std::process::abort(),
            "answer and exit" => {
                post(&mut api, &response, &event);
                exit(1);
            }
            "sleep" => {
                std::thread::sleep(Duration::from_millis(event_json["ms"].as_u64().unwrap_or(60_000)));
                post(&mut api, &response, &event);
            }
            "sleep with a child" => {
                let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep(1) exists");
                println!("child {}", child.id());
                let _ = child.wait();
            }
            "read" => {
                let text = std::fs::read_to_string(event_json["path"].as_str().unwrap_or_default());
                post(&mut api, &response, &json!(text.unwrap_or_else(|error| error.to_string())).to_string());
            }
            "environment" => {
                let all: BTreeMap<String, String> = std::env::vars().collect();
                post(&mut api, &response, &json!(all).to_string());
            }
            "print" => {
                println!("to stdout");
                eprintln!("to stderr");
                post(&mut api, &response, &event);
            }
            "grow" => {
                // Written to, or nothing of it would be resident.
                let held = vec![1_u8; event_json["bytes"].as_u64().unwrap_or_default() as usize];
                std::thread::sleep(Duration::from_millis(500));
                post(&mut api, &response, &held.iter().map(|byte| u64::from(*byte)).sum::<u64>().to_string());
            }
            "big" => {
                let bytes = event_json["bytes"].as_u64().unwrap_or_default() as usize;
                post(&mut api, &response, &"x".repeat(bytes));
            }
            _ => post(&mut api, &response, &event),
        }
    }
}

fn next(api: &mut BufReader<TcpStream>) -> (String, String) {
    // One write: in several, the kernel would hold back the second for the first one's acknowledgement.
    let request = format!("GET {API}/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    api.get_mut().write_all(request.as_bytes()).expect("the host reads");
    let (headers, body) = read(api);
    assert!(headers["lambda-runtime-invoked-function-arn"].starts_with("arn:aws:lambda:"));
    assert!(headers["lambda-runtime-deadline-ms"].parse::<u64>().expect("a number") > 1_700_000_000_000);
    assert!(headers["lambda-runtime-trace-id"].starts_with("Root=1-"));
    (headers["lambda-runtime-aws-request-id"].clone(), body)
}

fn post(api: &mut BufReader<TcpStream>, path: &str, body: &str) {
    let length = body.len();
    let head = format!("POST {API}{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut request = head.into_bytes();
    request.extend_from_slice(body.as_bytes());
    api.get_mut().write_all(&request).expect("the host reads");
    read(api);
}

fn read(api: &mut BufReader<TcpStream>) -> (BTreeMap<String, String>, String) {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        // The host is gone, or has had enough of us.
        if api.read_line(&mut line).unwrap_or(0) == 0 {
            exit(0);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    api.read_exact(&mut body).expect("the whole body");
    (headers, String::from_utf8(body).expect("tests send text"))
}

/// Prints its sandbox's process id and stays until killed.
#[tokio::main(flavor = "current_thread")]
async fn host() {
    let host = Host::new(HostOptions {
        region: "us-east-1".into(),
        account: "000000000000".into(),
        environment: BTreeMap::new(),
        timeout_linger: Duration::ZERO,
        enforce_memory: false,
        logs: Arc::new(MemorySink::new(100)),
    });
    host.add_function(FunctionSpec {
        name: "f".into(),
        bootstrap: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")),
        environment: BTreeMap::new(),
        memory_mb: 128,
        timeout: Duration::from_secs(10),
        concurrency_max: 1,
        handler: "ok".into(),
        opt: None,
    });
    host.invoke("f", "{}".into()).await.expect("the function is reached");
    let pid = host.instances().first().expect("one sandbox").pid;
    let mut out = std::io::stdout();
    writeln!(out, "{pid}").and_then(|()| out.flush()).expect("the test reads");
    std::future::pending::<()>().await;
}
