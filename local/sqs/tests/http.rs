//! Over HTTP, with the AWS SDK and with the plain bytes other SDKs look at.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_local_sqs::{Outgoing, Receive, Sqs, SqsOptions};

async fn serve() -> (Sqs, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let sqs = Sqs::open(SqsOptions::in_memory(format!("http://{address}"))).expect("open");
    let router = sqs.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (sqs, address)
}

fn client(address: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys("test", "test", None))
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// (status, head in lower case, body)
async fn post(address: &str, path: &str, target: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("answered");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_sdk_sends_receives_and_deletes() {
    let (_, address) = serve().await;
    let client = client(&address);
    let created = client.create_queue().queue_name("q").send().await.expect("created");
    let url = created.queue_url().expect("a URL");
    assert_eq!(url, format!("http://{address}/000000000000/q"));
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
    let sent = client
        .send_message()
        .queue_url(url)
        .message_body("{\"é\":1}")
        .message_attributes("b", binary.build().expect("built"))
        .send()
        .await
        .expect("sent");
    let received = client
        .receive_message()
        .queue_url(url)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .expect("received");
    let message = &received.messages()[0];
    assert_eq!(message.body(), Some("{\"é\":1}"));
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = message.message_attributes().expect("attributes");
    assert_eq!(attributes["b"].binary_value().expect("bytes").as_ref(), [0, 255]);
    let count = &message.attributes().expect("attributes")[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "1");
    let handle = message.receipt_handle().expect("a handle");
    client.delete_message().queue_url(url).receipt_handle(handle).send().await.expect("deleted");
    let attributes = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All).send().await;
    let attributes = attributes.expect("attributes").attributes.expect("some");
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "0");
    assert_eq!(attributes[&QueueAttributeName::MaximumMessageSize], "1048576");
}

#[tokio::test]
async fn the_sdk_knows_the_errors_by_type() {
    let (sqs, address) = serve().await;
    let client = client(&address);
    let error = client.get_queue_url().queue_name("none").send().await.expect_err("none there");
    assert!(error.into_service_error().is_queue_does_not_exist());
    let url = sqs.create_queue("q", [("VisibilityTimeout", "1")]).expect("created");
    let other = client.create_queue().queue_name("q").attributes(QueueAttributeName::VisibilityTimeout, "2");
    assert!(other.send().await.expect_err("differs").into_service_error().is_queue_name_exists());
    let entry = |id: &str, body: &str| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().expect("built")
    };
    let batch = client.send_message_batch().queue_url(&url);
    let twice = batch.clone().entries(entry("a", "x")).entries(entry("a", "y")).send().await;
    assert!(twice.expect_err("twice").into_service_error().is_batch_entry_ids_not_distinct());
    let half = batch.entries(entry("good", "x")).entries(entry("bad", "\u{1}")).send().await.expect("answered");
    assert_eq!(half.successful()[0].id(), "good");
    assert_eq!((half.failed()[0].id(), half.failed()[0].code()), ("bad", "InvalidMessageContents"));
}

