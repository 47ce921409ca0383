//! What the body of a queue's message holds: contract §1. Text only, so compressed payloads come in base64, and a body
//! may point elsewhere instead of holding events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a message's body turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody<'a> {
    /// A payload: events, or what should have been events.
    Payload(Cow<'a, [u8]>),
    /// `s3:TestEvent`: acknowledged, nothing counted.
    TestEvent,
    /// A form of the contract that this decoder does not read; set aside whole, in words.
    Unsupported(&'static str),
}

/// First element of an Extended Client pointer, of version 2 and of version 1 of the library.
const POINTERS: [&str; 2] =
    ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"];
/// How base64 of a gzip (1f 8b 08) and of a zstd (28 b5 2f fd) begins.
const COMPRESSED: [&str; 2] = ["H4sI", "KLUv/"];

impl<'a> MessageBody<'a> {
    /// Tells what `body` is. What is none of the special forms is a payload, bad or good.
    pub fn of(body: &'a str) -> Self {
        let trimmed = body.trim_ascii();
        if COMPRESSED.iter().any(|start| trimmed.starts_with(start))
            && let Ok(bytes) = STANDARD.decode(trimmed)
        {
            return Self::Payload(Cow::Owned(bytes));
        }
        if trimmed.starts_with('[') && is_pointer(trimmed) {
            return Self::Unsupported("an Amazon SQS Extended Client pointer, which this version does not follow");
        }
        if trimmed.starts_with('{')
            && let Ok(notice) = serde_json::from_str::<Notice<'_>>(trimmed)
        {
            return notice.body().unwrap_or(Self::Payload(Cow::Borrowed(body.as_bytes())));
        }
        Self::Payload(Cow::Borrowed(body.as_bytes()))
    }
}

fn is_pointer(text: &str) -> bool {
    let pointer: Result<(String, &RawValue), _> = serde_json::from_str(text);
    pointer.is_ok_and(|(class, _)| POINTERS.contains(&class.as_str()))
}

/// The fields by which S3's and SNS's notices are told from an event.
#[derive(Deserialize)]
struct Notice<'a> {
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
    #[serde(rename = "Service", borrow)]
    service: Option<&'a RawValue>,
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(rename = "Type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(rename = "TopicArn", borrow)]
    topic: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSource")]
    source: String,
}

impl Notice<'_> {
    fn body<'b>(&self) -> Option<MessageBody<'b>> {
        let is = |value: Option<&RawValue>, text: &str| value.is_some_and(|value| value.get() == text);
        if is(self.service, r#""Amazon S3""#) && is(self.event, r#""s3:TestEvent""#) {
            return Some(MessageBody::TestEvent);
        }
        let records: Option<Vec<Record>> = self.records.and_then(|records| serde_json::from_str(records.get()).ok());
        if records.is_some_and(|records| records.iter().any(|record| record.source == "aws:s3")) {
            return Some(MessageBody::Unsupported("an S3 event notification, which belongs on the landing queue"));
        }
        if is(self.kind, r#""Notification""#) && self.topic.is_some() {
            return Some(MessageBody::Unsupported("an SNS notification, which this version does not unwrap"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_apart() {
        let check = |body: &str, expect: &str| {
            let got = match MessageBody::of(body) {
                MessageBody::Payload(payload) => String::from_utf8_lossy(&payload).into_owned(),
                MessageBody::TestEvent => "test event".to_owned(),
                MessageBody::Unsupported(what) => what.to_owned(),
            };
            assert_eq!(got, expect, "{body}");
        };
        check("{}", "{}");
        check("H4sI is no base64", "H4sI is no base64");
        check("[\"a\",{}]", "[\"a\",{}]");
        check(r#"{"Records":[{"status":200}]}"#, r#"{"Records":[{"status":200}]}"#);
        check(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#, "test event");
        let zstd = zstd::encode_all(&b"{}"[..], 1).unwrap();
        assert_eq!(MessageBody::of(&STANDARD.encode(&zstd)), MessageBody::Payload(Cow::Owned(zstd)));
        for (body, what) in [
            (r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#, "pointer"),
            (r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#, "S3 event"),
            (r#"{"Type":"Notification","TopicArn":"arn:aws:sns:x","Message":"{}"}"#, "SNS"),
        ] {
            assert!(matches!(MessageBody::of(body), MessageBody::Unsupported(text) if text.contains(what)), "{body}");
        }
    }
}
