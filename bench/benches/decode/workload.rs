//! Telemetry as the benchmarks of the field have it, inside Lambda's invocations.
//!
//! An event has an `endpoint` of six, a `status` of 200 (three times as likely), 201, 400, 401, 403 and 500, a
//! `duration_ms` that is exponential with mean 120 and truncated plus 0–30 uniform, and a `user_id` of eight random
//! characters: 82 bytes on average.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io::Write as _;

const ENDPOINTS: [&str; 6] = ["/login", "/search", "/checkout", "/profile", "/feed", "/ping"];
const STATUSES: [u16; 8] = [200, 200, 200, 201, 400, 401, 403, 500];
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// 2026-11-21T01:30:05Z.
pub(crate) const ARRIVAL_MS: i64 = 1_795_224_605_000;

/// Random, the same in every run.
pub(crate) struct Workload(SmallRng);

impl Workload {
    pub(crate) fn new() -> Self {
        Self(SmallRng::seed_from_u64(17))
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.random_range(0..all.len())]
    }

    pub(crate) fn event(&mut self) -> String {
        let (endpoint, status) = (self.one_of(&ENDPOINTS), self.one_of(&STATUSES));
        let exponential = (-120.0 * (1.0 - self.0.random::<f64>()).ln()).trunc();
        let duration = exponential + self.0.random_range(0.0..30.0);
        let user: String = (0..8).map(|_| char::from(self.one_of(LETTERS))).collect();
        format!(r#"{{"endpoint":"{endpoint}","status":{status},"duration_ms":{duration:.3},"user_id":"u_{user}"}}"#)
    }

    fn lines(&mut self, events: usize) -> String {
        (0..events).map(|_| self.event() + "\n").collect()
    }

    /// A Function URL's invocation whose body is an array of `events` events.
    pub(crate) fn burst(&mut self, events: usize) -> Vec<u8> {
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
    pub(crate) fn kinesis(&mut self, records: usize, events: usize, pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let record = |n: usize| {
            let payload = if events == 1 { self.event() } else { self.lines(events) };
            let data = STANDARD.encode(pack(payload.as_bytes()));
            let sequence = format!("49590338271490256608559692538361571095921575989136{n:06}");
            let ms = ARRIVAL_MS + n as i64 % 1_000;
            let key = self.0.random::<u64>();
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
    pub(crate) fn sqs(&mut self, messages: usize) -> Vec<u8> {
        let message = |_| {
            let body = self.event().replace('"', "\\\"");
            let id = self.hex(32);
            let receipt: String = (0..180).map(|_| char::from(self.one_of(LETTERS))).collect();
            let sent = ARRIVAL_MS + self.0.random_range(0..1_000);
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

pub(crate) fn plain(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

pub(crate) fn gzip(payload: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(payload).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

pub(crate) fn zstd(payload: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(payload, 3).expect("zstd")
}
