//! `weir produce`: telemetry to Kinesis, SQS or S3, every event acknowledged by the service or reported.

use crate::args::{Produce, Target};
use crate::aws::Aws;
use crate::failure::{Failure, failed};
use crate::plane::spinner;
use crate::rate::Rate;
use crate::workload::Workload;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use weir_telemetry::Millis;

/// Requests in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 4;
/// Records in one PutRecords, and their bytes (AWS: "PutRecords", Kinesis API Reference; half of 10 MiB, so
/// that base64 and keys fit too).
const PUT_RECORDS_MAX: usize = 500;
const PUT_BYTES_MAX: usize = 5 << 20;
/// Messages in one SendMessageBatch, and their bytes (1 MiB in all; a little room for attributes).
const SEND_MESSAGES_MAX: usize = 10;
const SEND_BYTES_MAX: usize = 1_000_000;
/// Lines read ahead of what is sent.
const LINES_AHEAD_MAX: usize = 4_096;
/// How long a line waits for company while nothing else comes.
const LINGER: Duration = Duration::from_millis(200);
/// How often what a service did not take is sent again.
const ATTEMPTS_MAX: u32 = 10;

/// What was sent.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    /// Records, messages or objects.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Records that the service refused at first and took later.
    pub(crate) retried: u64,
    pub(crate) seconds: f64,
}

pub(crate) async fn run(produce: Produce, stack: &str) -> Result<ExitCode, Failure> {
    let aws = Aws::from_environment(stack).await?;
    let begun = Instant::now();
    let sink = Sink::open(&aws, produce.to).await?;
    let mut sender = Sender::new(sink);
    let default_batch = match produce.to {
        Target::Kinesis => 1,
        Target::Sqs => 20,
        Target::S3 => 10_000,
    };
    let batch = produce.batch.unwrap_or(default_batch) as usize;
    let mut rate = Rate::new(produce.rate);
    let bar = spinner("sending");
    let mut lines = lines(&produce)?;
    let mut gathered: Vec<Vec<u8>> = vec![];
    let mut ids = Ids::new(rand::random());
    loop {
        let line = tokio::time::timeout(LINGER, lines.recv()).await;
        let (ended, idle) = (matches!(line, Ok(None)), line.is_err());
        if let Ok(Some(line)) = line {
            let line = line?.trim_ascii().to_vec();
            if !line.is_empty() {
                gathered.push(line);
            }
        }
        if gathered.len() >= batch || ((ended || idle) && !gathered.is_empty()) {
            rate.wait(gathered.len()).await;
            // A request that is sent again after its answer was lost, by the SDK too, counts once by it.
            let own = (produce.to == Target::Sqs).then(|| (ids.next(), None));
            let payload = Payload { body: gathered.join(&b'\n'), events: gathered.len() as u64, own };
            gathered.clear();
            // At a set rate records go out as they come, not when a request is full.
            sender.add(payload, produce.rate.is_some()).await?;
            bar.set_message(format!("sent {} events", sender.sent.events));
        }
        if ended {
            break;
        }
        if idle {
            sender.flush().await?;
        }
    }
    let mut sent = sender.finish().await?;
    bar.finish_and_clear();
    sent.seconds = begun.elapsed().as_secs_f64();
    if produce.json {
        println!("{}", serde_json::to_string(&sent)?);
    } else {
        println!(
            "sent {} events in {} records ({} bytes) in {:.1} s",
            sent.events, sent.records, sent.bytes, sent.seconds
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Generated events, or a file's lines, from a thread of their own: standard input may be slow.
fn lines(produce: &Produce) -> Result<mpsc::Receiver<Result<Vec<u8>, Failure>>, Failure> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
    let Some(path) = &produce.file else {
        let mut workload = Workload::new(produce.seed.unwrap_or_else(rand::random));
        let events = produce.events;
        std::thread::spawn(move || {
            for _ in 0..events {
                let mut json = String::new();
                workload.event(weir_aws::clock::now()).write_json(&mut json);
                if sender.blocking_send(Ok(json.into_bytes())).is_err() {
                    return;
                }
            }
        });
        return Ok(receiver);
    };
    let name = path.display().to_string();
    let read: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| Failure::Usage(format!("{name}: {error}")))?)
    };
    std::thread::spawn(move || {
        for line in BufReader::new(read).split(b'\n') {
            let line = line.map_err(|error| Failure::Failed(format!("{name}: {error}")));
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Ids of one run's messages (`weir-id`): another run sends other messages.
#[derive(Debug)]
struct Ids {
    run: u128,
    sent: u64,
}

impl Ids {
    fn new(run: u128) -> Self {
        Self { run, sent: 0 }
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        format!("produce-{:032x}-{}", self.run, self.sent)
    }
}

/// One record, message or object.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) body: Vec<u8>,
    /// Events inside, for the count of what was sent.
    pub(crate) events: u64,
    /// The producer's own id, and arrival where it is not that of the sending, for a queue.
    pub(crate) own: Option<(String, Option<Millis>)>,
}

/// Where payloads go.
#[derive(Clone)]
pub(crate) enum Sink {
    Kinesis(aws_sdk_kinesis::Client, String),
    Sqs(aws_sdk_sqs::Client, String),
    S3(aws_sdk_s3::Client, String, String),
}

impl Sink {
    pub(crate) async fn open(aws: &Aws, target: Target) -> Result<Self, Failure> {
        Ok(match target {
            Target::Kinesis => Self::Kinesis(aws.kinesis(), aws.stream()),
            Target::Sqs => Self::Sqs(aws.sqs(), aws.queue_url("telemetry").await?),
            Target::S3 => {
                let run = format!("{}-{:08x}", weir_aws::clock::now().0, rand::random::<u32>());
                Self::S3(aws.s3(), aws.bucket("landing").await?, run)
            }
        })
    }

    fn full(&self, records: usize, bytes: usize) -> bool {
        match self {
            Self::Kinesis(..) => records >= PUT_RECORDS_MAX || bytes >= PUT_BYTES_MAX,
            Self::Sqs(..) => records >= SEND_MESSAGES_MAX || bytes >= SEND_BYTES_MAX / 2,
            Self::S3(..) => true,
        }
    }

    /// Sends, and sends again what was not taken; how many payloads had to be sent again.
    async fn send(self, number: u64, mut payloads: Vec<Payload>) -> Result<u64, Failure> {
        let mut retried = 0;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                retried += payloads.len() as u64;
                tokio::time::sleep(Duration::from_millis(50 << attempt.min(6))).await;
            }
            payloads = match &self {
                Self::Kinesis(client, stream) => put_records(client, stream, payloads).await?,
                Self::Sqs(client, url) => send_messages(client, url, payloads).await?,
                Self::S3(client, bucket, run) => put_objects(client, bucket, run, number, payloads).await?,
            };
            if payloads.is_empty() {
                return Ok(retried);
            }
        }
        Err(Failure::Failed(format!("{} records were refused {ATTEMPTS_MAX} times in a row", payloads.len())))
    }
}

