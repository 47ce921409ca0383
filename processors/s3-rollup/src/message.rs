//! From an SQS message to the objects that it announces.

use aws_lambda_events::event::sqs::SqsMessage;
use lambda_runtime::Error;
use weir_exact::objects::{Delivery, Noticed, ObjectAt};
use weir_exact::quarantine::{Coordinates, QuarantineObject, queue_name};
use weir_telemetry::{MessageBody, Millis, Notice, Reason, Rejected};

const PAYLOAD: &str = "no S3 event notification: telemetry goes to the telemetry queue, or into an object";
const POINTER: &str = "an Amazon SQS Extended Client pointer, which belongs on the telemetry queue";

/// Reads a message and its id.
///
/// # Errors
/// If the event is not one that Lambda sends for SQS: no id, source or time of sending.
pub(crate) fn read(message: SqsMessage) -> Result<(String, Delivery), Error> {
    let id = message.message_id.ok_or("a message without messageId")?;
    let queue_arn = message.event_source_arn.ok_or("a message without eventSourceARN")?;
    let sent_at = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
    let sent_at = Millis(sent_at.ok_or("a message without SentTimestamp")?);
    // It decides only what is read first.
    let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
    let body = message.body.unwrap_or_default();
    let noticed = noticed(&body).unwrap_or_else(|(reason, detail)| {
        let coordinates = Coordinates::new("sqs", [("queue", queue_name(&queue_arn)), ("message_id", &id)]);
        let rejected = Rejected { reason, detail, event_index: None, payload: body.into_bytes() };
        Noticed::SetAside(QuarantineObject { coordinates, arrived_at: sent_at, rejected })
    });
    Ok((id, Delivery { sent_at, receives, noticed }))
}

fn noticed(body: &str) -> Result<Noticed, (Reason, String)> {
    let unsupported = |what: &str| Err((Reason::UnsupportedForm, what.to_owned()));
    match MessageBody::of(body) {
        MessageBody::Notice(notice) => objects(&notice).map_err(|what| (Reason::BadNotice, what.to_owned())),
        MessageBody::TestEvent => Ok(Noticed::Objects(vec![])),
        MessageBody::Malformed { reason: Reason::BadNotice, detail } => Err((Reason::BadNotice, detail)),
        MessageBody::Malformed { .. } | MessageBody::Pointer { .. } => unsupported(POINTER),
        MessageBody::Unsupported(what) => unsupported(what),
        MessageBody::Payload(_) => unsupported(PAYLOAD),
    }
}

/// The objects of a notification: all, or the notification is quarantined.
fn objects(notice: &Notice) -> Result<Noticed, &'static str> {
    for event in &notice.ignored {
        tracing::info!(event, "an S3 event that creates nothing is not followed");
    }
    notice.objects.iter().map(ObjectAt::noticed).collect::<Result<_, _>>().map(Noticed::Objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        let message = serde_json::json!({
            "messageId": "m", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:weir-landing", "body": body,
            "attributes": {"SentTimestamp": "1000000000000", "ApproximateReceiveCount": "3"},
        });
        let (id, delivery) = read(serde_json::from_value(message).unwrap()).unwrap();
        assert_eq!((id.as_str(), delivery.sent_at, delivery.receives), ("m", Millis(1_000_000_000_000), 3));
        let got = match delivery.noticed {
            Noticed::Objects(objects) => {
                objects.iter().map(|object| object.identity().to_string()).collect::<Vec<_>>().join(" ")
            }
            Noticed::SetAside(object) => format!("{} {}", object.id(), object.rejected.reason),
        };
        assert_eq!(got, expect, "{body}");
    }

    fn notice(object: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"b"}},"object":{object}}}}}]}}"#
        )
    }

    #[test]
    fn an_object_is_known_by_its_version_or_its_etag() {
        check(&notice(r#"{"key":"in/a+b","versionId":"v1","eTag":"e"}"#), "s3:b/in/a b@v1");
        check(&notice(r#"{"key":"in/%C3%BC","versionId":"null","eTag":"e"}"#), "s3:b/in/ü@e");
        check(&notice(r#"{"key":"in/a","eTag":"e-2"}"#), "s3:b/in/a@e-2");
        check(&notice(r#"{"key":"in/a","versionId":"null"}"#), "weir-landing!m!record bad_notice");
        check(&notice(r#"{"eTag":"e"}"#), "weir-landing!m!record bad_notice");
        check(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#, "");
    }

    #[test]
    fn what_is_no_notice_is_set_aside() {
        let set_aside = "weir-landing!m!record unsupported_form";
        check(r#"{"status":200}"#, set_aside);
        check("", set_aside);
        let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;
        check(pointer, set_aside);
        check(&pointer.replace("s3Key", "key"), set_aside);
    }
}
