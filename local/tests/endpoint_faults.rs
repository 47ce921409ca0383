//! Trouble at the endpoint: what each fault does to a sandbox's request, and that nobody else's is touched.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{Fixture, TEMPLATE, options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_local::{EndpointFault, EndpointFaults, FleetRequest};

/// One fault for every request.
#[derive(Default)]
struct Always {
    fault: Mutex<EndpointFault>,
    done: AtomicU64,
}

impl EndpointFaults for Always {
    fn before(&self, request: &FleetRequest) -> EndpointFault {
        assert!(request.access_key_id.starts_with("ASIALOCAL"), "{request:?}");
        *self.fault.lock().unwrap()
    }

    fn done(&self, _: &FleetRequest, _: EndpointFault) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// What comes back on a connection that asks to put an item; empty where it is closed without an answer.
async fn put(url: &str, access_key_id: &str, key: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let body = format!(r#"{{"TableName":"tab","Item":{{"pk":{{"S":"{key}"}}}}}}"#);
    let length = body.len();
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    );
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {signature}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.PutItem\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn stands(fixture: &Fixture, key: &str) -> bool {
    let key = aws_sdk_dynamodb::types::AttributeValue::S(key.to_owned());
    fixture.dynamodb.get_item().table_name("tab").key("pk", key).send().await.unwrap().item.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Always::default());
    let mut options = options(dir.path(), TEMPLATE);
    options.endpoint_faults = Some(faults.clone());
    let fixture = Fixture::with(options, dir).await;
    let url = fixture.plane.endpoint_url().to_owned();
    let late = EndpointFault::Late(Duration::from_millis(300));
    // Whether an answer comes, what is in it, and whether the item stands.
    for (fault, answer, stands_then) in [
        (EndpointFault::None, "HTTP/1.1 200", true),
        (EndpointFault::Throttle, "ThrottlingException", false),
        (EndpointFault::ThroughputExceeded, "ProvisionedThroughputExceededException", false),
        (EndpointFault::Fail, "InternalServerError", false),
        (EndpointFault::DropBefore, "", false),
        (EndpointFault::DropAfter, "", true),
        (late, "HTTP/1.1 200", true),
    ] {
        *faults.fault.lock().unwrap() = fault;
        let key = format!("{fault:?}");
        let begun = Instant::now();
        let answered = put(&url, "ASIALOCAL00000000000", &key).await;
        assert!(answered.contains(answer) && answered.is_empty() == answer.is_empty(), "{fault:?}: {answered}");
        assert_eq!(stands(&fixture, &key).await, stands_then, "{fault:?}");
        assert!(fault != late || begun.elapsed() >= Duration::from_millis(300));
        let others = put(&url, "test", &format!("{fault:?} of another")).await;
        assert!(others.starts_with("HTTP/1.1 200"), "{fault:?}: {others}");
    }
    assert_eq!(faults.done.load(Ordering::Relaxed), 3, "the three that were done");

    // Done although nobody waits for it any more.
    let given_up = tokio::time::timeout(Duration::from_millis(100), put(&url, "ASIALOCAL00000000000", "late")).await;
    assert!(given_up.is_err(), "answered within its delay: {given_up:?}");
    let landed = async {
        while !stands(&fixture, "late").await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), landed).await.expect("it lands all the same");
    fixture.plane.shutdown().await;
}
