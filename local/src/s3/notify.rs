//! Bucket notifications: which rules a change meets, and the message S3 would send to each rule's queue.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use weir_local_sqs::{Outgoing, Sqs, SqsError};

use super::object::{NULL_VERSION, Version};
use super::state::NotificationRule;

/// Keys in notifications are form-encoded, but for `/`.
const KEY_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ');

pub(crate) struct Notifier {
    sqs: Sqs,
    region: String,
    account: String,
}

impl Notifier {
    pub(crate) fn new(sqs: Sqs, region: String, account: String) -> Self {
        Self { sqs, region, account }
    }

    /// Tells every matching queue. The queue is in this process, so telling it before the writer has its answer costs
    /// nothing, and no acknowledged write is ever untold.
    pub(crate) fn tell(&self, rules: &[NotificationRule], event: &str, bucket: &str, version: &Version) {
        for rule in rules.iter().filter(|rule| matches(rule, event, &version.about.key)) {
            let body = self.message(rule, event, bucket, version).to_string();
            if let Err(error) = self.send(&rule.queue_arn, body) {
                tracing::error!(bucket, queue = rule.queue_arn, %error, "an S3 notification could not be sent");
            }
        }
    }

    /// Sends `s3:TestEvent`, which is also S3's check that the queue exists.
    pub(crate) fn test(&self, bucket: &str, rule: &NotificationRule) -> Result<(), SqsError> {
        let body = json!({
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": timestamp(super::object::now_ms()),
            "Bucket": bucket,
            "RequestId": request_id(),
            "HostId": "local",
        });
        self.send(&rule.queue_arn, body.to_string())
    }

    fn send(&self, queue_arn: &str, body: String) -> Result<(), SqsError> {
        let name = queue_arn.rsplit(':').next().unwrap_or_default();
        self.sqs.send(name, Outgoing::text(body)).map(drop)
    }

    fn message(&self, rule: &NotificationRule, event: &str, bucket: &str, version: &Version) -> Value {
        let about = &version.about;
        let mut object = json!({
            "key": encoded(&about.key),
            "sequencer": format!("{:018X}", about.sequence),
        });
        // A removal has neither size nor ETag.
        if event.starts_with("ObjectCreated") {
            object["size"] = about.size.into();
        }
        if !event.ends_with("Delete") {
            let empty_md5 = "d41d8cd98f00b204e9800998ecf8427e";
            object["eTag"] = if about.delete_marker { empty_md5.into() } else { about.etag.as_str().into() };
        }
        if about.version_id != NULL_VERSION {
            object["versionId"] = about.version_id.as_str().into();
        }
        json!({"Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self.region,
            "eventTime": timestamp(super::object::now_ms()),
            "eventName": event,
            "userIdentity": {"principalId": format!("AWS:{}", self.account)},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": request_id(), "x-amz-id-2": "local"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": rule.id,
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": {"principalId": self.account},
                    "arn": format!("arn:aws:s3:::{bucket}"),
                },
                "object": object,
            },
        }]})
    }
}

fn matches(rule: &NotificationRule, event: &str, key: &str) -> bool {
    let named = rule.events.iter().any(|pattern| {
        let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
        pattern == event || pattern.strip_suffix('*').is_some_and(|start| event.starts_with(start))
    });
    named && key.starts_with(&rule.prefix) && key.ends_with(&rule.suffix)
}

fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEY_ENCODED).to_string().replace(' ', "+")
}

fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_uppercase()
}

fn timestamp(epoch_ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(epoch_ms).unwrap_or_default()).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_encodes_them() {
        assert_eq!(encoded("in/a b+c/ü~.json"), "in/a+b%2Bc/%C3%BC%7E.json");
        assert_eq!(timestamp(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn rules_match_event_prefix_and_suffix() {
        let rule = NotificationRule {
            id: "r".into(),
            events: vec!["s3:ObjectCreated:*".into()],
            queue_arn: String::new(),
            prefix: "in/".into(),
            suffix: ".gz".into(),
        };
        assert!(matches(&rule, "ObjectCreated:Put", "in/a.gz"));
        assert!(!matches(&rule, "ObjectRemoved:Delete", "in/a.gz"));
        assert!(!matches(&rule, "ObjectCreated:Put", "out/a.gz"));
        assert!(!matches(&rule, "ObjectCreated:Put", "in/a.json"));
    }
}