/// Those records that Kinesis did not take.
async fn put_records(
    client: &aws_sdk_kinesis::Client,
    stream: &str,
    payloads: Vec<Payload>,
) -> Result<Vec<Payload>, Failure> {
    let tried = format!("PutRecords to {stream}");
    let entry = |payload: &Payload| {
        PutRecordsRequestEntry::builder()
            .data(Blob::new(payload.body.clone()))
            .partition_key(format!("{:016x}", rand::random::<u64>()))
            .build()
    };
    let entries = payloads.iter().map(entry).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&tried, &error))?;
    let answer = client.put_records().stream_name(stream).set_records(Some(entries)).send().await;
    let answer = answer.map_err(|error| failed(&tried, &error))?;
    let refused = answer.records().iter().map(|record| record.error_code().is_some());
    Ok(payloads.into_iter().zip(refused).filter_map(|(payload, refused)| refused.then_some(payload)).collect())
}

/// Those messages that SQS did not take.
async fn send_messages(
    client: &aws_sdk_sqs::Client,
    url: &str,
    payloads: Vec<Payload>,
) -> Result<Vec<Payload>, Failure> {
    let tried = format!("SendMessageBatch to {url}");
    let mut entries = vec![];
    for (at, payload) in payloads.iter().enumerate() {
        let body = std::str::from_utf8(&payload.body).map_err(|error| failed("a message must be UTF-8", &error))?;
        let mut entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(body);
        if let Some((id, arrived_at)) = &payload.own {
            let arrived_at = arrived_at.map(|at| ("weir-arrived-at", at.to_string()));
            for (name, value) in [("weir-id", id.clone())].into_iter().chain(arrived_at) {
                let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
                entry = entry.message_attributes(name, value.map_err(|error| failed(&tried, &error))?);
            }
        }
        entries.push(entry.build().map_err(|error| failed(&tried, &error))?);
    }
    let answer = client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
    let answer = answer.map_err(|error| failed(&tried, &error))?;
    let refused: Vec<usize> = answer.failed().iter().filter_map(|failed| failed.id().parse().ok()).collect();
    Ok(payloads.into_iter().enumerate().filter_map(|(at, payload)| refused.contains(&at).then_some(payload)).collect())
}

