//! Telemetry as the benchmarks of the field have it, inside Lambda's invocations: what `cargo bench` and `weir bench`
//! both measure with.
//!
//! An event has an `endpoint` of six, a `status` of 200 (three times as likely), 201, 400, 401, 403 and 500, a
//! `duration_ms` that is exponential with mean 120 and truncated plus 0–30 uniform, and a `user_id` of eight random
//! characters: 82 bytes on average.

pub mod case;
pub mod peers;
pub mod process;
pub mod reading;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const ENDPOINTS: [&str; 6] = ["/login", "/search", "/checkout", "/profile", "/feed", "/ping"];
const STATUSES: [u16; 8] = [200, 200, 200, 201, 400, 401, 403, 500];
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// 2026-11-21T01:30:05Z.
pub const ARRIVAL_MS: i64 = 1_795_224_605_000;

/// Random, the same in every run.
#[derive(Debug)]
pub struct Workload {
    random: SmallRng,
    arrival_ms: i64,
    /// Records made so far: sequence numbers only grow, as on a shard, or a fence would drop them.
    records: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self::new()
    }
}

impl Workload {
    /// What arrives at [`ARRIVAL_MS`].
    pub fn new() -> Self {
        Self::arriving_at(ARRIVAL_MS)
    }

    /// What arrives then, epoch milliseconds.
    pub fn arriving_at(arrival_ms: i64) -> Self {
        Self { random: SmallRng::seed_from_u64(17), arrival_ms, records: 0 }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())]
    }

    /// One event.
    pub fn event(&mut self) -> String {
        let (endpoint, status) = (self.one_of(&ENDPOINTS), self.one_of(&STATUSES));
        let exponential = (-120.0 * (1.0 - self.random.random::<f64>()).ln()).trunc();
        let duration = exponential + self.random.random_range(0.0..30.0);
        let user: String = (0..8).map(|_| char::from(self.one_of(LETTERS))).collect();
        format!(r#"{{"endpoint":"{endpoint}","status":{status},"duration_ms":{duration:.3},"user_id":"u_{user}"}}"#)
    }

    fn lines(&mut self, events: usize) -> String {
        (0..events).map(|_| self.event() + "\n").collect()
    }

    /// A Function URL's invocation whose body is an array of `events` events.
    pub fn burst(&mut self, events: usize) -> Vec<u8> {
        let events: Vec<String> = (0..events).map(|_| self.event().replace('"', "\\\"")).collect();
        format!(
            concat!(
                r#"{{"version":"2.0","routeKey":"$default","rawPath":"/","rawQueryString":"","headers":{{"#,
                r#""content-type":"application/json","host":"x.lambda-url.us-east-1.on.aws"}},"requestContext":{{"#,
                r#""accountId":"000000000000","http":{{"method":"POST","path":"/","protocol":"HTTP/1.1"}},"#,
                r#""timeEpoch":1795224605000}},"body":"[{body}]","isBase64Encoded":false}}"#
            ),
            body = events.join(","),
        )
        .into_bytes()
    }

    /// A Kinesis invocation of `records` records of `events` events.
    pub fn kinesis(&mut self, records: usize, events: usize, pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let record = |n: usize| {
            self.records += 1;
            let payload = if events == 1 { self.event() } else { self.lines(events) };
            let data = STANDARD.encode(pack(payload.as_bytes()));
            let sequence = format!("49590338271490256608559692538361571095921575989136{:06}", self.records);
            let ms = self.arrival_ms + n as i64 % 1_000;
            let key = self.random.random::<u64>();
            format!(
                concat!(
                    r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"{key}","sequenceNumber":"{sequence}","#,
                    r#""data":"{data}","approximateArrivalTimestamp":{seconds}.{ms:03}}},"eventSource":"aws:kinesis","#,
                    r#""eventVersion":"1.0","eventID":"shardId-000000000006:{sequence}","eventName":"aws:kinesis:record","#,
                    r#""invokeIdentityArn":"arn:aws:iam::000000000000:role/weir-kinesis-rollup","awsRegion":"us-east-1","#,
                    r#""eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/weir-telemetry"}}"#
                ),
                key = key,
                sequence = sequence,
                data = data,
                seconds = ms / 1_000,
                ms = ms % 1_000,
            )
        };
        invocation((0..records).map(record))
    }

    /// An SQS invocation of `messages` messages of one event.
    pub fn sqs(&mut self, messages: usize) -> Vec<u8> {
        let message = |_| {
            let body = self.event().replace('"', "\\\"");
            let id = self.hex(32);
            let receipt: String = (0..180).map(|_| char::from(self.one_of(LETTERS))).collect();
            let sent = self.arrival_ms + self.random.random_range(0..1_000);
            format!(
                concat!(
                    r#"{{"messageId":"{a}-{b}-{c}-{d}-{e}","receiptHandle":"{receipt}","body":"{body}","#,
                    r#""attributes":{{"ApproximateReceiveCount":"1","SentTimestamp":"{sent}","#,
                    r#""SenderId":"AIDAIENQZJOLO23YVJ4VO","ApproximateFirstReceiveTimestamp":"{sent}"}},"#,
                    r#""messageAttributes":{{}},"md5OfBody":"{md5}","eventSource":"aws:sqs","#,
                    r#""eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:weir-telemetry","awsRegion":"us-east-1"}}"#
                ),
                a = &id[..8],
                b = &id[8..12],
                c = &id[12..16],
                d = &id[16..20],
                e = &id[20..],
                receipt = receipt,
                body = body,
                sent = sent,
                md5 = self.hex(32),
            )
        };
        invocation((0..messages).map(message))
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(self.one_of(b"0123456789abcdef"))).collect()
    }
}

fn invocation(records: impl Iterator<Item = String>) -> Vec<u8> {
    let records: Vec<String> = records.collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(",")).into_bytes()
}