#[tokio::test]
async fn errors_carry_both_codes() {
    let (_, address) = serve().await;
    let body = format!(r#"{{"QueueUrl":"http://{address}/000000000000/none","MessageBody":"x"}}"#);
    let (status, head, body) = post(&address, "/", "AmazonSQS.SendMessage", &body).await;
    assert_eq!(status, 400);
    assert!(head.contains("x-amzn-query-error: aws.simplequeueservice.nonexistentqueue;sender"), "{head}");
    assert!(head.contains("content-type: application/x-amz-json-1.0"), "{head}");
    assert!(head.contains("x-amzn-requestid: "), "{head}");
    assert_eq!(
        body,
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
    );
    let (status, head, body) = post(&address, "/", "AmazonSQS.AddPermission", "{}").await;
    assert_eq!(status, 400);
    assert!(head.contains("x-amzn-query-error: invalidaction;sender"), "{head}");
    assert!(body.contains("AddPermission"), "{body}");
    let (status, _, body) = post(&address, "/", "AmazonSQS.ListQueues", "{not JSON").await;
    assert_eq!(status, 400);
    assert!(body.contains("SerializationException"), "{body}");
}

#[tokio::test]
async fn a_queues_own_path_names_it() {
    let (sqs, address) = serve().await;
    sqs.create_queue::<&str, &str>("q", []).expect("created");
    let (status, _, _) = post(&address, "/000000000000/q", "AmazonSQS.SendMessage", r#"{"MessageBody":"x"}"#).await;
    assert_eq!(status, 200);
    let (status, _, body) = post(&address, "/000000000000/q", "AmazonSQS.ReceiveMessage", "{}").await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""Body":"x""#), "{body}");
    let (_, _, body) = post(&address, "/000000000000/q", "AmazonSQS.ReceiveMessage", "{}").await;
    assert_eq!(body, "{}", "no messages, no list");
    let (status, _, _) = post(&address, "/111111111111/q", "AmazonSQS.ReceiveMessage", "{}").await;
    assert_eq!(status, 400, "another account's");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (sqs, address) = serve().await;
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        sqs.create_queue::<&str, &str>(name, []).expect("created");
    }
    let client = client(&address);
    let first = client.list_queues().queue_name_prefix("a-").max_results(2).send().await.expect("listed");
    assert_eq!(first.queue_urls().len(), 2);
    let rest = client.list_queues().queue_name_prefix("a-").max_results(2);
    let rest = rest.set_next_token(first.next_token().map(str::to_owned)).send().await.expect("listed");
    assert_eq!(rest.queue_urls(), [format!("http://{address}/000000000000/a-3")]);
    assert_eq!(rest.next_token(), None);
}

#[tokio::test]
async fn a_waiting_receive_ends_with_the_message() {
    let (sqs, _) = serve().await;
    sqs.create_queue("q", [("ReceiveMessageWaitTimeSeconds", "20")]).expect("created");
    let started = Instant::now();
    let waiting = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.receive("q", Receive::default()).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    sqs.send("q", Outgoing::text("x")).expect("sent");
    let received = waiting.await.expect("joined").expect("received");
    assert_eq!(&*received[0].body, "x");
    // It comes back by itself when its time in flight is over.
    sqs.change_visibility("q", &received[0].receipt_handle, 1).expect("hidden");
    let again = sqs.receive("q", Receive::default()).await.expect("received");
    assert_eq!(again[0].message_id, received[0].message_id);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_waiting_receive_ends_with_its_queue() {
    let (sqs, address) = serve().await;
    let url = sqs.create_queue("q", [("ReceiveMessageWaitTimeSeconds", "20")]).expect("created");
    let waiting = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.receive("q", Receive::default()).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    client(&address).delete_queue().queue_url(url).send().await.expect("deleted");
    assert!(waiting.await.expect("joined").expect_err("gone").is_no_such_queue());
}

#[tokio::test]
async fn a_move_task_empties_a_dead_letter_queue() {
    let (sqs, address) = serve().await;
    sqs.create_queue::<&str, &str>("dead", []).expect("created");
    let dead_arn = sqs.queue_arn("dead").expect("an ARN");
    let policy = format!(r#"{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":1}}"#);
    sqs.create_queue("q", [("RedrivePolicy", policy.as_str()), ("VisibilityTimeout", "0")]).expect("created");
    let sent = sqs.send("q", Outgoing::text("x")).expect("sent");
    for _ in 0..2 {
        sqs.receive("q", Receive::default()).await.expect("received");
    }
    let client = client(&address);
    client.start_message_move_task().source_arn(&dead_arn).send().await.expect("started");
    let waiting = Receive { wait_s: Some(5), ..Receive::default() };
    let moved = sqs.receive("q", waiting).await.expect("received").remove(0);
    assert_ne!(moved.message_id, sent.message_id);
    let listed = client.list_message_move_tasks().source_arn(&dead_arn).send().await.expect("listed");
    assert_eq!(listed.results()[0].approximate_number_of_messages_moved(), 1);
}