async fn put_objects(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    run: &str,
    number: u64,
    payloads: Vec<Payload>,
) -> Result<Vec<Payload>, Failure> {
    for (at, payload) in payloads.iter().enumerate() {
        let key = format!("in/{run}/{number:06}-{at}.ndjson.gz");
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        let compressed = gzip.write_all(&payload.body).and_then(|()| gzip.finish());
        let compressed = compressed.map_err(|error| failed("gzip", &error))?;
        let put = client.put_object().bucket(bucket).key(&key).body(compressed.into()).send().await;
        put.map_err(|error| failed(&format!("PutObject s3://{bucket}/{key}"), &error))?;
    }
    Ok(vec![])
}

/// Gathers payloads into requests and keeps some of them in flight.
pub(crate) struct Sender {
    sink: Sink,
    waiting: Vec<Payload>,
    waiting_bytes: usize,
    requests: u64,
    in_flight: FuturesUnordered<tokio::task::JoinHandle<Result<u64, Failure>>>,
    pub(crate) sent: Sent,
}

impl Sender {
    pub(crate) fn new(sink: Sink) -> Self {
        let in_flight = FuturesUnordered::new();
        Self { sink, waiting: vec![], waiting_bytes: 0, requests: 0, in_flight, sent: Sent::default() }
    }

    /// Adds one record, message or object; with `now` it does not wait for company.
    pub(crate) async fn add(&mut self, payload: Payload, now: bool) -> Result<(), Failure> {
        if self.waiting_bytes + payload.body.len() > SEND_BYTES_MAX && matches!(self.sink, Sink::Sqs(..)) {
            self.flush().await?;
        }
        self.waiting_bytes += payload.body.len();
        self.sent.events += payload.events;
        self.sent.records += 1;
        self.sent.bytes += payload.body.len() as u64;
        self.waiting.push(payload);
        if now || self.sink.full(self.waiting.len(), self.waiting_bytes) { self.flush().await } else { Ok(()) }
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        while self.in_flight.len() >= REQUESTS_IN_FLIGHT_MAX {
            self.settle_one().await?;
        }
        self.waiting_bytes = 0;
        self.requests += 1;
        let payloads = std::mem::take(&mut self.waiting);
        self.in_flight.push(tokio::spawn(self.sink.clone().send(self.requests, payloads)));
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), Failure> {
        match self.in_flight.next().await {
            Some(Ok(retried)) => self.sent.retried += retried?,
            Some(Err(error)) => return Err(failed("a sending task", &error)),
            None => {}
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<Sent, Failure> {
        self.flush().await?;
        while !self.in_flight.is_empty() {
            self.settle_one().await?;
        }
        Ok(self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn no_two_messages_have_one_id() {
        let (mut one, mut other) = (Ids::new(1), Ids::new(2));
        let ids = [one.next(), one.next(), other.next()];
        assert_eq!(ids[0], "produce-00000000000000000000000000000001-1");
        assert!(ids.iter().all(|id| ids.iter().filter(|again| *again == id).count() == 1));
    }

    /// What a queue is asked, twice, when it closes the connection of the first request: it may have taken it.
    #[tokio::test]
    async fn a_message_whose_answer_was_lost_is_sent_again_under_its_id() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/queue", listener.local_addr().unwrap());
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&url)
            .http_client(weir_aws::clients::http_client())
            .build();
        let payload = Payload { body: b"{}".to_vec(), events: 1, own: Some((Ids::new(7).next(), None)) };
        let client = aws_sdk_sqs::Client::from_conf(config);
        let sent = tokio::spawn(async move { send_messages(&client, &url, vec![payload]).await });
        let mut asked = vec![];
        for answer in [None, Some(r#"{"Successful":[],"Failed":[]}"#)] {
            let (mut connection, _) = listener.accept().await.unwrap();
            asked.push(request(&mut connection).await);
            if let Some(answer) = answer {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                connection.write_all([head.as_bytes(), answer.as_bytes()].concat().as_slice()).await.unwrap();
            }
        }
        assert!(sent.await.unwrap().is_ok_and(|refused| refused.is_empty()));
        let id = "produce-00000000000000000000000000000007-1";
        assert!(asked.iter().all(|body| body.contains("weir-id") && body.contains(id)), "{asked:?}");
        assert!(!asked[0].contains("weir-arrived-at"));
    }

    /// Reads one request up to the end of its body, JSON that ends in `}`.
    async fn request(connection: &mut tokio::net::TcpStream) -> String {
        let mut text = String::new();
        let mut room = [0; 4_096];
        loop {
            let read = connection.read(&mut room).await.unwrap();
            text.push_str(std::str::from_utf8(&room[..read]).unwrap());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
            if read == 0 || body.is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_ok()) {
                return text;
            }
        }
    }
}
